internal import Tensors

/// What was found for one image.
struct SAGFindings {
    let scores: PatchScores
    let grid: PatchGrid
    let ordering: PatchOrdering
    /// Every minimal sufficient set, in the order found.
    let sets: [PatchSet]
    /// Those at the top of the graph.
    let roots: [PatchSet]
    let graph: PatchGraph
    let counts: SubExplanations?
    /// What ended before it was complete.
    let cuts: [String]

    var warnings: [String] {
        var found = cuts
        if sets.isEmpty {
            found.append("no set of patches was found to suffice; a larger beam_width, num_successors or max_root_size may find one")
        }
        if sets.contains(.empty) {
            found.append(
                "the baseline alone keeps more of the score than prob_threshold: no patch is needed; another baseline may say more")
        }
        if graph.isCut { found.append("the graph has not all its nodes (max_nodes, max_evaluations or the deadline)") }
        if counts?.isCut == true {
            found.append("sub-explanations were not counted to the end (max_subsets, max_evaluations or the deadline)")
        }
        return found
    }

    /// The share of minimal sets that need each patch.
    var frequency: [Double] { averaged { _, _ in 1 } }

    /// What taking each patch out of a minimal set costs, as a share of the whole image's score, averaged over all minimal sets; 0
    /// for sets without the patch.
    var need: [Double] { averaged { scores.relative($0) - scores.relative($0.removing($1)) } }

    private func averaged(_ value: (PatchSet, Int) -> Double) -> [Double] {
        var sums = [Double](repeating: 0, count: grid.count)
        for set in sets { for patch in set.patches { sums[patch] += value(set, patch) } }
        return sums.map { $0 / Double(max(1, sets.count)) }
    }

    /// One of the sets suffices: (P3 AND P7) OR (P12).
    var logic: String {
        if roots.isEmpty { return "FALSE" }
        return roots.map { $0.isEmpty ? "TRUE" : "(" + $0.patches.map { "P\($0)" }.joined(separator: " AND ") + ")" }
            .joined(separator: " OR ")
    }

    /// `target`: the class explained, where there is one.
    func json(target: Int?) -> JSON {
        .object([
            "target": target.map { .integer($0) } ?? .null,
            "score": .number(scores.full),
            "evaluations": .integer(scores.evaluations),
            "minimal_sets": .array(sets.map { set in .object(described(set)) }),
            "logic": .string(logic),
            "formula": .array(roots.map(SAGFindings.list)),
            "roots": .array(graph.nodes.indices.filter { graph.nodes[$0].isRoot }.map { .integer($0) }),
            "nodes": .array(graph.nodes.indices.map(node)),
            "edges": .array(graph.edges.map(edge)),
            "graph_cut": .bool(graph.isCut),
            "sub_explanations": counts.map(counted) ?? .null,
        ])
    }

    private static func list(_ set: PatchSet) -> JSON { .array(set.patches.map { .integer($0) }) }

    private func described(_ set: PatchSet) -> [String: JSON] {
        [
            "patches": SAGFindings.list(set), "probability": .number(scores.probability(set)), "relative": .number(scores.relative(set)),
        ]
    }

    private func node(_ index: Int) -> JSON {
        let node = graph.nodes[index]
        return .object(
            described(node.set).merging([
                "id": .integer(index), "root": .bool(node.isRoot), "depth": .integer(node.depth),
                "parents": .array(node.parents.map { .integer($0) }), "children": .array(node.children.map { .integer($0) }),
            ]) { $1 })
    }

    private func edge(_ edge: PatchGraph.Edge) -> JSON {
        .object([
            "from": .integer(edge.from), "to": .integer(edge.to), "removed": .integer(edge.removed),
            "drop": .number(scores.relative(graph.nodes[edge.from].set) - scores.relative(graph.nodes[edge.to].set)),
        ])
    }

    private func counted(_ counts: SubExplanations) -> JSON {
        .object([
            "levels": .array(counts.levels.map { .number($0) }), "counts": .array(counts.counts.map { .integer($0) }),
            "cut": .bool(counts.isCut),
        ])
    }
}

extension Pass {
    /// Removes nodes whose results inference has already computed. What depends on a pinned constant stays: it may be
    /// fed or differentiated.
    static let constantFolding = Pass("constant-folding") { graph, context in
        let constants = context.pinned.filter { graph[$0].constant != nil }
        let depends = constants.isEmpty ? [] : graph.dependents(of: constants)
        let kept = graph.nodes.filter { node in
            !node.outputs.allSatisfy { output in
                guard let output else { return true }
                return graph[output].constant != nil && !(depends.isEmpty ? false : depends[output.index])
            }
        }
        guard kept.count < graph.nodes.count else { return false }
        graph.nodes = kept
        return true
    }
}

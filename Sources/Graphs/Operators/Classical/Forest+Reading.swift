internal import Tensors

extension Forest {
    private struct Key: Hashable { let tree: Int, node: Int }

    /// From the parallel lists of TreeEnsembleClassifier and TreeEnsembleRegressor (versions 1 to 4), which give every
    /// node, leaves too, a number in its tree. Leaf weights are in the lists `<prefix>_ids`, `<prefix>_weights`, ….
    init(lists c: Call, prefix: String, outputs: Int) throws {
        let nodes = try NodeLists(c)
        var index: [Key: Int] = [:]
        index.reserveCapacity(nodes.count)
        var roots: [Int] = [], seen: Set<Int> = []
        for i in 0..<nodes.count {
            guard index.updateValue(i, forKey: Key(tree: nodes.trees[i], node: nodes.ids[i])) == nil else {
                throw Failure.invalid("node \(nodes.ids[i]) of tree \(nodes.trees[i]) is there twice")
            }
            if seen.insert(nodes.trees[i]).inserted { roots.append(i) }
        }
        // Branches and leaves are numbered apart.
        var ways: [Int32] = [], branchCount: Int32 = 0, leafCount: Int32 = 0
        for i in 0..<nodes.count {
            if nodes.modes[i] == nil { ways.append(~leafCount); leafCount += 1 } else { ways.append(branchCount); branchCount += 1 }
        }
        var branches: [Branch] = []
        for i in 0..<nodes.count {
            guard let mode = nodes.modes[i] else { continue }
            guard let yes = index[Key(tree: nodes.trees[i], node: nodes.whenTrue[i])],
                let no = index[Key(tree: nodes.trees[i], node: nodes.whenFalse[i])]
            else { throw Failure.invalid("node \(nodes.ids[i]) of tree \(nodes.trees[i]) leads to a node that does not exist") }
            guard let feature = Int32(exactly: nodes.features[i]) else {
                throw Failure.invalid("a branch reads feature \(nodes.features[i])")
            }
            branches.append(
                Branch(
                    threshold: nodes.values[i], whenTrue: ways[yes], whenFalse: ways[no], feature: feature, mode: mode,
                    missingIsTrue: nodes.missing[i]))
        }
        var leaves = [[Contribution]](repeating: [], count: Int(leafCount))
        for (key, contribution) in try Forest.weights(c, prefix) {
            guard let i = index[key] else {
                throw Failure.invalid("\(prefix)_nodeids names node \(key.node) of tree \(key.tree), which does not exist")
            }
            // Weights at branches are never reached.
            if ways[i] < 0 { leaves[Int(~ways[i])].append(contribution) }
        }
        try self.init(branches: branches, roots: roots.map { ways[$0] }, leaves: leaves, sets: [], outputs: outputs)
    }

    private static func weights(_ c: Call, _ prefix: String) throws -> [(Key, Contribution)] {
        let ids = c.ints("\(prefix)_ids") ?? [], trees = c.ints("\(prefix)_treeids") ?? [], nodes = c.ints("\(prefix)_nodeids") ?? []
        let weights = try c.numbers("\(prefix)_weights")
        guard weights.count == ids.count, trees.count == ids.count, nodes.count == ids.count else {
            throw Failure.invalid("lists \(prefix)_ids, \(prefix)_weights, \(prefix)_treeids and \(prefix)_nodeids differ in length")
        }
        return ids.indices.map { (Key(tree: trees[$0], node: nodes[$0]), Contribution(output: ids[$0], weight: weights[$0])) }
    }

    /// From TreeEnsemble (version 5), which keeps branches and leaves apart.
    init(tensors c: Call) throws {
        let splits = try c.tensor("nodes_splits"), modes = try c.tensor("nodes_modes").map { Int($0) }, count = modes.count
        let features = c.ints("nodes_featureids") ?? [], missing = c.ints("nodes_missing_value_tracks_true") ?? []
        let yes = c.ints("nodes_truenodeids") ?? [], no = c.ints("nodes_falsenodeids") ?? []
        let yesLeaf = c.ints("nodes_trueleafs") ?? [], noLeaf = c.ints("nodes_falseleafs") ?? []
        guard [splits.count, features.count, yes.count, no.count, yesLeaf.count, noLeaf.count].allSatisfy({ $0 == count }),
            missing.isEmpty || missing.count == count, count < Int32.max
        else { throw Failure.invalid("the lists of nodes differ in length") }
        let way = { (to: Int, isLeaf: Int) in
            guard let to = Int32(exactly: to), to >= 0 else { throw Failure.invalid("a branch leads to node \(to)") }
            return isLeaf != 0 ? ~to : to
        }
        var sets = try Forest.sets(c), used = 0
        let branches = try (0..<count).map { i in
            guard let mode = UInt8(exactly: modes[i]).flatMap(Mode.init) else { throw Failure.unsupported("node mode \(modes[i])") }
            guard let feature = Int32(exactly: features[i]) else { throw Failure.invalid("a branch reads feature \(features[i])") }
            if mode == .member { used += 1 }
            return Branch(
                threshold: mode == .member ? Double(used - 1) : splits[i], whenTrue: try way(yes[i], yesLeaf[i]),
                whenFalse: try way(no[i], noLeaf[i]), feature: feature, mode: mode, missingIsTrue: !missing.isEmpty && missing[i] != 0)
        }
        if used == 0 { sets = [] }
        let weights = try c.tensor("leaf_weights"), targets = c.ints("leaf_targetids") ?? []
        guard weights.count == targets.count else {
            throw Failure.invalid("there are \(weights.count) leaf_weights and \(targets.count) leaf_targetids")
        }
        let roots = try (c.ints("tree_roots") ?? []).map { root in
            guard branches.indices.contains(root) else { throw Failure.invalid("tree root \(root) of \(count) nodes") }
            // A tree of one leaf is a node whose ways both lead to it.
            let isLeaf = branches[root].whenTrue < 0 && branches[root].whenTrue == branches[root].whenFalse
            return isLeaf ? branches[root].whenTrue : Int32(root)
        }
        try self.init(
            branches: branches, roots: roots, leaves: zip(targets, weights).map { [Contribution(output: $0, weight: $1)] }, sets: sets,
            outputs: c.int("n_targets", default: 1))
    }

    /// The sets of the member branches in their order, each ended by a NaN.
    private static func sets(_ c: Call) throws -> [[Double]] {
        guard let values = try c.node.attributes["membership_values"]?.tensor?.doubles() else { return [] }
        var sets: [[Double]] = [], set: [Double] = []
        for value in values {
            if value.isNaN { sets.append(set); set = [] } else { set.append(value) }
        }
        return set.isEmpty ? sets : sets + [set]
    }
}

extension Call {
    /// Numbers of a required attribute that is a tensor.
    fileprivate func tensor(_ name: String) throws -> [Double] {
        guard let tensor = node.attributes[name]?.tensor else { throw Failure.invalid("attribute \(name) is missing") }
        return try tensor.doubles()
    }
}

/// The lists that describe nodes, all of one length.
private struct NodeLists {
    let trees: [Int], ids: [Int], features: [Int], whenTrue: [Int], whenFalse: [Int], values: [Double]
    let missing: [Bool]
    /// nil: a leaf.
    let modes: [Forest.Mode?]

    var count: Int { trees.count }

    init(_ c: Call) throws {
        func list(_ name: String) -> [Int] { c.ints("nodes_\(name)") ?? [] }
        (trees, ids, features) = (list("treeids"), list("nodeids"), list("featureids"))
        (whenTrue, whenFalse) = (list("truenodeids"), list("falsenodeids"))
        values = try c.numbers("nodes_values")
        let names = c.strings("nodes_modes") ?? [], tracks = list("missing_value_tracks_true")
        modes = try names.map(NodeLists.mode)
        let count = trees.count
        missing = tracks.isEmpty ? [Bool](repeating: false, count: count) : tracks.map { $0 != 0 }
        guard
            [ids.count, features.count, names.count, values.count, whenTrue.count, whenFalse.count, missing.count].allSatisfy({
                $0 == count
            }),
            count < Int32.max
        else { throw Failure.invalid("the lists of nodes differ in length") }
    }

    private static func mode(_ name: String) throws -> Forest.Mode? {
        switch name {
        case "BRANCH_LEQ": .lessEqual
        case "BRANCH_LT": .less
        case "BRANCH_GTE": .greaterEqual
        case "BRANCH_GT": .greater
        case "BRANCH_EQ": .equal
        case "BRANCH_NEQ": .notEqual
        case "LEAF": nil
        default: throw Failure.unsupported("node mode \(name)")
        }
    }
}

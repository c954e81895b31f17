internal import Glibc
internal import Tensors

/// Decision trees from the parallel lists of a TreeEnsemble node.
struct Forest {
    private struct Branch {
        var mode: Mode
        var feature: Int
        var threshold: Double
        var whenTrue: Int, whenFalse: Int
        var missingIsTrue: Bool
        /// Leaf: output and weight of each contribution.
        var leaf: [(output: Int, weight: Double)] = []
    }
    private enum Mode: String {
        case lessEqual = "BRANCH_LEQ", less = "BRANCH_LT", greaterEqual = "BRANCH_GTE", greater = "BRANCH_GT"
        case equal = "BRANCH_EQ", notEqual = "BRANCH_NEQ", leaf = "LEAF"
    }
    private struct Key: Hashable { let tree: Int, node: Int }

    private var branches: [Branch] = []
    private var roots: [Int] = []
    private let outputs: Int
    private let base: [Double]
    /// Output of the first contribution.
    let firstOutput: Int
    /// True when all leaves contribute to the same output.
    let usesOneOutput: Bool
    /// True when no leaf has a negative weight.
    let isPositive: Bool

    /// Leaf weights are in the attributes `<prefix>_ids`, `<prefix>_weights`, ….
    init(_ call: Call, prefix: String, outputs: Int) throws {
        self.outputs = outputs
        base = try Forest.numbers(call, "base_values") ?? []
        let ids = call.ints("\(prefix)_ids") ?? []
        firstOutput = ids.first.map { min(max($0, 0), outputs - 1) } ?? 0
        usesOneOutput = Set(ids).count <= 1
        let weights = try Forest.numbers(call, "\(prefix)_weights") ?? []
        isPositive = weights.allSatisfy { $0 >= 0 }
        let index = try readBranches(call)
        let trees = call.ints("\(prefix)_treeids") ?? [], nodes = call.ints("\(prefix)_nodeids") ?? []
        guard ids.count == weights.count, trees.count == ids.count, nodes.count == ids.count else {
            throw Failure.invalid("lists \(prefix)_ids, \(prefix)_weights, \(prefix)_treeids and \(prefix)_nodeids differ in length")
        }
        for i in ids.indices {
            guard let at = index[Key(tree: trees[i], node: nodes[i])], (0..<outputs).contains(ids[i]) else {
                throw Failure.invalid("weight \(i) is for node \(nodes[i]) of tree \(trees[i]) and output \(ids[i]), which does not exist")
            }
            branches[at].leaf.append((ids[i], weights[i]))
        }
    }

    private static func numbers(_ call: Call, _ name: String) throws -> [Double]? {
        try call.node.attributes["\(name)_as_tensor"]?.tensor?.doubles() ?? call.node.attributes[name]?.floats
    }

    private mutating func readBranches(_ call: Call) throws -> [Key: Int] {
        func list(_ name: String) -> [Int] { call.ints("nodes_\(name)") ?? [] }
        let trees = list("treeids"), nodes = list("nodeids"), features = list("featureids"),
            modes = call.node.attributes["nodes_modes"]?.strings ?? []
        let values = try Forest.numbers(call, "nodes_values") ?? []
        let yes = list("truenodeids"), no = list("falsenodeids"), missing = list("missing_value_tracks_true")
        let count = trees.count
        guard [nodes.count, features.count, modes.count, values.count, yes.count, no.count].allSatisfy({ $0 == count }),
            missing.isEmpty || missing.count == count
        else {
            throw Failure.invalid("the lists of nodes differ in length")
        }
        let index = Dictionary((0..<count).map { (Key(tree: trees[$0], node: nodes[$0]), $0) }, uniquingKeysWith: { first, _ in first })
        var seen: Set<Int> = []
        for i in 0..<count {
            guard let mode = Mode(rawValue: modes[i]) else { throw Failure.unsupported("node mode \(modes[i])") }
            if seen.insert(trees[i]).inserted { roots.append(i) }
            var branch = Branch(
                mode: mode, feature: features[i], threshold: values[i], whenTrue: i, whenFalse: i,
                missingIsTrue: !missing.isEmpty && missing[i] != 0)
            if mode != .leaf {
                guard let a = index[Key(tree: trees[i], node: yes[i])], let b = index[Key(tree: trees[i], node: no[i])] else {
                    throw Failure.invalid("node \(nodes[i]) of tree \(trees[i]) leads to a node that does not exist")
                }
                (branch.whenTrue, branch.whenFalse) = (a, b)
            }
            branches.append(branch)
        }
        return index
    }

    private func leaf(of root: Int, _ row: ArraySlice<Double>) throws -> Branch {
        var at = root
        for _ in 0...branches.count {
            let branch = branches[at]
            if branch.mode == .leaf { return branch }
            guard branch.feature >= 0, branch.feature < row.count else {
                throw Failure.shape("a tree reads feature \(branch.feature), input has \(row.count)")
            }
            let x = row[row.startIndex + branch.feature]
            let isTrue = x.isNaN && branch.missingIsTrue || Forest.holds(branch.mode, x, branch.threshold)
            at = isTrue ? branch.whenTrue : branch.whenFalse
        }
        throw Failure.invalid("a tree has a loop")
    }

    private static func holds(_ mode: Mode, _ x: Double, _ threshold: Double) -> Bool {
        switch mode {
        case .lessEqual: x <= threshold
        case .less: x < threshold
        case .greaterEqual: x >= threshold
        case .greater: x > threshold
        case .equal: x == threshold
        case .notEqual: x != threshold
        case .leaf: false
        }
    }

    /// Scores of one row of features, base values included.
    func scores(_ row: ArraySlice<Double>, aggregate: String) throws -> [Double] {
        var sums = [Double](repeating: 0, count: outputs)
        var isSet = [Bool](repeating: false, count: outputs)
        for root in roots {
            for (output, weight) in try leaf(of: root, row).leaf {
                switch aggregate {
                case "SUM", "AVERAGE": sums[output] += weight
                case "MIN": sums[output] = isSet[output] ? min(sums[output], weight) : weight
                case "MAX": sums[output] = isSet[output] ? max(sums[output], weight) : weight
                default: throw Failure.unsupported("aggregate_function \(aggregate)")
                }
                isSet[output] = true
            }
        }
        if aggregate == "AVERAGE", !roots.isEmpty { for i in sums.indices { sums[i] /= Double(roots.count) } }
        if base.count == outputs { for i in sums.indices { sums[i] += base[i] } } else if base.count == 1 { sums[firstOutput] += base[0] }
        return sums
    }
}

/// Class labels of a classifier node.
struct Labels {
    private let integers: [Int], texts: [String]

    init(_ c: some NodeReader) throws {
        integers = c.ints("classlabels_int64s") ?? c.ints("classlabels_ints") ?? []
        texts = c.node.attributes["classlabels_strings"]?.strings ?? []
        guard !integers.isEmpty || !texts.isEmpty else { throw Failure.invalid("class labels are missing") }
    }

    /// Labels of the classes. With one label only, class 0 is "none".
    func tensor(_ classes: [Int]) throws -> Tensor {
        if integers.isEmpty {
            return try Tensor(
                strings: classes.map { texts.count == 1 ? ($0 == 1 ? texts[0] : "") : texts[min($0, texts.count - 1)] }, [classes.count])
        }
        return try Tensor(classes.map { Int64(integers.count == 1 ? ($0 == 1 ? integers[0] : 0) : integers[min($0, integers.count - 1)]) })
    }
}

/// What ONNX calls `post_transform`: from scores to what a classifier reports.
struct PostTransform {
    let kind: String

    init(_ c: some NodeReader) throws {
        kind = c.string("post_transform", default: "NONE")
        guard ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"].contains(kind) else {
            throw Failure.unsupported("post_transform \(kind)")
        }
    }

    static func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

    /// √2 erf⁻¹(2 x - 1), with Winitzki's approximation of the inverse as ONNX's runtimes have it.
    static func probit(_ x: Double) -> Double {
        let y = 2 * x - 1
        let rest = (1 - y) * (1 + y)
        guard rest != 0 else { return 0 }
        let log = log(rest), v = 2 / (Double.pi * 0.147) + 0.5 * log
        let root = (-v + (v * v - log / 0.147).squareRoot()).squareRoot()
        return 1.41421356 * (y < 0 ? -root : root)
    }

    /// Rows of scores.
    func apply(_ scores: [Double], columns: Int) -> [Double] {
        switch kind {
        case "LOGISTIC": return scores.map(PostTransform.logistic)
        case "PROBIT": return scores.map(PostTransform.probit)
        case "SOFTMAX", "SOFTMAX_ZERO":
            return stride(from: 0, to: scores.count, by: max(1, columns)).flatMap { softmax(scores[$0..<min($0 + columns, scores.count)]) }
        default: return scores
        }
    }

    /// SOFTMAX_ZERO leaves scores of zero (almost) at zero.
    private func softmax(_ row: ArraySlice<Double>) -> [Double] {
        let top = row.max() ?? 0
        let powers = row.map { kind == "SOFTMAX_ZERO" && $0.magnitude <= 1e-7 ? $0 * exp(-top) : exp($0 - top) }
        let sum = powers.reduce(0, +)
        return powers.map { sum == 0 ? 0.5 : $0 / sum }
    }
}

internal import Tensors

/// TreeEnsembleRegressor and TreeEnsembleClassifier (versions 1 to 4), TreeEnsemble (version 5).
extension Classical {
    static let trees = [
        Operator(
            domain + "TreeEnsembleRegressor", arity: 1...1,
            infer: { c in
                let forest = try c.prepared(TreeRegressor.init(lists:)).forest
                return [TensorType(.float32, [try rows(c, for: forest), Dim(forest.outputs)])]
            },
            compute: { c in [try c.prepared(TreeRegressor.init(lists:)).run(c).converted(to: .float32)] },
            noGradient: isPiecewise, samples: [Sample([.real(3, 2)], stump("target"))]),
        Operator(
            domain + "TreeEnsemble", arity: 1...1,
            infer: { c in
                let forest = try c.prepared(TreeRegressor.init(tensors:)).forest
                return [TensorType(real(try c.type(0).element), [try rows(c, for: forest), Dim(forest.outputs)])]
            },
            compute: { c in [try c.prepared(TreeRegressor.init(tensors:)).run(c).converted(to: real(c.tensor(0).type))] },
            noGradient: isPiecewise, samples: [Sample([.real(3, 2)], memberStump)]),
        Operator(
            domain + "TreeEnsembleClassifier", arity: 1...1,
            infer: { c in
                let model = try c.prepared(TreeClassifier.init), labels = model.labels, rows = try rows(c, for: model.forest)
                return [TensorType(labels.element, [rows]), TensorType(.float32, [rows, Dim(labels.count)])]
            },
            compute: { c in try c.prepared(TreeClassifier.init).run(c) },
            noGradient: isPiecewise,
            samples: [
                Sample([.real(3, 2)], stump("class").merging(["classlabels_int64s": .ints([4, 9])]) { $1 }, outputs: 2),
                Sample([.real(3, 2)], stump("class").merging(["classlabels_strings": .strings(["a", "b", "c"])]) { $1 }, outputs: 2),
            ]),
    ]

    /// Trees are read and checked when the graph is made, not in every run.
    static let treePreparations = [
        preparing(domain + "TreeEnsembleRegressor") { try TreeRegressor(lists: $0) },
        preparing(domain + "TreeEnsemble") { try TreeRegressor(tensors: $0) },
        preparing(domain + "TreeEnsembleClassifier") { try TreeClassifier($0) },
    ]

    private static let isPiecewise = "trees are piecewise constant"

    /// How many rows there will be; throws when they lack features that the trees read.
    private static func rows(_ c: Inference, for forest: Forest) throws -> Dim {
        if let width = try c.dims(0).last?.value { try forest.check(width: width) }
        return try FeatureRows.count(c)
    }

    // MARK: Samples

    private static func stump(_ prefix: String) -> [String: Attribute] {
        [
            "nodes_treeids": .ints([0, 0, 0]), "nodes_nodeids": .ints([0, 1, 2]), "nodes_featureids": .ints([1, 0, 0]),
            "nodes_values": .floats([0.1, 0, 0]), "nodes_modes": .strings(["BRANCH_LEQ", "LEAF", "LEAF"]),
            "nodes_truenodeids": .ints([1, 0, 0]), "nodes_falsenodeids": .ints([2, 0, 0]),
            "\(prefix)_treeids": .ints([0, 0, 0]), "\(prefix)_nodeids": .ints([1, 2, 2]), "\(prefix)_ids": .ints([0, 0, 1]),
            "\(prefix)_weights": .floats([0.5, -1, 2]), "n_targets": .int(2),
        ]
    }

    /// Two branches, one of which tests membership, and three leaves.
    private static var memberStump: [String: Attribute] {
        func tensor(_ numbers: [Float]) -> Attribute { (try? Tensor(numbers)).map { .tensor($0) } ?? .floats([]) }
        return [
            "nodes_splits": tensor([0.1, 0]), "nodes_modes": (try? Tensor([0, 6] as [UInt8])).map { .tensor($0) } ?? .ints([]),
            "nodes_featureids": .ints([1, 0]), "nodes_truenodeids": .ints([1, 0]), "nodes_trueleafs": .ints([0, 1]),
            "nodes_falsenodeids": .ints([2, 1]), "nodes_falseleafs": .ints([1, 1]), "tree_roots": .ints([0]),
            "membership_values": tensor([0.5, 2, .nan]), "leaf_targetids": .ints([0, 1, 0]), "leaf_weights": tensor([0.5, -1, 2]),
            "n_targets": .int(2), "post_transform": .int(0), "aggregate_function": .int(1),
        ]
    }
}

/// Trees whose scores are what is predicted.
struct TreeRegressor: Sendable {
    let forest: Forest
    private let aggregate: Forest.Aggregate
    private let base: [Double]
    private let post: PostTransform

    init(lists c: Call) throws {
        let name = c.string("aggregate_function", default: "SUM")
        guard let aggregate = Forest.Aggregate(rawValue: name) else { throw Failure.unsupported("aggregate_function \(name)") }
        self.aggregate = aggregate
        forest = try Forest(lists: c, prefix: "target", outputs: c.int("n_targets", default: 1))
        base = try c.numbers("base_values")
        guard base.isEmpty || base.count == forest.outputs else {
            throw Failure.invalid("there are \(base.count) base_values for \(forest.outputs) targets")
        }
        post = try PostTransform(c)
    }

    init(tensors c: Call) throws {
        let number = c.int("aggregate_function", default: 1), all: [Forest.Aggregate] = [.average, .sum, .min, .max]
        guard all.indices.contains(number) else { throw Failure.unsupported("aggregate_function \(number)") }
        aggregate = all[number]
        forest = try Forest(tensors: c)
        base = []
        post = try PostTransform(c)
    }

    func run(_ call: Call) throws -> Tensor {
        let rows = try FeatureRows(call), columns = forest.outputs
        var scores = try forest.scores(rows, aggregate).scores
        if !base.isEmpty { for i in scores.indices { scores[i] += base[i % columns] } }
        return try Tensor(post.apply(scores, columns: columns), [rows.count, columns])
    }
}

/// Trees whose leaves vote for classes.
struct TreeClassifier: Sendable {
    let labels: Labels
    let forest: Forest
    private let base: [Double]
    private let post: PostTransform
    /// The class that all leaf weights are for, of two classes.
    private let onlyClass: Int?
    private let isPositive: Bool

    init(_ c: Call) throws {
        labels = try Labels(c)
        forest = try Forest(lists: c, prefix: "class", outputs: labels.count)
        post = try PostTransform(c)
        base = try c.numbers("base_values")
        guard base.count <= 1 && labels.count <= 2 || base.isEmpty || base.count == labels.count else {
            throw Failure.invalid("there are \(base.count) base_values for \(labels.count) classes")
        }
        let classes = Set(forest.contributions.map(\.output))
        onlyClass = labels.count == 2 && classes.count == 1 ? classes.first : nil
        isPositive = forest.contributions.allSatisfy { $0.weight >= 0 }
    }

    func run(_ call: Call) throws -> [Tensor] {
        let rows = try FeatureRows(call), columns = labels.count
        var (scores, isSet) = try forest.scores(rows, .sum)
        addBase(&scores, &isSet)
        var best: [Int] = []
        best.reserveCapacity(rows.count)
        for row in 0..<rows.count {
            let own = scores[row * columns..<(row + 1) * columns]
            best.append(columns == 1 || onlyClass != nil ? second(own) : Classical.largest(reached(own, isSet)))
        }
        let reported = onlyClass == 0 ? bothOf(scores) : post.apply(scores, columns: columns)
        return [try labels.tensor(best), try Tensor(reported, [rows.count, columns]).converted(to: .float32)]
    }

    /// One base value belongs to the class that has weights.
    private func addBase(_ scores: inout [Double], _ isSet: inout [Bool]) {
        guard !base.isEmpty else { return }
        let columns = labels.count
        for i in scores.indices where base.count == columns || i % columns == onlyClass ?? 0 {
            scores[i] += base.count == columns ? base[i % columns] : base[0]
            isSet[i] = true
        }
    }

    /// 1 when the only score of a row is above the threshold: half, or zero where weights have both signs.
    private func second(_ row: ArraySlice<Double>) -> Int {
        let score = row[row.startIndex + (onlyClass ?? 0)]
        return score > (onlyClass != nil && isPositive ? 0.5 : 0) ? 1 : 0
    }

    /// Classes that no leaf voted for are not chosen, unless there are none else.
    private func reached(_ row: ArraySlice<Double>, _ isSet: [Bool]) -> ArraySlice<Double> {
        guard isSet[row.indices].contains(true) else { return row }
        return ArraySlice(row.indices.map { isSet[$0] ? row[$0] : -.infinity })
    }

    /// With weights for the first class alone its score is read as that of the second, as in onnxruntime.
    private func bothOf(_ scores: [Double]) -> [Double] {
        stride(from: 0, to: scores.count, by: 2).flatMap { place -> [Double] in
            let score = scores[place]
            switch post {
            case .logistic: return [PostTransform.logistic(-score), PostTransform.logistic(score)]
            case .probit: return [1 - PostTransform.probit(score), PostTransform.probit(score)]
            default: return isPositive ? [1 - score, score] : [-score, score]
            }
        }
    }
}

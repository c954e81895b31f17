internal import Glibc
internal import Tensors

/// Classical models (domain `ai.onnx.ml`, versions 1 to 3). Linear models are lowered to matrix products, so that they
/// have gradients; trees are piecewise constant and have none.
///
///     PostTransform   scores through `post_transform` NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO or PROBIT
///     ClassLabels     the label of the largest score of each row
enum Classical {
    static let domain = "ai.onnx.ml:"

    static let operators = [
        Operator(
            domain + "TreeEnsembleRegressor", arity: 1...1, infer: inferRegressor, compute: computeRegressor,
            noGradient: "trees are piecewise constant", samples: [Sample([.real(3, 2)], stump(target: "target"))]),
        Operator(
            domain + "TreeEnsembleClassifier", arity: 1...1, infer: inferClassifier, compute: computeClassifier,
            noGradient: "trees are piecewise constant",
            samples: [Sample([.real(3, 2)], stump(target: "class").merging(["classlabels_int64s": .ints([4, 9])]) { $1 }, outputs: 2)]),
        Operator(
            domain + "ClassLabels", arity: 1...1, infer: inferLabels, compute: computeLabels,
            noGradient: "labels are discrete", samples: [Sample([.real(3, 2)], ["classlabels_int64s": .ints([7, 8])])]),
        Operator(
            domain + "PostTransform", arity: 1...1, infer: { [try $0.type(0)] }, compute: computePost,
            noGradient: "of SOFTMAX_ZERO and PROBIT there is no gradient yet",
            samples: [
                Sample([.real(3, 2)], ["post_transform": .string("SOFTMAX_ZERO")]),
                Sample([.uniform([3, 2], 0.1...0.9)], ["post_transform": .string("PROBIT")]),
            ]),
        Operator(
            domain + "Normalizer", arity: 1...1, infer: { [TensorType(real(try $0.type(0).element), try $0.type(0).dims)] },
            compute: normalize, noGradient: "it is not differentiated yet",
            samples: [Sample([.real(2, 3)], ["norm": .string("L2")]), Sample([.real(3)])]),
        Operator(
            domain + "Binarizer", arity: 1...1, infer: { [try $0.type(0)] },
            compute: { call in
                let x = try call.tensor(0), threshold = call.float("threshold", default: 0)
                return [try x.map(Double.self) { $0 > threshold ? 1.0 : 0.0 }.converted(to: x.type)]
            }, noGradient: "it is piecewise constant", samples: [Sample([.real(2, 3)], ["threshold": .float(0.1)])]),
        Operator(
            domain + "ArrayFeatureExtractor", arity: 2...2, infer: inferExtract, compute: extract,
            noGradient: "of numbers it is lowered to Gather",
            samples: [
                Sample([.real(2, 4), .integers([2], [3, 1])]), Sample([.real(2, 2, 3), .integers([1], [2])]),
            ]),
    ]

    static let lowerings = [
        Lowering(domain + "ArrayFeatureExtractor", since: 1) { b, n in try lowerExtract(&b, n) },
        Lowering(domain + "Scaler", since: 1) { b, n in try lowerScaler(&b, n) },
        Lowering(domain + "LinearRegressor", since: 1) { b, n in try lowerRegressor(&b, n) },
        Lowering(domain + "LinearClassifier", since: 1) { b, n in try lowerClassifier(&b, n) },
    ]

    /// The type of scores for inputs of a type.
    static func real(_ element: ElementType) -> ElementType { element == .float64 ? .float64 : .float32 }

    private static func stump(target: String) -> [String: Attribute] {
        [
            "nodes_treeids": .ints([0, 0, 0]), "nodes_nodeids": .ints([0, 1, 2]), "nodes_featureids": .ints([1, 0, 0]),
            "nodes_values": .floats([0.1, 0, 0]), "nodes_modes": .strings(["BRANCH_LEQ", "LEAF", "LEAF"]),
            "nodes_truenodeids": .ints([1, 0, 0]), "nodes_falsenodeids": .ints([2, 0, 0]),
            "\(target)_treeids": .ints([0, 0, 0]), "\(target)_nodeids": .ints([1, 2, 2]), "\(target)_ids": .ints([0, 0, 1]),
            "\(target)_weights": .floats([0.5, -1, 2]), "n_targets": .int(2),
        ]
    }

    // MARK: Trees

    /// Batch size of rows of features.
    private static func rows(_ c: Inference) throws -> Dim {
        let dims = try c.dims(0)
        guard (1...2).contains(dims.count) else { throw Failure.shape("input has \(dims.count) axes, expected 2") }
        return dims.count == 2 ? dims[0] : Dim(1)
    }

    /// Features as rows, in double, and how many rows there are.
    private static func features(_ call: Call) throws -> (numbers: [Double], rows: Int, width: Int) {
        let x = try call.tensor(0)
        guard (1...2).contains(x.shape.count) else { throw Failure.shape("input has \(x.shape.count) axes, expected 2") }
        return (try x.doubles(), x.shape.count == 2 ? x.shape[0] : 1, x.shape[x.shape.count - 1])
    }

    private static func inferRegressor(_ c: Inference) throws -> [TensorType] {
        [TensorType(.float32, [try rows(c), Dim(max(0, c.int("n_targets", default: 1)))])]
    }

    private static func computeRegressor(_ call: Call) throws -> [Tensor] {
        let targets = call.int("n_targets", default: 1)
        guard (1...1 << 24).contains(targets) else { throw Failure.invalid("n_targets is \(targets)") }
        let forest = try Forest(call, prefix: "target", outputs: targets)
        let (numbers, rows, width) = try features(call)
        let aggregate = call.string("aggregate_function", default: "SUM")
        var scores: [Double] = []
        for row in 0..<rows { scores += try forest.scores(numbers[row * width..<(row + 1) * width], aggregate: aggregate) }
        let post = try PostTransform(call)
        return [try Tensor(post.apply(scores, columns: targets), [rows, targets]).converted(to: .float32)]
    }

    private static func classes(_ c: some NodeReader) throws -> Int {
        let count =
            (c.ints("classlabels_int64s") ?? c.ints("classlabels_ints"))?.count ?? c.node.attributes["classlabels_strings"]?.strings?.count
            ?? 0
        guard count >= 1 else { throw Failure.invalid("class labels are missing") }
        return count
    }

    private static func inferClassifier(_ c: Inference) throws -> [TensorType] {
        let isText = c.ints("classlabels_int64s")?.isEmpty ?? true
        let count = try classes(c)
        return [TensorType(isText ? .string : .int64, [try rows(c)]), TensorType(.float32, [try rows(c), Dim(count)])]
    }

    /// With leaf weights for one of two classes onnxruntime's rules hold: the class is found by a threshold, and where
    /// only the first class has weights its score is read as that of the second.
    private static func computeClassifier(_ call: Call) throws -> [Tensor] {
        let count = try classes(call)
        let forest = try Forest(call, prefix: "class", outputs: count)
        let (numbers, rows, width) = try features(call)
        let post = try PostTransform(call)
        let isBinary = count == 2 && forest.usesOneOutput
        var scores: [Double] = [], best: [Int] = []
        for row in 0..<rows {
            let own = try forest.scores(numbers[row * width..<(row + 1) * width], aggregate: "SUM")
            let threshold = count == 1 ? 0 : forest.isPositive ? 0.5 : 0
            best.append(isBinary || count == 1 ? (own[forest.firstOutput] > threshold ? 1 : 0) : largest(own[...]))
            if isBinary && forest.firstOutput == 0 {
                scores += twoScores(own[0], post, isPositive: forest.isPositive)
            } else {
                // The score of an only class stays as it is.
                scores += count == 1 && post.kind != "PROBIT" ? own : post.apply(own, columns: count)
            }
        }
        return [try Labels(call).tensor(best), try Tensor(scores, [rows, count]).converted(to: .float32)]
    }

    /// Scores of both classes from that of the second.
    private static func twoScores(_ score: Double, _ post: PostTransform, isPositive: Bool) -> [Double] {
        switch post.kind {
        case "LOGISTIC": [PostTransform.logistic(-score), PostTransform.logistic(score)]
        case "PROBIT": [1 - PostTransform.probit(score), PostTransform.probit(score)]
        default: isPositive ? [1 - score, score] : [-score, score]
        }
    }

    /// Place of the first largest number.
    private static func largest(_ row: ArraySlice<Double>) -> Int {
        var best = row.startIndex
        for i in row.indices where row[i] > row[best] { best = i }
        return best - row.startIndex
    }

    // MARK: Labels and scores

    private static func inferLabels(_ c: Inference) throws -> [TensorType] {
        let isText = c.ints("classlabels_int64s")?.isEmpty ?? true
        return [TensorType(isText ? .string : .int64, [try c.dims(0).first ?? Dim(1)])]
    }

    private static func computeLabels(_ call: Call) throws -> [Tensor] {
        let (scores, rows, width) = try features(call)
        let best = (0..<rows).map { row in
            if width == 1 { return scores[row] > call.float("threshold", default: 0) ? 1 : 0 }
            return largest(scores[row * width..<(row + 1) * width])
        }
        return [try Labels(call).tensor(best)]
    }

    private static func computePost(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0)
        let post = try PostTransform(call)
        return [try Tensor(post.apply(x.doubles(), columns: x.shape.last ?? 1), x.shape).converted(to: x.type)]
    }

    // MARK: Other operators

    private static func normalize(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0)
        let kind = call.string("norm", default: "MAX"), width = max(1, x.shape.last ?? 1)
        var numbers = try x.doubles()
        for start in stride(from: 0, to: numbers.count, by: width) {
            let row = numbers[start..<start + width]
            let norm: Double
            switch kind {
            case "MAX": norm = row.max() ?? 0
            case "L1": norm = row.reduce(0) { $0 + $1.magnitude }
            case "L2": norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            default: throw Failure.invalid("norm is \(kind), expected MAX, L1 or L2")
            }
            if norm != 0 { for i in row.indices { numbers[i] /= norm } }
        }
        return [try Tensor(numbers, x.shape).converted(to: real(x.type))]
    }

    private static func inferExtract(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0), indices = try c.dims(1)
        guard !dims.isEmpty else { throw Failure.shape("expected an input with axes") }
        let count = indices.reduce(Dim(1)) { $0 * $1 }
        return [TensorType(try c.type(0).element, dims.count == 1 ? [Dim(1), count] : dims.dropLast() + [count])]
    }

    private static func extract(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), indices = try call.tensor(1).integers()
        guard let width = x.shape.last, indices.allSatisfy({ (0..<width).contains($0) }) else {
            throw Failure.invalid("indices \(indices.prefix(8)) are outside an axis of \(x.shape.last ?? 0) elements")
        }
        let shape = x.shape.count == 1 ? [1, indices.count] : x.shape.dropLast() + [indices.count]
        let places = (0..<(width == 0 ? 0 : x.count / width)).flatMap { row in indices.map { row * width + $0 } }
        if x.type == .string { return [try Tensor(strings: places.map { x.storage.strings[$0] }, shape)] }
        let numbers = try x.doubles()
        return [try Tensor(places.map { numbers[$0] }, shape).converted(to: x.type)]
    }

    /// Strings stay with the operator; numbers are gathered along the last axis.
    private static func lowerExtract(_ b: inout Lowerer, _ n: Node) throws {
        guard n.inputs.count == 2, let x = n.inputs[0], let indices = n.inputs[1], let type = b.graph[x].type, type.element != .string,
            let rank = type.rank, rank >= 2
        else { return try b.add(n) }
        let flat = try b.emit("Reshape", [indices, b.constant(Tensor([Int64(-1)]))])
        try b.emit("Gather", [x, flat], to: n.outputs, ["axis": .int(rank - 1)])
    }
}

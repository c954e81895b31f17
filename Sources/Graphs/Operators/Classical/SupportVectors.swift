internal import Glibc
internal import Tensors

/// SVMRegressor and SVMClassifier: a kernel between rows and support vectors, then sums by operators that have gradients.
///
///     SupportKernel   (rows, support vectors) -> the kernel of each row with each vector
///     PairwiseVotes   scores of all pairs of classes -> the label with the most votes
///     PlattCoupling   scores of all pairs of classes -> probabilities of the classes
extension Classical {
    static let supportVectorMachines = [
        Lowering(domain + "SVMRegressor", since: 1) { b, n in try lowerRegression(&b, n) },
        Lowering(domain + "SVMClassifier", since: 1) { b, n in try SupportVectorClassifier(n).lower(&b, n) },
    ]

    static let supportVectors = [
        Operator(
            domain + "SupportKernel", arity: 2...2,
            infer: { c in
                let x = try c.type(0), rows = try c.dims(0), vectors = try c.dims(1)
                _ = try SupportKernel(c)
                guard rows.count == 2, vectors.count == 2 else { throw Failure.shape("expected two matrices") }
                if let width = rows[1].value, let expected = vectors[1].value, width != expected {
                    throw Failure.shape("input has \(width) features, support vectors have \(expected)")
                }
                return [TensorType(x.element, [rows[0], vectors[0]])]
            },
            compute: { c in
                let x = try c.tensor(0), kernel = try SupportKernel(c)
                return [try kernel.between(x, c.tensor(1)).converted(to: x.type)]
            },
            vjp: { g, n, dy in
                guard let dy = dy[0] else { return [nil, nil] }
                return [try SupportKernel(Call(node: n, inputs: [])).gradient(&g, n, dy), nil]
            },
            samples: ["LINEAR", "RBF", "POLY", "SIGMOID"].map { kind in
                Sample(
                    [.real(3, 2), .constants([4, 2], [0.5, -1, 0.25, 2, -0.75, 0.5, 1, 1])],
                    ["kernel_type": .string(kind), "kernel_params": .floats([0.7, 1.5, 3])])
            }),
        Operator(
            domain + "PairwiseVotes", arity: 1...1,
            infer: { c in [TensorType(try Labels(c).element, [try FeatureRows.count(c)])] },
            compute: { c in
                let scores = try FeatureRows(c), labels = try Labels(c), pairs = try Pairs(labels.count, scores.width)
                return [
                    try labels.tensor((0..<scores.count).map { pairs.winner(scores.numbers[$0 * scores.width..<($0 + 1) * scores.width]) })
                ]
            }, noGradient: isDiscrete, samples: [Sample([.real(4, 3)], ["classlabels_int64s": .ints([5, 6, 7])])]),
        Operator(
            domain + "PlattCoupling", arity: 1...1,
            infer: { c in
                let x = try c.type(0), classes = c.int("classes", default: 2)
                return [TensorType(x.element, [try FeatureRows.count(c), Dim(max(0, classes))])]
            },
            compute: { c in
                let x = try c.tensor(0), scores = try FeatureRows(c), classes = c.int("classes", default: 2)
                let coupling = try PlattCoupling(c, classes: classes, width: scores.width)
                let result = (0..<scores.count).flatMap {
                    coupling.probabilities(scores.numbers[$0 * scores.width..<($0 + 1) * scores.width])
                }
                return [try Tensor(result, [scores.count, classes]).converted(to: x.type)]
            },
            noGradient:
                "probabilities of pairs are coupled by an iteration",
            samples: [
                Sample([.real(4, 3)], ["classes": .int(3), "prob_a": .floats([-1, -2, -1.5]), "prob_b": .floats([0.1, 0, -0.2])])
            ]),
    ]

    /// One score per row; with `one_class` its sign.
    private static func lowerRegression(_ b: inout Lowerer, _ n: Node) throws {
        let (x, element) = try b.features(n)
        let coefficients = n.attributes["coefficients"]?.floats ?? [], rho = n.attributes["rho"]?.floats ?? []
        let count = n.attributes["n_supports"]?.int ?? 0
        guard !coefficients.isEmpty, let shift = rho.first else { throw Failure.invalid("coefficients or rho are missing") }
        var features = x
        if count > 0 {
            guard coefficients.count == count else {
                throw Failure.invalid("there are \(coefficients.count) coefficients for \(count) vectors")
            }
            features = try kernel(&b, n, x, count: count, element)
        }
        let matrix = try b.numbers(coefficients, element, shape: [1, coefficients.count])
        var scores = try b.emit("Gemm", [features, matrix, b.numbers([shift], element, shape: [1])], ["transB": .int(1)])
        if n.attributes["one_class"]?.int ?? 0 != 0 {
            let isInside = try b.emit("Greater", [scores, b.numbers([0], element)])
            scores = try b.emit("Where", [isInside, b.numbers([1], element), b.numbers([-1], element)])
        }
        try b.report(scores, to: n.outputs.first ?? nil)
    }

    /// The kernel of the rows with a node's support vectors.
    static func kernel(_ b: inout Lowerer, _ n: Node, _ x: ValueID, count: Int, _ element: ElementType) throws -> ValueID {
        let vectors = n.attributes["support_vectors"]?.floats ?? []
        guard count > 0, !vectors.isEmpty, vectors.count % count == 0 else {
            throw Failure.invalid("there are \(vectors.count) numbers for \(count) support vectors")
        }
        var attributes: [String: Attribute] = [:]
        for name in ["kernel_type", "kernel_params"] { attributes[name] = n.attributes[name] }
        let matrix = try b.numbers(vectors, element, shape: [count, vectors.count / count])
        return try b.emit(domain + "SupportKernel", [x, matrix], attributes)
    }
}

/// A kernel function of two vectors.
struct SupportKernel {
    private enum Kind: String { case linear = "LINEAR", poly = "POLY", rbf = "RBF", sigmoid = "SIGMOID" }
    private let kind: Kind
    private let gamma: Double, offset: Double, degree: Double

    init(_ c: some NodeReader) throws {
        let name = c.string("kernel_type", default: "LINEAR"), parameters = c.node.attributes["kernel_params"]?.floats ?? []
        guard let kind = Kind(rawValue: name) else { throw Failure.unsupported("kernel_type \(name)") }
        guard kind == .linear || parameters.count >= 3 else {
            throw Failure.invalid("there are \(parameters.count) kernel_params, expected 3")
        }
        self.kind = kind
        (gamma, offset, degree) = parameters.count >= 3 ? (parameters[0], parameters[1], parameters[2]) : (0, 0, 0)
    }

    /// Of each row of `x` with each row of `vectors`.
    func between(_ x: Tensor, _ vectors: Tensor) throws -> Tensor {
        guard x.shape.count == 2, vectors.shape.count == 2, x.shape[1] == vectors.shape[1] else {
            throw Failure.shape("input \(Shape.text(x.shape)) and support vectors \(Shape.text(vectors.shape)) do not fit")
        }
        let width = x.shape[1], count = vectors.shape[0], a = try x.doubles(), b = try vectors.doubles()
        return try a.withUnsafeBufferPointer { a in
            try b.withUnsafeBufferPointer { b in
                try Tensor.make([x.shape[0], count], Double.self) { y in
                    for i in y.indices {
                        let row = i / count * width, vector = i % count * width
                        var sum = 0.0
                        if kind == .rbf {
                            for k in 0..<width { let d = a[row + k] - b[vector + k]; sum += d * d }
                        } else {
                            for k in 0..<width { sum += a[row + k] * b[vector + k] }
                        }
                        y[i] = value(sum)
                    }
                }
            }
        }
    }

    /// Of a product, or for RBF a squared distance.
    private func value(_ x: Double) -> Double {
        switch kind {
        case .linear: x
        case .poly: pow(gamma * x + offset, degree)
        case .rbf: exp(-gamma * x)
        case .sigmoid: tanh(gamma * x + offset)
        }
    }

    /// By the rows, from the gradient of the kernel's values.
    func gradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> ValueID {
        let x = try g.input(n, 0), vectors = try g.input(n, 1), k = try g.output(n)
        switch kind {
        case .linear: return try g.emit("MatMul", [dy, vectors])
        case .poly:
            let inner = try g.add(g.mul(g.emit("MatMul", [x, g.transpose(vectors, [1, 0])]), gamma), offset)
            let slope = try g.mul(g.emit("Pow", [inner, g.number(degree - 1, like: inner)]), degree * gamma)
            return try g.emit("MatMul", [g.mul(dy, slope), vectors])
        case .rbf:
            // d exp(-γ|x - s|²) / dx = -2γ exp(…) (x - s)
            let weight = try g.mul(g.mul(dy, k), -2 * gamma)
            return try g.sub(g.mul(x, g.sum(weight, [1])), g.emit("MatMul", [weight, vectors]))
        case .sigmoid:
            let slope = try g.mul(g.sub(g.number(1, like: k), g.mul(k, k)), gamma)
            return try g.emit("MatMul", [g.mul(dy, slope), vectors])
        }
    }
}

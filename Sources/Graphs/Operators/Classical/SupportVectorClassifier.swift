internal import Tensors

/// SVMClassifier. With support vectors a score decides between each pair of classes (libsvm's one against one), the most
/// votes win, and `prob_a` and `prob_b` make probabilities of the scores. Without, it is linear (liblinear).
struct SupportVectorClassifier {
    private let labels: Labels
    private let post: PostTransform
    private let coefficients: [Double], rho: [Double], slopes: [Double], shifts: [Double]
    private let perClass: [Int]
    private let vectors: Int

    init(_ n: Node) throws {
        let c = Call(node: n, inputs: [])
        labels = try Labels(c)
        post = try PostTransform(c)
        func list(_ name: String) -> [Double] { n.attributes[name]?.floats ?? [] }
        (coefficients, rho, slopes, shifts) = (list("coefficients"), list("rho"), list("prob_a"), list("prob_b"))
        perClass = c.ints("vectors_per_class") ?? []
        guard perClass.allSatisfy({ (0...1 << 32).contains($0) }) else { throw Failure.invalid("vectors_per_class has a negative entry") }
        vectors = perClass.reduce(0, +)
        guard !coefficients.isEmpty, !rho.isEmpty, slopes.count == shifts.count else {
            throw Failure.invalid("coefficients or rho are missing, or prob_a and prob_b differ in length")
        }
        guard labels.count >= 2, labels.count < 1 << 12 else { throw Failure.unsupported("\(labels.count) classes") }
    }

    func lower(_ b: inout Lowerer, _ n: Node) throws {
        let (x, element) = try b.features(n)
        let (scores, reported) = try vectors == 0 ? linear(&b, x, element) : voting(&b, n, x, element)
        if let label = n.outputs.first ?? nil {
            try b.emit(Classical.domain + (vectors == 0 ? "ClassLabels" : "PairwiseVotes"), [scores], to: [label], labels.attributes)
        }
        if n.outputs.count > 1, let output = n.outputs[1] { try b.report(reported, to: output) }
    }

    /// One row of coefficients per class, and one intercept for all.
    private func linear(_ b: inout Lowerer, _ x: ValueID, _ element: ElementType) throws -> (scores: ValueID, reported: ValueID) {
        guard coefficients.count % labels.count == 0 else {
            throw Failure.invalid("there are \(coefficients.count) coefficients for \(labels.count) classes")
        }
        let matrix = try b.numbers(coefficients, element, shape: [labels.count, coefficients.count / labels.count])
        let scores = try b.emit("Gemm", [x, matrix, b.numbers([rho[0]], element, shape: [1])], ["transB": .int(1)])
        return (scores, try b.transform(scores, post, columns: labels.count))
    }

    private func voting(_ b: inout Lowerer, _ n: Node, _ x: ValueID, _ element: ElementType) throws -> (ValueID, ValueID) {
        let classes = labels.count, pairs = classes * (classes - 1) / 2
        guard perClass.count == classes, vectors <= coefficients.count, coefficients.count >= (classes - 1) * vectors, rho.count >= pairs,
            slopes.isEmpty || slopes.count >= pairs
        else {
            throw Failure.invalid(
                "\(perClass.count) vectors_per_class, \(coefficients.count) coefficients, \(rho.count) rho and \(slopes.count) prob_a for \(classes) classes"
            )
        }
        let kernel = try Classical.kernel(&b, n, x, count: vectors, element)
        let matrix = b.constant(try pairMatrix(pairs).converted(to: element))
        let shift = try b.numbers(Array(rho[..<pairs]), element, shape: [pairs])
        let scores = try b.emit("Gemm", [kernel, matrix, shift], ["transB": .int(1)])
        if !slopes.isEmpty {
            let settings: [String: Attribute] = ["classes": .int(classes), "prob_a": .floats(slopes), "prob_b": .floats(shifts)]
            let coupled = try b.emit(Classical.domain + "PlattCoupling", [scores], settings)
            return (scores, try b.transform(coupled, post, columns: classes))
        }
        if pairs > 1 { return (scores, try b.transform(scores, post, columns: pairs)) }
        return (scores, try bothClasses(&b, scores, element))
    }

    /// Of two classes the score of the first counts against the second, and is reported so.
    private func bothClasses(_ b: inout Lowerer, _ score: ValueID, _ element: ElementType) throws -> ValueID {
        if post == .none || post == .logistic {
            let both = try b.emit("Concat", [b.emit("Neg", [score]), score], ["axis": .int(1)])
            return post == .logistic ? try b.emit("Sigmoid", [both]) : both
        }
        return try b.emit("Concat", [b.emit("Sub", [b.numbers([1], element), score]), score], ["axis": .int(1)])
    }

    /// Weights of the support vectors in the score of each pair (i, j): those of class i from row j - 1 of the
    /// coefficients, those of class j from row i.
    private func pairMatrix(_ pairs: Int) throws -> Tensor {
        let starts = perClass.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) }
        let matrix = try Tensor.zeros(.float64, [pairs, vectors])
        try matrix.write(Double.self) { m in
            var pair = 0
            for i in 0..<labels.count {
                for j in i + 1..<labels.count {
                    for v in starts[i]..<starts[i + 1] { m[pair * vectors + v] = coefficients[(j - 1) * vectors + v] }
                    for v in starts[j]..<starts[j + 1] { m[pair * vectors + v] = coefficients[i * vectors + v] }
                    pair += 1
                }
            }
        }
        return matrix
    }
}

/// The pairs of classes (0, 1), (0, 2), … (1, 2), …, each with a score.
struct Pairs {
    private let classes: Int

    init(_ classes: Int, _ scores: Int) throws {
        guard classes >= 2, classes < 1 << 16, scores == classes * (classes - 1) / 2 else {
            throw Failure.shape("there are \(scores) scores of pairs of \(classes) classes")
        }
        self.classes = classes
    }

    /// Calls `body` with both classes and the place of the score of each pair.
    func forEach(_ body: (Int, Int, Int) -> Void) {
        var place = 0
        for i in 0..<classes { for j in i + 1..<classes { body(i, j, place); place += 1 } }
    }

    /// The first of the classes that most pairs decide for.
    func winner(_ scores: ArraySlice<Double>) -> Int {
        var votes = [Double](repeating: 0, count: classes)
        forEach { i, j, place in votes[scores[scores.startIndex + place] > 0 ? i : j] += 1 }
        return Classical.largest(votes[...])
    }
}

/// Probabilities of classes from scores of pairs: Platt's sigmoid of each score, coupled by the second method of Wu, Lin
/// and Weng (2004), "Probability estimates for multi-class classification by pairwise coupling", as in libsvm.
struct PlattCoupling {
    private let classes: Int
    private let pairs: Pairs
    private let slopes: [Double], shifts: [Double]

    init(_ c: Call, classes: Int, width: Int) throws {
        pairs = try Pairs(classes, width)
        self.classes = classes
        slopes = c.node.attributes["prob_a"]?.floats ?? []
        shifts = c.node.attributes["prob_b"]?.floats ?? []
        guard slopes.count >= width, shifts.count >= width else {
            throw Failure.invalid("there are \(slopes.count) prob_a and \(shifts.count) prob_b for \(width) pairs")
        }
    }

    func probabilities(_ scores: ArraySlice<Double>) -> [Double] {
        var r = [Double](repeating: 0, count: classes * classes)
        pairs.forEach { i, j, place in
            let p = 1 - PostTransform.logistic(scores[scores.startIndex + place] * slopes[place] + shifts[place])
            r[i * classes + j] = min(max(p, 1e-7), 1 - 1e-7)
            r[j * classes + i] = 1 - r[i * classes + j]
        }
        return couple(r)
    }

    /// Minimises Σ (r_ji p_i - r_ij p_j)² by turns.
    private func couple(_ r: [Double]) -> [Double] {
        let k = classes
        var q = [Double](repeating: 0, count: k * k), p = [Double](repeating: 1 / Double(k), count: k)
        for i in 0..<k {
            for j in 0..<k where j != i {
                q[i * k + i] += r[j * k + i] * r[j * k + i]
                q[i * k + j] = -r[j * k + i] * r[i * k + j]
            }
        }
        for _ in 0..<max(100, k) {
            var qp = (0..<k).map { i in (0..<k).reduce(0) { $0 + q[i * k + $1] * p[$1] } }
            var pqp = zip(p, qp).reduce(0) { $0 + $1.0 * $1.1 }
            if (qp.map { abs($0 - pqp) }.max() ?? 0) < 0.005 / Double(k) { break }
            for i in 0..<k {
                let diagonal = q[i * k + i], step = (pqp - qp[i]) / diagonal
                p[i] += step
                pqp = (pqp + step * (step * diagonal + 2 * qp[i])) / (1 + step) / (1 + step)
                for j in 0..<k {
                    qp[j] = (qp[j] + step * q[i * k + j]) / (1 + step)
                    p[j] /= 1 + step
                }
            }
        }
        return p
    }
}

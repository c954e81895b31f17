internal import Tensors

/// LinearRegressor and LinearClassifier as matrix products.
extension Classical {
    static let linearModels = [
        Lowering(domain + "LinearRegressor", since: 1) { b, n in try lowerRegressor(&b, n) },
        Lowering(domain + "LinearClassifier", since: 1) { b, n in try lowerClassifier(&b, n) },
    ]

    /// x Aᵀ + b for the coefficients as rows.
    private static func product(_ b: inout Lowerer, _ n: Node, rows: Int) throws -> ValueID {
        let (x, element) = try b.features(n)
        let coefficients = n.attributes["coefficients"]?.floats ?? [], intercepts = n.attributes["intercepts"]?.floats ?? []
        guard rows >= 1, !coefficients.isEmpty, coefficients.count % rows == 0 else {
            throw Failure.invalid("there are \(coefficients.count) coefficients for \(rows) rows")
        }
        let matrix = try b.numbers(coefficients, element, shape: [rows, coefficients.count / rows])
        let shift = try intercepts.count == rows ? b.numbers(intercepts, element, shape: [rows]) : nil
        return try b.emit("Gemm", [x, matrix, shift], ["transB": .int(1)])
    }

    private static func lowerRegressor(_ b: inout Lowerer, _ n: Node) throws {
        let targets = n.attributes["targets"]?.int ?? 1
        let scores = try product(&b, n, rows: targets)
        let post = try PostTransform(Call(node: n, inputs: []))
        try b.report(b.transform(scores, post, columns: targets), to: n.outputs.first ?? nil)
    }

    /// One row of coefficients gives the score s of the second of two classes. Reported are then 1 - s and s, or with
    /// LOGISTIC σ(-s) and σ(s).
    private static func lowerClassifier(_ b: inout Lowerer, _ n: Node) throws {
        let call = Call(node: n, inputs: [])
        let labels = try Labels(call), post = try PostTransform(call)
        let intercepts = n.attributes["intercepts"]?.floats?.count ?? 0
        let rows = intercepts > 0 ? intercepts : labels.count
        guard rows <= labels.count, rows > 1 || labels.count == 2 else {
            throw Failure.invalid("there are \(rows) intercepts for \(labels.count) classes")
        }
        let scores = try product(&b, n, rows: rows)
        if let label = n.outputs.first ?? nil { try b.emit(domain + "ClassLabels", [scores], to: [label], labels.attributes) }
        guard n.outputs.count > 1, let output = n.outputs[1] else { return }
        let reported = try rows == 1 ? bothClasses(&b, scores, post) : b.transform(scores, post, columns: rows)
        try b.report(reported, to: output)
    }

    private static func bothClasses(_ b: inout Lowerer, _ score: ValueID, _ post: PostTransform) throws -> ValueID {
        if post == .logistic {
            return try b.emit("Sigmoid", [b.emit("Concat", [b.emit("Neg", [score]), score], ["axis": .int(1)])])
        }
        let own = try b.transform(score, post, columns: 1)
        let one = try b.numbers([1], b.graph[score].type?.element ?? .float32)
        return try b.emit("Concat", [b.emit("Sub", [one, own]), own], ["axis": .int(1)])
    }
}

internal import Tensors

/// Lowerings of scalers and linear models to sums and matrix products.
extension Classical {
    /// The first input as floats.
    private static func floats(_ b: inout Lowerer, _ n: Node) throws -> (value: ValueID, element: ElementType) {
        guard let x = n.inputs.first ?? nil else { throw Failure.invalid("input 0 is missing") }
        guard let element = b.graph[x].type?.element else { throw Failure.unsupported("the type of the input is not known") }
        if element.isFloat { return (x, element) }
        return (try b.emit("Cast", [x], ["to": .int(Int(ElementType.float32.rawValue))]), .float32)
    }

    private static func vector(_ b: inout Lowerer, _ numbers: [Double], shape: [Int]? = nil, _ element: ElementType) throws -> ValueID {
        b.constant(try Tensor(numbers, shape ?? (numbers.count == 1 ? [] : [numbers.count])).converted(to: element))
    }

    /// (x - offset) * scale
    static func lowerScaler(_ b: inout Lowerer, _ n: Node) throws {
        let (x, element) = try floats(&b, n)
        let offset = try vector(&b, n.attributes["offset"]?.floats ?? [0], element),
            scale = try vector(&b, n.attributes["scale"]?.floats ?? [1], element)
        try b.emit("Mul", [b.emit("Sub", [x, offset]), scale], to: n.outputs)
    }

    /// x Aᵀ + b for the coefficients as rows.
    private static func product(_ b: inout Lowerer, _ n: Node, rows: Int, mirrored: Bool) throws -> ValueID {
        let (x, element) = try floats(&b, n)
        guard var coefficients = n.attributes["coefficients"]?.floats, rows >= 1, coefficients.count % rows == 0 else {
            throw Failure.invalid("there are \(n.attributes["coefficients"]?.floats?.count ?? 0) coefficients for \(rows) rows")
        }
        var intercepts = n.attributes["intercepts"]?.floats ?? []
        if intercepts.isEmpty { intercepts = [Double](repeating: 0, count: rows) }
        guard intercepts.count == rows else { throw Failure.invalid("there are \(intercepts.count) intercepts, expected \(rows)") }
        let width = coefficients.count / rows
        if mirrored {
            coefficients = coefficients.map { -$0 } + coefficients
            intercepts = intercepts.map { -$0 } + intercepts
        }
        let matrix = try vector(&b, coefficients, shape: [intercepts.count, width], element)
        let shift = try vector(&b, intercepts, shape: [intercepts.count], element)
        return try b.emit("Gemm", [x, matrix, shift], ["transB": .int(1)])
    }

    /// `post_transform` by the operators that have gradients, where there are such.
    private static func finish(_ b: inout Lowerer, _ scores: ValueID, _ kind: String, to output: ValueID?) throws {
        switch kind {
        case "NONE", "": try b.emit("Identity", [scores], to: [output])
        case "LOGISTIC": try b.emit("Sigmoid", [scores], to: [output])
        case "SOFTMAX": try b.emit("Softmax", [scores], to: [output], ["axis": .int(-1)])
        default: try b.emit(domain + "PostTransform", [scores], to: [output], ["post_transform": .string(kind)])
        }
    }

    static func lowerRegressor(_ b: inout Lowerer, _ n: Node) throws {
        let scores = try product(&b, n, rows: n.attributes["targets"]?.int ?? 1, mirrored: false)
        try finish(&b, scores, n.attributes["post_transform"]?.string ?? "NONE", to: n.outputs.first ?? nil)
    }

    /// One row of coefficients for two classes gives the scores -s and s; without a transform 1 - s and s, as in
    /// onnxruntime.
    static func lowerClassifier(_ b: inout Lowerer, _ n: Node) throws {
        let integers = n.attributes["classlabels_ints"]?.ints ?? [], texts = n.attributes["classlabels_strings"]?.strings ?? []
        let classes = max(integers.count, texts.count)
        let rows = max(1, n.attributes["intercepts"]?.floats?.count ?? classes)
        let kind = n.attributes["post_transform"]?.string ?? "NONE"
        let isMirrored = rows == 1 && classes == 2
        let scores = try product(&b, n, rows: rows, mirrored: isMirrored)
        if let label = n.outputs.first ?? nil {
            let labels: [String: Attribute] =
                integers.isEmpty ? ["classlabels_strings": .strings(texts)] : ["classlabels_int64s": .ints(integers)]
            try b.emit(domain + "ClassLabels", [scores], to: [label], labels)
        }
        guard n.outputs.count > 1, let output = n.outputs[1] else { return }
        guard isMirrored, kind == "NONE" else { return try finish(&b, scores, kind, to: output) }
        try b.emit("Add", [scores, vector(&b, [1, 0], b.graph[scores].type?.element ?? .float32)], to: [output])
    }
}

internal import Tensors

/// Scaler, Normalizer and Imputer by operators that have gradients; Binarizer and PostTransform.
extension Classical {
    static let scalers = [
        Lowering(domain + "Scaler", since: 1) { b, n in try lowerScaler(&b, n) },
        Lowering(domain + "Normalizer", since: 1) { b, n in try lowerNormalizer(&b, n) },
        Lowering(domain + "Imputer", since: 1) { b, n in try lowerImputer(&b, n) },
    ]

    static let discretizers = [
        Operator(
            domain + "Binarizer", arity: 1...1, infer: { [try $0.type(0)] },
            compute: { call in
                let x = try call.tensor(0), threshold = call.float("threshold", default: 0)
                return [try x.map(Double.self) { $0 > threshold ? 1.0 : 0.0 }.converted(to: x.type)]
            }, noGradient: isDiscrete, samples: [Sample([.real(2, 3)], ["threshold": .float(0.1)])]),
        Operator(
            domain + "PostTransform", arity: 1...1, infer: { [try $0.type(0)] },
            compute: { call in
                let x = try call.tensor(0)
                return [try Tensor(PostTransform(call).apply(x.doubles(), columns: x.shape.last ?? 1), x.shape).converted(to: x.type)]
            },
            noGradient: "SOFTMAX_ZERO and PROBIT have none here",
            samples: [
                Sample([.real(3, 2)], ["post_transform": .string("SOFTMAX_ZERO")]),
                Sample([.uniform([3, 2], 0.1...0.9)], ["post_transform": .string("PROBIT")]),
            ]),
    ]

    /// The first input of a node.
    static func input(_ n: Node) throws -> ValueID {
        guard let x = n.inputs.first ?? nil else { throw Failure.invalid("input 0 is missing") }
        return x
    }

    /// (x - offset) * scale
    private static func lowerScaler(_ b: inout Lowerer, _ n: Node) throws {
        let x = try b.floats(input(n)), element = b.graph[x].type?.element ?? .float32
        func vector(_ name: String, _ value: Double) -> [Double] {
            let given = n.attributes[name]?.floats ?? []
            return given.isEmpty ? [value] : given
        }
        let centred = try b.emit("Sub", [x, b.numbers(vector("offset", 0), element)])
        try b.report(b.emit("Mul", [centred, b.numbers(vector("scale", 1), element)]), to: n.outputs.first ?? nil)
    }

    /// Each row divided by its norm; rows whose norm is zero stay as they are.
    private static func lowerNormalizer(_ b: inout Lowerer, _ n: Node) throws {
        let x = try b.floats(input(n)), element = b.graph[x].type?.element ?? .float32
        let kind = n.attributes["norm"]?.string ?? "MAX"
        guard let reduction = ["MAX": "ReduceMax", "L1": "ReduceL1", "L2": "ReduceL2"][kind] else {
            throw Failure.invalid("norm is \(kind), expected MAX, L1 or L2")
        }
        let norm = try b.emit(reduction, [x, b.constant(Tensor([-1] as [Int64]))], ["keepdims": .int(1)])
        let isZero = try b.emit("Equal", [norm, b.numbers([0], element)])
        let divisor = try b.emit("Where", [isZero, b.numbers([1], element), norm])
        try b.report(b.emit("Div", [x, divisor]), to: n.outputs.first ?? nil)
    }

    /// What equals the value to be replaced becomes the value to be put in; the gradient passes everywhere else.
    private static func lowerImputer(_ b: inout Lowerer, _ n: Node) throws {
        let x = try input(n)
        guard let element = b.graph[x].type?.element else { throw Failure.unsupported("the type of the input is not known") }
        let floats = n.attributes["imputed_value_floats"]?.floats ?? [], integers = n.attributes["imputed_value_int64s"]?.ints ?? []
        guard floats.isEmpty != integers.isEmpty, element.isFloat || floats.isEmpty else {
            throw Failure.invalid(
                "there are \(floats.count) imputed_value_floats and \(integers.count) imputed_value_int64s for an input of \(element)")
        }
        let values = try floats.isEmpty ? Tensor(integers.map { Int64($0) }) : Tensor(floats)
        let imputed = b.constant(try values.reshaped(values.count == 1 ? [] : [values.count]).converted(to: element))
        let missing =
            try floats.isEmpty
            ? Tensor.scalar(Int64(n.attributes["replaced_value_int64"]?.int ?? 0))
            : Tensor.scalar(n.attributes["replaced_value_float"]?.float ?? 0)
        let isMissing =
            try missing.type == .float64 && missing.doubles().contains { $0.isNaN }
            ? b.emit("IsNaN", [x]) : b.emit("Equal", [x, b.constant(missing.converted(to: element))])
        try b.emit("Where", [isMissing, imputed, x], to: n.outputs)
    }
}

internal import Tensors

/// Values that may be missing (ONNX opset 15 and up).
enum Optionals {
    static let operators: [Operator] = [
        Operator(
            "Optional", arity: 0...1,
            infer: { c in [.optional(of: c.has(0) ? c.types[0] : nil)] },
            compute: { c in [try Tensor(optional: c.has(0) ? c.tensor(0) : nil)] }, takesContainers: true, noGradient: noGradient,
            samples: [Sample([.real(2)]), Sample([.sequence([.real(2)])]), Sample([])]),
        Operator(
            "OptionalHasElement", arity: 0...1, infer: { _ in [TensorType(.bool, [])] },
            compute: { c in
                guard let x = c.constant(0) else { return [try .scalar(Truth(false))] }
                return [try .scalar(Truth(x.type == .optional ? try x.optional() != nil : true))]
            }, vjp: Rule.zero, takesContainers: true,
            samples: [Sample([.optional([.real(2)])]), Sample([.optional([])]), Sample([.real(2)]), Sample([])]),
        Operator(
            "OptionalGetElement", arity: 1...1,
            infer: { c in
                let type = try c.type(0)
                guard type.element == .optional else { return [type] }
                guard let item = type.items.first else { throw NotYetKnown() }
                return [item]
            },
            compute: { c in
                let x = try c.tensor(0)
                guard x.type == .optional else { return [x] }
                guard let item = try x.optional() else { throw Failure.invalid("the optional value is missing") }
                return [try item.contiguous()]
            },
            vjp: { g, n, dy in
                // A value that is no optional passes through.
                guard let id = n.inputs.first, let id, g.graph[id].type?.element != .optional else {
                    throw Failure.unsupported(
                        "OptionalGetElement has no gradient (\(noGradient)); methods that only run the model still work")
                }
                return [dy.first ?? nil]
            }, takesContainers: true, samples: [Sample([.real(2, 3)]), Sample([.optional([.sequence([.real(1), .real(2)])])])]),
    ]

    private static let noGradient = "whether the value is there follows from data"
}

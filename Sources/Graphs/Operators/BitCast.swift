internal import Tensors

/// ONNX BitCast (26): the same bits under another type of the same width.
enum BitCast {
    static let operators = [
        Operator(
            "BitCast", arity: 1...1, infer: { [TensorType(OnnxPrecision.computed(try target($0)), try $0.type(0).dims)] },
            compute: { call in
                let x = try call.tensor(0), target = try target(call)
                // What the file stores in fewer bits is computed in more: the bits are those of the file's type.
                let stored = call.node.attributes["from"]?.int.flatMap { ElementType(rawValue: Int32(clamping: $0)) }
                let source = try x.converted(to: stored ?? x.type).contiguous()
                guard source.type != .string, target != .string, source.type.bits == target.bits else {
                    throw Failure.invalid("elements of \(source.type) as \(target), expected types of as many bits")
                }
                return [try Tensor(target, x.shape, offset: source.offset, storage: source.storage).widened()]
            }, noGradient: "bits do not change continuously",
            samples: [
                Sample([.integers([2, 2], [0, -1, 1 << 62, 7])], ["to": .int(Int(ElementType.uint64.rawValue))]),
                Sample([.integers([2], [0x3FF0_0000_0000_0000, 0])], ["to": .int(Int(ElementType.float64.rawValue))]),
            ])
    ]

    private static func target(_ c: some NodeReader) throws -> ElementType {
        try ElementType.onnx(Int32(clamping: c.int("to", default: 0)))
    }
}

internal import Tensors

/// Blocks of pixels to channels and back (ONNX DepthToSpace 1 to 13, SpaceToDepth 1 to 13). SpaceToDepth takes the
/// attribute `mode` too, so that each is the gradient of the other.
enum Rearrange {
    static let operators = [
        Operator(
            "DepthToSpace", arity: 1...1, infer: { try infer($0, toSpace: true) }, compute: { try compute($0, toSpace: true) },
            vjp: { g, n, dy in try [dy.first?.map { try g.emit("SpaceToDepth", [$0], n.attributes) }] },
            samples: [
                Sample([.real(2, 8, 2, 3)], ["blocksize": .int(2)]),
                Sample([.real(1, 9, 1, 2)], ["blocksize": .int(3), "mode": .string("CRD")]),
            ]),
        Operator(
            "SpaceToDepth", arity: 1...1, infer: { try infer($0, toSpace: false) }, compute: { try compute($0, toSpace: false) },
            vjp: { g, n, dy in try [dy.first?.map { try g.emit("DepthToSpace", [$0], n.attributes) }] },
            samples: [
                Sample([.real(2, 2, 4, 6)], ["blocksize": .int(2)]),
                Sample([.real(1, 1, 3, 6)], ["blocksize": .int(3), "mode": .string("CRD")]),
            ]),
    ]

    private static func block(_ c: some NodeReader) throws -> Int {
        let size = c.int("blocksize", default: 0)
        guard size >= 1, size <= 1 << 15 else { throw Failure.invalid("blocksize is \(size), expected at least 1") }
        return size
    }

    private static func infer(_ c: Inference, toSpace: Bool) throws -> [TensorType] {
        let type = try c.type(0), dims = try c.dims(0), b = try block(c)
        guard dims.count == 4 else { throw Failure.shape("input has \(dims.count) axes, expected 4") }
        for (axis, divisor) in toSpace ? [(1, b * b)] : [(2, b), (3, b)] {
            if let size = dims[axis].value, size % divisor != 0 {
                throw Failure.shape("axis \(axis) has \(size) elements, not a multiple of \(divisor)")
            }
        }
        if toSpace { return [TensorType(type.element, [dims[0], dims[1].divided(by: Dim(b * b)), dims[2] * Dim(b), dims[3] * Dim(b)])] }
        return [TensorType(type.element, [dims[0], dims[1] * Dim(b * b), dims[2].divided(by: Dim(b)), dims[3].divided(by: Dim(b))])]
    }

    private static func compute(_ call: Call, toSpace: Bool) throws -> [Tensor] {
        let x = try call.tensor(0), b = try block(call)
        guard x.shape.count == 4 else { throw Failure.shape("input has \(x.shape.count) axes, expected 4") }
        let mode = call.string("mode", default: "DCR")
        guard mode == "DCR" || mode == "CRD" else { throw Failure.invalid("mode is \(mode), expected DCR or CRD") }
        let (n, c, h, w) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        if toSpace {
            guard c % (b * b) == 0 else { throw Failure.shape("input has \(c) channels, not a multiple of \(b * b)") }
            let split = mode == "DCR" ? [n, b, b, c / (b * b), h, w] : [n, c / (b * b), b, b, h, w]
            let order = mode == "DCR" ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]
            return [try x.reshaped(split).transposed(order).contiguous().reshaped([n, c / (b * b), h * b, w * b])]
        }
        guard h % b == 0, w % b == 0 else { throw Failure.shape("input is \(h)x\(w), not a multiple of \(b)") }
        let order = mode == "DCR" ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4]
        let moved = try x.reshaped([n, c, h / b, b, w / b, b]).transposed(order).contiguous()
        return [try moved.reshaped([n, c * b * b, h / b, w / b])]
    }
}

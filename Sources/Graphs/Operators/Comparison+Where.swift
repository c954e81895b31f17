internal import Tensors

extension Comparison {
    /// ONNX Where: the second input where the first is true, the third elsewhere; of any element type.
    static let choice = Operator(
        "Where", arity: 3...3,
        infer: { c in
            let both = try Elementwise.broadcast(c, from: 1)
            return [TensorType(both.element, try Elementwise.broadcast(c.dims(0), both.dims ?? []))]
        },
        compute: { c in [try choose(c.tensor(0), c.tensor(1), c.tensor(2))] },
        vjp: Rule.all { g, n, dy in
            let condition = try g.input(n, 0)
            return [nil, try g.keep(dy, where: condition), try g.drop(dy, where: condition)]
        },
        symbolic: ShapeArithmetic.rules["Where"],
        samples: [
            Sample([.truths([2, 2], [true, false, false, true]), .real(2, 2), .real(2, 2)]),
            Sample([.truths([3], [true, false, true]), .real(2, 1), .real()]),
            Sample([.truths([1], [true]), .integers([2], [1, 2]), .integers([2], [3, 4])]),
        ])

    private static func choose(_ condition: Tensor, _ a: Tensor, _ b: Tensor) throws -> Tensor {
        guard let pair = Shape.broadcast(a.shape, b.shape), let shape = Shape.broadcast(condition.shape, pair) else {
            throw Failure.shape("shapes \([condition, a, b].map { Shape.text($0.shape) }.joined(separator: ", ")) do not broadcast")
        }
        guard a.type == b.type else { throw Failure.shape("input 1 is \(a.type), input 2 is \(b.type)") }
        let condition = try condition.broadcast(to: shape)
        let x = try a.broadcast(to: shape), y = try b.broadcast(to: shape)
        let chosen =
            switch a.type.bits {
            case 8: try chooseBits(condition, x, y, UInt8.self)
            case 16: try chooseBits(condition, x, y, UInt16.self)
            case 32: try chooseBits(condition, x, y, UInt32.self)
            case 64: try chooseBits(condition, x, y, UInt64.self)
            default: throw Failure.unsupported("elements of \(a.type)")
            }
        return try Tensor(a.type, shape, storage: chosen.storage)
    }

    private static func chooseBits<T: Element>(_ condition: Tensor, _ a: Tensor, _ b: Tensor, _: T.Type) throws -> Tensor {
        let x = try bits(a, T.self), y = try bits(b, T.self)
        return try condition.read(Truth.self) { c in
            try x.read(T.self) { x in
                try y.read(T.self) { y in
                    try Tensor.make(condition.shape, T.self) { z in for i in z.indices { z[i] = c[i].isTrue ? x[i] : y[i] } }
                }
            }
        }
    }

    /// The same memory seen as integers of that width.
    private static func bits<T: Element>(_ x: Tensor, _: T.Type) throws -> Tensor {
        try Tensor(T.type, x.shape, strides: x.strides, offset: x.offset, storage: x.storage)
    }
}

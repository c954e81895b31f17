internal import Tensors

/// ScatterElements and ScatterND (opset 11; `reduction` add and mul from 16, max and min from 18).
extension Indexing {
    static let scatters = [
        Operator(
            "ScatterElements", arity: 3...3, infer: { [try $0.type(0)] },
            compute: { c in
                let x = try c.tensor(0), indices = try c.tensor(1), updates = try c.tensor(2)
                guard updates.shape == indices.shape else {
                    throw Failure.shape("updates \(Shape.text(updates.shape)) for indices \(Shape.text(indices.shape))")
                }
                let walk = try Lanes(c, x.shape, indices)
                return [try scattered(c, x, updates) { put in walk.forEach { i, place in put(i, place, 1) } }]
            }, vjp: scatterBack(gather: "GatherElements"),
            samples: [
                Sample([.real(3, 3), .integers([2, 3], [1, 0, 2, 0, -1, 1]), .real(2, 3)]),
                Sample([.real(3, 3), .integers([1, 3], [1, 1, 0]), .real(1, 3)], ["reduction": .string("add"), "axis": .int(1)]),
                Sample([.real(3), .integers([2], [1, 1]), .positive(2)], ["reduction": .string("mul")]),
                Sample(
                    [.values([3], [0.1, 0.5, -0.3]), .integers([2], [2, 1]), .values([2], [0.7, -0.2])], ["reduction": .string("max")]),
            ]),
        Operator(
            "ScatterND", arity: 3...3, infer: { [try $0.type(0)] },
            compute: { c in
                let x = try c.tensor(0), updates = try c.tensor(2), tuples = try Tuples(c, x.shape, try c.tensor(1))
                guard updates.shape == tuples.resultShape else {
                    throw Failure.shape("updates \(Shape.text(updates.shape)), expected \(Shape.text(tuples.resultShape))")
                }
                return [
                    try scattered(c, x, updates) { put in
                        for (i, place) in tuples.places.enumerated() { put(i * tuples.block, place, tuples.block) }
                    }
                ]
            }, vjp: scatterBack(gather: "GatherND"),
            samples: [
                Sample([.real(4, 2), .integers([2, 1], [3, 0]), .real(2, 2)]),
                Sample([.real(4), .integers([2, 1], [3, 3]), .real(2)], ["reduction": .string("add")]),
                Sample([.real(4, 2), .integers([2, 1], [3, 3]), .positive(2, 2)], ["reduction": .string("mul")]),
                Sample(
                    [.values([3], [0.1, 0.5, -0.3]), .integers([2, 1], [2, 1]), .values([2], [-0.7, 0.2])], ["reduction": .string("min")]),
            ]),
    ]

    /// Names blocks of the updates (first, place, count) in order.
    private typealias Walk = ((Int, Int, Int) -> Void) -> Void

    private static func scattered(_ c: Call, _ x: Tensor, _ updates: Tensor, _ walk: Walk) throws -> Tensor {
        guard updates.type == x.type else { throw Failure.shape("updates are \(updates.type), expected \(x.type)") }
        let reduction = c.string("reduction", default: "none")
        let result = try Tensor.empty(x.type, x.shape)
        switch (reduction, x.type) {
        case ("none", _):
            Elements.copy(x, from: 0, to: result, at: 0, count: x.count)
            walk { Elements.copy(updates, from: $0, to: result, at: $1, count: $2) }
            return result
        case (_, .float32): return try combined(Float.self, x, updates, walk, real(reduction))
        case (_, .float64): return try combined(Double.self, x, updates, walk, real(reduction))
        default:
            let wide = try combined(Int64.self, x.converted(to: .int64), updates.converted(to: .int64), walk, integer(reduction))
            return try wide.converted(to: x.type)
        }
    }

    private static func combined<T: Element>(_: T.Type, _ x: Tensor, _ updates: Tensor, _ walk: Walk, _ body: @escaping (T, T) -> T) throws
        -> Tensor
    {
        try updates.read(T.self) { from in
            try x.read(T.self) { x0 in
                try Tensor.make(x.shape, T.self) { to in
                    _ = to.initialize(from: x0)
                    walk { first, place, count in for i in 0..<count { to[place + i] = body(to[place + i], from[first + i]) } }
                }
            }
        }
    }

    private static func real<T: BinaryFloatingPoint>(_ name: String) throws -> (T, T) -> T {
        switch name {
        case "add": { $0 + $1 }
        case "mul": { $0 * $1 }
        // NaN wins, as in NumPy.
        case "max": { $0.isNaN || $0 > $1 ? $0 : $1 }
        case "min": { $0.isNaN || $0 < $1 ? $0 : $1 }
        default: throw Failure.unsupported("reduction '\(name)', expected none, add, mul, max or min")
        }
    }

    private static func integer(_ name: String) throws -> (Int64, Int64) -> Int64 {
        switch name {
        case "add": { $0 &+ $1 }
        case "mul": { $0 &* $1 }
        case "max": { max($0, $1) }
        case "min": { min($0, $1) }
        default: throw Failure.unsupported("reduction '\(name)', expected none, add, mul, max or min")
        }
    }

    /// With `max` and `min` the gradient goes to whoever equals the result; with `mul` it is the product of the others.
    private static func scatterBack(gather: String) -> Operator.VJP {
        { g, n, dy in
            guard let dy = dy[0] else { return [nil, nil, nil] }
            let x = try g.input(n, 0), indices = try g.input(n, 1), updates = try g.input(n, 2)
            var plain = n.attributes
            plain["reduction"] = nil
            let taken = { (g: inout Gradients, from: ValueID) in try g.emit(gather, [from, indices], plain) }
            switch n.attributes["reduction"]?.string ?? "none" {
            case "none": return [try g.emit(n.op, [dy, indices, g.zeros(like: updates)], plain), nil, try taken(&g, dy)]
            case "add": return [dy, nil, try taken(&g, dy)]
            case "mul":
                return try factors(&g, n, dy, x, indices, updates) { try taken(&$0, $1) }
            default:
                let y = try g.output(n), own = try g.emit("Equal", [y, x])
                let theirs = try g.emit("Equal", [taken(&g, y), updates])
                return [try g.keep(dy, where: own), nil, try g.keep(taken(&g, dy), where: theirs)]
            }
        }
    }

    /// The product of the other factors: without the zeros, and 0 where there is another zero.
    private static func factors(
        _ g: inout Gradients, _ n: Node, _ dy: ValueID, _ x: ValueID, _ indices: ValueID, _ updates: ValueID,
        _ taken: (inout Gradients, ValueID) throws -> ValueID
    ) throws -> [ValueID?] {
        var count = n.attributes
        count["reduction"] = .string("add")
        let isZero = try g.emit("Equal", [updates, g.number(0, like: updates)]), zeros = try g.cast(isZero, like: updates)
        let safe = try g.select(isZero, g.number(1, like: updates), updates)
        let product = try g.emit(n.op, [x, indices, safe], n.attributes)
        let found = try taken(&g, g.emit(n.op, [g.zeros(like: x), indices, zeros], count))
        let others = try g.div(taken(&g, g.mul(dy, product)), safe)
        let byX = try g.mul(dy, g.emit(n.op, [g.add(g.zeros(like: x), 1), indices, updates], n.attributes))
        return [byX, nil, try g.keep(others, where: g.emit("Equal", [found, zeros]))]
    }
}

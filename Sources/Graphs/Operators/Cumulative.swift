internal import Tensors

/// Running sums and products along an axis given as input (ONNX CumSum 11, CumProd 26).
///
///     Recurrence  (a, b, axis) → y with y_k = b_k + a_k y_(k-1), or y_(k+1) with the attribute `reverse`
enum Cumulative {
    static let operators = [sum, product, recurrence]

    private static let sum = Operator(
        "CumSum", arity: 2...2, infer: { [try $0.type(0)] },
        compute: { [try compute($0, from: 0, +, &+)] },
        vjp: { g, n, dy in
            guard let arriving = dy[0] else { return [nil, nil] }
            var attributes = n.attributes
            attributes["reverse"] = .int(n.attributes["reverse"]?.int == 1 ? 0 : 1)
            return [try g.emit("CumSum", [arriving, g.input(n, 1)], attributes), nil]
        },
        samples: [
            Sample([.real(2, 3, 2), .integers([], [1])]), Sample([.real(4), .integers([1], [-1])], ["exclusive": .int(1)]),
            Sample([.real(2, 3), .integers([], [0])], ["reverse": .int(1), "exclusive": .int(1)]),
        ])

    private static let product = Operator(
        "CumProd", arity: 2...2, infer: { [try $0.type(0)] }, compute: { [try compute($0, from: 1, *, &*)] }, vjp: productBack,
        samples: [
            Sample([.real(2, 3, 2), .integers([], [1])]), Sample([.values([4], [0.5, 0, 2, 0]), .integers([], [0])]),
            Sample([.real(2, 4), .integers([1], [-1])], ["exclusive": .int(1)]),
            Sample([.real(2, 4), .integers([], [1])], ["exclusive": .int(1), "reverse": .int(1)]),
            Sample([.integers([4], [1, 2, 3, 4]), .integers([1], [0])], ["exclusive": .int(1)]),
        ])

    private static let recurrence = Operator(
        "Recurrence", arity: 3...3, infer: { [try $0.type(1)] },
        compute: { c in
            let a = try c.tensor(0), b = try c.tensor(1), rows = try rows(c, b.shape, axis: 2)
            guard a.shape == b.shape else { throw Failure.shape("inputs are \(Shape.text(a.shape)) and \(Shape.text(b.shape))") }
            let y = try Convolution.reals(a).read(Double.self) { a in
                try Convolution.reals(b).read(Double.self) { b in
                    try Tensor.make(rows.shape, Double.self) { y in
                        rows.forEach { first in
                            var last = 0.0
                            for k in 0..<rows.length {
                                let at = first + (c.flag("reverse") ? rows.length - 1 - k : k) * rows.step
                                last = b[at] + a[at] * last
                                y[at] = last
                            }
                        }
                    }
                }
            }
            return [try y.converted(to: b.type)]
        },
        vjp: { g, n, dy in
            guard let u = dy[0] else { return [nil, nil, nil] }
            // The adjoint runs the other way, with the factor of the element that it comes from.
            let isReverse = n.attributes["reverse"]?.int == 1, axis = try g.input(n, 2), direction = isReverse ? -1 : 1
            let factors = try shifted(&g, g.input(n, 0), by: -direction, axis, n)
            let s = try g.emit("Recurrence", [factors, u, axis], ["reverse": .int(isReverse ? 0 : 1)])
            return [g.wants(n, 0) ? try g.mul(s, shifted(&g, g.output(n), by: direction, axis, n)) : nil, s, nil]
        },
        samples: [
            Sample([.real(2, 4), .real(2, 4), .integers([], [1])]),
            Sample([.real(3, 2), .real(3, 2), .integers([], [0])], ["reverse": .int(1)]),
        ])

    /// dx_i is the product in front of x_i times what the factors behind it make of dy, which needs no division by x_i.
    private static let productBack: Operator.VJP = { g, n, dy in
        guard var arriving = dy[0] else { return [nil, nil] }
        let x = try g.input(n, 0), axis = try g.input(n, 1), isReverse = n.attributes["reverse"]?.int == 1, direction = isReverse ? -1 : 1
        if n.attributes["exclusive"]?.int == 1 { arriving = try shifted(&g, arriving, by: -direction, axis, n) }
        let front = try g.emit("CumProd", [x, axis], ["exclusive": .int(1), "reverse": .int(isReverse ? 1 : 0)])
        let factors = try shifted(&g, x, by: -direction, axis, n)
        return [try g.mul(front, g.emit("Recurrence", [factors, arriving, axis], ["reverse": .int(isReverse ? 0 : 1)])), nil]
    }

    /// Elements one place further along the axis, or back; 0 comes in.
    private static func shifted(_ g: inout Gradients, _ x: ValueID, by step: Int, _ axis: ValueID, _ node: Node) throws -> ValueID {
        guard let place = try g.graph[axis].constant?.integers().first else {
            throw Failure.unsupported("the axis of \(node.op) follows only from data")
        }
        let rank = try g.rank(of: x)
        guard rank > 0 else { return try g.mul(x, 0) }
        var pads = [Int](repeating: 0, count: 2 * rank)
        let axis = try Shape.axis(place, rank: rank)
        pads[axis] = step
        pads[axis + rank] = -step
        return try g.emit("Pad", [x, g.integers(pads)])
    }

    private static func rows(_ c: Call, _ shape: [Int], axis index: Int) throws -> Rows {
        Rows(shape, axis: try Shape.axis(c.ints(index, or: "axis")?.first ?? 0, rank: shape.count))
    }

    private static func compute(
        _ c: Call, from start: Int64, _ real: (Double, Double) -> Double, _ integer: (Int64, Int64) -> Int64
    ) throws -> Tensor {
        let x = try c.tensor(0)
        if x.type.isFloat { return try running(c, x.converted(to: .float64), Double(start), real).converted(to: x.type) }
        return try running(c, x.converted(to: .int64), start, integer).converted(to: x.type)
    }

    private static func running<T: Element>(_ c: Call, _ x: Tensor, _ start: T, _ body: (T, T) -> T) throws -> Tensor {
        let rows = try rows(c, x.shape, axis: 1)
        let exclusive = c.flag("exclusive"), reverse = c.flag("reverse")
        return try x.read(T.self) { x in
            try Tensor.make(rows.shape, T.self) { y in
                rows.forEach { first in
                    var total = start
                    for k in 0..<rows.length {
                        let at = first + (reverse ? rows.length - 1 - k : k) * rows.step
                        let next = body(total, x[at])
                        y[at] = exclusive ? total : next
                        total = next
                    }
                }
            }
        }
    }
}

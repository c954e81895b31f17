internal import Glibc
internal import Tensors

/// Softmax, LogSoftmax and Hardmax along one axis (ONNX, opset 13). Up to opset 12 they work on everything from `axis`
/// on as one row, which is a lowering.
enum Softmax {
    static let operators = [softmax, logSoftmax, hardmax, gradient]
    static let lowerings = ["Softmax", "LogSoftmax", "Hardmax"].flatMap { op in
        [Lowering(op, since: 1) { try coerce(&$0, $1) }, Lowering(op, since: 13) { try $0.add($1) }]
    }

    private static let samples = [
        Sample([.real(2, 5)]), Sample([.real(2, 3, 4)], ["axis": .int(1)]), Sample([.real(3, 2)], ["axis": .int(-2)]),
    ]

    private static let softmax = Operator(
        "Softmax", arity: 1...1, infer: types,
        compute: { c in
            [
                try lines(c) { x, y, line in
                    let top = line.reduce(-.infinity) { max($0, x[$1]) }
                    var sum = 0.0
                    for i in line { y[i] = exp(x[i] - top); sum += y[i] }
                    for i in line { y[i] /= sum }
                }
            ]
        },
        vjp: Rule.first { g, n, dy in try g.emit("SoftmaxGrad", [dy, g.output(n)], axis(n)) }, samples: samples)

    private static let logSoftmax = Operator(
        "LogSoftmax", arity: 1...1, infer: types,
        compute: { c in
            [
                try lines(c) { x, y, line in
                    let top = line.reduce(-.infinity) { max($0, x[$1]) }
                    let sum = log(line.reduce(0) { $0 + exp(x[$1] - top) })
                    for i in line { y[i] = x[i] - top - sum }
                }
            ]
        },
        vjp: Rule.first { g, n, dy in
            let sum = try g.sum(dy, [axis(n)["axis"]?.int ?? -1])
            return try g.sub(dy, g.mul(g.exp(g.output(n)), sum))
        }, samples: samples)

    private static let hardmax = Operator(
        "Hardmax", arity: 1...1, infer: types,
        compute: { c in
            [
                try lines(c) { x, y, line in
                    guard var best = line.first(where: { _ in true }) else { return }
                    for i in line { y[i] = 0; if x[i] > x[best] { best = i } }
                    y[best] = 1
                }
            ]
        },
        vjp: Rule.zero, samples: samples)

    /// SoftmaxGrad(dY, Y) = Y (dY - sum(dY Y)) along the axis. A line that nothing arrives for stays zero even where Y is not
    /// a number: attention masks whole lines out and replaces what Softmax makes of them.
    private static let gradient = Operator(
        "SoftmaxGrad", arity: 2...2, infer: { [try Elementwise.broadcast($0)] },
        compute: { c in
            let dy = try c.tensor(0), wide = try c.tensor(1).converted(to: .float64)
            guard dy.shape == wide.shape else {
                throw Failure.shape("gradient is \(Shape.text(dy.shape)), output is \(Shape.text(wide.shape))")
            }
            return [
                try wide.read(Double.self) { y in
                    try lines(c) { dy, dx, line in
                        let sum = line.reduce(0) { $0 + dy[$1] * y[$1] }
                        if sum.isNaN, line.allSatisfy({ dy[$0] == 0 }) { return line.forEach { dx[$0] = 0 } }
                        for i in line { dx[i] = y[i] * (dy[i] - sum) }
                    }
                }
            ]
        },
        vjp: Rule.all { g, n, d in
            let dy = try g.input(n, 0), y = try g.input(n, 1), along = [axis(n)["axis"]?.int ?? -1]
            let outer = try g.mul(d, g.sub(dy, g.sum(g.mul(dy, y), along)))
            let inner = try g.mul(dy, g.sum(g.mul(d, y), along))
            return [try g.emit("SoftmaxGrad", [d, y], axis(n)), try g.sub(outer, inner)]
        },
        samples: samples.map { Sample([$0.inputs[0], $0.inputs[0]], $0.attributes) })

    /// The input's type; throws when the axis lies outside.
    @Sendable private static func types(_ c: Inference) throws -> [TensorType] {
        let type = try c.type(0)
        if let rank = type.rank { _ = try Shape.axis(c.int("axis", default: -1), rank: rank) }
        return [type]
    }

    private static func axis(_ n: Node) -> [String: Attribute] { ["axis": .int(n.attributes["axis"]?.int ?? -1)] }

    /// Calls `body` with the input and result in double and the indices of one line after the other.
    private static func lines(
        _ c: Call, _ body: (UnsafeBufferPointer<Double>, UnsafeMutableBufferPointer<Double>, StrideTo<Int>) -> Void
    ) throws -> Tensor {
        let x = try c.tensor(0)
        let rows = Rows(x.shape, axis: try Shape.axis(c.int("axis", default: -1), rank: x.shape.count))
        return try x.converted(to: .float64).read(Double.self) { source in
            try Tensor.make(x.shape, Double.self) { y in
                rows.forEach { body(source, y, stride(from: $0, to: $0 + rows.length * rows.step, by: rows.step)) }
            }
        }.converted(to: x.type)
    }

    /// Up to opset 12: rows are everything from `axis` (1 by default) on.
    private static func coerce(_ l: inout Lowerer, _ n: Node) throws {
        guard let x = n.inputs.first ?? nil else { throw Failure.invalid("input 0 is missing") }
        var axis = n.attributes["axis"]?.int ?? 1
        if let dims = l.graph[x].type?.dims {
            axis = try Shape.axis(axis, rank: dims.count)
            // With nothing but ones behind it, the axis alone is the row.
            if dims.dropFirst(axis + 1).allSatisfy({ $0.value == 1 }) { return try l.emit(n.op, [x], to: n.outputs, ["axis": .int(axis)]) }
        }
        let flat = try l.emit("Flatten", [x], ["axis": .int(axis)])
        let y = try l.emit(n.op, [flat], ["axis": .int(-1)])
        try l.emit("Reshape", [y, l.emit("Shape", [x])], to: n.outputs, ["allowzero": .int(1)])
    }
}

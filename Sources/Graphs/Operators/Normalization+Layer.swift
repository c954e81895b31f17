internal import Glibc
internal import Tensors

extension Normalization {
    /// Lines with mean 0 and variance 1 (nearly: `epsilon` is added to the variance), in double.
    struct Levelled {
        let level: Tensor
        /// Of each line; `inverse` is 1 / sqrt(variance + epsilon).
        let mean: [Double], inverse: [Double]
    }

    static func levelled(_ x: Tensor, rows: Int, length: Int, epsilon: Double) throws -> Levelled {
        var means = [Double](repeating: 0, count: rows), inverses = means
        let level = try x.converted(to: .float64).read(Double.self) { from in
            try Tensor.make(x.shape, Double.self) { to in
                for row in 0..<rows {
                    let line = row * length..<(row + 1) * length
                    let mean = line.reduce(0) { $0 + from[$1] } / Double(length)
                    let variance = line.reduce(0) { $0 + (from[$1] - mean) * (from[$1] - mean) } / Double(length)
                    let inverse = 1 / sqrt(variance + epsilon)
                    for i in line { to[i] = (from[i] - mean) * inverse }
                    means[row] = mean
                    inverses[row] = inverse
                }
            }
        }
        return Levelled(level: level, mean: means, inverse: inverses)
    }

    /// Rows before `axis` and elements from it on.
    private static func split(_ c: some NodeReader, _ shape: [Int]) throws -> (axis: Int, rows: Int, length: Int) {
        let axis = try Shape.axis(c.int("axis", default: -1), rank: shape.count)
        return (axis, shape.prefix(axis).reduce(1, *), shape.dropFirst(axis).reduce(1, *))
    }

    /// ONNX LayerNormalization (opset 17): everything from `axis` on is one line; outputs Y, Mean, InvStdDev.
    static let layer = Operator(
        "LayerNormalization", arity: 2...3,
        infer: { c in
            let dims = try c.dims(0), element = try c.type(0).element
            let axis = try Shape.axis(c.int("axis", default: -1), rank: dims.count)
            for index in 1..<c.node.inputs.count where c.has(index) { try checkFit(c, index, dims) }
            let small = dims.prefix(axis) + dims.dropFirst(axis).map { _ in Dim(1) }
            return [TensorType(element, dims), TensorType(element, Array(small)), TensorType(element, Array(small))]
        },
        compute: { try layerOutputs($0) },
        vjp: layerRule,
        samples: [
            Sample([.real(2, 3, 4), .real(4), .real(4)]),
            Sample([.real(2, 3, 2), .real(3, 2)], ["axis": .int(1), "epsilon": .float(0.01)]),
            Sample([.real(2, 3, 2), .real(3, 2), .real(3, 2)], ["axis": .int(-2)], outputs: 3),
        ])

    static func checkFit(_ c: Inference, _ index: Int, _ dims: [Dim]) throws {
        guard let type = try? c.type(index), let other = type.dims else { return }
        let joint = try Elementwise.broadcast(dims, other)
        guard joint.count == dims.count else { throw Failure.shape("input \(index) has rank \(other.count), input 0 has \(dims.count)") }
    }

    private static func layerOutputs(_ c: Call) throws -> [Tensor] {
        let x = try c.tensor(0)
        let (axis, rows, length) = try split(c, x.shape)
        let result = try levelled(x, rows: rows, length: length, epsilon: c.float("epsilon", default: 1e-5))
        var y = try scaled(result.level, c.tensor(1), { $0 * $1 })
        if let bias = try c.optional(2) { y = try scaled(y, bias, { $0 + $1 }) }
        let small = x.shape.prefix(axis) + x.shape.dropFirst(axis).map { _ in 1 }
        let statistics = try [result.mean, result.inverse].map { try Tensor($0, Array(small)).converted(to: x.type) }
        return [try y.converted(to: x.type)] + statistics
    }

    /// `x` in double with a smaller tensor over its last axes.
    static func scaled(_ x: Tensor, _ other: Tensor, _ body: (Double, Double) -> Double) throws -> Tensor {
        guard Shape.broadcast(x.shape, other.shape) == x.shape else {
            throw Failure.shape("\(Shape.text(other.shape)) does not fit \(Shape.text(x.shape))")
        }
        return try Elementwise.zip(x, other.converted(to: .float64), Double.self, Double.self, body)
    }

    /// The axes of one line, counted from the end where possible.
    static func axes(_ g: Gradients, _ n: Node, of x: ValueID) throws -> [Int] {
        let axis = n.attributes["axis"]?.int ?? -1
        guard axis >= -64 else { throw Failure.shape("axis \(axis) is outside any tensor") }
        return axis < 0 ? Array(axis..<0) : Array(axis..<max(try g.rank(of: x), axis))
    }

    private static let layerRule: Operator.VJP = { g, n, dy in
        let x = try g.input(n, 0), scale = try g.input(n, 1)
        var dx: ValueID?, dScale: ValueID?
        if let arriving = dy[0] {
            dx = try g.emit("LayerNormalizationGrad", [arriving, x, scale], n.attributes)
            dScale = g.wants(n, 1) ? try g.mul(arriving, level(&g, n, x, scale)[0]) : nil
        }
        let statistics = dy.dropFirst().contains { $0 != nil } ? try statisticsGradient(&g, n, dy, x, scale) : nil
        if let a = dx, let b = statistics { dx = try g.add(a, b) } else { dx = dx ?? statistics }
        return [dx, dScale, dy[0]].prefix(n.inputs.count).map { $0 }
    }

    /// Outputs of the same normalisation without scale and bias.
    private static func level(_ g: inout Gradients, _ n: Node, _ x: ValueID, _ scale: ValueID) throws -> [ValueID] {
        let ones = try g.ones(like: x, from: start(g, n, x))
        return try g.emit("LayerNormalization", [x, ones], n.attributes, outputs: 3)
    }

    private static func start(_ g: Gradients, _ n: Node, _ x: ValueID) throws -> Int {
        try Shape.axis(n.attributes["axis"]?.int ?? -1, rank: g.rank(of: x))
    }

    /// d mean = 1/n, d inverse = -inverse^2 level / n, where n is the length of a line.
    private static func statisticsGradient(_ g: inout Gradients, _ n: Node, _ dy: [ValueID?], _ x: ValueID, _ scale: ValueID) throws
        -> ValueID
    {
        let outputs = try level(&g, n, x, scale)
        let share = try lineShare(&g, n, x)
        var sum: ValueID?
        if let mean = dy.count > 1 ? dy[1] : nil { sum = try g.expand(g.mul(mean, share), like: x) }
        if dy.count > 2, let inverse = dy[2] {
            let part = try g.neg(g.mul(outputs[0], g.mul(g.mul(inverse, share), g.square(outputs[2]))))
            sum = try sum.map { try g.add($0, part) } ?? part
        }
        return try sum ?? g.number(0, like: x)
    }

    /// 1 / n as a number of the graph, from the ones that stand for a line.
    private static func lineShare(_ g: inout Gradients, _ n: Node, _ x: ValueID) throws -> ValueID {
        let ones = try g.ones(like: x, from: start(g, n, x))
        return try g.emit("Reciprocal", [g.sum(ones, nil, keepdims: false)])
    }

    // MARK: Gradient

    /// LayerNormalizationGrad(dY, X, Scale) = P(dY Scale), where P(v) = inverse (v - mean(v) - level mean(v level)).
    static let layerGradient = Operator(
        "LayerNormalizationGrad", arity: 3...3,
        infer: { c in
            try checkFit(c, 2, try c.dims(1))
            return [try c.type(1)]
        },
        compute: { c in
            let x = try c.tensor(1), (_, rows, length) = try split(c, x.shape)
            let result = try levelled(x, rows: rows, length: length, epsilon: c.float("epsilon", default: 1e-5))
            let arriving = try scaled(c.tensor(0).converted(to: .float64), c.tensor(2), { $0 * $1 })
            guard arriving.shape == x.shape else {
                throw Failure.shape("gradient is \(Shape.text(arriving.shape)), input is \(Shape.text(x.shape))")
            }
            return [try projected(arriving, result, rows, length).converted(to: x.type)]
        },
        vjp: Rule.all(layerSecondGradient),
        samples: [
            Sample([.real(2, 3, 4), .real(2, 3, 4), .real(4)]),
            Sample([.real(2, 3, 2), .real(2, 3, 2), .real(3, 2)], ["axis": .int(1), "epsilon": .float(0.01)]),
        ])

    private static func projected(_ v: Tensor, _ x: Levelled, _ rows: Int, _ length: Int) throws -> Tensor {
        try v.read(Double.self) { v in
            try x.level.read(Double.self) { level in
                try Tensor.make(x.level.shape, Double.self) { to in
                    for row in 0..<rows {
                        let line = row * length..<(row + 1) * length
                        let mean = line.reduce(0) { $0 + v[$1] } / Double(length)
                        let along = line.reduce(0) { $0 + v[$1] * level[$1] } / Double(length)
                        for i in line { to[i] = x.inverse[row] * (v[i] - mean - level[i] * along) }
                    }
                }
            }
        }
    }

    /// P is symmetric; by x, d·P(v) has the slope
    /// -inverse level mean(d P(v)) - inverse (mean(v level) P(d) + mean(d level) P(v)).
    private static func layerSecondGradient(_ g: inout Gradients, _ n: Node, _ d: ValueID) throws -> [ValueID?] {
        let dy = try g.input(n, 0), x = try g.input(n, 1), scale = try g.input(n, 2)
        let along = try axes(g, n, of: x)
        let unit = try level(&g, n, x, scale)
        let ones = try g.ones(like: x, from: start(g, n, x))
        let pd = try g.emit("LayerNormalizationGrad", [d, x, ones], n.attributes), pv = try g.output(n)
        let v = try g.mul(dy, scale)
        let first = try g.mul(unit[0], g.mean(g.mul(d, pv), along))
        let second = try g.mul(pd, g.mean(g.mul(v, unit[0]), along))
        let third = try g.mul(pv, g.mean(g.mul(d, unit[0]), along))
        let dx = try g.neg(g.mul(unit[2], g.add(first, g.add(second, third))))
        return [try g.mul(pd, scale), dx, try g.mul(pd, dy)]
    }
}

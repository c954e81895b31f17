internal import Glibc
internal import Tensors

/// Normalisation by a norm (ONNX RMSNormalization from opset 23, LpNormalization, LRN).
extension Normalization {
    static let powers = [rootMeanSquare, norm, local]

    // MARK: RMSNormalization

    /// scale x / sqrt(mean(x^2) + epsilon) over everything from `axis` on.
    private static let rootMeanSquare = Operator(
        "RMSNormalization", arity: 2...2,
        infer: { c in
            let dims = try c.dims(0)
            try checkFit(c, 1, dims)
            return [TensorType(try c.type(0).element, dims)]
        },
        compute: { c in
            let x = try c.tensor(0), axis = try Shape.axis(c.int("axis", default: -1), rank: x.shape.count)
            let rows = x.shape.prefix(axis).reduce(1, *), length = x.shape.dropFirst(axis).reduce(1, *)
            let epsilon = c.float("epsilon", default: 1e-5)
            let unit = try x.converted(to: .float64).read(Double.self) { from in
                try Tensor.make(x.shape, Double.self) { to in
                    for row in 0..<rows {
                        let line = row * length..<(row + 1) * length
                        let inverse = 1 / sqrt(line.reduce(0) { $0 + from[$1] * from[$1] } / Double(length) + epsilon)
                        for i in line { to[i] = from[i] * inverse }
                    }
                }
            }
            return [try scaled(unit, c.tensor(1), { $0 * $1 }).converted(to: x.type)]
        },
        vjp: Rule.all { g, n, dy in
            let x = try g.input(n, 0), along = try axes(g, n, of: x)
            let inverse = try g.emit("Reciprocal", [g.sqrt(g.add(g.mean(g.square(x), along), epsilon(n)))])
            let unit = try g.mul(x, inverse), arriving = try g.mul(dy, g.input(n, 1))
            let rest = try g.sub(arriving, g.mul(unit, g.mean(g.mul(arriving, unit), along)))
            return [try g.mul(inverse, rest), try g.mul(dy, unit)]
        },
        samples: [Sample([.real(2, 3, 4), .real(4)]), Sample([.real(2, 3, 2), .real(3, 2)], ["axis": .int(1), "epsilon": .float(0.01)])])

    // MARK: LpNormalization

    /// x / norm along one axis, by p = 1 or 2; a line of norm 0 stays 0.
    private static let norm = Operator(
        "LpNormalization", arity: 1...1, infer: { [try $0.type(0)] },
        compute: { c in
            let x = try c.tensor(0), isAbsolute = try power(c.node) == 1
            let rows = Rows(x.shape, axis: try Shape.axis(c.int("axis", default: -1), rank: x.shape.count))
            return [
                try x.converted(to: .float64).read(Double.self) { from in
                    try Tensor.make(x.shape, Double.self) { to in
                        rows.forEach { start in
                            let line = stride(from: start, to: start + rows.length * rows.step, by: rows.step)
                            let sum = line.reduce(0) { $0 + (isAbsolute ? from[$1].magnitude : from[$1] * from[$1]) }
                            let norm = isAbsolute ? sum : sqrt(sum)
                            for i in line { to[i] = norm == 0 ? 0 : from[i] / norm }
                        }
                    }
                }.converted(to: x.type)
            ]
        },
        vjp: Rule.first { g, n, dy in
            let x = try g.input(n, 0), axis = n.attributes["axis"]?.int ?? -1, isAbsolute = try power(n) == 1
            let norm = try g.emit(isAbsolute ? "ReduceL1" : "ReduceL2", [x, g.integers([axis])])
            let y = try g.output(n)
            let direction = try isAbsolute ? g.emit("Sign", [x]) : y
            return try g.div(g.sub(dy, g.mul(direction, g.sum(g.mul(dy, y), [axis]))), norm)
        },
        samples: [Sample([.real(2, 3)]), Sample([.real(2, 3, 2)], ["axis": .int(1), "p": .int(1)])])

    private static func power(_ n: Node) throws -> Int {
        let p = n.attributes["p"]?.int ?? 2
        guard p == 1 || p == 2 else { throw Failure.unsupported("p is \(p), expected 1 or 2") }
        return p
    }

    // MARK: LRN

    /// x / (bias + alpha / size · sum of x^2 over `size` channels around)^beta. Krizhevsky, Sutskever and Hinton,
    /// "ImageNet classification with deep convolutional neural networks", 2012.
    private static let local = Operator(
        "LRN", arity: 1...1, infer: { try channelTypes($0, []) },
        compute: { c in
            let x = try c.tensor(0), response = try Response(c.node)
            guard x.shape.count >= 2 else { throw Failure.shape("expected channels on axis 1, found \(Shape.text(x.shape))") }
            let channels = x.shape[1], plane = x.shape.dropFirst(2).reduce(1, *)
            return [
                try x.converted(to: .float64).read(Double.self) { from in
                    try Tensor.make(x.shape, Double.self) { to in
                        for row in 0..<x.shape[0] * channels {
                            let first = row - row % channels, window = response.window(row % channels, channels)
                            for i in 0..<plane {
                                let sum = window.reduce(0) { $0 + from[(first + $1) * plane + i] * from[(first + $1) * plane + i] }
                                let base = response.bias + response.alpha / Double(response.size) * sum
                                to[row * plane + i] = from[row * plane + i] * pow(base, -response.beta)
                            }
                        }
                    }
                }.converted(to: x.type)
            ]
        },
        vjp: Rule.first { g, n, dy in try localGradient(&g, n, dy) },
        samples: [
            Sample([.real(2, 5, 2)], ["size": .int(3), "alpha": .float(0.5), "bias": .float(1.2)]),
            Sample([.real(1, 4, 2, 2)], ["size": .int(2), "alpha": .float(0.3), "beta": .float(0.5)]),
        ])

    private struct Response {
        let size: Int
        let alpha: Double, beta: Double, bias: Double

        init(_ n: Node) throws {
            size = n.attributes["size"]?.int ?? 0
            guard size > 0 else { throw Failure.invalid("size is \(size), expected at least 1") }
            alpha = n.attributes["alpha"]?.float ?? 1e-4
            beta = n.attributes["beta"]?.float ?? 0.75
            bias = n.attributes["bias"]?.float ?? 1
        }

        /// Channels that channel `c` is compared with.
        func window(_ c: Int, _ channels: Int) -> Range<Int> {
            let low = max(0, c - (size - 1) / 2), reach = min(size, channels)
            return low..<min(channels, c + min(size / 2, reach) + 1)
        }
    }

    /// Sums over neighbouring channels are products with a band matrix.
    private static func localGradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> ValueID {
        let x = try g.input(n, 0), response = try Response(n)
        guard let dims = try g.type(of: x).dims, dims.count > 1, let channels = dims[1].value, channels <= 1 << 12 else {
            throw Failure.unsupported("the number of channels follows only from data")
        }
        var numbers = [Double](repeating: 0, count: channels * channels)
        for c in 0..<channels { for d in response.window(c, channels) { numbers[c * channels + d] = 1 } }
        let band = g.constant(try Tensor(numbers, [channels, channels]).converted(to: g.type(of: x).element))
        let squares = try g.emit("Einsum", [band, g.square(x)], ["equation": .string("cd,nd...->nc...")])
        let base = try g.add(g.mul(squares, response.alpha / Double(response.size)), response.bias)
        let share = try g.emit("Pow", [base, g.number(-response.beta, like: base)])
        let pull = try g.mul(g.div(g.mul(dy, x), base), share)
        let spread = try g.emit("Einsum", [band, pull], ["equation": .string("dc,nd...->nc...")])
        let slope = try g.mul(g.mul(x, spread), -2 * response.alpha * response.beta / Double(response.size))
        return try g.add(g.mul(dy, share), slope)
    }

    // MARK: MeanVarianceNormalization

    /// ONNX defines it by other operators: (x - mean) / (sqrt(mean(x^2) - mean^2) + 1e-9).
    static func lowerMeanVariance(_ l: inout Lowerer, _ n: Node) throws {
        guard let x = n.inputs.first ?? nil else { throw Failure.invalid("input 0 is missing") }
        let axes = l.constant(try Tensor((n.attributes["axes"]?.ints ?? [0, 2, 3]).map { Int64($0) }))
        let mean = try l.emit("ReduceMean", [x, axes])
        let squares = try l.emit("ReduceMean", [l.emit("Mul", [x, x]), axes])
        let deviation = try l.emit("Sqrt", [l.emit("Sub", [squares, l.emit("Mul", [mean, mean])])])
        let small = try l.emit("CastLike", [l.constant(Tensor.scalar(Float(1e-9))), x])
        try l.emit("Div", [l.emit("Sub", [x, mean]), l.emit("Add", [deviation, small])], to: n.outputs)
    }
}

internal import Tensors

/// AveragePool and SumPool, and their adjoints: the same loops with another divisor.
struct Mean: Sendable {
    let name: String
    private let divides: Bool

    static let average = Mean(name: "AveragePool", divides: true)
    static let sum = Mean(name: "SumPool", divides: false)

    /// One over the divisor of each output element of a plane. Padding counts where the node says so, but never what
    /// `ceil_mode` adds behind it.
    private func factors(_ c: some NodeReader, _ windows: PoolWindows) -> [Double] {
        guard divides else { return [Double](repeating: 1, count: windows.outputCount) }
        let counts = windows.axes.map { axis in
            (0..<axis.output).map { o in
                c.flag("count_include_pad") ? axis.taps(o, low: axis.begin, high: axis.end).count : axis.taps(o).count
            }
        }
        return counts[0].flatMap { i in counts[1].flatMap { j in counts[2].map { k in i * j * k == 0 ? 0 : 1 / Double(i * j * k) } } }
    }

    func compute(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0)
        let windows = try PoolWindows(call, input: x.shape)
        let factors = factors(call, windows)
        let result = try Tensor.empty(.float64, windows.outputShape)
        try Convolution.reals(x).read(Double.self) { x in
            try result.write(Double.self) { y in
                windows.forEach { plane, o, window in
                    var sum = 0.0
                    window.forEach { sum += x[plane * windows.inputCount + $0] }
                    y[plane * windows.outputCount + o] = sum * factors[o]
                }
            }
        }
        return [try result.converted(to: x.type)]
    }

    func computeGrad(_ call: Call) throws -> [Tensor] {
        let dy = try call.tensor(0)
        guard var shape = try call.ints(1, or: "input_shape"), shape.count == dy.shape.count, shape.count >= 3 else {
            throw Failure.invalid("attribute input_shape is missing or does not have \(dy.shape.count) entries")
        }
        shape.replaceSubrange(..<2, with: dy.shape[..<2])
        let windows = try PoolWindows(call, input: shape)
        guard dy.shape == windows.outputShape else {
            throw Failure.shape("gradient is \(Shape.text(dy.shape)), expected \(Shape.text(windows.outputShape))")
        }
        let factors = factors(call, windows)
        let result = try Tensor.zeros(.float64, shape)
        try Convolution.reals(dy).read(Double.self) { dy in
            try result.write(Double.self) { dx in
                windows.forEach { plane, o, window in
                    let share = dy[plane * windows.outputCount + o] * factors[o]
                    window.forEach { dx[plane * windows.inputCount + $0] += share }
                }
            }
        }
        return [try result.converted(to: dy.type)]
    }

    static func inferGrad(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0)
        guard let sizes = c.has(1) ? c.symbols(1) ?? [Dim](repeating: .unknown, count: dims.count) : c.ints("input_shape")?.map({ Dim($0) })
        else {
            throw Failure.invalid("attribute input_shape is missing")
        }
        guard sizes.count == dims.count, dims.count >= 3 else {
            throw Failure.shape("input_shape has \(sizes.count) entries, gradient has \(dims.count) axes")
        }
        return [TensorType(try c.type(0).element, Array(dims[..<2]) + Array(sizes[2...]))]
    }

    func vjp(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0)
        var attributes = Pooling.windowAttributes(node)
        guard let shape = g.shape(of: x) else { return [try g.emit(name + "Grad", [dy, g.emit("Shape", [x])], attributes)] }
        attributes["input_shape"] = .ints(shape)
        return [try g.emit(name + "Grad", [dy], attributes)]
    }

    func gradVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        try [arriving.first?.map { try g.emit(name, [$0], Pooling.windowAttributes(node)) }]
    }
}

/// Pools over whole planes: the mean and the largest element of every channel.
enum Global {
    static let operators = [
        Operator(
            "GlobalAveragePool", arity: 1...1, infer: infer,
            compute: { call in
                try reduce(call) { row in row.isEmpty ? .nan : row.reduce(0, +) / Double(row.count) }
            },
            vjp: averageVJP, samples: [Sample([.real(2, 3, 4, 3)]), Sample([.real(1, 2, 5)]), Sample([.real(1, 2, 2, 3, 2)])]),
        Operator(
            "GlobalMaxPool", arity: 1...1, infer: infer,
            compute: { call in
                try reduce(call) { row in row.reduce(-.infinity) { $1 > $0 || $1.isNaN ? $1 : $0 } }
            },
            vjp: maxVJP, samples: [Sample([.real(2, 3, 4, 3)]), Sample([.real(1, 2, 5)])]),
    ]

    private static func infer(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0)
        guard dims.count >= 3 else { throw Failure.shape("input has \(dims.count) axes, expected at least 3") }
        return [TensorType(try c.type(0).element, dims.indices.map { $0 < 2 ? dims[$0] : Dim(1) })]
    }

    private static func reduce(_ call: Call, _ body: (UnsafeBufferPointer<Double>) -> Double) throws -> [Tensor] {
        let x = try call.tensor(0)
        guard x.shape.count >= 3 else { throw Failure.shape("input has \(x.shape.count) axes, expected at least 3") }
        let size = try Shape.count(Array(x.shape[2...]))
        let shape = x.shape.indices.map { $0 < 2 ? x.shape[$0] : 1 }
        let result = try Convolution.reals(x).read(Double.self) { x in
            try Tensor.make(shape, Double.self) { y in
                for plane in y.indices { y[plane] = body(UnsafeBufferPointer(rebasing: x[plane * size..<(plane + 1) * size])) }
            }
        }
        return [try result.converted(to: x.type)]
    }

    private static func averageVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0)
        if let dims = try g.type(of: x).dims {
            let sizes = dims.dropFirst(2).compactMap(\.value)
            if sizes.count == dims.count - 2 {
                return [try g.expand(g.mul(dy, 1 / Double(max(1, sizes.reduce(1, *)))), like: x)]
            }
        }
        let count = try g.div(g.emit("Size", [x]), g.emit("Size", [dy]))
        let divisor = try g.emit("Cast", [count], ["to": .int(Int(g.type(of: x).element.rawValue))])
        return [try g.expand(g.div(dy, divisor), like: x)]
    }

    private static func maxVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0)
        let window = g.shape(of: x).map { ["kernel_shape": Attribute.ints(Array($0.dropFirst(2)))] } ?? [:]
        return [try g.emit("MaxPoolGrad", [dy, x], window)]
    }
}

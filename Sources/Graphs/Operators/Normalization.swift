internal import Glibc
internal import Tensors

/// Normalisation by mean and variance (ONNX BatchNormalization in its inference form, LayerNormalization,
/// InstanceNormalization, GroupNormalization; opset 7 and up). In `Normalization+Power.swift` those without a mean:
/// RMSNormalization, LpNormalization, LRN; and MeanVarianceNormalization.
enum Normalization {
    static let operators = [batch, layer, layerGradient, instance, group] + powers

    static let lowerings = [
        Lowering("BatchNormalization", since: 1) { try lowerBatch(&$0, $1) },
        Lowering("GroupNormalization", since: 1) { try lowerGroup(&$0, $1) },
        Lowering("GroupNormalization", since: 21) { try $0.add($1) },
        Lowering("MeanVarianceNormalization", since: 1) { try lowerMeanVariance(&$0, $1) },
    ]

    static func epsilon(_ n: Node) -> Double { n.attributes["epsilon"]?.float ?? 1e-5 }

    /// Throws unless the input is a vector with one number for each channel of input 0.
    static func checkChannels(_ c: Inference, _ index: Int, _ name: String, _ channels: Dim) throws {
        guard let type = try? c.type(index), let dims = type.dims else { return }
        guard dims.count == 1 else { throw Failure.shape("\(name) has rank \(dims.count), expected a vector") }
        if let found = dims[0].value, let expected = channels.value, found != expected {
            throw Failure.shape("\(name) has \(found) numbers, input has \(expected) channels")
        }
    }

    /// Input 0's dims, with `names` (inputs 1, 2, …) checked against its channels.
    static func channelTypes(_ c: Inference, _ names: [String], perChannel: Bool = true) throws -> [TensorType] {
        let dims = try c.dims(0)
        guard dims.count >= 2 else { throw Failure.shape("expected channels on axis 1, found rank \(dims.count)") }
        for (index, name) in names.enumerated() where perChannel { try checkChannels(c, index + 1, name, dims[1]) }
        return [TensorType(try c.type(0).element, dims)]
    }

    /// A vector over channels seen along axis 1 of a tensor like `x`.
    static func alongChannels(_ g: inout Gradients, _ vector: ValueID, _ x: ValueID) throws -> ValueID {
        try g.unsqueeze(vector, Array(1..<max(g.rank(of: x) - 1, 1)))
    }

    /// Sum over everything but channels.
    static func sumToChannels(_ g: inout Gradients, _ a: ValueID) throws -> ValueID {
        try g.sum(a, [0] + Array(2..<max(g.rank(of: a), 2)), keepdims: false)
    }

    // MARK: BatchNormalization

    /// scale (x - mean) / sqrt(variance + epsilon) + bias, with given mean and variance for each channel.
    private static let batch = Operator(
        "BatchNormalization", arity: 5...5,
        infer: { c in
            return try channelTypes(c, ["scale", "bias", "mean", "variance"])
        },
        compute: { c in
            let x = try c.tensor(0)
            let v = try (1...4).map { try c.tensor($0).doubles() }, epsilon = c.float("epsilon", default: 1e-5)
            let factors = zip(v[0], v[3]).map { $0 / ($1 + epsilon).squareRoot() }
            let shifts = zip(zip(factors, v[2]), v[1]).map { $1 - $0.0 * $0.1 }
            return [try perChannel(x, factors, shifts)]
        },
        vjp: Rule.all(batchGradient),
        samples: [
            Sample([.real(2, 3, 2, 2), .real(3), .real(3), .real(3), .positive(3)]),
            Sample([.real(2, 3), .real(3), .real(3), .real(3), .positive(3)], ["epsilon": .float(0.1)]),
        ])

    /// factor x + shift for each channel.
    private static func perChannel(_ x: Tensor, _ factors: [Double], _ shifts: [Double]) throws -> Tensor {
        guard x.shape.count >= 2, factors.count == x.shape[1], shifts.count == x.shape[1] else {
            throw Failure.shape("\(factors.count) channels for an input of \(Shape.text(x.shape))")
        }
        let plane = x.shape.dropFirst(2).reduce(1, *), channels = x.shape[1]
        return try x.converted(to: .float64).read(Double.self) { from in
            try Tensor.make(x.shape, Double.self) { to in
                for row in 0..<x.shape[0] * channels {
                    let factor = factors[row % channels], shift = shifts[row % channels]
                    for i in row * plane..<(row + 1) * plane { to[i] = from[i] * factor + shift }
                }
            }
        }.converted(to: x.type)
    }

    private static func batchGradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?] {
        let x = try g.input(n, 0), scale = try g.input(n, 1), mean = try g.input(n, 3), variance = try g.input(n, 4)
        let deviation = try g.sqrt(g.add(variance, epsilon(n)))
        let factor = try g.div(scale, deviation)
        let dx = try g.mul(dy, alongChannels(&g, factor, x))
        guard (1...4).contains(where: { g.wants(n, $0) }) else { return [dx] }
        let bias = try sumToChannels(&g, dy)
        let centred = try g.sub(x, alongChannels(&g, mean, x))
        let product = try sumToChannels(&g, g.mul(dy, centred))
        let dVariance = try g.mul(g.div(g.mul(product, factor), g.add(variance, epsilon(n))), -0.5)
        return [dx, try g.div(product, deviation), bias, try g.neg(g.mul(bias, factor)), dVariance]
    }

    /// From 7 to 13 more outputs meant training; before 9, `spatial` = 0 meant statistics for each element.
    private static func lowerBatch(_ l: inout Lowerer, _ n: Node) throws {
        if n.attributes["training_mode"]?.int ?? 0 != 0 { return try lowerTrainingBatch(&l, n) }
        guard n.outputs.dropFirst().allSatisfy({ $0 == nil }) else {
            throw Failure.unsupported("the node trains (it has \(n.outputs.count) outputs), expected a network for inference")
        }
        let isSpatial = l.opset >= 9 || n.attributes["spatial"]?.int ?? 1 != 0
        if isSpatial {
            let epsilon = n.attributes["epsilon"] ?? .float(1e-5)
            return try l.emit("BatchNormalization", n.inputs, to: Array(n.outputs.prefix(1)), ["epsilon": epsilon])
        }
        guard n.inputs.count == 5, let x = n.inputs[0], let variance = n.inputs[4] else {
            throw Failure.invalid("expected 5 inputs, found \(n.inputs.count)")
        }
        let epsilon = l.constant(try Tensor.scalar(Float(epsilon(n))))
        let deviation = try l.emit("Sqrt", [l.emit("Add", [variance, l.emit("CastLike", [epsilon, x])])])
        let ratio = try l.emit("Div", [l.emit("Sub", [x, n.inputs[3]]), deviation])
        try l.emit("Add", [l.emit("Mul", [ratio, n.inputs[1]]), n.inputs[2]], to: Array(n.outputs.prefix(1)))
    }

    /// With the batch's own statistics, which also move the given ones (opset 14, training_mode).
    private static func lowerTrainingBatch(_ l: inout Lowerer, _ n: Node) throws {
        let x = try l.required(n, 0), rank = try l.rank(x), axes = try l.vector((0..<rank).filter { $0 != 1 })
        let mean = try l.emit("ReduceMean", [x, axes])
        let centred = try l.emit("Sub", [x, mean])
        let variance = try l.emit("ReduceMean", [l.emit("Mul", [centred, centred]), axes])
        let statistics = try [mean, variance].map { try l.reshape($0, [-1]) }
        let epsilon = n.attributes["epsilon"] ?? .float(1e-5), momentum = n.attributes["momentum"]?.float ?? 0.9
        for (index, own) in statistics.enumerated() {
            guard let output = n.outputs.dropFirst(index + 1).first, let output else { continue }
            let given = try l.required(n, 3 + index), element = try l.element(given), found = try l.cast(own, element)
            let kept = try l.emit("Mul", [given, l.number(momentum, like: given)])
            try l.emit("Add", [kept, l.emit("Mul", [found, l.number(1 - momentum, like: given)])], to: [output])
        }
        let inputs = try [x, l.required(n, 1), l.required(n, 2)] + statistics
        try l.emit("BatchNormalization", inputs, to: Array(n.outputs.prefix(1)), ["epsilon": epsilon])
    }

    // MARK: InstanceNormalization, GroupNormalization

    /// Each channel of each image has its own mean and variance.
    private static let instance = Operator(
        "InstanceNormalization", arity: 3...3, infer: { try channelTypes($0, ["scale", "bias"]) },
        compute: { c in
            let x = try c.tensor(0)
            return [try grouped(c, x, groups: x.shape.count > 1 ? x.shape[1] : 0)]
        },
        vjp: Rule.all { g, n, dy in
            let x = try g.input(n, 0), scale = try g.input(n, 1)
            let ones = try g.ones(like: x, from: 2)
            let attributes: [String: Attribute] = ["axis": .int(2), "epsilon": .float(epsilon(n))]
            let arriving = try g.mul(dy, alongChannels(&g, scale, x))
            let dx = try g.emit("LayerNormalizationGrad", [arriving, x, ones], attributes)
            guard g.wants(n, 1) || g.wants(n, 2) else { return [dx] }
            let level = try g.emit("LayerNormalization", [x, ones], attributes)
            return [dx, try sumToChannels(&g, g.mul(dy, level)), try sumToChannels(&g, dy)]
        },
        samples: [
            Sample([.real(2, 3, 2, 3), .real(3), .real(3)]), Sample([.real(1, 2, 5), .real(2), .real(2)], ["epsilon": .float(0.1)]),
        ])

    /// Each group of channels of each image has its own mean and variance (opset 21: scale and bias for each channel).
    private static let group = Operator(
        "GroupNormalization", arity: 3...3,
        infer: { c in
            let types = try channelTypes(c, ["scale", "bias"])
            let groups = c.int("num_groups", default: 0)
            if let channels = types.first?.dims?[1].value { try checkGroups(channels, groups) }
            return types
        },
        compute: { c in [try grouped(c, c.tensor(0), groups: c.int("num_groups", default: 0))] },
        vjp: Rule.all(groupGradient),
        samples: [
            Sample([.real(2, 4, 2, 3), .real(4), .real(4)], ["num_groups": .int(2)]),
            Sample([.real(1, 3, 5), .real(3), .real(3)], ["num_groups": .int(1)]),
        ])

    private static func checkGroups(_ channels: Int, _ groups: Int) throws {
        guard groups > 0, channels % groups == 0 else { throw Failure.shape("\(channels) channels do not divide into \(groups) groups") }
    }

    private static func grouped(_ c: Call, _ x: Tensor, groups: Int) throws -> Tensor {
        guard x.shape.count >= 2 else { throw Failure.shape("expected channels on axis 1, found \(Shape.text(x.shape))") }
        try checkGroups(x.shape[1], groups)
        let rows = x.shape[0] * groups
        let level = try levelled(x, rows: rows, length: rows == 0 ? 0 : x.count / rows, epsilon: c.float("epsilon", default: 1e-5)).level
        return try perChannel(level, c.tensor(1).doubles(), c.tensor(2).doubles()).converted(to: x.type)
    }

    private static func groupGradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?] {
        let x = try g.input(n, 0), scale = try g.input(n, 1)
        let shape = try g.integers([0, n.attributes["num_groups"]?.int ?? 1, -1])
        let rows = try g.emit("Reshape", [x, shape])
        let arriving = try g.emit("Reshape", [g.mul(dy, alongChannels(&g, scale, x)), shape])
        let ones = try g.ones(like: rows, from: 2)
        let attributes: [String: Attribute] = ["axis": .int(2), "epsilon": .float(epsilon(n))]
        let dx = try g.reshape(g.emit("LayerNormalizationGrad", [arriving, rows, ones], attributes), like: x)
        guard g.wants(n, 1) || g.wants(n, 2) else { return [dx] }
        let level = try g.reshape(g.emit("LayerNormalization", [rows, ones], attributes), like: x)
        return [dx, try sumToChannels(&g, g.mul(dy, level)), try sumToChannels(&g, dy)]
    }

    /// At opsets 18 to 20 scale and bias have one number for each group.
    private static func lowerGroup(_ l: inout Lowerer, _ n: Node) throws {
        guard n.inputs.count == 3, let x = n.inputs[0], let dims = l.graph[x].type?.dims, dims.count > 1, let channels = dims[1].value
        else {
            throw Failure.unsupported("the number of channels follows only from data")
        }
        let groups = n.attributes["num_groups"]?.int ?? 0
        try checkGroups(channels, groups)
        let target = l.constant(try Tensor([Int64(groups), Int64(channels / groups)]))
        let minus = l.constant(try Tensor([Int64(-1)])), one = l.constant(try Tensor([Int64(1)]))
        let spread = try n.inputs.dropFirst().map { input in
            try l.emit("Reshape", [l.emit("Expand", [l.emit("Unsqueeze", [input, one]), target]), minus])
        }
        try l.emit("GroupNormalization", [x] + spread, to: n.outputs, n.attributes)
    }
}

internal import Tensors

/// Linear quantisation (ONNX QuantizeLinear and DequantizeLinear 10 to 25, DynamicQuantizeLinear 11): per tensor, per
/// axis or per block.
///
///     QuantizeLinear    q = clip(round(x / scale) + zero)         ties to even; inputs 3 and 4, which only lowerings
///                       give: the scale and zero point of the levels where `scale` and `zero` are others
///     DequantizeLinear  y = (q - zero) * scale
///     FakeQuantize      both in one, with real numbers on either side; a pair in a file is lowered to it so that a
///                       gradient finds a way
///     FakeQuantizeGrad  (dY, x, scale, zero) → dY where q was not clipped, the straight-through estimator
///                       (Bengio, Léonard, Courville 2013); see `QuantizedType.isInside`
enum Quantization {
    static let operators = [
        Operator(
            "QuantizeLinear", arity: 2...5, infer: { [TensorType(try QuantizedType(inferred: $0).type, try $0.type(0).dims)] },
            compute: quantize, vjp: quantizeVJP, samples: quantizeSamples),
        Operator(
            "DequantizeLinear", arity: 2...3, infer: inferDequantize, compute: dequantize, vjp: dequantizeVJP, samples: dequantizeSamples),
        Operator("FakeQuantize", arity: 2...3, infer: { [try $0.type(0)] }, compute: fakeQuantize, vjp: fakeVJP, samples: fakeSamples),
        Operator(
            "FakeQuantizeGrad", arity: 3...4, infer: { [try $0.type(0)] }, compute: fakeQuantizeGrad, vjp: fakeGradVJP,
            samples: fakeGradSamples),
        Operator(
            "DynamicQuantizeLinear", arity: 1...1,
            infer: { [TensorType(.uint8, try $0.type(0).dims), TensorType(try $0.type(0).element, []), TensorType(.uint8, [])] },
            compute: dynamic, vjp: dynamicVJP, samples: dynamicSamples),
    ]

    static let lowerings = [
        Lowering("QuantizeLinear", since: 10) { b, n in try lowerQuantize(&b, n) },
        Lowering("DequantizeLinear", since: 10) { b, n in try lowerDequantize(&b, n) },
    ]

    // MARK: Lowerings

    /// Records the integer type, which later is not visible any more where runtimes widen small types.
    private static func lowerQuantize(_ b: inout Lowerer, _ n: Node) throws {
        var node = n
        if n.attributes["output_dtype"]?.int ?? 0 == 0, n.inputs.count > 2, let zero = n.inputs[2], let type = b.graph[zero].type {
            node.attributes["output_dtype"] = .int(Int(type.element.rawValue))
        }
        try b.add(node)
    }

    private static func lowerDequantize(_ b: inout Lowerer, _ n: Node) throws {
        guard let q = n.inputs.first ?? nil, b.graph[q].constant == nil, let source = b.graph.nodes.last(where: { $0.outputs.contains(q) }),
            source.op == "QuantizeLinear", let x = source.inputs[0], let scale = n.inputs.count > 1 ? n.inputs[1] : nil,
            b.graph[x].type?.element == b.graph[scale].type?.element, n.attributes["output_dtype"]?.int ?? 0 == 0,
            same(b.graph, source.inputs[1], scale), same(b.graph, zero(source), zero(n)),
            ["axis": 1, "block_size": 0].allSatisfy({ (source.attributes[$0]?.int ?? $1) == (n.attributes[$0]?.int ?? $1) })
        else { return try b.add(n) }
        try b.emit("FakeQuantize", source.inputs, to: n.outputs, source.attributes)
    }

    private static func zero(_ node: Node) -> ValueID? { node.inputs.count > 2 ? node.inputs[2] : nil }

    private static func same(_ graph: Graph, _ a: ValueID?, _ b: ValueID?) -> Bool {
        if a == b { return true }
        guard let a, let b, let x = graph[a].constant, let y = graph[b].constant, x.shape == y.shape, x.type == y.type else { return false }
        guard let p = try? x.widened().doubles(), let q = try? y.widened().doubles() else { return false }
        return p == q
    }

    // MARK: Kernels

    /// Quotients rounded to integers and shifted, before clipping: the quantised numbers and their scales.
    private static func levels(_ call: Call, _ first: Int, _ type: QuantizedType) throws
        -> (x: Tensor, levels: [Double], parameters: QuantizedParameters)
    {
        let x = try call.tensor(first)
        let parameters = try QuantizedParameters(call, shape: x.shape, first: first + 1)
        let numbers = try x.doubles()
        let isSingle = x.type == .float32
        let levels = numbers.indices.map { i in
            let at = parameters.index(i)
            // Ties are decided in the input's own precision.
            let quotient = isSingle ? Double(Float(numbers[i]) / Float(parameters.scales[at])) : numbers[i] / parameters.scales[at]
            return type.isInteger ? quotient.rounded(.toNearestOrEven) + parameters.zero(at) : quotient
        }
        return (x, levels, parameters)
    }

    private static func quantize(_ call: Call) throws -> [Tensor] {
        let type = try QuantizedType(call)
        guard type.isInteger else {
            let x = try call.tensor(0), parameters = try QuantizedParameters(call, shape: call.tensor(0).shape, first: 1)
            let numbers = try x.doubles()
            let saturates = call.flag("saturate", default: true)
            let codes = numbers.indices.map { type.code(numbers[$0] / parameters.scales[parameters.index($0)], saturates: saturates) }
            return [try type.pack(codes, x.shape)]
        }
        let (x, levels, _) = try levels(call, 0, type)
        return [try type.tensor(levels.map(type.nearest), x.shape)]
    }

    private static func fakeQuantize(_ call: Call) throws -> [Tensor] {
        let type = try QuantizedType(call)
        let (x, levels, parameters) = try levels(call, 0, type)
        let result = levels.indices.map { i in
            let at = parameters.index(i)
            return (type.nearest(levels[i]) - parameters.zero(at)) * parameters.scales[at]
        }
        return [try Tensor(result, x.shape).converted(to: x.type)]
    }

    private static func fakeQuantizeGrad(_ call: Call) throws -> [Tensor] {
        let dy = try call.tensor(0), type = try QuantizedType(call, zero: 3)
        let (x, levels, _) = try levels(call, 1, type)
        guard dy.shape == x.shape else { throw Failure.shape("gradient is \(Shape.text(dy.shape)), expected \(Shape.text(x.shape))") }
        let numbers = try dy.doubles()
        return [try Tensor(levels.indices.map { type.isInside(levels[$0]) ? numbers[$0] : 0 }, dy.shape).converted(to: dy.type)]
    }

    private static func inferDequantize(_ c: Inference) throws -> [TensorType] {
        let asked = ElementType(rawValue: Int32(clamping: c.int("output_dtype", default: 0)))
        return [TensorType(try asked ?? c.type(1).element, try c.type(0).dims)]
    }

    private static func dequantize(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0).widened()
        let parameters = try QuantizedParameters(call, shape: x.shape, first: 1)
        let target = try ElementType(rawValue: Int32(clamping: call.int("output_dtype", default: 0))) ?? call.tensor(1).type
        let numbers = try x.doubles()
        let isSingle = target != .float64
        let result = numbers.indices.map { i in
            let at = parameters.index(i)
            let level = numbers[i] - parameters.zero(at)
            return isSingle ? Double(Float(level) * Float(parameters.scales[at])) : level * parameters.scales[at]
        }
        return [try Tensor(result, x.shape).converted(to: target)]
    }

    private static func dynamic(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), numbers = try x.doubles()
        let low = min(0, numbers.min() ?? 0), high = max(0, numbers.max() ?? 0)
        // Ties are decided in the input's own precision.
        let isSingle = x.type == .float32
        func quotient(_ a: Double, _ b: Double) -> Double { isSingle ? Double(Float(a) / Float(b)) : a / b }
        let scale = quotient(isSingle ? Double(Float(high) - Float(low)) : high - low, 255)
        let divisor = scale == 0 ? 1 : scale
        let zero = min(max(quotient(-low, divisor).rounded(.toNearestOrEven), 0), 255)
        let levels = numbers.map { min(max(quotient($0, divisor).rounded(.toNearestOrEven) + zero, 0), 255) }
        return [
            try Tensor(levels, x.shape).converted(to: .uint8), try Tensor.scalar(scale).converted(to: x.type),
            try Tensor.scalar(zero).converted(to: .uint8),
        ]
    }

    // MARK: Rules

    /// What arrives is by levels, `d/dq`; 0 where q was clipped.
    private static func quantizeVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dq = arriving.first ?? nil else { return [] }
        g.isStraightThrough = true
        let x = try g.input(node, 0)
        let slope = try g.emit("DequantizeLinear", [dq, g.emit("Reciprocal", [g.input(node, 1)])], blocks(node))
        return [try g.emit("FakeQuantizeGrad", [g.cast(slope, like: x)] + node.inputs.prefix(3), node.attributes)]
    }

    /// Scale and zero point follow the range, so that nothing is clipped; they are taken as constants.
    private static func dynamicVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dq = arriving.first ?? nil else { return [] }
        g.isStraightThrough = true
        let scale = try g.output(node, 1), one = try g.number(1, like: scale)
        let divisor = try g.select(g.emit("Equal", [scale, g.number(0, like: scale)]), one, scale)
        return [try g.cast(g.div(g.cast(dq, like: scale), divisor), like: g.input(node, 0))]
    }

    /// The attributes that say which scale an element has.
    private static func blocks(_ node: Node) -> [String: Attribute] { node.attributes.filter { ["axis", "block_size"].contains($0.key) } }

    private static func fakeVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        g.isStraightThrough = true
        return try [arriving.first?.map { try g.emit("FakeQuantizeGrad", [$0] + node.inputs, node.attributes) }]
    }

    private static func fakeGradVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        try [arriving.first?.map { try g.emit("FakeQuantizeGrad", [$0] + node.inputs.dropFirst(), node.attributes) }]
    }

    /// By the quantised numbers, where they are levels; by the scale of the whole tensor or of an axis.
    private static func dequantizeVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        let scale = try g.input(node, 1)
        let byLevel = g.wants(node, 0) ? try g.emit("DequantizeLinear", [dy, scale], blocks(node)) : nil
        guard g.wants(node, 1) else { return [byLevel] }
        // With scales of one it gives the quantised numbers less their zero points.
        let level = try g.emit(
            "DequantizeLinear", [g.input(node, 0), g.div(scale, scale)] + node.inputs.dropFirst(2).prefix(1), node.attributes)
        let product = try g.mul(dy, level)
        if try g.rank(of: scale) == 0 { return [byLevel, product] }
        guard try g.rank(of: scale) == 1, node.attributes["block_size"]?.int ?? 0 == 0 else {
            throw Failure.unsupported("by the scales of blocks there is no gradient")
        }
        let rank = try g.rank(of: dy), axis = try Shape.axis(node.attributes["axis"]?.int ?? 1, rank: rank)
        return [byLevel, try g.sum(product, (0..<rank).filter { $0 != axis }, keepdims: false)]
    }

    // MARK: Samples

    /// The scale is a constant of the gradient on purpose: the levels' own slope already is that of all of it.
    private static let dynamicSamples = [Sample([.values([4], [-1, 0.5, 2.04, 0])])]

    private static let quantizeSamples = [
        Sample([.values([2, 3], [0, 2.1, -3.2, 900, -260, 11.7]), .values([], [2])]),
        Sample([.values([2, 2], [1.3, -7.2, 3, 4]), .values([2], [0.5, 0.25])], ["axis": .int(0), "output_dtype": .int(3)]),
    ]
    private static let dequantizeSamples = [
        Sample([.integers([2, 3], [0, 3, 128, 255, -4, 9]), .uniform([], 0.2...0.8), .integers([], [3])]),
        Sample([.integers([2, 3], [0, 3, 128, 255, -4, 9]), .uniform([3], 0.2...0.8), .integers([3], [3, 0, -1])], ["axis": .int(-1)]),
    ]
    /// Clipped elements only: elsewhere the estimator differs from the slope on purpose.
    private static let fakeSamples = [Sample([.values([3], [300, -20, 400]), .integers([], [1])])]
    private static let fakeGradSamples = [Sample([.real(4), .values([4], [300, 2.2, -20, 100.3]), .integers([], [1])])]
}

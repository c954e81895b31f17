internal import Tensors

/// The adjoints of Conv by its input and by its weight. Each is the derivative of the other two, so derivatives of any
/// order stay within Conv, ConvGradInput and ConvGradWeight.
extension Convolution {
    // MARK: ConvGradInput

    /// The spatial sizes of the shape given as input `index` or as the attribute `name`, and their number.
    private static func sizes(_ c: Inference, _ index: Int, or name: String, rank: Int) throws -> [Dim] {
        let given = c.has(index) ? c.symbols(index) : c.ints(name)?.map { Dim($0) }
        guard let given else {
            if c.has(index) { return [Dim](repeating: .unknown, count: rank) }
            throw Failure.invalid("attribute \(name) is missing")
        }
        guard given.count == rank else { throw Failure.invalid("\(name) has \(given.count) entries, expected \(rank)") }
        return given
    }

    static func inferGradInput(_ c: Inference) throws -> [TensorType] {
        let (type, dy, w, _) = try operands(c, 0, 1)
        try match(w[0], dy[1]) { "weight has \($0) output channels, gradient has \($1)" }
        let sizes = try sizes(c, 2, or: "input_shape", rank: dy.count)
        return [TensorType(type.element, [dy[0], w[1] * Dim(try groups(c))] + sizes[2...])]
    }

    static func computeGradInput(_ call: Call) throws -> [Tensor] {
        let dy = try call.tensor(0), w = try call.tensor(1)
        guard var input = try call.ints(2, or: "input_shape"), input.count == dy.shape.count, input.count == w.shape.count, input.count > 2
        else {
            throw Failure.invalid("attribute input_shape is missing or does not have \(dy.shape.count) entries")
        }
        let groups = try groups(call)
        // The batch may differ from the one that the gradient was written for.
        input[0] = dy.shape[0]
        input[1] = w.shape[1] &* groups
        let geometry = try ConvGeometry(call, input: input, weight: w.shape)
        try check(dy, geometry)
        return [try ConvKernel(geometry).gradInput(reals(dy), reals(w), bias: nil).converted(to: dy.type)]
    }

    private static func check(_ dy: Tensor, _ geometry: ConvGeometry) throws {
        guard dy.shape == geometry.output else {
            throw Failure.shape("gradient is \(Shape.text(dy.shape)), expected \(Shape.text(geometry.output))")
        }
    }

    // MARK: ConvGradWeight

    static func inferGradWeight(_ c: Inference) throws -> [TensorType] {
        let type = try c.type(0), dims = try c.dims(0)
        guard try c.type(1).element == type.element else {
            throw Failure.shape("input is \(type.element), gradient is \(try c.type(1).element)")
        }
        return [TensorType(type.element, try sizes(c, 2, or: "weight_shape", rank: dims.count))]
    }

    static func computeGradWeight(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), dy = try call.tensor(1)
        guard let weight = try call.ints(2, or: "weight_shape"), weight.count == x.shape.count, weight.allSatisfy({ $0 >= 0 }) else {
            throw Failure.invalid("attribute weight_shape is missing or does not have \(x.shape.count) entries")
        }
        let geometry = try ConvGeometry(call, input: x.shape, weight: weight)
        try check(dy, geometry)
        return [try ConvKernel(geometry).gradWeight(reals(x), reals(dy)).converted(to: x.type)]
    }

    // MARK: Rules

    static func vjp(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        guard FusedActivation.isPlain(node) else {
            throw Failure.unsupported("a fused convolution has no gradient; differentiate before the pass that fuses")
        }
        let x = try g.input(node, 0), w = try g.input(node, 1)
        let attributes = explicit(&g, node, x, w)
        return [
            try gradInput(&g, dy, w, like: x, attributes), g.wants(node, 1) ? try gradWeight(&g, x, dy, like: w, attributes) : nil,
            g.wants(node, 2) ? try biasGradient(&g, dy) : nil,
        ]
    }

    /// Attributes of a Conv node with explicit padding, where the sizes are known.
    private static func explicit(_ g: inout Gradients, _ node: Node, _ x: ValueID, _ w: ValueID) -> [String: Attribute] {
        let call = Call(node: node, inputs: [])
        guard let input = g.shape(of: x), let weight = g.shape(of: w),
            let axes = try? ConvGeometry(call, input: input, weight: weight).axes
        else { return node.attributes }
        return node.attributes.filter { $0.key == "group" }.merging(axes.attributes) { $1 }
    }

    private static func biasGradient(_ g: inout Gradients, _ dy: ValueID) throws -> ValueID {
        try g.sum(dy, [0] + Array(2..<max(2, g.rank(of: dy))), keepdims: false)
    }

    private static func gradInput(_ g: inout Gradients, _ dy: ValueID, _ w: ValueID, like x: ValueID, _ attributes: [String: Attribute])
        throws -> ValueID
    {
        var attributes = attributes
        guard let shape = g.shape(of: x) else { return try g.emit("ConvGradInput", [dy, w, g.emit("Shape", [x])], attributes) }
        attributes["input_shape"] = .ints(shape)
        return try g.emit("ConvGradInput", [dy, w], attributes)
    }

    private static func gradWeight(_ g: inout Gradients, _ x: ValueID, _ dy: ValueID, like w: ValueID, _ attributes: [String: Attribute])
        throws -> ValueID
    {
        var attributes = attributes
        guard let shape = g.shape(of: w) else { return try g.emit("ConvGradWeight", [x, dy, g.emit("Shape", [w])], attributes) }
        attributes["weight_shape"] = .ints(shape)
        attributes["kernel_shape"] = .ints(Array(shape.dropFirst(2)))
        return try g.emit("ConvGradWeight", [x, dy], attributes)
    }

    /// Attributes of a gradient node without the shape of what it computes.
    private static func plain(_ node: Node) -> [String: Attribute] {
        node.attributes.filter { $0.key != "input_shape" && $0.key != "weight_shape" }
    }

    static func gradInputVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let u = arriving.first ?? nil else { return [] }
        let dy = try g.input(node, 0), w = try g.input(node, 1)
        return [try g.emit("Conv", [u, w], plain(node)), try gradWeight(&g, u, dy, like: w, plain(node))]
    }

    static func gradWeightVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let u = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0), dy = try g.input(node, 1)
        return [try gradInput(&g, dy, u, like: x, plain(node)), try g.emit("Conv", [x, u], plain(node))]
    }

    static func transposedVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0), w = try g.input(node, 1)
        let attributes = try adjoint(&g, node, x, w)
        return [
            try g.emit("Conv", [dy, w], attributes), g.wants(node, 1) ? try gradWeight(&g, dy, x, like: w, attributes) : nil,
            g.wants(node, 2) ? try biasGradient(&g, dy) : nil,
        ]
    }

    /// Attributes of the Conv whose adjoint a ConvTranspose is.
    private static func adjoint(_ g: inout Gradients, _ node: Node, _ x: ValueID, _ w: ValueID) throws -> [String: Attribute] {
        let call = Call(node: node, inputs: [])
        let group = node.attributes.filter { $0.key == "group" }
        if let input = g.shape(of: x), let weight = g.shape(of: w) {
            var axes = try ConvGeometry(transposed: call, input: input, weight: weight).axes
            for i in axes.indices { axes[i].trimEnd() }
            return group.merging(axes.attributes) { $1 }
        }
        let rank = try g.rank(of: x) - 2
        guard rank >= 1 else { throw Failure.shape("expected at least one spatial axis, found none") }
        let attributes = try WindowAttributes(call, rank: rank, kernel: [Int?](repeating: nil, count: rank))
        let (padding, size) = try transposedExtras(call, rank: rank)
        // Whatever output_padding adds below one stride is what Conv's rounding down leaves out.
        guard size.allSatisfy({ $0 == nil }), zip(padding, attributes.strides).allSatisfy({ $0 < $1 }),
            attributes.padding == .explicit || padding.allSatisfy({ $0 == 0 })
        else { throw Failure.unsupported("with output_shape or large output_padding it needs the input's size as numbers") }
        return node.attributes.filter { $0.key != "output_padding" && $0.key != "output_shape" }
    }
}

extension WindowAxis {
    /// Takes padding from the end until Conv's formula gives exactly `output`.
    mutating func trimEnd() { end = min(end, (output - 1) * stride + extent - input - begin + stride - 1) }
}

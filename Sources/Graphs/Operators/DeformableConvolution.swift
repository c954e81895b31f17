internal import Tensors

/// ONNX DeformConv (19 and 22), as samples of the image at moved places and a product with the weight, so that gradients by
/// image, offsets, mask and weight are those of GridSample and MatMul. Dai et al., "Deformable convolutional networks", 2017;
/// Zhu et al., "Deformable ConvNets v2", 2019.
///
///     WindowPlaces  (spatial sizes of the output) → the element of the input under every tap of every window, tap by tap
enum DeformableConvolution {
    static let operators = [
        Operator(
            "WindowPlaces", arity: 1...1,
            infer: { c in
                let kernel = try attributes(c).kernel ?? []
                let sizes = c.symbols(0) ?? kernel.map { _ in .unknown }
                guard sizes.count == kernel.count else { throw Failure.shape("\(sizes.count) sizes for \(kernel.count) spatial axes") }
                return [TensorType(try type(c), [Dim(try Shape.count(kernel))] + sizes + [Dim(kernel.count)])]
            }, compute: places, vjp: Rule.zero,
            samples: [
                Sample(
                    [.integers([2], [2, 3])],
                    ["kernel_shape": .ints([2, 2]), "pads": .ints([1, 0, 0, 1]), "dilations": .ints([1, 2]), "strides": .ints([2, 1])])
            ])
    ]

    static let lowerings = [Lowering("DeformConv", since: 19) { l, n in try lower(&l, n) }]

    // MARK: Places

    private static func attributes(_ c: some NodeReader) throws -> WindowAttributes {
        try WindowAttributes(c, rank: c.ints("kernel_shape")?.count ?? 0)
    }

    private static func type(_ c: some NodeReader) throws -> ElementType {
        try ElementType.onnx(Int32(clamping: c.int("dtype", default: Int(ElementType.float32.rawValue))))
    }

    private static func places(_ call: Call) throws -> [Tensor] {
        let attributes = try attributes(call), sizes = try call.tensor(0).integers(), kernel = attributes.kernel ?? []
        guard sizes.count == kernel.count else { throw Failure.shape("\(sizes.count) sizes for \(kernel.count) spatial axes") }
        let shape = [try Shape.count(kernel)] + sizes + [kernel.count], count = try Shape.count(sizes)
        var values = [Double](repeating: 0, count: try Shape.count(shape)), at = 0
        let taps = Shape.strides(kernel), windows = Shape.strides(sizes)
        for tap in 0..<shape[0] {
            for window in 0..<count {
                for axis in sizes.indices {
                    let first = window / windows[axis] % sizes[axis] * attributes.strides[axis] - attributes.begins[axis]
                    values[at] = Double(first + tap / taps[axis] % kernel[axis] * attributes.dilations[axis])
                    at += 1
                }
            }
        }
        return [try Tensor(values, shape).converted(to: type(call))]
    }

    // MARK: Lowering

    private static func lower(_ l: inout Lowerer, _ n: Node) throws {
        let x = try l.required(n, 0), weight = try l.required(n, 1), offset = try l.required(n, 2)
        let rank = try l.rank(x) - 2
        guard rank >= 1, try l.rank(weight) == rank + 2, try l.rank(offset) == rank + 2 else {
            throw Failure.shape("input, weight and offset should have as many axes, at least 3")
        }
        let kernel = try (0..<rank).map { try l.size(weight, $0 + 2) }
        if let given = n.attributes["kernel_shape"]?.ints, !given.isEmpty, given != kernel {
            throw Failure.shape("kernel_shape is \(Shape.text(given)), the weight has \(Shape.text(kernel))")
        }
        let groups = n.attributes["offset_group"]?.int ?? 1, group = n.attributes["group"]?.int ?? 1
        let channels = try l.size(x, 1), outputs = try l.size(weight, 0), taps = try Shape.count(kernel)
        guard groups > 0, group > 0, channels % groups == 0, channels % group == 0, outputs % group == 0, taps > 0,
            try l.size(weight, 1) == channels / group
        else {
            throw Failure.shape(
                "\(channels) input channels and a weight of \(outputs)x\(try l.size(weight, 1)) with \(group) groups and \(groups) offset groups"
            )
        }
        let sizes = try l.sizes(of: offset, from: 2), batch = try l.sizes(of: x, from: 0, to: 1)
        let images = try l.emit("Mul", [batch, l.vector([groups])])
        let grid = try grid(&l, n, x, offset, kernel, taps: taps, images: images, sizes: sizes)
        let apart = try l.emit("Reshape", [x, l.join([images, l.vector([channels / groups]), l.sizes(of: x, from: 2)])], exact)
        var samples = try l.emit("GridSample", [apart, grid], ["mode": .string("linear")])
        if let mask = n.optional(4) {
            let flat = try l.emit("Reshape", [mask, l.join([images, l.vector([1]), tall(&l, sizes, taps)])], exact)
            samples = try l.emit("Mul", [samples, flat])
        }
        let columns = try l.emit("Reshape", [samples, l.join([batch, l.vector([group, channels / group * taps, -1])])])
        let rows = try l.emit("Reshape", [weight, l.vector([group, outputs / group, channels / group * taps])])
        let product = try l.emit("MatMul", [rows, columns])
        let shape = try l.join([batch, l.vector([outputs]), sizes])
        guard let bias = n.optional(3) else { return try l.emit("Reshape", [product, shape], to: n.outputs, exact) }
        let column = try l.emit("Reshape", [bias, l.vector([1, outputs] + kernel.map { _ in 1 })])
        try l.emit("Add", [l.emit("Reshape", [product, shape], exact), column], to: n.outputs)
    }

    /// A size of 0 is one.
    private static let exact: [String: Attribute] = ["allowzero": .int(1)]

    /// The output's sizes with all taps one below the other.
    private static func tall(_ l: inout Lowerer, _ sizes: ValueID, _ taps: Int) throws -> ValueID {
        let rows = try l.emit("Mul", [l.emit("Slice", [sizes, l.vector([0]), l.vector([1])]), l.vector([taps])])
        return try l.join([rows, l.emit("Slice", [sizes, l.vector([1]), l.vector([.max])])])
    }

    /// The places of all taps, moved by the offsets, in GridSample's coordinates: x = (2 place + 1) / size - 1.
    private static func grid(
        _ l: inout Lowerer, _ n: Node, _ x: ValueID, _ offset: ValueID, _ kernel: [Int], taps: Int, images: ValueID, sizes: ValueID
    ) throws -> ValueID {
        // In double, because places turned into coordinates and back would miss the elements by a rounding.
        let rank = kernel.count, offset = try l.cast(offset, .float64)
        var attributes = n.attributes.filter { ["strides", "pads", "dilations"].contains($0.key) }
        attributes["kernel_shape"] = .ints(kernel)
        attributes["dtype"] = .int(Int(ElementType.float64.rawValue))
        let base = try l.emit("WindowPlaces", [sizes], attributes)
        let apart = try l.emit("Reshape", [offset, l.join([images, l.vector([taps, rank]), sizes])], exact)
        let order = [0, 1] + (3..<rank + 3) + [2]
        let places = try l.emit("Add", [l.emit("Transpose", [apart], ["perm": .ints(order)]), base])
        let extent = try l.cast(l.sizes(of: x, from: 2), .float64)
        let twice = try l.emit("Add", [l.emit("Mul", [places, l.number(2, like: offset)]), l.number(1, like: offset)])
        let scaled = try l.emit("Sub", [l.emit("Div", [twice, extent]), l.number(1, like: offset)])
        // The grid's coordinates are listed from the innermost axis to the outermost.
        let turned = try l.emit("Gather", [scaled, l.vector((0..<rank).reversed())], ["axis": .int(-1)])
        return try l.emit("Reshape", [turned, l.join([images, tall(&l, sizes, taps), l.vector([rank])])], exact)
    }
}

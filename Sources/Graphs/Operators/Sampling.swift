internal import Tensors

/// Values between the elements of a tensor (ONNX GridSample 16 to 22, AffineGrid 20).
///
///     GridSample      (X, grid) → Y, for any number of spatial axes
///     GridSampleGrad  (dY, grid, shape of X) → dX, the adjoint by X; the shape also as attribute `input_shape`
///     AffineBase      (size) → the places of an untransformed grid, in homogeneous coordinates, as rows
///
/// The attribute `derivatives` of both, Pellucid's own, says how often the interpolating function is differentiated along
/// each spatial axis. The gradient by the grid is made of such samples, so derivatives of any order stay within the two.
enum Sampling {
    static let operators = [
        Operator("GridSample", arity: 2...2, infer: infer, compute: compute, vjp: vjp, samples: samples),
        Operator("GridSampleGrad", arity: 2...3, infer: inferGrad, compute: computeGrad, vjp: gradVJP, samples: gradSamples),
        Operator(
            "AffineBase", arity: 1...1, infer: inferBase, compute: computeBase, vjp: Rule.zero,
            samples: [
                Sample([.integers([4], [2, 1, 2, 3])]), Sample([.integers([5], [1, 1, 3, 2, 1])], ["align_corners": .int(1)]),
            ]),
    ]

    static let lowerings = [Lowering("AffineGrid", since: 20) { l, n in try lowerAffine(&l, n) }]

    // MARK: Kernels

    private static func infer(_ c: Inference) throws -> [TensorType] {
        let type = try c.type(0), x = try c.dims(0), grid = try c.dims(1)
        guard x.count >= 3, grid.count == x.count else {
            throw Failure.shape("input has \(x.count) axes and grid \(grid.count), expected as many and at least 3")
        }
        if let last = grid[grid.count - 1].value, last != x.count - 2 {
            throw Failure.shape("the grid's places have \(last) coordinates, the input has \(x.count - 2) spatial axes")
        }
        return [TensorType(type.element, Array(x[..<2]) + grid[1..<(grid.count - 1)])]
    }

    private static func compute(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), grid = try call.tensor(1)
        let plan = try SamplingPlan(call, input: x.shape, grid: grid.shape)
        return [try plan.apply(x.converted(to: .float64), Convolution.reals(grid)).converted(to: x.type)]
    }

    private static func inferGrad(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0)
        let given = c.has(2) ? c.symbols(2) ?? [Dim](repeating: .unknown, count: dims.count) : c.ints("input_shape")?.map { Dim($0) }
        guard let shape = given, shape.count == dims.count else {
            throw Failure.invalid("attribute input_shape is missing or does not have \(dims.count) entries")
        }
        return [TensorType(try c.type(0).element, shape)]
    }

    private static func computeGrad(_ call: Call) throws -> [Tensor] {
        let dy = try call.tensor(0), grid = try call.tensor(1)
        guard let shape = try call.ints(2, or: "input_shape") else { throw Failure.invalid("attribute input_shape is missing") }
        let plan = try SamplingPlan(call, input: shape, grid: grid.shape)
        guard dy.shape == plan.output else {
            throw Failure.shape("gradient is \(Shape.text(dy.shape)), expected \(Shape.text(plan.output))")
        }
        return [try plan.adjoint(Convolution.reals(dy), Convolution.reals(grid)).converted(to: dy.type)]
    }

    // MARK: Rules

    private static func vjp(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0), grid = try g.input(node, 1)
        var attributes = node.attributes
        var byX: ValueID?
        if g.wants(node, 0) {
            let shape = g.shape(of: x)
            attributes["input_shape"] = shape.map { .ints($0) }
            byX = try g.emit("GridSampleGrad", [dy, grid] + (shape == nil ? [g.emit("Shape", [x])] : []), attributes)
        }
        return [byX, g.wants(node, 1) ? try byGrid(&g, node, x, grid, dy) : nil]
    }

    private static func gradVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let u = arriving.first ?? nil else { return [] }
        let dy = try g.input(node, 0), grid = try g.input(node, 1)
        return [
            g.wants(node, 0) ? try g.emit("GridSample", [u, grid], plain(node)) : nil,
            g.wants(node, 1) ? try byGrid(&g, node, u, grid, dy) : nil,
        ]
    }

    private static func plain(_ node: Node) -> [String: Attribute] { node.attributes.filter { $0.key != "input_shape" } }

    /// Sums over the channels of `dy` times the slope of the samples of `x` along each axis.
    private static func byGrid(_ g: inout Gradients, _ node: Node, _ x: ValueID, _ grid: ValueID, _ dy: ValueID) throws -> ValueID? {
        if node.attributes["mode"]?.string == "nearest" { return nil }
        let rank = try g.rank(of: x) - 2
        guard rank >= 1 else { throw Failure.shape("expected at least one spatial axis, found none") }
        let orders = node.attributes["derivatives"]?.ints ?? [Int](repeating: 0, count: rank)
        guard orders.count == rank else { throw Failure.shape("expected \(rank) derivatives, found \(orders.count)") }
        // The grid's coordinates are listed from the innermost axis to the outermost.
        let parts = try (0..<rank).reversed().map { axis in
            var attributes = plain(node), raised = orders
            raised[axis] += 1
            attributes["derivatives"] = .ints(raised)
            let slope = try g.mul(dy, g.emit("GridSample", [x, grid], attributes))
            return try g.cast(g.unsqueeze(g.sum(slope, [1], keepdims: false), [-1]), like: grid)
        }
        return parts.count == 1 ? parts[0] : try g.emit("Concat", parts, ["axis": .int(-1)])
    }

    // MARK: Affine grids

    /// Each place of the untransformed grid times the matrix of its image.
    private static func lowerAffine(_ l: inout Lowerer, _ n: Node) throws {
        let theta = try l.required(n, 0), size = try l.required(n, 1)
        let attributes: [String: Attribute] = [
            "align_corners": .int(n.attributes["align_corners"]?.int ?? 0), "dtype": .int(Int(try l.element(theta).rawValue)),
        ]
        let base = try l.emit("AffineBase", [size], attributes)
        let places = try l.emit("MatMul", [base, l.emit("Transpose", [theta], ["perm": .ints([0, 2, 1])])])
        let sizes = try l.emit("Cast", [size], ["to": .int(Int(ElementType.int64.rawValue))])
        let spatial = try l.emit("Slice", [sizes, l.vector([2]), l.vector([.max])])
        let shape = try l.join([l.sizes(of: theta, from: 0, to: 1), spatial, l.sizes(of: theta, from: 1, to: 2)])
        try l.emit("Reshape", [places, shape], to: n.outputs, ["allowzero": .int(1)])
    }

    private static func baseType(_ c: some NodeReader) throws -> ElementType {
        try ElementType.onnx(Int32(clamping: c.int("dtype", default: Int(ElementType.float32.rawValue))))
    }

    private static func inferBase(_ c: Inference) throws -> [TensorType] {
        guard let sizes = c.symbols(0) else {
            return [TensorType(try baseType(c), [.unknown, try c.dims(0).first?.value.map { Dim($0 - 1) } ?? .unknown])]
        }
        guard sizes.count >= 3 else { throw Failure.shape("size has \(sizes.count) entries, expected at least 3") }
        return [TensorType(try baseType(c), [sizes[2...].reduce(1, *), Dim(sizes.count - 1)])]
    }

    private static func computeBase(_ call: Call) throws -> [Tensor] {
        let sizes = Array(try call.tensor(0).integers().dropFirst(2)), isAligned = call.flag("align_corners")
        guard !sizes.isEmpty else { throw Failure.shape("size has fewer than 3 entries") }
        let count = try Shape.count(sizes), width = sizes.count + 1, strides = Shape.strides(sizes)
        _ = try Shape.count([count, width])
        var rows = [Double](repeating: 1, count: count * width)
        for row in 0..<count {
            for (axis, size) in sizes.enumerated() {
                let index = Double(row / strides[axis] % size), size = Double(size)
                let place = isAligned ? (size == 1 ? 0 : 2 * index / (size - 1) - 1) : (2 * index + 1) / size - 1
                rows[row * width + sizes.count - 1 - axis] = place
            }
        }
        return [try Tensor(rows, [count, width]).converted(to: baseType(call))]
    }

    // MARK: Samples

    private static func sample(_ mode: String, _ padding: String, corners: Int = 0, _ extra: [String: Attribute] = [:]) -> Sample {
        Sample(
            [.real(2, 2, 3, 4), .uniform([2, 2, 3, 2], -1.6...1.6)],
            ["mode": .string(mode), "padding_mode": .string(padding), "align_corners": .int(corners)].merging(extra) { $1 })
    }

    private static let samples =
        ["linear", "cubic", "nearest"].flatMap { mode in
            ["zeros", "border", "reflection"].map { sample(mode, $0, corners: mode == "linear" || $0 == "border" ? 0 : 1) }
        } + [
            sample("bilinear", "zeros", corners: 1), sample("bicubic", "reflection"), sample("linear", "reflection", corners: 1),
            Sample([.real(1, 2, 3, 2, 3), .uniform([1, 2, 2, 1, 3], -1.2...1.2)], ["mode": .string("linear")]),
            Sample([.real(1, 1, 5), .uniform([1, 4, 1], -1...1)], ["mode": .string("cubic"), "padding_mode": .string("border")]),
            sample("cubic", "zeros", ["derivatives": .ints([1, 0])]),
        ]

    private static let gradSamples = [
        Sample([.real(1, 2, 2, 3), .uniform([1, 2, 3, 2], -1.2...1.2)], ["input_shape": .ints([1, 2, 3, 4])]),
        Sample(
            [.real(1, 2, 2, 3), .uniform([1, 2, 3, 2], -1.2...1.2)],
            ["input_shape": .ints([1, 2, 3, 4]), "mode": .string("cubic"), "derivatives": .ints([0, 1])]),
    ]
}

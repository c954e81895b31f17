internal import Glibc
internal import Tensors

/// Pools over one to three spatial axes (ONNX MaxPool 1 to 22, AveragePool 7 to 22, LpPool, MaxUnpool and the global
/// pools), and their adjoints.
///
///     MaxPool         largest element of each window; with two outputs also its place in the flattened input
///     MaxPoolGrad     (dY, X) → dX: each gradient goes to the first largest element of its window
///     MaxPoolPick     (V, X) → V where X has the maxima, the adjoint of MaxPoolGrad by dY
///     AveragePool     mean of each window;  AveragePoolGrad (dY) → dX, its adjoint
///     SumPool         sum of each window;   SumPoolGrad (dY) → dX, its adjoint; LpPool is made of it
enum Pooling {
    static let operators =
        [
            Operator("MaxPool", arity: 1...1, infer: { try infer($0, outputs: 2) }, compute: computeMax, vjp: maxVJP, samples: maxSamples),
            Operator("MaxPoolGrad", arity: 2...2, infer: inferMaxGrad, compute: computeMaxGrad, vjp: maxGradVJP, samples: maxGradSamples),
            Operator("MaxPoolPick", arity: 2...2, infer: inferPick, compute: computePick, vjp: pickVJP, samples: pickSamples),
            Operator("MaxUnpool", arity: 2...3, infer: inferUnpool, compute: computeUnpool, vjp: unpoolVJP, samples: unpoolSamples),
        ]
        + [Mean.average, Mean.sum].flatMap { mean in
            [
                Operator(
                    mean.name, arity: 1...1, infer: { try infer($0, outputs: 1) }, compute: mean.compute, vjp: mean.vjp,
                    samples: meanSamples),
                Operator(
                    mean.name + "Grad", arity: 1...2, infer: Mean.inferGrad, compute: mean.computeGrad, vjp: mean.gradVJP,
                    samples: meanGradSamples),
            ]
        } + Global.operators

    static let lowerings = [
        Lowering("LpPool", since: 1) { b, n in try lowerLp(&b, n) },
        Lowering("GlobalLpPool", since: 1) { b, n in try lowerGlobalLp(&b, n) },
    ]

    // MARK: Shapes

    /// Type of a pool's output, and of MaxPool's indices.
    static func infer(_ c: Inference, outputs: Int) throws -> [TensorType] {
        let type = try c.type(0), dims = try c.dims(0)
        guard dims.count >= 3 else { throw Failure.shape("input has \(dims.count) axes, expected at least 3") }
        let attributes = try WindowAttributes(c, rank: dims.count - 2)
        let result = try Array(dims[..<2]) + (0..<attributes.rank).map { try attributes.output($0, input: dims[$0 + 2]) }
        return [TensorType(type.element, result), TensorType(.int64, result)].prefix(min(outputs, max(1, c.node.outputs.count))) + []
    }

    private static func inferMaxGrad(_ c: Inference) throws -> [TensorType] {
        let type = try c.type(1)
        return [TensorType(try c.type(0).element, type.dims)]
    }

    private static func inferPick(_ c: Inference) throws -> [TensorType] {
        guard c.ints("kernel_shape") != nil else {
            let dims = try c.dims(1)
            return [TensorType(try c.type(0).element, Array(dims.prefix(2)) + dims.dropFirst(2).map { _ in Dim(1) })]
        }
        return try infer(c, outputs: 1)
    }

    // MARK: Max

    private static func computeMax(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0)
        let windows = try PoolWindows(call, input: x.shape)
        let columnMajor = call.flag("storage_order")
        let places = try maxima(x, windows)
        let values = try x.converted(to: .float64).read(Double.self) { x in
            try Tensor.make(windows.outputShape, Double.self) { y in
                for (at, place) in places.enumerated() { y[at] = place < 0 ? -.infinity : x[place] }
            }
        }
        guard call.node.outputs.count > 1 else { return [try values.converted(to: x.type)] }
        let indices = places.map { Int64(columnMajor ? windows.columnMajor(max($0, 0)) : max($0, 0)) }
        return [try values.converted(to: x.type), try Tensor(indices, windows.outputShape)]
    }

    private static func computeMaxGrad(_ call: Call) throws -> [Tensor] {
        let dy = try call.tensor(0), x = try call.tensor(1)
        let windows = try PoolWindows(call, input: x.shape)
        guard dy.shape == windows.outputShape else {
            throw Failure.shape("gradient is \(Shape.text(dy.shape)), expected \(Shape.text(windows.outputShape))")
        }
        let places = try maxima(x, windows), result = try Tensor.zeros(.float64, x.shape)
        try dy.converted(to: .float64).read(Double.self) { dy in
            try result.write(Double.self) { dx in
                for (at, place) in places.enumerated() where place >= 0 { dx[place] += dy[at] }
            }
        }
        return [try result.converted(to: dy.type)]
    }

    private static func computePick(_ call: Call) throws -> [Tensor] {
        let v = try call.tensor(0), x = try call.tensor(1)
        guard v.shape == x.shape else {
            throw Failure.shape("inputs are \(Shape.text(v.shape)) and \(Shape.text(x.shape)), expected the same")
        }
        let windows = try PoolWindows(call, input: x.shape)
        let places = try maxima(x, windows)
        let result = try v.converted(to: .float64).read(Double.self) { v in
            try Tensor.make(windows.outputShape, Double.self) { y in
                for (at, place) in places.enumerated() { y[at] = place >= 0 ? v[place] : 0 }
            }
        }
        return [try result.converted(to: v.type)]
    }

    /// Place in the input of the first maximum of every window; -1 for a window that holds padding only.
    private static func maxima(_ x: Tensor, _ windows: PoolWindows) throws -> [Int] {
        var places: [Int] = []
        try x.converted(to: .float64).read(Double.self) { x in
            windows.forEach { plane, _, window in
                let best = PoolWindows.maximum(x, plane * windows.inputCount, window)
                places.append(best < 0 ? -1 : plane * windows.inputCount + best)
            }
        }
        return places
    }

    // MARK: Unpool

    private static func unpooled(_ c: some NodeReader, _ dims: [Dim]) throws -> [Dim] {
        guard dims.count >= 3 else { throw Failure.shape("input has \(dims.count) axes, expected at least 3") }
        let attributes = try WindowAttributes(c, rank: dims.count - 2)
        return try Array(dims[..<2])
            + (0..<attributes.rank).map {
                try attributes.transposedOutput($0, input: dims[$0 + 2], outputPadding: 0, size: nil)
            }
    }

    private static func inferUnpool(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0)
        guard c.has(2) else { return [TensorType(try c.type(0).element, try unpooled(c, dims))] }
        let sizes = c.symbols(2) ?? [Dim](repeating: .unknown, count: dims.count)
        guard sizes.count == dims.count else { throw Failure.invalid("output_shape has \(sizes.count) entries, expected \(dims.count)") }
        return [TensorType(try c.type(0).element, sizes)]
    }

    private static func computeUnpool(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), places = try call.tensor(1).integers()
        let own = try unpooled(call, x.shape.map { Dim($0) }).compactMap(\.value)
        let shape = try call.ints(2, or: "output_shape") ?? own
        guard shape.count == own.count, zip(shape, own).allSatisfy({ $0 >= $1 }), places.count == x.count else {
            throw Failure.shape(
                "output_shape \(Shape.text(shape)) with \(places.count) indices, expected at least \(Shape.text(own)) with \(x.count)")
        }
        let small = try Tensor.zeros(.float64, own), result = try Tensor.zeros(.float64, shape)
        let numbers = try x.doubles()
        try small.write(Double.self) { y in
            for (place, number) in zip(places, numbers) {
                guard y.indices.contains(place) else { throw Failure.invalid("index \(place) lies outside \(Shape.text(own))") }
                y[place] = number
            }
        }
        // Indices count in the smallest output; a larger one has empty space at the end of its axes.
        let large = Shape.strides(shape), tight = Shape.strides(own)
        try small.read(Double.self) { from in
            try result.write(Double.self) { to in
                for place in places { to[zip(tight, zip(own, large)).reduce(0) { $0 + place / $1.0 % $1.1.0 * $1.1.1 }] = from[place] }
            }
        }
        return [try result.converted(to: x.type)]
    }

    private static func unpoolVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        var smallest = dy
        if node.optional(2) != nil {
            // Indices count in the smallest output, which lies in the first corner of a larger one.
            let dims = try g.type(of: g.input(node, 0)).dims ?? []
            let own = try unpooled(Call(node: node, inputs: []), dims).dropFirst(2).map { size in
                guard let size = size.value else { throw Failure.unsupported("with output_shape it needs the input's sizes as numbers") }
                return size
            }
            let starts = try g.integers(own.map { _ in 0 }), axes = try g.integers(Array(2..<dims.count))
            smallest = try g.emit("Slice", [dy, starts, g.integers(own), axes])
        }
        let flat = try g.emit("Reshape", [smallest, g.integers([-1])])
        return [try g.emit("Gather", [flat, g.input(node, 1)], ["axis": .int(0)])]
    }

    // MARK: Rules

    /// Attributes that say where the windows lie.
    static func windowAttributes(_ node: Node) -> [String: Attribute] {
        let names: Set = ["kernel_shape", "strides", "dilations", "pads", "auto_pad", "ceil_mode", "count_include_pad"]
        return node.attributes.filter { names.contains($0.key) }
    }

    private static func maxVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        return [try g.emit("MaxPoolGrad", [dy, g.input(node, 0)], windowAttributes(node))]
    }

    private static func maxGradVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let u = arriving.first ?? nil else { return [] }
        return [try g.emit("MaxPoolPick", [u, g.input(node, 1)], windowAttributes(node)), nil]
    }

    private static func pickVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let u = arriving.first ?? nil else { return [] }
        return [try g.emit("MaxPoolGrad", [u, g.input(node, 1)], windowAttributes(node)), nil]
    }

    // MARK: Lowerings

    /// (Σ |x|^p)^(1/p)
    private static func lowerLp(_ b: inout Lowerer, _ n: Node) throws {
        let p = n.attributes["p"]?.float ?? 2
        guard let x = n.inputs.first ?? nil else { throw Failure.invalid("input 0 is missing") }
        let powers = try power(&b, b.emit("Abs", [x]), p, like: x)
        let sums = try b.emit("SumPool", [powers], windowAttributes(n))
        try finish(&b, sums, p, like: x, to: n.outputs)
    }

    private static func lowerGlobalLp(_ b: inout Lowerer, _ n: Node) throws {
        let p = n.attributes["p"]?.float ?? 2
        guard let x = n.inputs.first ?? nil else { throw Failure.invalid("input 0 is missing") }
        guard let rank = b.graph[x].type?.rank, rank >= 3 else { throw Failure.shape("expected an input of known rank of at least 3") }
        let axes = b.constant(try Tensor((2..<rank).map { Int64($0) }))
        let powers = try power(&b, b.emit("Abs", [x]), p, like: x)
        let sums = try b.emit("ReduceSum", [powers, axes], ["keepdims": .int(1)])
        try finish(&b, sums, p, like: x, to: n.outputs)
    }

    private static func power(_ b: inout Lowerer, _ x: ValueID, _ p: Double, like: ValueID) throws -> ValueID {
        if p == 1 { return x }
        if p == 2 { return try b.emit("Mul", [x, x]) }
        return try b.emit("Pow", [x, b.constant(Tensor.scalar(p).converted(to: b.graph[like].type?.element ?? .float32))])
    }

    private static func finish(_ b: inout Lowerer, _ x: ValueID, _ p: Double, like: ValueID, to outputs: [ValueID?]) throws {
        if p == 1 { return try b.emit("Identity", [x], to: outputs) }
        if p == 2 { return try b.emit("Sqrt", [x], to: outputs) }
        try b.emit("Pow", [x, b.constant(Tensor.scalar(1 / p).converted(to: b.graph[like].type?.element ?? .float32))], to: outputs)
    }

    // MARK: Samples

    private static let flat: [String: Attribute] = [
        "kernel_shape": .ints([2, 3]), "strides": .ints([2, 1]), "pads": .ints([0, 1, 1, 0]),
    ]

    private static let maxSamples = [
        Sample([.real(2, 2, 5, 4)], flat),
        Sample(
            [.real(1, 2, 7)], ["kernel_shape": .ints([2]), "strides": .ints([2]), "dilations": .ints([2]), "ceil_mode": .int(1)], outputs: 2
        ),
        Sample(
            [.real(1, 1, 5, 5)],
            ["kernel_shape": .ints([3, 2]), "strides": .ints([2, 2]), "auto_pad": .string("SAME_UPPER"), "storage_order": .int(1)],
            outputs: 2),
        Sample([.real(1, 1, 3, 4, 3)], ["kernel_shape": .ints([2, 2, 2]), "auto_pad": .string("VALID")]),
    ]

    private static let maxGradSamples = [Sample([.real(2, 1, 3, 3), .real(2, 1, 5, 4)], flat)]
    private static let pickSamples = [Sample([.real(2, 1, 5, 4), .real(2, 1, 5, 4)], flat)]

    private static let unpoolSamples = [
        Sample(
            [.real(1, 1, 2, 2), .integers([1, 1, 2, 2], [5, 7, 13, 15])], ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]),
        Sample(
            [.real(1, 1, 2, 2), .integers([1, 1, 2, 2], [5, 7, 13, 15]), .integers([4], [1, 1, 5, 6])],
            ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]),
    ]

    private static let meanSamples = [
        Sample([.real(2, 2, 5, 4)], flat),
        Sample([.real(2, 2, 5, 4)], flat.merging(["count_include_pad": .int(1)]) { $1 }),
        Sample(
            [.real(1, 2, 7)],
            ["kernel_shape": .ints([3]), "strides": .ints([3]), "pads": .ints([1, 1]), "ceil_mode": .int(1), "count_include_pad": .int(1)]),
        Sample([.real(1, 2, 6)], ["kernel_shape": .ints([2]), "dilations": .ints([3])]),
        Sample(
            [.real(1, 1, 3, 4, 3)], ["kernel_shape": .ints([2, 2, 2]), "auto_pad": .string("SAME_LOWER"), "strides": .ints([1, 2, 2])]),
    ]

    private static let meanGradSamples = [
        Sample([.real(2, 2, 3, 3)], flat.merging(["input_shape": .ints([2, 2, 5, 4])]) { $1 })
    ]
}

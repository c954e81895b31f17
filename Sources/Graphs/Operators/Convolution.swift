internal import Tensors

/// Convolutions over one to three spatial axes, with groups, strides, dilations and asymmetric padding.
///
///     Conv            Y[n,m,o] = B[m] + Σ_c,k W[m,c,k] X[n, c, o*stride + k*dilation - begin]     (opset 1 and up)
///     ConvTranspose   the adjoint of Conv with the same attributes, plus a bias                   (opset 1 and up)
///     ConvGradInput   the adjoint of Conv by X: (dY, W) → dX
///     ConvGradWeight  the adjoint of Conv by W: (X, dY) → dW
enum Convolution {
    static let operators = [
        Operator("Conv", arity: 2...4, infer: infer, compute: compute, vjp: vjp, samples: samples),
        Operator(
            "ConvTranspose", arity: 2...3, infer: inferTransposed, compute: computeTransposed, vjp: transposedVJP,
            samples: transposedSamples),
        Operator(
            "ConvGradInput", arity: 2...3, infer: inferGradInput, compute: computeGradInput, vjp: gradInputVJP, samples: gradInputSamples),
        Operator(
            "ConvGradWeight", arity: 2...3, infer: inferGradWeight, compute: computeGradWeight, vjp: gradWeightVJP,
            samples: gradWeightSamples),
    ]

    // MARK: Conv

    /// Types of X and W, checked against each other.
    static func operands(_ c: Inference, _ x: Int, _ w: Int) throws -> (type: TensorType, x: [Dim], w: [Dim], attributes: WindowAttributes)
    {
        let type = try c.type(x), weight = try c.type(w)
        guard type.element == weight.element else { throw Failure.shape("input is \(type.element), weight is \(weight.element)") }
        let dims = try c.dims(x), own = try c.dims(w)
        guard dims.count >= 3, own.count == dims.count else {
            throw Failure.shape("input has \(dims.count) axes and weight \(own.count), expected as many and at least 3")
        }
        return (type, dims, own, try WindowAttributes(c, rank: dims.count - 2, kernel: own.dropFirst(2).map(\.value)))
    }

    /// The attribute `group`.
    static func groups(_ c: some NodeReader) throws -> Int {
        let groups = c.int("group", default: 1)
        guard groups >= 1, groups <= 1 << 30 else { throw Failure.invalid("group is \(groups), expected at least 1") }
        return groups
    }

    /// Throws when two known sizes differ.
    static func match(_ a: Dim, _ b: Dim, _ text: (Int, Int) -> String) throws {
        if let a = a.value, let b = b.value, a != b { throw Failure.shape(text(a, b)) }
    }

    private static func infer(_ c: Inference) throws -> [TensorType] {
        let (type, x, w, attributes) = try operands(c, 0, 1)
        let groups = try groups(c)
        try match(w[1] * Dim(groups), x[1]) {
            groups == 1
                ? "weight has \($0) input channels, input has \($1)"
                : "weight has \(groups) groups of \($0 / groups) input channels, input has \($1)"
        }
        if let m = w[0].value, m % groups != 0 {
            throw Failure.shape("weight has \(m) output channels, not a multiple of \(groups) groups")
        }
        if c.has(2), let bias = try? c.dims(2) {
            guard bias.count == 1 else { throw Failure.shape("bias has \(bias.count) axes, expected 1") }
            try match(bias[0], w[0]) { "bias has \($0) entries, weight has \($1) output channels" }
        }
        let spatial = try x.indices.dropFirst(2).map { try attributes.output($0 - 2, input: x[$0]) }
        return [TensorType(type.element, [x[0], w[0]] + spatial)]
    }

    private static func compute(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), w = try call.tensor(1)
        let geometry = try ConvGeometry(call, input: x.shape, weight: w.shape)
        let bias = try call.optional(2).map { try reals($0).array(Double.self) }
        guard bias.map({ $0.count == geometry.outChannels }) ?? true else {
            throw Failure.shape("bias has \(bias?.count ?? 0) entries, weight has \(geometry.outChannels) output channels")
        }
        let y = try ConvKernel(geometry).forward(reals(x), reals(w), bias: bias)
        let finished = try FusedActivation(call).map { try $0.apply(y, residual: call.optional(3)) } ?? y
        return [try finished.converted(to: x.type)]
    }

    /// The tensor in double, in which the kernels compute.
    static func reals(_ tensor: Tensor) throws -> Tensor {
        guard tensor.type == .float32 || tensor.type == .float64 else {
            throw Failure.unsupported("elements of \(tensor.type), expected float32 or float64")
        }
        return try tensor.converted(to: .float64)
    }

    // MARK: ConvTranspose

    /// Attributes of ConvTranspose that Conv does not have: `output_padding` and the spatial part of `output_shape`.
    static func transposedExtras(_ c: some NodeReader, rank: Int) throws -> (padding: [Int], size: [Int?]) {
        let padding = c.ints("output_padding").flatMap { $0.isEmpty ? nil : $0 } ?? [Int](repeating: 0, count: rank)
        guard padding.count == rank, padding.allSatisfy({ (0...1 << 30).contains($0) }) else {
            throw Failure.invalid("output_padding is \(padding), expected \(rank) entries of at least 0")
        }
        guard let size = c.ints("output_shape"), !size.isEmpty else { return (padding, [Int?](repeating: nil, count: rank)) }
        // Files also give the whole shape, although ONNX asks for the spatial part.
        guard size.count == rank || size.count == rank + 2, size.suffix(rank).allSatisfy({ (0...1 << 30).contains($0) }) else {
            throw Failure.invalid("output_shape is \(size), expected \(rank) sizes")
        }
        return (padding, size.suffix(rank).map { $0 })
    }

    private static func inferTransposed(_ c: Inference) throws -> [TensorType] {
        let (type, x, w, attributes) = try operands(c, 0, 1)
        let groups = try groups(c)
        try match(w[0], x[1]) { "weight has \($0) input channels, input has \($1)" }
        if let channels = w[0].value, channels % groups != 0 {
            throw Failure.shape("\(channels) input channels are not a multiple of \(groups) groups")
        }
        let channels = w[1] * Dim(groups)
        if c.has(2), let bias = try? c.dims(2) {
            guard bias.count == 1 else { throw Failure.shape("bias has \(bias.count) axes, expected 1") }
            try match(bias[0], channels) { "bias has \($0) entries, weight has \($1) output channels" }
        }
        let (padding, size) = try transposedExtras(c, rank: attributes.rank)
        let spatial = try x.indices.dropFirst(2).map {
            try attributes.transposedOutput($0 - 2, input: x[$0], outputPadding: padding[$0 - 2], size: size[$0 - 2])
        }
        return [TensorType(type.element, [x[0], channels] + spatial)]
    }

    private static func computeTransposed(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), w = try call.tensor(1)
        let geometry = try ConvGeometry(transposed: call, input: x.shape, weight: w.shape)
        let bias = try call.optional(2).map { try reals($0).array(Double.self) }
        guard bias.map({ $0.count == geometry.inChannels }) ?? true else {
            throw Failure.shape("bias has \(bias?.count ?? 0) entries, weight has \(geometry.inChannels) output channels")
        }
        return [try ConvKernel(geometry).gradInput(reals(x), reals(w), bias: bias).converted(to: x.type)]
    }

    // MARK: Samples

    private static let samples = [
        Sample([.real(2, 3, 5, 6), .real(4, 3, 3, 2), .real(4)], ["pads": .ints([1, 0, 2, 1]), "strides": .ints([2, 1])]),
        Sample([.real(1, 4, 7), .real(6, 2, 3)], ["group": .int(2), "dilations": .ints([2]), "pads": .ints([2, 1])]),
        Sample([.real(1, 2, 5, 4), .real(2, 1, 3, 3)], ["group": .int(2), "auto_pad": .string("SAME_UPPER"), "strides": .ints([2, 2])]),
        Sample([.real(1, 2, 4, 5), .real(3, 2, 2, 2)], ["auto_pad": .string("SAME_LOWER"), "kernel_shape": .ints([2, 2])]),
        Sample([.real(1, 2, 3, 4, 3), .real(2, 2, 2, 3, 1), .real(2)], ["auto_pad": .string("VALID"), "strides": .ints([1, 2, 2])]),
        Sample([.real(1, 2, 5, 5), .real(3, 2, 1, 1)], ["strides": .ints([3, 2])]),
    ]

    private static let transposedSamples = [
        Sample([.real(2, 3, 3, 4), .real(3, 2, 3, 2), .real(2)], ["pads": .ints([1, 0, 0, 1]), "strides": .ints([2, 1])]),
        Sample(
            [.real(1, 4, 5), .real(4, 3, 3)],
            ["group": .int(2), "strides": .ints([3]), "output_padding": .ints([2]), "dilations": .ints([2])]),
        Sample([.real(1, 2, 3, 3), .real(2, 1, 3, 3)], ["auto_pad": .string("SAME_UPPER"), "strides": .ints([2, 2])]),
        Sample([.real(1, 2, 2, 3, 2), .real(2, 1, 2, 2, 1)], ["strides": .ints([1, 2, 2])]),
    ]

    private static let gradInputSamples = [
        Sample(
            [.real(2, 4, 2, 3), .real(4, 3, 3, 2)],
            ["pads": .ints([1, 0, 0, 1]), "strides": .ints([2, 2]), "input_shape": .ints([2, 3, 5, 6])]),
        Sample(
            [.real(1, 2, 4), .real(2, 2, 3)],
            ["group": .int(2), "auto_pad": .string("SAME_LOWER"), "strides": .ints([2]), "input_shape": .ints([1, 4, 7])]),
    ]

    private static let gradWeightSamples = [
        Sample(
            [.real(2, 3, 5, 6), .real(2, 4, 2, 3)],
            [
                "pads": .ints([1, 0, 0, 1]), "strides": .ints([2, 2]), "kernel_shape": .ints([3, 2]), "weight_shape": .ints([4, 3, 3, 2]),
            ]),
        Sample([.real(1, 4, 7), .real(1, 2, 5)], ["group": .int(2), "dilations": .ints([1]), "weight_shape": .ints([2, 2, 3])]),
    ]
}

/// Sizes of one convolution, as numbers: the input X, the weight W and the output Y of Conv.
struct ConvGeometry: Sendable {
    let batch: Int, inChannels: Int, outChannels: Int, groups: Int
    let axes: [WindowAxis]

    /// From the shapes of X and W.
    init(_ c: some NodeReader, input: [Int], weight: [Int]) throws {
        let attributes = try ConvGeometry.attributes(c, input.count, weight)
        try self.init(batch: input[0], channels: input[1], weight, Convolution.groups(c), attributes.axes(Array(input[2...])))
    }

    /// Of a transposed convolution, from the shapes of its input (Y here) and its weight.
    init(transposed c: some NodeReader, input: [Int], weight: [Int]) throws {
        let attributes = try ConvGeometry.attributes(c, input.count, weight)
        let (padding, size) = try Convolution.transposedExtras(c, rank: attributes.rank)
        let axes = try (0..<attributes.rank).map {
            try attributes.transposed($0, input: input[$0 + 2], outputPadding: padding[$0], size: size[$0])
        }
        guard weight[0] == input[1] else { throw Failure.shape("weight has \(weight[0]) input channels, input has \(input[1])") }
        let groups = try Convolution.groups(c)
        try self.init(batch: input[0], channels: weight[1] * groups, weight, groups, axes)
    }

    private static func attributes(_ c: some NodeReader, _ rank: Int, _ weight: [Int]) throws -> WindowAttributes {
        guard rank >= 3, weight.count == rank else {
            throw Failure.shape("input has \(rank) axes and weight \(weight.count), expected as many and at least 3")
        }
        return try WindowAttributes(c, rank: rank - 2, kernel: Array(weight[2...]))
    }

    private init(batch: Int, channels: Int, _ weight: [Int], _ groups: Int, _ axes: [WindowAxis]) throws {
        guard weight[1] <= 1 << 31, channels == weight[1] * groups else {
            throw Failure.shape("weight has \(groups) groups of \(weight[1]) input channels, input has \(channels)")
        }
        guard weight[0] % groups == 0 else {
            throw Failure.shape("weight has \(weight[0]) output channels, not a multiple of \(groups) groups")
        }
        self.batch = batch
        self.groups = groups
        self.axes = axes
        inChannels = channels
        outChannels = weight[0]
    }

    /// Shape of X.
    var input: [Int] { [batch, inChannels] + axes.map(\.input) }
    /// Shape of W.
    var weight: [Int] { [outChannels, inChannels / groups] + axes.map(\.kernel) }
    /// Shape of Y.
    var output: [Int] { [batch, outChannels] + axes.map(\.output) }
}

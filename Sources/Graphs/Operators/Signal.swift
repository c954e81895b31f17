internal import Tensors

/// Fourier transforms (ONNX DFT 17 and 20, STFT 17).
///
///     DFT      (X, dft_length, axis) → Y; the last axis holds the real and imaginary part, or the real part alone
///     DFTGrad  (dY, dft_length, axis, shape of X) → dX, the adjoint; the shape also as attribute `input_shape`
enum Signal {
    static let operators =
        [
            Operator("DFT", arity: 1...3, infer: infer, compute: compute, vjp: vjp, samples: samples),
            Operator("DFTGrad", arity: 1...4, infer: inferGrad, compute: computeGrad, vjp: gradVJP, samples: gradSamples),
        ] + Windows.operators

    static let lowerings = [
        // The axis became an input, with another default, at opset 20.
        Lowering("DFT", since: 17) { l, n in
            var node = n
            node.attributes["axis"] = .int(n.attributes["axis"]?.int ?? 1)
            try l.add(node)
        },
        Lowering("DFT", since: 20) { l, n in try l.add(n) },
        Lowering("STFT", since: 17) { l, n in try lowerSTFT(&l, n) },
    ]

    // MARK: DFT

    private static func infer(_ c: Inference) throws -> [TensorType] {
        let type = try c.type(0)
        var dims = try c.dims(0)
        let axis = try FourierPlan.axis(c, rank: dims.count)
        let isInverse = c.flag("inverse"), isOneSided = c.flag("onesided")
        let length: Dim
        if c.has(1) {
            length = c.symbols(1)?.first ?? .unknown
        } else {
            length = isInverse && isOneSided ? (dims[axis] - Dim(1)) * Dim(2) : dims[axis]
        }
        if let number = length.value { _ = try FourierPlan.checked(number) }
        dims[dims.count - 1] = Dim(isInverse && isOneSided ? 1 : 2)
        dims[axis] = isOneSided && !isInverse ? length.value.map { Dim($0 / 2 + 1) } ?? .unknown : length
        return [TensorType(type.element, dims)]
    }

    private static func compute(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0)
        let plan = try FourierPlan(call, input: x.shape)
        return [try plan.apply(Convolution.reals(x)).converted(to: x.type)]
    }

    private static func inferGrad(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0)
        let given = c.has(3) ? c.symbols(3) : c.ints("input_shape")?.map { Dim($0) }
        guard let shape = given ?? (c.has(3) ? [Dim](repeating: .unknown, count: dims.count) : nil), shape.count == dims.count else {
            throw Failure.invalid("attribute input_shape is missing or does not have \(dims.count) entries")
        }
        return [TensorType(try c.type(0).element, shape)]
    }

    private static func computeGrad(_ call: Call) throws -> [Tensor] {
        let dy = try call.tensor(0)
        guard let shape = try call.ints(3, or: "input_shape"), shape.count == dy.shape.count else {
            throw Failure.invalid("attribute input_shape is missing or does not have \(dy.shape.count) entries")
        }
        let plan = try FourierPlan(call, input: shape)
        guard dy.shape == plan.output else {
            throw Failure.shape("gradient is \(Shape.text(dy.shape)), expected \(Shape.text(plan.output))")
        }
        return [try plan.adjoint(Convolution.reals(dy)).converted(to: dy.type)]
    }

    private static func vjp(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0)
        let rest = Array((node.inputs + [nil, nil])[1..<3])
        var attributes = node.attributes
        guard let shape = g.shape(of: x) else { return [try g.emit("DFTGrad", [dy] + rest + [g.emit("Shape", [x])], attributes)] }
        attributes["input_shape"] = .ints(shape)
        return [try g.emit("DFTGrad", [dy] + rest, attributes)]
    }

    private static func gradVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let u = arriving.first ?? nil else { return [] }
        let attributes = node.attributes.filter { $0.key != "input_shape" }
        return [try g.emit("DFT", [u] + Array((node.inputs + [nil, nil])[1..<3]), attributes)]
    }

    // MARK: STFT

    /// Frames of the signal, each times the window, then transformed.
    private static func lowerSTFT(_ l: inout Lowerer, _ n: Node) throws {
        let signal = try l.required(n, 0), window = n.optional(2)
        guard try l.rank(signal) == 3 else { throw Failure.shape("the signal has rank \(try l.rank(signal)), expected 3") }
        let total = try l.sizes(of: signal, from: 1, to: 2)
        let length: ValueID
        if let given = n.optional(3) {
            length = try integer(&l, given)
        } else {
            length = try window.map { try l.sizes(of: $0, from: 0, to: 1) } ?? total
        }
        let step = try integer(&l, l.required(n, 1))
        let room = try l.emit("Sub", [total, length])
        let frames = try l.emit("Add", [l.emit("Div", [room, step]), l.vector([1])])
        let starts = try l.unsqueeze(l.emit("Mul", [l.counting(to: frames), step]), [1])
        let places = try l.emit("Add", [starts, l.unsqueeze(l.counting(to: length), [0])])
        var framed = try l.emit("Gather", [signal, places], ["axis": .int(1)])
        if let window { framed = try l.emit("Mul", [framed, l.unsqueeze(window, [1])]) }
        try l.emit("DFT", [framed], to: n.outputs, ["axis": .int(2), "onesided": .int(n.attributes["onesided"]?.int ?? 1)])
    }

    /// A scalar as a vector of one int64.
    private static func integer(_ l: inout Lowerer, _ value: ValueID) throws -> ValueID {
        try l.emit("Reshape", [l.emit("Cast", [value], ["to": .int(Int(ElementType.int64.rawValue))]), l.vector([1])])
    }

    // MARK: Samples

    private static let samples = [
        Sample([.real(2, 5, 1)]),
        Sample([.real(2, 6, 2)], ["inverse": .int(1)]),
        Sample([.real(2, 7, 1)], ["onesided": .int(1)]),
        Sample([.real(1, 4, 3, 2)], ["onesided": .int(1), "inverse": .int(1), "axis": .int(1)]),
        Sample([.real(1, 4, 2), .integers([], [7])], ["onesided": .int(1), "inverse": .int(1)]),
        Sample([.real(3, 2, 1), .integers([], [8]), .integers([], [0])], ["onesided": .int(1)]),
        Sample([.real(2, 6, 2), .integers([], [4])]),
        Sample([.real(1, 19, 2), .integers([], [22])], ["inverse": .int(1)]),
    ]

    private static let gradSamples = [
        Sample([.real(2, 4, 2)], ["onesided": .int(1), "input_shape": .ints([2, 7, 1])]),
        Sample([.real(1, 6, 1)], ["onesided": .int(1), "inverse": .int(1), "input_shape": .ints([1, 4, 2])]),
    ]
}

/// A transform along one axis with everything resolved to numbers: y_k = Σ_j x_j w^(jk), w = exp(∓2πi / length).
private struct FourierPlan {
    private let input: [Int]
    let output: [Int]
    private let axis: Int, length: Int
    private let isInverse: Bool, isOneSided: Bool

    /// Signals this long are refused: the tables grow with the length.
    private static let limit = 1 << 24

    /// The axis of the transform; the last one holds the parts of the numbers.
    static func axis(_ c: some NodeReader, rank: Int) throws -> Int {
        guard rank >= 2 else { throw Failure.shape("input has rank \(rank), expected at least 2") }
        let axis = try Shape.axis(try c.ints(2, or: "axis")?.first ?? -2, rank: rank)
        guard axis < rank - 1 else { throw Failure.invalid("axis is the last one, which holds the parts of complex numbers") }
        return axis
    }

    static func checked(_ length: Int) throws -> Int {
        guard (1...limit).contains(length) else { throw Failure.invalid("dft_length is \(length), expected 1 to \(limit)") }
        return length
    }

    init(_ c: some NodeReader, input: [Int]) throws {
        self.input = input
        axis = try FourierPlan.axis(c, rank: input.count)
        guard let parts = input.last, parts == 1 || parts == 2 else {
            throw Failure.shape("the last axis has \(input.last ?? 0) entries, expected 1 or 2")
        }
        isInverse = c.flag("inverse")
        isOneSided = c.flag("onesided")
        let isReal = isInverse && isOneSided
        let own = isReal ? 2 * (input[axis] - 1) : input[axis]
        length = try FourierPlan.checked(try c.ints(1, or: "dft_length")?.first ?? own)
        var output = input
        output[axis] = isOneSided && !isInverse ? length / 2 + 1 : length
        output[input.count - 1] = isReal ? 1 : 2
        self.output = output
        _ = try Shape.count(output)
    }

    /// The result is a real signal, of whose spectrum one half is given.
    private var isReal: Bool { isInverse && isOneSided }
    private var scale: Double { isInverse ? 1 / Double(length) : 1 }
    /// Numbers of an entry of the input: its real part, and the imaginary one where it is given.
    private var parts: Int { input[input.count - 1] }
    /// Entries of a line that count, and entries of a line of the result.
    private var used: Int { min(input[axis], isReal ? length / 2 + 1 : length) }
    private var bins: Int { output[axis] }

    /// Calls `body` with the first element of every line of both tensors.
    private func forEachLine(_ body: (_ from: Int, _ to: Int) throws -> Void) throws {
        let inner = try Shape.count(Array(input[(axis + 1)..<(input.count - 1)])), outer = try Shape.count(Array(input[..<axis]))
        let (p, q) = (input[input.count - 1], output[output.count - 1])
        for block in 0..<outer {
            for lane in 0..<inner {
                try body((block * input[axis] * inner + lane) * p, (block * output[axis] * inner + lane) * q)
            }
        }
    }

    /// Elements from one entry of a line to the next.
    private func pitch(_ shape: [Int]) -> Int { shape[(axis + 1)...].reduce(1, *) }

    func apply(_ x: Tensor) throws -> Tensor {
        let transform = try FourierTransform(length), (from, to) = (pitch(input), pitch(output))
        return try x.read(Double.self) { x in
            try Tensor.make(output, Double.self) { y in
                var re = [Double](repeating: 0, count: length), im = re
                try forEachLine { start, target in
                    for i in 0..<length { re[i] = 0; im[i] = 0 }
                    for i in 0..<used {
                        re[i] = x[start + i * from]
                        if parts == 2 { im[i] = x[start + i * from + 1] }
                        // The other half of a real signal's spectrum.
                        if isReal, i > 0, 2 * i < length { re[length - i] = re[i]; im[length - i] = -im[i] }
                    }
                    transform.run(&re, &im, isInverse: isInverse)
                    for i in 0..<bins {
                        y[target + i * to] = re[i] * scale
                        if !isReal { y[target + i * to + 1] = im[i] * scale }
                    }
                }
            }
        }
    }

    /// The transposed sums.
    func adjoint(_ dy: Tensor) throws -> Tensor {
        let transform = try FourierTransform(length), (from, to) = (pitch(output), pitch(input))
        return try dy.read(Double.self) { dy in
            try Tensor.make(input, Double.self) { dx in
                dx.initialize(repeating: 0)
                var re = [Double](repeating: 0, count: length), im = re
                try forEachLine { target, start in
                    for i in 0..<length { re[i] = 0; im[i] = 0 }
                    for i in 0..<bins {
                        re[i] = dy[start + i * from]
                        if !isReal { im[i] = dy[start + i * from + 1] }
                    }
                    transform.run(&re, &im, isInverse: !isInverse)
                    for i in 0..<used {
                        // A bin of a real signal's spectrum stands for two, the first and the middle one excepted.
                        let weight = isReal && i > 0 && 2 * i < length ? 2 * scale : scale
                        dx[target + i * to] = re[i] * weight
                        if parts == 2 { dx[target + i * to + 1] = im[i] * weight }
                    }
                }
            }
        }
    }
}

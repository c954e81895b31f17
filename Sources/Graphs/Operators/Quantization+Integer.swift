internal import Tensors

/// Products and convolutions of quantised numbers, as ONNX defines them: sums of integers.
///
///     ConvInteger, MatMulInteger (opset 10)     int32 sums of (x - zero) (w - zero)
///     QLinearConv, QLinearMatMul (opset 10)     the same, requantised: clip(round(sum · x_scale w_scale / y_scale) + zero)
///
/// They become the operators over real numbers whose values are integers, in float32 where no sum can exceed 2^24 and in
/// float64 elsewhere, so that every sum is exact; backends, passes and gradients are those of Conv and MatMul.
enum IntegerArithmetic {
    static let lowerings = [
        Lowering("ConvInteger", since: 10) { try lowerConvInteger(&$0, $1) },
        Lowering("MatMulInteger", since: 10) { try lowerMatMulInteger(&$0, $1) },
        Lowering("QLinearConv", since: 10) { try lowerQLinearConv(&$0, $1) },
        Lowering("QLinearMatMul", since: 10) { try lowerQLinearMatMul(&$0, $1) },
    ]

    // MARK: Convolutions

    private static func lowerConvInteger(_ l: inout Lowerer, _ n: Node) throws {
        let x = LevelOperand(try l.required(n, 0), zero: n.optional(2))
        let w = LevelOperand(try l.required(n, 1), zero: n.optional(3))
        let type = try SumBound(l, x, w, kind: .convolution).type
        let spatial = try l.rank(w.levels) - 2
        let sums = try l.emit(
            "Conv", [x.real(&l, type, column: nil), w.real(&l, type, column: [-1] + ones(spatial + 1))], n.attributes)
        try l.round(sums, to: n.outputs, .int32)
    }

    static func lowerQLinearConv(_ l: inout Lowerer, _ n: Node) throws {
        let x = LevelOperand(try l.required(n, 0), scale: try l.required(n, 1), zero: n.optional(2))
        let w = LevelOperand(try l.required(n, 3), scale: try l.required(n, 4), zero: n.optional(5))
        let bias = n.optional(8)
        let type = try SumBound(l, x, w, bias: bias, kind: .convolution).type
        let spatial = try l.rank(w.levels) - 2
        let numbers = try bias.map { try l.cast($0, type) }
        let sums = try l.emit(
            "Conv", [x.real(&l, type, column: nil), w.real(&l, type, column: [-1] + ones(spatial + 1)), numbers], n.attributes)
        let column = try l.column(w.required(\.scale), [-1] + ones(spatial))
        try requantize(&l, sums, scale: l.emit("Mul", [x.scale, column]), Result(l, n, 6, column: nil), to: n.outputs)
    }

    private static func ones(_ count: Int) -> [Int] { [Int](repeating: 1, count: max(count, 0)) }

    // MARK: Products

    private static func lowerMatMulInteger(_ l: inout Lowerer, _ n: Node) throws {
        let a = LevelOperand(try l.required(n, 0), zero: n.optional(2)), b = LevelOperand(try l.required(n, 1), zero: n.optional(3))
        try l.round(product(&l, a, b), to: n.outputs, .int32)
    }

    private static func lowerQLinearMatMul(_ l: inout Lowerer, _ n: Node) throws {
        let a = LevelOperand(try l.required(n, 0), scale: try l.required(n, 1), zero: n.optional(2))
        let b = LevelOperand(try l.required(n, 3), scale: try l.required(n, 4), zero: n.optional(5))
        let rows = try l.column(a.required(\.scale), [-1, 1])
        try requantize(&l, product(&l, a, b), scale: l.emit("Mul", [rows, b.scale]), Result(l, n, 6, column: -2), to: n.outputs)
    }

    /// Sums of products of levels; scales and zero points of `a` are by rows, those of `b` by columns.
    static func product(_ l: inout Lowerer, _ a: LevelOperand, _ b: LevelOperand) throws -> ValueID {
        let type = try SumBound(l, a, b, kind: .product).type
        return try l.emit("MatMul", [a.real(&l, type, column: [-1, 1]), b.real(&l, type, column: nil)])
    }

    // MARK: Requantisation

    /// Scale and zero point of a result, and the axis that they are along where there is one for each entry.
    struct Result {
        let scale: ValueID, zero: ValueID?
        let axis: Int?

        /// `first` is the input that holds the scale; the zero point follows it.
        init(_ l: Lowerer, _ n: Node, _ first: Int, column axis: Int?) throws {
            scale = try l.required(n, first)
            zero = n.optional(first + 1)
            self.axis = l.isSingle(scale) ? nil : axis
            guard l.isSingle(scale) || (axis != nil && l.graph[scale].type?.rank == 1) else {
                throw Failure.unsupported("the result has \(l.graph[scale].type.map { "\($0)" } ?? "unknown") scales, expected one")
            }
        }
    }

    /// clip(round(sums · scale / y_scale) + zero), in float32 as onnxruntime computes it.
    static func requantize(_ l: inout Lowerer, _ sums: ValueID, scale: ValueID, _ y: Result, to outputs: [ValueID?]) throws {
        let divisor = try y.axis == nil ? y.scale : l.column(y.scale, [-1, 1])
        let scaled = try l.emit("Mul", [l.cast(sums, .float32), l.cast(l.emit("Div", [scale, divisor]), .float32)])
        try quantize(&l, scaled, unit: true, y, to: outputs)
    }

    /// QuantizeLinear to the type of the zero point; `unit`: `x` is in levels already, and only rounded and clipped.
    static func quantize(_ l: inout Lowerer, _ x: ValueID, unit: Bool, _ y: Result, to outputs: [ValueID?]) throws {
        var attributes: [String: Attribute] = ["output_dtype": .int(Int(y.zero.flatMap { l.graph[$0].type?.element.rawValue } ?? 2))]
        if let axis = y.axis { attributes["axis"] = .int(axis) }
        guard unit else { return try l.emit("QuantizeLinear", [x, y.scale, y.zero], to: outputs, attributes) }
        let one = try l.emit("Div", [y.scale, y.scale])
        try l.emit("QuantizeLinear", [x, one, y.zero, y.scale], to: outputs, attributes)
    }
}

/// Quantised numbers with their zero point, and their scale where the operator has one.
struct LevelOperand {
    let levels: ValueID
    let scale: ValueID?
    let zero: ValueID?

    init(_ levels: ValueID, scale: ValueID? = nil, zero: ValueID?) {
        self.levels = levels
        self.scale = scale
        self.zero = zero
    }

    func required(_ path: KeyPath<LevelOperand, ValueID?>) throws -> ValueID {
        guard let id = self[keyPath: path] else { throw Failure.invalid("a scale is missing") }
        return id
    }

    /// The levels less their zero point, as real numbers. A list of zero points is given the shape `column` (nil: as it is).
    func real(_ l: inout Lowerer, _ type: ElementType, column: [Int]?) throws -> ValueID {
        if zero.map(l.isSingle) ?? true {
            let one = l.constant(try Tensor.scalar(Float(1)))
            return try l.cast(l.emit("DequantizeLinear", [levels, one, zero.map { try l.scalar($0) }]), type)
        }
        guard let zero else { return levels }
        let shaped = try column.map { try l.column(zero, $0) } ?? zero
        return try l.emit("Sub", [l.cast(levels, type), l.cast(shaped, type)])
    }

    /// The real numbers that the levels stand for; one scale and zero point, or one for each entry along `axis`.
    func dequantized(_ l: inout Lowerer, axis: Int? = nil) throws -> ValueID {
        let scale = try required(\.scale)
        if l.isSingle(scale) { return try l.emit("DequantizeLinear", [levels, l.scalar(scale), zero.map { try l.scalar($0) }]) }
        guard let axis else { throw Failure.unsupported("'\(l.graph[scale].name)' holds several scales, expected one") }
        return try l.emit("DequantizeLinear", [levels, scale, zero], ["axis": .int(axis)])
    }
}

/// How large the sums of a product of levels can get: with the numbers where they are known, with the limits of their types
/// elsewhere.
struct SumBound {
    enum Kind { case convolution, product }
    /// nil: not known.
    private let bound: Double?

    init(_ l: Lowerer, _ x: LevelOperand, _ w: LevelOperand, bias: ValueID? = nil, kind: Kind) throws {
        guard let reach = SumBound.reach(l, x), let sum = try SumBound.largestSum(l, w, kind) else {
            bound = nil
            return
        }
        var bound = reach * sum
        if let bias { bound += (try l.graph[bias].constant?.doubles().map(\.magnitude).max()) ?? .infinity }
        self.bound = bound
    }

    /// float32 holds every integer up to 2^24.
    var type: ElementType { (bound ?? .infinity) < 16_777_216 ? .float32 : .float64 }

    /// Largest magnitude of a level less its zero point.
    private static func reach(_ l: Lowerer, _ x: LevelOperand) -> Double? {
        guard let type = l.graph[x.levels].type?.element, let limits = QuantizedType.limits(of: type) else { return nil }
        let zeros = x.zero.map { l.graph[$0].constant.flatMap { try? $0.doubles() } ?? [limits.lowerBound, limits.upperBound] } ?? [0]
        return zeros.map { max(($0 - limits.lowerBound).magnitude, ($0 - limits.upperBound).magnitude) }.max()
    }

    /// Largest sum of magnitudes that one result adds up.
    private static func largestSum(_ l: Lowerer, _ w: LevelOperand, _ kind: Kind) throws -> Double? {
        guard let type = l.graph[w.levels].type, let dims = type.dims, let reach = reach(l, w) else { return nil }
        guard let tensor = l.graph[w.levels].constant, dims.count >= 2,
            w.zero.map({ l.isSingle($0) && l.graph[$0].constant != nil }) ?? true
        else {
            let depth = kind == .convolution ? dims.dropFirst().map(\.value) : [dims.suffix(2).first?.value]
            return depth.contains(nil) ? nil : depth.reduce(reach) { $0 * Double($1 ?? 0) }
        }
        let zero = try w.zero.flatMap { try l.graph[$0].constant?.doubles().first } ?? 0
        let numbers = try tensor.doubles(), shape = tensor.shape
        // Results that a weight adds to: rows of a convolution's weight, columns of a matrix.
        let columns = kind == .convolution ? 1 : shape[shape.count - 1],
            depth = kind == .convolution ? numbers.count / max(shape[0], 1) : shape[shape.count - 2]
        guard columns > 0, depth > 0 else { return 0 }
        var largest = 0.0
        for start in stride(from: 0, to: numbers.count, by: depth * columns) {
            var sums = [Double](repeating: 0, count: columns)
            for row in 0..<depth {
                for column in 0..<columns { sums[column] += (numbers[start + row * columns + column] - zero).magnitude }
            }
            largest = max(largest, sums.max() ?? 0)
        }
        return largest
    }
}

internal import Tensors

/// Scales and zero points, and which of them an element has.
struct QuantizedParameters {
    let scales: [Double]
    private let zeros: [Double]?
    private let inner: Int, size: Int, block: Int, count: Int

    /// `first` is the input that holds the scales; zero points follow it.
    init(_ call: Call, shape: [Int], first: Int) throws {
        let scale = try call.tensor(first)
        let scales = try scale.widened().doubles(), zeros = try call.optional(first + 1)?.widened().doubles()
        self.scales = scales
        self.zeros = zeros
        if let zeros, zeros.count != scales.count { throw Failure.shape("there are \(scales.count) scales but \(zeros.count) zero points") }
        let block = call.int("block_size", default: 0)
        guard !scales.isEmpty || shape.contains(0) else { throw Failure.shape("there is no scale") }
        count = scales.count
        if count <= 1 && block == 0 {
            (inner, size, self.block) = (1, 1, 1)
            return
        }
        let axis = try Shape.axis(call.int("axis", default: 1), rank: shape.count)
        guard axis < shape.count else { throw Failure.shape("a scalar has one scale, found \(count)") }
        inner = try Shape.count(Array(shape[(axis + 1)...]))
        size = shape[axis]
        self.block = max(block, 0)
        var expected = [size]
        if block > 0 {
            expected = shape
            expected[axis] = (size + block - 1) / block
        }
        guard scale.shape == expected else {
            throw Failure.shape("scales are \(Shape.text(scale.shape)), expected \(Shape.text(expected))")
        }
    }

    func zero(_ at: Int) -> Double { zeros?[at] ?? 0 }

    /// Which scale the element at `i` has.
    @inline(__always) func index(_ i: Int) -> Int {
        if count <= 1 { return 0 }
        let along = i / inner % size
        if block == 0 { return along }
        return (i / (inner * size) * ((size + block - 1) / block) + along / block) * inner + i % inner
    }
}

/// The type that numbers are quantised to: 2 to 16-bit integers, or floats of 8 and 4 bits.
struct QuantizedType {
    let type: ElementType

    /// The attribute `output_dtype`, the type of the zero point, or uint8.
    private init(_ c: some NodeReader, zero: ElementType?) throws {
        let asked = ElementType(rawValue: Int32(clamping: c.int("output_dtype", default: 0)))
        type = asked ?? zero ?? .uint8
        if let limits = QuantizedType.limits(of: type) {
            self.limits = limits
            return
        }
        guard let layout = SmallFloats.Layout.of(type) else { throw Failure.unsupported("quantisation to \(type)") }
        let top = (0..<1 << type.bits).map { Double(layout.value(UInt8($0))) }.filter(\.isFinite).max() ?? 0
        limits = -top...top
    }

    init(inferred c: Inference) throws { try self.init(c, zero: c.has(2) ? c.type(2).element : nil) }
    init(_ call: Call, zero: Int = 2) throws { try self.init(call, zero: call.constant(zero)?.type) }

    var isInteger: Bool { type.isInteger }

    /// Smallest and largest number of an integer type.
    static func limits(of type: ElementType) -> ClosedRange<Double>? {
        guard type.isInteger else { return nil }
        let span = Double(sign: .plus, exponent: type.bits, significand: 1)
        let isSigned = [.int2, .int4, .int8, .int16, .int32, .int64].contains(type)
        return isSigned ? -span / 2...span / 2 - 1 : 0...span - 1
    }

    /// Smallest and largest number of the type.
    private(set) var limits: ClosedRange<Double>

    /// Whether a gradient passes the clipping of a level. One level outside still counts as inside: calibration ends the range at
    /// the largest number seen and then moves it by up to half a level, for a whole zero point, so that just the strongest
    /// activations, the score of the best class among them, would have no gradient.
    func isInside(_ level: Double) -> Bool {
        isInteger ? level >= limits.lowerBound - 1 && level <= limits.upperBound + 1 : limits.contains(level)
    }

    /// The number of the type nearest to one that is whole, for integer types, or any.
    func nearest(_ level: Double) -> Double {
        // NaN becomes the lowest.
        if isInteger { return level > limits.lowerBound ? min(level, limits.upperBound) : limits.lowerBound }
        guard !level.isNaN, let layout = SmallFloats.Layout.of(type) else { return level }
        return Double(layout.value(code(level, saturates: true)))
    }

    /// A tensor of the integer type from clipped numbers.
    func tensor(_ levels: [Double], _ shape: [Int]) throws -> Tensor {
        guard type.isPacked else { return try Tensor(levels, shape).converted(to: type) }
        let mask = UInt8((1 << type.bits) - 1)
        return try pack(levels.map { UInt8(truncatingIfNeeded: Int($0.isNaN ? 0 : $0)) & mask }, shape)
    }

    /// A tensor of bit patterns; ONNX puts the first element into the lowest bits.
    func pack(_ codes: [UInt8], _ shape: [Int]) throws -> Tensor {
        let result = try Tensor.zeros(type, shape)
        let perByte = 8 / type.bits
        for (i, code) in codes.enumerated() where i / perByte < result.storage.bytes.count {
            result.storage.bytes[i / perByte] |= code << UInt8(i % perByte * type.bits)
        }
        return result
    }

    /// Bit pattern of the nearest number of the small float type, ties to the even pattern.
    func code(_ value: Double, saturates: Bool) -> UInt8 {
        guard let layout = SmallFloats.Layout.of(type) else { return 0 }
        let patterns = (0..<UInt16(1 << type.bits)).map { UInt8($0) }
        let top = limits.upperBound
        let special = patterns.first { value.isNaN || !saturates ? Double(layout.value($0)).isNaN : false }
        if value.isNaN { return special ?? 0 }
        if value.magnitude > top, !saturates, type != .float4e2m1 {
            return patterns.first { Double(layout.value($0)) == (value < 0 ? -Double.infinity : .infinity) } ?? special ?? 0
        }
        let clipped = min(max(value, -top), top)
        var best: UInt8 = 0
        var distance = Double.infinity
        for pattern in patterns {
            let candidate = Double(layout.value(pattern))
            guard candidate.isFinite, (candidate.sign == .minus) == (clipped.sign == .minus) || candidate == 0 && best == 0 else {
                continue
            }
            let own = (candidate - clipped).magnitude
            if own < distance || (own == distance && pattern % 2 == 0 && best % 2 == 1) { best = pattern; distance = own }
        }
        return best
    }
}

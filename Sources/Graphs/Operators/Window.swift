internal import Tensors

/// One spatial axis of a sliding window, everything resolved to numbers. Position `o` of the output covers the input
/// elements `o * stride + k * dilation - begin` for `k` in `0..<kernel`.
struct WindowAxis: Sendable {
    var input = 1, output = 1, kernel = 1, stride = 1, dilation = 1
    /// Padding before and after the input.
    var begin = 0, end = 0

    /// Input elements from the first to the last tap.
    var extent: Int { (kernel - 1) * dilation + 1 }

    /// The taps of output `o` that lie inside `-low..<input + high`.
    func taps(_ o: Int, low: Int = 0, high: Int = 0) -> Range<Int> {
        let start = o * stride - begin
        let first = start >= -low ? 0 : (-low - start + dilation - 1) / dilation
        let room = input + high - start
        let last = room <= 0 ? 0 : min(kernel, (room - 1) / dilation + 1)
        return first < last ? first..<last : 0..<0
    }
}

/// Attributes of ONNX's convolutions and pools (`kernel_shape`, `strides`, `dilations`, `pads`, `auto_pad`,
/// `ceil_mode`), checked and with their defaults.
struct WindowAttributes: Sendable {
    enum Padding: String, Sendable { case explicit = "NOTSET", sameUpper = "SAME_UPPER", sameLower = "SAME_LOWER", valid = "VALID" }

    let rank: Int
    /// nil: not known yet (a weight of unknown size).
    let kernel: [Int]?
    let strides: [Int]
    let dilations: [Int]
    let begins: [Int]
    let ends: [Int]
    let padding: Padding
    let ceil: Bool

    /// `kernel` is that of the weight, where there is one.
    init(_ c: some NodeReader, rank: Int, kernel weight: [Int?]? = nil) throws {
        guard rank >= 1 else { throw Failure.shape("expected at least one spatial axis, found none") }
        self.rank = rank
        kernel = try WindowAttributes.kernel(c, rank, weight)
        strides = try WindowAttributes.read(c, "strides", rank, default: 1, from: 1)
        dilations = try WindowAttributes.read(c, "dilations", rank, default: 1, from: 1)
        let name = c.string("auto_pad", default: "NOTSET")
        guard let padding = Padding(rawValue: name.isEmpty ? "NOTSET" : name) else {
            throw Failure.invalid("auto_pad is \(name), expected NOTSET, SAME_UPPER, SAME_LOWER or VALID")
        }
        self.padding = padding
        let pads = try WindowAttributes.read(c, "pads", 2 * rank, default: 0, from: -WindowAttributes.limit)
        let none = [Int](repeating: 0, count: rank)
        begins = padding == .explicit ? Array(pads[..<rank]) : none
        ends = padding == .explicit ? Array(pads[rank...]) : none
        ceil = c.flag("ceil_mode")
    }

    /// Sizes above it would make the arithmetic of positions overflow.
    private static let limit = 1 << 30

    private static func kernel(_ c: some NodeReader, _ rank: Int, _ weight: [Int?]?) throws -> [Int]? {
        guard let given = c.ints("kernel_shape"), !given.isEmpty else {
            guard let weight else { throw Failure.invalid("kernel_shape is missing") }
            let known = weight.compactMap { $0 }
            guard known.allSatisfy({ (1...limit).contains($0) }) else {
                throw Failure.shape("kernel is \(known), expected sizes of at least 1")
            }
            return known.count == rank ? known : nil
        }
        let own = try read(c, "kernel_shape", rank, default: 1, from: 1)
        for (a, b) in zip(own, weight ?? []) where b != nil && a != b {
            throw Failure.shape("kernel_shape is \(Shape.text(own)), the weight has \(b.map(String.init) ?? "?") in place of \(a)")
        }
        return own
    }

    private static func read(_ c: some NodeReader, _ name: String, _ count: Int, default value: Int, from low: Int) throws -> [Int] {
        guard let given = c.ints(name), !given.isEmpty else { return [Int](repeating: value, count: count) }
        guard given.count == count else { throw Failure.invalid("\(name) has \(given.count) entries, expected \(count)") }
        for entry in given where entry < low || entry > limit {
            throw Failure.invalid("\(name) has an entry \(entry) outside \(low)...\(limit)")
        }
        return given
    }

    /// Axis `i` over an input of the given size.
    func axis(_ i: Int, input: Int) throws -> WindowAxis {
        guard let kernel else { throw NotYetKnown() }
        guard (0...WindowAttributes.limit).contains(input) else { throw Failure.shape("axis of \(input) elements is too large") }
        var axis = WindowAxis(
            input: input, output: 0, kernel: kernel[i], stride: strides[i], dilation: dilations[i], begin: begins[i], end: ends[i])
        if padding == .sameUpper || padding == .sameLower {
            axis.output = (input + axis.stride - 1) / axis.stride
            let total = max((axis.output - 1) * axis.stride + axis.extent - input, 0)
            axis.begin = padding == .sameUpper ? total / 2 : total - total / 2
            axis.end = total - axis.begin
            return axis
        }
        let room = input + axis.begin + axis.end - axis.extent
        guard room >= 0 else {
            throw Failure.shape("window of \(axis.extent) elements is larger than the padded input of \(input + axis.begin + axis.end)")
        }
        axis.output = (room + (ceil ? axis.stride - 1 : 0)) / axis.stride + 1
        // ONNX drops a window that would start in the padding behind the input.
        if ceil, (axis.output - 1) * axis.stride >= input + axis.begin { axis.output -= 1 }
        return axis
    }

    /// All axes over an input's spatial sizes.
    func axes(_ sizes: [Int]) throws -> [WindowAxis] {
        guard sizes.count == rank else { throw Failure.shape("expected \(rank) spatial axes, found \(sizes.count)") }
        return try sizes.indices.map { try axis($0, input: sizes[$0]) }
    }

    /// Size of the output along axis `i` for a size that may be symbolic.
    func output(_ i: Int, input: Dim) throws -> Dim {
        if let size = input.value { return kernel == nil ? .unknown : Dim(try axis(i, input: size).output) }
        let stride = Dim(strides[i])
        if padding == .sameUpper || padding == .sameLower { return strides[i] == 1 ? input : input.divided(by: stride) }
        guard let kernel else { return .unknown }
        let extent = (kernel[i] - 1) * dilations[i] + 1
        if ceil, ends[i] >= extent { return .unknown }
        let room = input + Dim(begins[i] + ends[i] - extent)
        return (strides[i] == 1 ? room : room.divided(by: stride)) + Dim(1)
    }

    /// Axis `i` of a transposed convolution over `input` elements: its `input` is the larger side, the operator's
    /// output. Without room for the asked size the padding is 0 and the rest stays empty at the end.
    func transposed(_ i: Int, input: Int, outputPadding: Int, size: Int?) throws -> WindowAxis {
        guard let kernel else { throw NotYetKnown() }
        guard (0...WindowAttributes.limit).contains(input), (0...WindowAttributes.limit).contains(outputPadding),
            (0...WindowAttributes.limit).contains(size ?? 0)
        else { throw Failure.shape("axis of \(input) elements with output_padding \(outputPadding) is too large or negative") }
        var axis = WindowAxis(
            input: 0, output: input, kernel: kernel[i], stride: strides[i], dilation: dilations[i], begin: begins[i], end: ends[i])
        let full = axis.stride * (input - 1) + outputPadding + axis.extent
        let isSame = padding == .sameUpper || padding == .sameLower
        guard let target = size ?? (isSame ? min(input * axis.stride, full) : nil) else {
            axis.input = full - axis.begin - axis.end
            guard axis.input >= 0 else { throw Failure.shape("padding leaves \(axis.input) elements of the output") }
            return axis
        }
        axis.input = target
        let total = max(full - target, 0)
        axis.begin = padding == .sameUpper ? total / 2 : total - total / 2
        axis.end = total - axis.begin
        return axis
    }

    /// Size of a transposed convolution's output along axis `i`.
    func transposedOutput(_ i: Int, input: Dim, outputPadding: Int, size: Int?) throws -> Dim {
        if let size { return Dim(size) }
        if let known = input.value {
            return kernel == nil ? .unknown : Dim(try transposed(i, input: known, outputPadding: outputPadding, size: nil).input)
        }
        guard let kernel else { return .unknown }
        if padding == .sameUpper || padding == .sameLower {
            return input * Dim(strides[i]) + Dim(min(0, outputPadding + (kernel[i] - 1) * dilations[i] + 1 - strides[i]))
        }
        let fixed = outputPadding + (kernel[i] - 1) * dilations[i] + 1 - strides[i] - begins[i] - ends[i]
        return input * Dim(strides[i]) + Dim(fixed)
    }
}

extension [WindowAxis] {
    /// Three axes, with axes of one element in front.
    func volume() throws -> [WindowAxis] {
        guard count <= 3 else { throw Failure.unsupported("\(count) spatial axes, at most 3 are supported") }
        return Array(repeating: WindowAxis(), count: 3 - count) + self
    }

    /// The attributes that say the same with explicit padding.
    var attributes: [String: Attribute] {
        [
            "kernel_shape": .ints(map(\.kernel)), "strides": .ints(map(\.stride)), "dilations": .ints(map(\.dilation)),
            "pads": .ints(map(\.begin) + map(\.end)),
        ]
    }
}

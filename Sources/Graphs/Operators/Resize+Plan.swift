internal import Glibc
internal import Tensors

/// A resize with everything resolved to numbers.
struct ResizePlan {
    let output: [Int]
    /// By axis; nil where nothing changes.
    let tables: [ResizeTable?]
    /// Value of output elements whose place lies outside the input; only for `tf_crop_and_resize`.
    let extrapolation: Double?

    /// Longest axis that is resized: the table has an entry or more for each element.
    private static let limit = 1 << 22

    init(_ c: some NodeReader, input: [Int]) throws {
        let request = try ResizeRequest(c, rank: input.count)
        let (output, scales) = try ResizePlan.sizes(c, request, input)
        _ = try Shape.count(output)
        let isCrop = request.coordinates == "tf_crop_and_resize"
        let roi = isCrop ? try request.roi(c) : nil
        self.output = output
        extrapolation = isCrop ? c.float("extrapolation_value", default: 0) : nil
        tables = try input.indices.map { axis in
            let window = roi?[axis] ?? (0, 1)
            if scales[axis] == 1, output[axis] == input[axis], window == (0, 1) { return nil }
            guard input[axis] > 0 || output[axis] == 0 else { throw Failure.shape("axis \(axis) has no elements to resize") }
            return try ResizeTable(c, request.coordinates, input: input[axis], output: output[axis], scale: scales[axis], roi: window)
        }
    }

    /// Sizes and factors of all axes.
    private static func sizes(_ c: some NodeReader, _ request: ResizeRequest, _ input: [Int]) throws -> (output: [Int], scales: [Double]) {
        var output = input, scales = [Double](repeating: 1, count: input.count)
        if let given = try request.sizes(c) {
            var factors = try zip(given, request.axes).map { size, axis in
                guard (0...limit).contains(size) else { throw Failure.shape("size \(size) is outside 0...\(limit)") }
                return Double(size) / Double(max(input[axis], 1))
            }
            let policy = c.string("keep_aspect_ratio_policy", default: "stretch")
            let common = policy == "not_larger" ? factors.min() : policy == "not_smaller" ? factors.max() : nil
            guard common != nil || policy == "stretch" || factors.isEmpty else {
                throw Failure.invalid("keep_aspect_ratio_policy is \(policy)")
            }
            if let common { factors = factors.map { _ in common } }
            for (index, axis) in request.axes.enumerated() {
                scales[axis] = factors[index]
                output[axis] = common == nil ? given[index] : try rounded((factors[index] * Double(input[axis]) + 0.5))
            }
            return (output, scales)
        }
        guard let given = try request.scales(c) else { throw Failure.invalid("neither scales nor sizes are given") }
        for (factor, axis) in zip(given, request.axes) {
            scales[axis] = factor
            output[axis] = try scaled(input[axis], factor)
        }
        return (output, scales)
    }

    /// Size of a scaled axis; in float32, in which runtimes compute it.
    private static func scaled(_ size: Int, _ factor: Double) throws -> Int {
        guard factor > 0 else { throw Failure.invalid("scale is \(factor), expected a number above 0") }
        return try rounded(Double(Float(size) * Float(factor)))
    }

    private static func rounded(_ size: Double) throws -> Int {
        guard size >= 0, size <= Double(limit) else { throw Failure.shape("resized axis of \(size) elements is too large") }
        return Int(size.rounded(.down))
    }

    /// Sizes of the output where the input's may be symbolic.
    static func outputDims(_ c: Inference, input: [Dim]) throws -> [Dim] {
        let known = input.compactMap(\.value)
        let request = try ResizeRequest(c, rank: input.count)
        var result = input
        if c.has(3), !request.isEmpty(c, 3) {
            let sizes = c.symbols(3) ?? []
            let policy = c.string("keep_aspect_ratio_policy", default: "stretch")
            if policy != "stretch", known.count == input.count, c.constant(3) != nil {
                return try self.sizes(c, request, known).output.map { Dim($0) }
            }
            for (index, axis) in request.axes.enumerated() {
                result[axis] = policy == "stretch" && index < sizes.count ? sizes[index] : .unknown
            }
            return result
        }
        guard let scales = try request.scales(c) else { throw Failure.invalid("neither scales nor sizes are given") }
        for (factor, axis) in zip(scales, request.axes) {
            if let size = input[axis].value {
                result[axis] = Dim(try scaled(size, factor))
            } else {
                result[axis] = factor.rounded() == factor && factor >= 1 && factor < 1e6 ? input[axis] * Dim(Int(factor)) : .unknown
            }
        }
        return result
    }

    /// Writes `value` where some axis has its place outside the input.
    func fillOutside(_ y: Tensor, _ value: Double) throws -> Tensor {
        var numbers = try y.array(Double.self)
        let strides = Shape.strides(output)
        for (axis, table) in tables.enumerated() {
            guard let table else { continue }
            let outside = (0..<output[axis]).map { table.isOutside($0) }
            guard outside.contains(true) else { continue }
            for at in numbers.indices where outside[at / strides[axis] % output[axis]] { numbers[at] = value }
        }
        return try Tensor(numbers, output)
    }
}

/// What a Resize node asks for, in the order of its `axes`.
struct ResizeRequest {
    let axes: [Int]
    let coordinates: String

    init(_ c: some NodeReader, rank: Int) throws {
        axes = try c.ints("axes")?.map { try Shape.axis($0, rank: rank) } ?? Array(0..<rank)
        guard Set(axes).count == axes.count, axes.allSatisfy({ $0 < rank }) else { throw Failure.invalid("axes are \(axes)") }
        coordinates = c.string("coordinate_transformation_mode", default: "half_pixel")
    }

    /// True for an input that stands for an absent one.
    func isEmpty(_ c: some NodeReader, _ index: Int) -> Bool { c.constant(index).map { $0.count == 0 } ?? false }

    private func numbers(_ c: some NodeReader, _ index: Int, _ name: String, count: Int) throws -> [Double]? {
        guard c.has(index), !isEmpty(c, index) else {
            guard let given = c.node.attributes[name]?.floats else { return nil }
            guard given.count == count else { throw Failure.invalid("\(name) has \(given.count) entries, expected \(count)") }
            return given
        }
        guard let tensor = c.constant(index) else { throw NotYetKnown() }
        guard tensor.count == count else { throw Failure.invalid("\(name) has \(tensor.count) entries, expected \(count)") }
        return try tensor.doubles()
    }

    func scales(_ c: some NodeReader) throws -> [Double]? { try numbers(c, 2, "scales", count: axes.count) }
    func sizes(_ c: some NodeReader) throws -> [Int]? {
        try numbers(c, 3, "sizes", count: axes.count)?.map { size in
            guard size >= 0, size < 1e9 else { throw Failure.shape("size is \(size)") }
            return Int(size)
        }
    }

    /// Start and end of the cropped part, by axis.
    func roi(_ c: some NodeReader) throws -> [Int: (Double, Double)] {
        guard let given = try numbers(c, 1, "roi", count: 2 * axes.count) else { throw Failure.invalid("tf_crop_and_resize needs roi") }
        return Dictionary(
            axes.enumerated().map { ($0.element, (given[$0.offset], given[$0.offset + axes.count])) }, uniquingKeysWith: { $1 })
    }
}

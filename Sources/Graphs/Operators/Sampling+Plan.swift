internal import Tensors

/// A sampling with everything resolved to numbers.
struct SamplingPlan {
    let output: [Int]
    private let batch: Int, channels: Int, inputCount: Int, placeCount: Int
    private let axes: [SamplingAxis]

    init(_ c: some NodeReader, input: [Int], grid: [Int]) throws {
        let rank = input.count - 2
        guard rank >= 1, grid.count == input.count, grid.last == rank, input[0] == grid[0] else {
            throw Failure.shape("the grid is \(Shape.text(grid)), which does not fit an input of \(Shape.text(input))")
        }
        guard rank <= 8 else { throw Failure.unsupported("\(rank) spatial axes, expected at most 8") }
        output = Array(input[..<2] + grid[1..<(grid.count - 1)])
        _ = try Shape.count(output)
        (batch, channels) = (input[0], input[1])
        inputCount = try Shape.count(Array(input[2...]))
        placeCount = try Shape.count(Array(output[2...]))
        let orders = c.ints("derivatives") ?? [Int](repeating: 0, count: rank), strides = Shape.strides(Array(input[2...]))
        guard orders.count == rank else { throw Failure.invalid("derivatives has \(orders.count) entries, expected \(rank)") }
        axes = try (0..<rank).map { try SamplingAxis(c, size: input[$0 + 2], stride: strides[$0], order: orders[$0]) }
    }

    func apply(_ x: Tensor, _ grid: Tensor) throws -> Tensor {
        try x.read(Double.self) { x in
            try grid.read(Double.self) { grid in
                try Tensor.make(output, Double.self) { y in
                    forEachPlace(grid) { n, place, taps in
                        for channel in 0..<channels {
                            let plane = (n * channels + channel) * inputCount
                            var sum = 0.0
                            for tap in taps { sum += tap.weight * x[plane + tap.place] }
                            y[(n * channels + channel) * placeCount + place] = sum
                        }
                    }
                }
            }
        }
    }

    /// The transposed sums: each gradient goes back to the elements that the sample was made of.
    func adjoint(_ dy: Tensor, _ grid: Tensor) throws -> Tensor {
        let shape = [batch, channels] + axes.map(\.size)
        return try dy.read(Double.self) { dy in
            try grid.read(Double.self) { grid in
                try Tensor.make(shape, Double.self) { dx in
                    dx.initialize(repeating: 0)
                    forEachPlace(grid) { n, place, taps in
                        for channel in 0..<channels {
                            let plane = (n * channels + channel) * inputCount
                            let arriving = dy[(n * channels + channel) * placeCount + place]
                            for tap in taps { dx[plane + tap.place] += tap.weight * arriving }
                        }
                    }
                }
            }
        }
    }

    /// Calls `body` with the image, the place in an output plane, and the elements of an input plane that make it up.
    private func forEachPlace(_ grid: UnsafeBufferPointer<Double>, _ body: (Int, Int, [SamplingTap]) -> Void) {
        var taps: [SamplingTap] = [], next: [SamplingTap] = []
        for n in 0..<batch {
            for place in 0..<placeCount {
                let first = (n * placeCount + place) * axes.count
                taps.removeAll(keepingCapacity: true)
                taps.append(SamplingTap(place: 0, weight: 1))
                for (index, axis) in axes.enumerated() {
                    next.removeAll(keepingCapacity: true)
                    axis.extend(taps, to: &next, grid[first + axes.count - 1 - index])
                    swap(&taps, &next)
                }
                body(n, place, taps)
            }
        }
    }
}

/// An element of a plane and its share of a sample.
struct SamplingTap {
    var place: Int
    var weight: Double
}

/// How one spatial axis is sampled.
private struct SamplingAxis {
    private enum Mode { case nearest, linear, cubic }
    private enum Padding: String { case zeros, border, reflection }

    let size: Int
    private let stride: Int, order: Int
    private let mode: Mode
    private let padding: Padding
    /// Of the range in which a coordinate lies inside, in elements.
    private let low: Double, high: Double
    /// Elements per unit of the grid.
    private let slope: Double
    private let isAligned: Bool

    init(_ c: some NodeReader, size: Int, stride: Int, order: Int) throws {
        switch c.string("mode", default: "linear") {
        case "nearest": mode = .nearest
        case "linear", "bilinear": mode = .linear
        case "cubic", "bicubic": mode = .cubic
        case let other: throw Failure.unsupported("mode \(other), expected linear, nearest or cubic")
        }
        let name = c.string("padding_mode", default: "zeros")
        guard let padding = Padding(rawValue: name) else {
            throw Failure.invalid("padding_mode is \(name), expected zeros, border or reflection")
        }
        self.padding = padding
        self.size = size
        self.stride = stride
        self.order = order
        isAligned = c.flag("align_corners")
        low = isAligned ? 0 : -0.5
        high = Double(size) - (isAligned ? 1 : 0.5)
        slope = Double(isAligned ? size - 1 : size) / 2
    }

    /// Each of `taps` once for every element along this axis that makes up the coordinate `g` of the grid.
    func extend(_ taps: [SamplingTap], to result: inout [SamplingTap], _ g: Double) {
        guard size > 0 else { return }
        var x = isAligned ? (g + 1) / 2 * Double(size - 1) : ((g + 1) * Double(size) - 1) / 2
        var factor = 1.0
        if mode == .nearest { x = x.rounded(.toNearestOrEven) }
        // Coordinates beyond the range of integers, and those that are no numbers.
        guard x.magnitude < 0x1p52 else {
            if padding != .zeros, order == 0 { for tap in taps { result.append(SamplingTap(place: tap.place, weight: tap.weight)) } }
            return
        }
        // With `border` the elements are clamped, not the coordinate: as in PyTorch and onnxruntime, cubic curves go on outside.
        if padding == .reflection { (x, factor) = reflected(x) }
        let scale = order == 0 ? 1 : power(factor * slope)
        let first = Int(x.rounded(.down)), t = x - Double(first)
        func add(_ element: Int, _ weight: Double) {
            guard weight != 0, let inside = inside(element) else { return }
            for tap in taps { result.append(SamplingTap(place: tap.place + inside * stride, weight: tap.weight * weight * scale)) }
        }
        switch mode {
        case .nearest: if order == 0 { add(Int(x), 1) }
        case .linear:
            if order == 0 { add(first, 1 - t); add(first + 1, t) }
            if order == 1 { add(first, -1); add(first + 1, 1) }
        case .cubic: for k in -1...2 { add(first + k, cubic(t - Double(k))) }
        }
    }

    private func power(_ base: Double) -> Double { (0..<order).reduce(1) { result, _ in result * base } }

    /// The element that stands for one outside; nil: zero.
    private func inside(_ element: Int) -> Int? {
        if (0..<size).contains(element) { return element }
        switch padding {
        case .zeros: return nil
        case .border: return min(max(element, 0), size - 1)
        case .reflection: return min(max(Int(reflected(Double(element)).place), 0), size - 1)
        }
    }

    /// A coordinate mirrored at both ends until it lies inside, and the sign of its slope.
    private func reflected(_ x: Double) -> (place: Double, sign: Double) {
        let range = high - low
        guard range > 0 else { return (0, 0) }
        if x >= low, x <= high { return (x, 1) }
        let distance = x < low ? low - x : x - high
        let turns = (distance / range).rounded(.down), rest = distance - turns * range
        let isEven = turns.truncatingRemainder(dividingBy: 2) == 0
        let sign: Double = isEven ? -1 : 1
        return (x < low) == isEven ? (low + rest, sign) : (high - rest, sign)
    }

    /// The derivative of Keys' cubic convolution kernel with a = -0.75, as PyTorch has it, at a signed distance.
    private func cubic(_ distance: Double) -> Double {
        let a = -0.75, d = distance.magnitude, sign: Double = distance < 0 ? -1 : 1
        switch (order, d <= 1, d < 2) {
        case (0, true, _): return ((a + 2) * d - (a + 3)) * d * d + 1
        case (0, _, true): return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        case (1, true, _): return sign * (3 * (a + 2) * d - 2 * (a + 3)) * d
        case (1, _, true): return sign * ((3 * a * d - 10 * a) * d + 8 * a)
        case (2, true, _): return 6 * (a + 2) * d - 2 * (a + 3)
        case (2, _, true): return 6 * a * d - 10 * a
        case (3, true, _): return sign * 6 * (a + 2)
        case (3, _, true): return sign * 6 * a
        default: return 0
        }
    }
}

internal import Glibc
internal import Tensors

/// Resize along one axis: for every output element the input elements that it is made of, and their weights.
struct ResizeTable {
    /// Entries of output `o` are `starts[o]..<starts[o + 1]`; none for a place outside the input.
    private var starts = [0]
    private var sources: [Int] = []
    private var weights: [Double] = []

    func isOutside(_ o: Int) -> Bool { starts[o] == starts[o + 1] }

    init(_ c: some NodeReader, _ coordinates: String, input: Int, output: Int, scale: Double, roi: (Double, Double)) throws {
        let place = try Place(coordinates, input: input, output: output, scale: scale, roi: roi)
        let filter = try ResizeFilter(c, scale: scale)
        let excludes = c.flag("exclude_outside")
        for o in 0..<output {
            let x = place.of(o)
            if coordinates == "tf_crop_and_resize" && !(x >= 0 && x <= Double(input - 1)) {
                starts.append(sources.count)
                continue
            }
            guard x.magnitude < 1e12 else { throw Failure.invalid("output element \(o) lies at \(x) of the input") }
            append(filter.taps(x), input, excludes)
        }
    }

    private mutating func append(_ taps: [(source: Int, weight: Double)], _ input: Int, _ excludes: Bool) {
        let inside = excludes ? taps.filter { (0..<input).contains($0.source) } : taps
        let total = excludes ? inside.reduce(0) { $0 + $1.weight } : 1
        for tap in inside where tap.weight != 0 {
            sources.append(min(max(tap.source, 0), input - 1))
            weights.append(total == 0 ? tap.weight : tap.weight / total)
        }
        if starts.last == sources.count {
            // Keeps the element, which is not outside, apart from the extrapolated ones.
            sources.append(0)
            weights.append(0)
        }
        starts.append(sources.count)
    }

    /// Weighted sums along `axis`.
    func apply(_ x: Tensor, _ axis: Int) throws -> Tensor {
        var shape = x.shape
        shape[axis] = starts.count - 1
        let inner = try Shape.count(Array(shape[(axis + 1)...])), outer = try Shape.count(Array(shape[..<axis]))
        let (from, to) = (x.shape[axis] * inner, shape[axis] * inner)
        return try x.read(Double.self) { x in
            try Tensor.make(shape, Double.self) { y in
                y.initialize(repeating: 0)
                for block in 0..<outer {
                    for o in 0..<starts.count - 1 {
                        for entry in starts[o]..<starts[o + 1] {
                            let (source, target, w) = (block * from + sources[entry] * inner, block * to + o * inner, weights[entry])
                            for i in 0..<inner { y[target + i] += w * x[source + i] }
                        }
                    }
                }
            }
        }
    }

    /// The transposed sums: each gradient goes back to the elements that the output was made of.
    func adjoint(_ dy: Tensor, _ axis: Int, size: Int) throws -> Tensor {
        var shape = dy.shape
        shape[axis] = size
        let inner = try Shape.count(Array(shape[(axis + 1)...])), outer = try Shape.count(Array(shape[..<axis]))
        let (from, to) = (dy.shape[axis] * inner, size * inner)
        return try dy.read(Double.self) { dy in
            try Tensor.make(shape, Double.self) { dx in
                dx.initialize(repeating: 0)
                for block in 0..<outer {
                    for o in 0..<starts.count - 1 {
                        for entry in starts[o]..<starts[o + 1] {
                            let (source, target, w) = (block * from + o * inner, block * to + sources[entry] * inner, weights[entry])
                            for i in 0..<inner { dx[target + i] += w * dy[source + i] }
                        }
                    }
                }
            }
        }
    }
}

/// Where an output element lies in the input (`coordinate_transformation_mode`): x = slope o + start.
private struct Place {
    private let map: (Double) -> Double

    func of(_ o: Int) -> Double { map(Double(o)) }

    init(_ mode: String, input: Int, output: Int, scale: Double, roi: (Double, Double)) throws {
        let last = Double(input - 1), width = scale * Double(input)
        switch mode {
        case "half_pixel": map = { ($0 + 0.5) / scale - 0.5 }
        case "pytorch_half_pixel": map = width == 1 ? { _ in -0.5 } : { ($0 + 0.5) / scale - 0.5 }
        case "half_pixel_symmetric":
            let shift = Double(input) / 2 * (1 - Double(output) / width)
            map = { shift + ($0 + 0.5) / scale - 0.5 }
        case "align_corners": map = width == 1 ? { _ in 0 } : { $0 * last / (width - 1) }
        case "asymmetric": map = { $0 / scale }
        // Only opset 11 had it.
        case "tf_half_pixel_for_nn": map = { ($0 + 0.5) / scale }
        case "tf_crop_and_resize":
            let (start, end) = roi
            map = width == 1 ? { _ in (end - start) * last / 2 + start * last } : { $0 * (end - start) * last / (width - 1) + start * last }
        default: throw Failure.unsupported("coordinate_transformation_mode \(mode)")
        }
    }
}

/// The interpolating function (`mode`, `nearest_mode`, `cubic_coeff_a`, `antialias`).
private struct ResizeFilter {
    private enum Mode { case nearest(String), linear, cubic(Double) }
    private let mode: Mode
    /// Below 1 the function is stretched over more elements.
    private let squeeze: Double

    init(_ c: some NodeReader, scale: Double) throws {
        switch c.string("mode", default: "nearest") {
        case "nearest":
            let rounding = c.string("nearest_mode", default: "round_prefer_floor")
            guard ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].contains(rounding) else {
                throw Failure.unsupported("nearest_mode \(rounding)")
            }
            mode = .nearest(rounding)
        case "linear": mode = .linear
        case "cubic": mode = .cubic(c.float("cubic_coeff_a", default: -0.75))
        case let other: throw Failure.unsupported("mode \(other), expected nearest, linear or cubic")
        }
        squeeze = c.flag("antialias") ? min(scale, 1) : 1
        guard squeeze > 1e-6 else { throw Failure.invalid("scale is \(scale)") }
    }

    /// The elements that make up the value at `x`, those outside the input included.
    func taps(_ x: Double) -> [(source: Int, weight: Double)] {
        // On an element the left neighbour counts as the one below, as in ONNX's reference.
        let below = x == x.rounded(.down) ? Int(x) - 1 : Int(x.rounded(.down))
        let ratio = x - Double(below)
        switch mode {
        case .nearest(let rounding): return [(nearest(x, rounding), 1)]
        case .linear: return spread(below, ratio, reach: 1) { max(0, 1 - $0) }
        case .cubic(let a):
            return spread(below, ratio, reach: 2) { d in
                if d <= 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
                return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
            }
        }
    }

    private func nearest(_ place: Double, _ rounding: String) -> Int {
        // Half a millionth decides nothing: quotients that are whole numbers must not suffer from rounding.
        let whole = (2 * place).rounded() / 2
        let x = (place - whole).magnitude < 5e-7 ? whole : place
        return switch rounding {
        case "floor": Int(x.rounded(.down))
        case "ceil": Int(x.rounded(.up))
        case "round_prefer_ceil": Int((x + 0.5).rounded(.down))
        default: Int((x - 0.5).rounded(.up))
        }
    }

    private func spread(_ below: Int, _ ratio: Double, reach: Double, _ f: (Double) -> Double) -> [(source: Int, weight: Double)] {
        let first = Int((-reach / squeeze).rounded(.down)) + 1
        let taps = (first..<2 - first).map { (source: below + $0, weight: f(((Double($0) - ratio) * squeeze).magnitude)) }
        guard squeeze < 1 else { return taps }
        let total = taps.reduce(0) { $0 + $1.weight }
        return taps.map { ($0.source, total == 0 ? $0.weight : $0.weight / total) }
    }
}

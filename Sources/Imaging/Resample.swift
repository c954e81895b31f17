internal import Tensors

/// How pixels are combined when an image changes its size; all but `nearest` average over what they shrink, as Pillow does.
package enum Filter: String, Sendable, CaseIterable {
    case nearest, box, bilinear, hamming, bicubic, lanczos

    /// Source pixels on either side that matter at the original size.
    var support: Double {
        switch self {
        case .nearest: 0
        case .box: 0.5
        case .bilinear, .hamming: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The weight of a pixel at `x` from the centre.
    func weight(_ x: Double) -> Double {
        switch self {
        case .nearest, .box: x > -0.5 && x <= 0.5 ? 1 : 0
        case .bilinear: max(1 - abs(x), 0)
        case .hamming: abs(x) < 1 ? sinc(x) * (Double(Float(0.54)) + Double(Float(0.46)) * cosine(x)) : 0
        case .bicubic: cubicWeight(x, a: -0.5)
        case .lanczos: x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0
        }
    }
}

/// A target size, and the part of it that is wanted; the rest is never computed.
struct Resize {
    let height: Int
    let width: Int
    let rows: Range<Int>
    let columns: Range<Int>

    init(height: Int, width: Int, rows: Range<Int>? = nil, columns: Range<Int>? = nil) {
        self.height = height
        self.width = width
        self.rows = rows ?? 0..<height
        self.columns = columns ?? 0..<width
    }
}

extension Image {
    /// The image at another size, equal to `PIL.Image.resize`.
    package func resized(height: Int, width: Int, _ filter: Filter) throws -> Image {
        try Plane.check(height: height, width: width)
        return try resized(Resize(height: height, width: width), filter)
    }

    /// A part of the image at another size: the same pixels as resizing the whole and cropping.
    func resized(_ target: Resize, _ filter: Filter) throws -> Image {
        let columns = target.columns, rows = target.rows
        if filter == .nearest { return try picked(target) }
        let across = width == target.width ? nil : try Kernel(from: width, to: target.width, wanted: columns, filter)
        let down = height == target.height ? nil : try Kernel(from: height, to: target.height, wanted: rows, filter)
        // Only what the second pass reads goes through the first.
        if goesDownFirst(to: target) {
            let needed = try across.map { try $0.reach() } ?? columns
            let tall = try sliced(down == nil ? rows : 0..<height, needed)
            let short = try down.map { try tall.convolvedColumns($0, first: 0) } ?? tall
            return try across.map { try short.convolvedRows($0, first: needed.lowerBound) } ?? short
        }
        let needed = try down.map { try $0.reach() } ?? rows
        let wide = try sliced(needed, across == nil ? columns : 0..<width)
        let narrow = try across.map { try wide.convolvedRows($0, first: 0) } ?? wide
        return try down.map { try narrow.convolvedColumns($0, first: needed.lowerBound) } ?? narrow
    }

    /// Which pass comes first matters, as pixels are rounded in between. Pillow 13 begins with the rows where the height
    /// shrinks by more than twice what the width does; Pillow up to 12 always began with the columns.
    private func goesDownFirst(to target: Resize) -> Bool {
        target.height < height && height - target.height > 2 * (width - target.width)
    }

    private func sliced(_ rows: Range<Int>, _ columns: Range<Int>) throws -> Image {
        try cropped(top: rows.lowerBound, left: columns.lowerBound, height: rows.count, width: columns.count)
    }

    /// `first` is the column of the whole image that this part of it begins with.
    private func convolvedRows(_ kernel: Kernel, first: Int) throws -> Image {
        let wanted = kernel.count, stored = width
        return try Image.make(height: height, width: wanted) { to in
            try read { from in
                for y in 0..<height {
                    for x in 0..<wanted {
                        let start = (y * stored + kernel.first[x] - first) * 3, weights = kernel.range(x)
                        let target = (y * wanted + x) * 3
                        for c in 0..<3 {
                            var sum = Kernel.half
                            for (step, w) in weights.enumerated() { sum &+= Int32(from[start + 3 * step + c]) &* kernel.weights[w] }
                            to[target + c] = Kernel.byte(sum)
                        }
                    }
                }
            }
        }
    }

    /// `first` is the row of the whole image that this part of it begins with.
    private func convolvedColumns(_ kernel: Kernel, first: Int) throws -> Image {
        let line = width * 3
        var sums = [Int32](repeating: 0, count: line)
        return try Image.make(height: kernel.count, width: width) { to in
            try read { from in
                for y in 0..<kernel.count {
                    for i in 0..<line { sums[i] = Kernel.half }
                    for (step, w) in kernel.range(y).enumerated() {
                        let weight = kernel.weights[w], start = (kernel.first[y] - first + step) * line
                        for i in 0..<line { sums[i] &+= Int32(from[start + i]) &* weight }
                    }
                    for i in 0..<line { to[y * line + i] = Kernel.byte(sums[i]) }
                }
            }
        }
    }

    private func picked(_ target: Resize) throws -> Image {
        let rows = nearest(from: height, to: target.height, target.rows)
        let columns = nearest(from: width, to: target.width, target.columns)
        let stored = width
        return try Image.make(height: rows.count, width: columns.count) { to in
            try read { from in
                for (y, row) in rows.enumerated() {
                    for (x, column) in columns.enumerated() {
                        let source = (row * stored + column) * 3, place = (y * columns.count + x) * 3
                        for c in 0..<3 { to[place + c] = from[source + c] }
                    }
                }
            }
        }
    }
}

/// Adds up the steps as Pillow does, whose rounding decides where a position falls between two pixels.
private func nearest(from: Int, to: Int, _ wanted: Range<Int>) -> [Int] {
    let step = Double(from) / Double(to)
    var position = 0.5 * step, found: [Int] = []
    for target in 0..<wanted.upperBound {
        if target >= wanted.lowerBound { found.append(min(Int(position), from - 1)) }
        position += step
    }
    return found
}

/// The weights of one axis in the fixed-point form of Pillow's Resample.c, so that results agree to the last bit.
struct Kernel {
    /// First source position of each wanted target position.
    private(set) var first: [Int] = []
    /// Where each target position's weights begin, and at the end where the last ones end.
    private var starts: [Int] = [0]
    private(set) var weights: [Int32] = []
    var count: Int { first.count }

    private static let bits: Int32 = 22
    static let half: Int32 = 1 << 21

    /// Throws when the weights would take more memory than any image could justify.
    init(from: Int, to: Int, wanted: Range<Int>, _ filter: Filter) throws {
        let scale = Double(from) / Double(to)
        let stretch = max(scale, 1)
        let support = filter.support * stretch
        guard Double(wanted.count) * (2 * support + 2) < 1e9 else {
            throw Failure.memory("the resize from \(from) to \(to) pixels is too large")
        }
        for target in wanted {
            let centre = (Double(target) + 0.5) * scale
            let low = max(Int(centre - support + 0.5), 0)
            let high = min(Int(centre + support + 0.5), from)
            append(low, (low..<max(low, high)).map { filter.weight((Double($0) - centre + 0.5) / stretch) })
        }
    }

    private mutating func append(_ position: Int, _ values: [Double]) {
        let total = values.reduce(0, +)
        first.append(position)
        for value in values {
            let share = total == 0 ? value : value / total
            let scaled = share * Double(1 << Kernel.bits)
            weights.append(Int32(share < 0 ? scaled - 0.5 : scaled + 0.5))
        }
        starts.append(weights.count)
    }

    func range(_ target: Int) -> Range<Int> { starts[target]..<starts[target + 1] }

    /// The source positions that any of the wanted targets reads.
    func reach() throws -> Range<Int> {
        let low = first.min() ?? 0
        let high = first.indices.map { first[$0] + range($0).count }.max() ?? low
        guard high > low else { throw Failure.invalid("nothing is left of the image") }
        return low..<high
    }

    /// The sum as a pixel, rounded and clamped.
    static func byte(_ sum: Int32) -> UInt8 { UInt8(truncatingIfNeeded: max(0, min(255, sum >> bits))) }
}

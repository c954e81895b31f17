internal import Glibc
package import Tensors

/// Superpixels: k-means of colour and position, each centre looking at its neighbourhood only. Achanta, Shaji, Smith,
/// Lucchi, Fua & Süsstrunk 2012, "SLIC superpixels compared to state-of-the-art superpixel methods", algorithm 1.
/// Parameters and results are scikit-image's.
package struct SLIC: Sendable {
    /// About so many regions.
    package var segments: Int
    /// How much nearness counts beside colour; larger: rounder regions. Colours are between 0 and 1, or CIELAB's.
    package var compactness: Double
    package var iterations: Int
    /// Blur before.
    package var sigma: Double
    /// Whether the three channels are sRGB and their differences measured in CIELAB.
    package var isLab: Bool

    package init(segments: Int = 100, compactness: Double = 10, iterations: Int = 10, sigma: Double = 0, isLab: Bool = true) {
        self.segments = segments
        self.compactness = compactness
        self.iterations = iterations
        self.sigma = sigma
        self.isLab = isLab
    }

    /// Planes are channels x height x width, of any range: it is brought to 0...1. `poll` is called in between.
    package func callAsFunction(_ planes: Tensor, poll: () throws -> Void = {}) throws -> Segmentation {
        guard segments > 0, compactness > 0, compactness.isFinite, iterations > 0, sigma >= 0, sigma.isFinite else {
            throw Failure.invalid(
                "slic needs positive segments, compactness and iterations, found \(segments), \(compactness), \(iterations)")
        }
        var image = try PixelPlanes(planes)
        let low = image.values.min() ?? 0, range = (image.values.max() ?? 0) - low
        image.values = image.values.map { ($0 - low) / (range > 0 ? range : 1) }
        if isLab, image.channels == 3 { image.toLab() }
        image.values = try GaussianFilter(sigma: sigma, border: .reflect)(image.values, height: image.height, width: image.width)
        image.values = image.values.map { $0 / compactness }
        var clusters = Clusters(image, segments)
        for _ in 0..<iterations {
            try poll()
            guard try clusters.assign(poll) else { break }
            clusters.update()
        }
        let size = Double(image.pixels) / Double(clusters.count)
        return try clusters.connected(least: Int(0.5 * size), most: max(1, Int(3 * size)))
    }
}

/// The centres, and which of them each pixel belongs to.
private struct Clusters {
    private let image: PixelPlanes
    /// Row, column, colours.
    private var centres: [[Double]]
    private var nearest: [Int]
    /// Half of each centre's window, and the weight of squared distances.
    private let reach: (y: Int, x: Int)
    private let nearness: Double

    var count: Int { centres.count }

    init(_ image: PixelPlanes, _ segments: Int) {
        self.image = image
        let (rows, columns, step) = Clusters.grid(image.height, image.width, segments)
        centres = rows.flatMap { y in columns.map { x in [Double(y), Double(x)] + [Double](repeating: 0, count: image.channels) } }
        nearest = [Int](repeating: 0, count: image.pixels)
        let spaced = Clusters.steps(image.height, image.width, max(1, centres.count))
        reach = (2 * spaced.y, 2 * spaced.x)
        nearness = 1 / Double(step * step)
    }

    /// Rows and columns of centres, and the larger of their distances.
    private static func grid(_ height: Int, _ width: Int, _ segments: Int) -> (rows: [Int], columns: [Int], step: Int) {
        let steps = steps(height, width, segments)
        let rows = Array(stride(from: steps.first.y, to: height, by: steps.y))
        let columns = Array(stride(from: steps.first.x, to: width, by: steps.x))
        return (rows.isEmpty ? [height / 2] : rows, columns.isEmpty ? [width / 2] : columns, max(steps.y, steps.x))
    }

    /// Distances of about so many points on a regular grid, and where the first ones lie.
    private static func steps(_ height: Int, _ width: Int, _ points: Int) -> (y: Int, x: Int, first: (y: Int, x: Int)) {
        guard height * width > points else { return (1, 1, (0, 0)) }
        var y = (Double(height) * Double(width) / Double(points)).squareRoot(), x = y
        let short = Double(min(height, width))
        if short < y {
            let rest = Double(max(height, width)) / Double(points)
            (y, x) = height <= width ? (short, rest) : (rest, short)
        }
        func rounded(_ step: Double) -> Int { max(1, Int(step.rounded(.toNearestOrEven))) }
        return (rounded(y), rounded(x), (Int(y / 2), Int(x / 2)))
    }

    /// Gives each pixel to its nearest centre; false when none changed hands.
    mutating func assign(_ poll: () throws -> Void) throws -> Bool {
        var best = [Double](repeating: .infinity, count: image.pixels), changed = false
        let pixels = image.pixels, width = image.width
        for (number, centre) in centres.enumerated() {
            if number & 0xFF == 0 { try poll() }
            let top = Int(max(centre[0] - Double(reach.y), 0)), bottom = Int(min(centre[0] + Double(reach.y) + 1, Double(image.height)))
            let left = Int(max(centre[1] - Double(reach.x), 0)), right = Int(min(centre[1] + Double(reach.x) + 1, Double(width)))
            image.values.withUnsafeBufferPointer { values in
                for y in top..<max(top, bottom) {
                    let dy = (centre[0] - Double(y)) * (centre[0] - Double(y))
                    for x in left..<max(left, right) {
                        let pixel = y * width + x
                        let dx = (centre[1] - Double(x)) * (centre[1] - Double(x))
                        var colour = 0.0
                        for channel in 0..<image.channels {
                            let difference = values[channel * pixels + pixel] - centre[2 + channel]
                            colour += difference * difference
                        }
                        let distance = (dy + dx) * nearness + colour
                        guard distance < best[pixel] else { continue }
                        best[pixel] = distance
                        nearest[pixel] = number
                        changed = true
                    }
                }
            }
        }
        return changed
    }

    /// Moves each centre to the mean of its pixels; one without pixels stays where it is.
    mutating func update() {
        var sums = centres.map { [Double](repeating: 0, count: $0.count) }, counts = [Double](repeating: 0, count: centres.count)
        for pixel in nearest.indices {
            let number = nearest[pixel]
            counts[number] += 1
            sums[number][0] += Double(pixel / image.width)
            sums[number][1] += Double(pixel % image.width)
            for channel in 0..<image.channels { sums[number][2 + channel] += image.values[channel * image.pixels + pixel] }
        }
        for number in centres.indices where counts[number] > 0 { centres[number] = sums[number].map { $0 / counts[number] } }
    }

    /// Regions of connected pixels: parts smaller than `least` go to a neighbour, larger than `most` are cut.
    func connected(least: Int, most: Int) throws -> Segmentation {
        let height = image.height, width = image.width
        var found = [Int](repeating: -1, count: image.pixels), next = 0
        for start in found.indices where found[start] < 0 {
            var part = [start], visited = 0, neighbour = 0
            found[start] = next
            while visited < part.count, part.count < most {
                let y = part[visited] / width, x = part[visited] % width
                visited += 1
                for (dy, dx) in [(0, 1), (0, -1), (1, 0), (-1, 0)] {
                    guard (0..<height).contains(y + dy), (0..<width).contains(x + dx) else { continue }
                    let pixel = (y + dy) * width + x + dx
                    if found[pixel] < 0, nearest[pixel] == nearest[start] {
                        found[pixel] = next
                        part.append(pixel)
                        if part.count >= most { break }
                    } else if found[pixel] >= 0, found[pixel] != next {
                        neighbour = found[pixel]
                    }
                }
            }
            if part.count < least { for pixel in part { found[pixel] = neighbour } } else { next += 1 }
        }
        return try Segmentation(found, height: height, width: width)
    }
}

extension PixelPlanes {
    /// sRGB between 0 and 1 to CIELAB under D65 (IEC 61966-2-1, CIE 15).
    fileprivate mutating func toLab() {
        let pixels = pixels, white = [0.95047, 1, 1.08883]
        let matrix = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
        for pixel in 0..<pixels {
            let linear = (0..<3).map { channel in
                let value = values[channel * pixels + pixel]
                return value > 0.04045 ? pow((value + 0.055) / 1.055, 2.4) : value / 12.92
            }
            let f = matrix.indices.map { row in
                let share = (matrix[row][0] * linear[0] + matrix[row][1] * linear[1] + matrix[row][2] * linear[2]) / white[row]
                return share > 0.008856 ? cbrt(share) : 7.787 * share + 16.0 / 116
            }
            values[pixel] = 116 * f[1] - 16
            values[pixels + pixel] = 500 * (f[0] - f[1])
            values[2 * pixels + pixel] = 200 * (f[1] - f[2])
        }
    }
}

internal import Glibc
internal import Tensors

/// The blur of Petsiuk et al.'s insertion: an impulse of 11 x 11 smoothed with sigma 5, mirrored at its own border and so
/// flatter than a Gaussian; beyond the image lies zero.
struct RiseBlur {
    private static let taps = 11
    private static let sigma = 5.0

    /// Weights of one axis; they add up to 1.
    static let weights: [Float] = {
        let reach = Int(4 * sigma + 0.5)
        let raw = (-reach...reach).map { exp(-Double($0 * $0) / (2 * sigma * sigma)) }
        let total = raw.reduce(0, +)
        var sums = [Double](repeating: 0, count: taps)
        for tap in 0..<taps {
            for (index, weight) in raw.enumerated() where mirrored(tap + index - reach) == taps / 2 { sums[tap] += weight / total }
        }
        return sums.map { Float($0) }
    }()

    /// `d c b a | a b c d | d c b a`.
    private static func mirrored(_ position: Int) -> Int {
        let period = 2 * taps
        let folded = ((position % period) + period) % period
        return folded < taps ? folded : period - 1 - folded
    }

    /// Planes of height x width.
    static func apply(_ planes: Tensor, height: Int, width: Int) throws -> Tensor {
        let count = planes.count / max(1, height * width), half = taps / 2
        return try planes.read(Float.self) { source in
            let across = try Tensor.make(planes.shape, Float.self) { out in
                for row in 0..<count * height {
                    for x in 0..<width {
                        var sum: Float = 0
                        for at in max(0, x - half)...min(width - 1, x + half) { sum += weights[at - x + half] * source[row * width + at] }
                        out[row * width + x] = sum
                    }
                }
            }
            return try across.read(Float.self) { middle in
                try Tensor.make(planes.shape, Float.self) { out in
                    out.update(repeating: 0)
                    for row in 0..<count * height {
                        let y = row % height
                        for at in max(0, y - half)...min(height - 1, y + half) {
                            let weight = weights[at - y + half], from = (row + at - y) * width
                            for x in 0..<width { out[row * width + x] += weight * middle[from + x] }
                        }
                    }
                }
            }
        }
    }
}

internal import Glibc
internal import Tensors

/// Sums over random masks and the scores behind them, from which importance and its standard error follow, pixel by pixel.
struct MaskStatistics {
    /// How the sum of scores times masks is divided.
    enum Normalization: String, CaseIterable {
        /// By the sum of the masks at that pixel: a weighted mean of scores, free of the border's and the sample's bias.
        case empirical
        /// By the masks' expected sum (equation 6 of the paper).
        case expected
    }

    private(set) var count = 0
    private let pixels: Int
    /// Five planes: sums of m, m^2, f m, f m^2 and f^2 m^2.
    private var sums: [Double]

    init(pixels: Int) {
        self.pixels = pixels
        sums = [Double](repeating: 0, count: 5 * pixels)
    }

    mutating func add(_ mask: UnsafeBufferPointer<Float>, score: Double) {
        count += 1
        sums.withUnsafeMutableBufferPointer { sums in
            for i in 0..<pixels {
                let m = Double(mask[i]), square = m * m
                sums[i] += m
                sums[pixels + i] += square
                sums[2 * pixels + i] += score * m
                sums[3 * pixels + i] += score * square
                sums[4 * pixels + i] += score * score * square
            }
        }
    }

    /// Sums of the masks alone.
    var maskSums: [Double] { Array(sums[..<pixels]) }

    func map(_ normalization: Normalization, expected: Double) -> [Double] {
        (0..<pixels).map { i in
            switch normalization {
            case .expected: sums[2 * pixels + i] / (Double(count) * expected)
            case .empirical: sums[i] > 0 ? sums[2 * pixels + i] / sums[i] : 0
            }
        }
    }

    /// Of the map: of a mean, or of a ratio of two means (its first-order term); infinite for a single mask.
    func standardError(_ normalization: Normalization, expected: Double) -> [Double] {
        let n = Double(count)
        guard n > 1 else { return [Double](repeating: .infinity, count: pixels) }
        return (0..<pixels).map { i in
            let mask = sums[i], product = sums[2 * pixels + i], squaredProduct = sums[4 * pixels + i]
            switch normalization {
            case .expected:
                let mean = product / n
                return sqrt(max(0, squaredProduct / n - mean * mean) / (n - 1)) / expected
            case .empirical:
                guard mask > 0 else { return 0 }
                let ratio = product / mask
                let residual = squaredProduct - 2 * ratio * sums[3 * pixels + i] + ratio * ratio * sums[pixels + i]
                return sqrt(max(0, residual) * n / (n - 1)) / mask
            }
        }
    }
}

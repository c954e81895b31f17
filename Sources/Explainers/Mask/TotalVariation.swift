internal import Glibc
internal import Tensors

/// How rough a plane is: the mean over vertical neighbours plus the mean over horizontal neighbours of `w |difference|^beta`.
/// Qi, Khorram & Li 2020 (I-GOS) with beta 2; Fong & Vedaldi 2017, equation 5, with beta 3.
struct TotalVariation {
    let height: Int
    let width: Int
    let beta: Double
    /// A weight for each pair of neighbours; nil: 1.
    let weights: PairWeights?

    init(height: Int, width: Int, beta: Double = 2, weights: PairWeights? = nil) {
        self.height = height
        self.width = width
        self.beta = beta
        self.weights = weights
    }

    func value(_ plane: [Double]) -> Double {
        guard plane.count == height * width else { return .nan }
        return plane.withUnsafeBufferPointer { m in
            mean(m, weights?.vertical, rows: height - 1, columns: width, step: width)
                + mean(m, weights?.horizontal, rows: height, columns: width - 1, step: 1)
        }
    }

    /// The derivative of `value` at each element.
    func gradient(_ plane: [Double]) -> [Double] {
        var result = [Double](repeating: 0, count: plane.count)
        guard plane.count == height * width else { return result }
        plane.withUnsafeBufferPointer { m in
            result.withUnsafeMutableBufferPointer { out in
                addGradient(m, weights?.vertical, rows: height - 1, columns: width, step: width, to: out)
                addGradient(m, weights?.horizontal, rows: height, columns: width - 1, step: 1, to: out)
            }
        }
        return result
    }

    /// One direction: pairs of elements `step` apart that begin in the first `rows` x `columns`.
    private func mean(_ m: UnsafeBufferPointer<Double>, _ weights: [Double]?, rows: Int, columns: Int, step: Int) -> Double {
        guard rows > 0, columns > 0 else { return 0 }
        var sum = 0.0
        for y in 0..<rows {
            for x in 0..<columns {
                let from = y * width + x
                let power = powered(m[from + step] - m[from])
                sum += weights.map { $0[y * columns + x] * power } ?? power
            }
        }
        return sum / Double(rows * columns)
    }

    private func addGradient(
        _ m: UnsafeBufferPointer<Double>, _ weights: [Double]?, rows: Int, columns: Int, step: Int,
        to out: UnsafeMutableBufferPointer<Double>
    ) {
        guard rows > 0, columns > 0 else { return }
        let share = 1 / Double(rows * columns)
        for y in 0..<rows {
            for x in 0..<columns {
                let from = y * width + x
                var slope = share * slope(m[from + step] - m[from])
                if let weights { slope *= weights[y * columns + x] }
                out[from + step] += slope
                out[from] -= slope
            }
        }
    }

    private func powered(_ difference: Double) -> Double { beta == 2 ? difference * difference : pow(abs(difference), beta) }

    private func slope(_ difference: Double) -> Double {
        if beta == 2 { return 2 * difference }
        return difference == 0 ? 0 : beta * pow(abs(difference), beta - 1) * (difference < 0 ? -1 : 1)
    }
}

/// A weight for each pair of neighbours of an image: small across its edges, so that a mask may have edges there.
/// Khorram, Lawson & Li 2021 (iGOS++), bilateral total variation: `exp(-(grad I)^2 / sigma^2)`.
struct PairWeights {
    /// (height - 1) x width.
    let vertical: [Double]
    /// height x (width - 1).
    let horizontal: [Double]

    /// `averagesFirst`: the published code takes the exponential of the channels' mean difference for vertical pairs, and
    /// the mean of the channels' exponentials for horizontal ones; otherwise both are means of exponentials.
    init(_ image: Tensor, layout: ImageLayout, scale: [Double], sigma: Double, averagesFirst: Bool) throws {
        let planes = try layout.planes(image), height = layout.height, width = layout.width
        func weights(rows: Int, columns: Int, step: Int, _ averagesFirst: Bool) throws -> [Double] {
            guard rows > 0, columns > 0 else { return [] }
            return try planes.read(Float.self) { x in
                var result = [Double](repeating: 0, count: rows * columns)
                for y in 0..<rows {
                    for column in 0..<columns {
                        var mean = 0.0
                        for channel in 0..<layout.channels {
                            let from = channel * layout.pixels + y * width + column
                            let d = (Double(x[from + step]) - Double(x[from])) / scale[channel]
                            mean += averagesFirst ? d : exp(-d * d / (sigma * sigma))
                        }
                        mean /= Double(layout.channels)
                        result[y * columns + column] = averagesFirst ? exp(-mean * mean / (sigma * sigma)) : mean
                    }
                }
                return result
            }
        }
        vertical = try weights(rows: height - 1, columns: width, step: width, averagesFirst)
        horizontal = try weights(rows: height, columns: width - 1, step: 1, false)
    }
}

internal import Glibc
package import Tensors

/// A separable Gaussian over the last two axes.
package struct GaussianBlur: Sendable {
    /// Weights of one axis, adding up to 1; an odd number of them.
    let weights: [Double]

    /// OpenCV's: `taps` samples of the Gaussian, normalised. Even numbers of taps become the next odd one.
    package init(sigma: Double, taps: Int) {
        let reach = max(0, taps / 2)
        let raw = (-reach...reach).map { sigma > 0 ? exp(-Double($0 * $0) / (2 * sigma * sigma)) : ($0 == 0 ? 1 : 0) }
        let total = raw.reduce(0, +)
        weights = raw.map { $0 / total }
    }

    /// The blurred planes as float32; borders are mirrored without repeating the edge (OpenCV's reflect-101).
    package func callAsFunction(_ image: Tensor) throws -> Tensor {
        let (lead, size) = try Plane.split(image.shape)
        let planes = try Shape.count(lead), height = size.height, width = size.width
        let rows = GaussianBlur.mirrored(height, weights.count / 2), columns = GaussianBlur.mirrored(width, weights.count / 2)
        let kernel = weights.map { Float($0) }
        return try image.converted(to: .float32).read(Float.self) { source in
            let across = try Tensor.make(image.shape, Float.self) { out in
                for row in 0..<(planes * height) {
                    for x in 0..<width {
                        var sum: Float = 0
                        for tap in kernel.indices { sum += kernel[tap] * source[row * width + columns[x + tap]] }
                        out[row * width + x] = sum
                    }
                }
            }
            return try across.read(Float.self) { middle in
                try Tensor.make(image.shape, Float.self) { out in
                    out.update(repeating: 0)
                    for plane in 0..<planes {
                        for y in 0..<height {
                            let to = (plane * height + y) * width
                            for tap in kernel.indices {
                                let from = (plane * height + rows[y + tap]) * width
                                for x in 0..<width { out[to + x] += kernel[tap] * middle[from + x] }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Positions `-reach..<(size + reach)` folded back into an axis.
    private static func mirrored(_ size: Int, _ reach: Int) -> [Int] {
        let period = max(1, 2 * (size - 1))
        return (-reach..<(size + reach)).map { position in
            let folded = ((position % period) + period) % period
            return min(folded, period - folded)
        }
    }
}

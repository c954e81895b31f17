internal import Glibc
internal import Tensors

/// A separable Gaussian over the last two axes in double precision: scipy.ndimage.gaussian_filter. `GaussianBlur` is
/// OpenCV's, in single precision.
package struct GaussianFilter: Sendable {
    /// What lies beyond the edge.
    package enum Border: Sendable {
        /// The image mirrored, its edge pixel repeated (scipy's `reflect`).
        case reflect
        /// Zeros (scipy's `constant`).
        case zero
    }

    /// Down the columns and along the rows.
    private let vertical: [Double]
    private let horizontal: [Double]
    private let border: Border

    /// Taps as far as `truncate` standard deviations; scipy's default is 4. A sigma of 0 changes nothing.
    package init(sigma: Double, border: Border, truncate: Double = 4) {
        self.init(vertical: sigma, horizontal: sigma, border: border, truncate: truncate)
    }

    /// With a sigma for each axis.
    package init(vertical: Double, horizontal: Double, border: Border, truncate: Double = 4) {
        self.vertical = GaussianFilter.weights(vertical, truncate)
        self.horizontal = GaussianFilter.weights(horizontal, truncate)
        self.border = border
    }

    private static func weights(_ sigma: Double, _ truncate: Double) -> [Double] {
        let reach = sigma > 0 && sigma.isFinite ? min(Int(truncate * min(sigma, 1e6) + 0.5), 1 << 20) : 0
        let raw = (-reach...reach).map { reach == 0 ? 1 : exp(-0.5 * Double($0 * $0) / (sigma * sigma)) }
        let total = raw.reduce(0, +)
        return raw.map { $0 / total }
    }

    /// Planes one behind the other, each `height` x `width`.
    package func callAsFunction(_ planes: [Double], height: Int, width: Int) throws -> [Double] {
        guard height > 0, width > 0, planes.count % (height * width) == 0 else {
            throw Failure.shape("\(planes.count) numbers are no planes of \(height)x\(width)")
        }
        guard vertical.count > 1 || horizontal.count > 1 else { return planes }
        let rows = planes.count / width
        let columns = sources(width, horizontal.count / 2), lines = sources(height, vertical.count / 2)
        var across = [Double](repeating: 0, count: planes.count), down = across
        planes.withUnsafeBufferPointer { from in
            across.withUnsafeMutableBufferPointer { to in
                var line = [Double](repeating: 0, count: columns.count)
                for row in 0..<rows {
                    for (place, source) in columns.enumerated() { line[place] = source < 0 ? 0 : from[row * width + source] }
                    convolve(line, into: UnsafeMutableBufferPointer(rebasing: to[row * width..<(row + 1) * width]))
                }
            }
        }
        across.withUnsafeBufferPointer { from in
            down.withUnsafeMutableBufferPointer { to in
                for row in 0..<rows {
                    let first = row / height * height
                    for (tap, weight) in vertical.enumerated() {
                        let source = lines[row % height + tap]
                        guard source >= 0 else { continue }
                        let start = (first + source) * width
                        for x in 0..<width { to[row * width + x] += weight * from[start + x] }
                    }
                }
            }
        }
        return down
    }

    /// One line with what lies beyond its ends, convolved.
    private func convolve(_ line: [Double], into target: UnsafeMutableBufferPointer<Double>) {
        line.withUnsafeBufferPointer { line in
            // Taps that reach past both ends read zeros only.
            let reach = horizontal.count / 2
            let low = border == .zero ? max(0, reach - target.count + 1) : 0
            let high = border == .zero ? min(horizontal.count, reach + target.count) : horizontal.count
            for tap in low..<high {
                let weight = horizontal[tap]
                for x in target.indices { target[x] += weight * line[x + tap] }
            }
        }
    }

    /// Where positions `-reach..<(size + reach)` of an axis are read; -1: nowhere.
    private func sources(_ size: Int, _ reach: Int) -> [Int] {
        (-reach..<(size + reach)).map { position in
            if (0..<size).contains(position) { return position }
            guard border == .reflect else { return -1 }
            let folded = ((position % (2 * size)) + 2 * size) % (2 * size)
            return min(folded, 2 * size - 1 - folded)
        }
    }
}

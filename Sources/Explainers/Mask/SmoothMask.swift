internal import Glibc
internal import Tensors

/// A mask that cannot have fine detail: at each pixel the smooth maximum of bumps around the points of a coarse lattice,
/// `m(u) = smax_v k(|u - v| / sigma) p(v)`, `smax f = sum f e^{f/T} / sum e^{f/T}`, `T = 1/20`.
/// Fong, Patrick & Vedaldi 2019, section 3.2; `k(z) = exp(-2 max(0, z - 1/2)^2)` as published.
struct SmoothMask {
    let height: Int
    let width: Int
    let step: Int
    /// Of the lattice: points `step` pixels apart, the first at the upper left pixel.
    let rows: Int
    let columns: Int
    /// Lattice points on each side of a pixel that count.
    private let radius: Int
    /// For each position of a pixel between lattice points, the bumps of the window around it.
    private let kernel: [Float]
    private static let coldness: Float = 20

    init(height: Int, width: Int, step: Int, sigma: Double) {
        self.height = height
        self.width = width
        self.step = step
        rows = (height + step - 1) / step
        columns = (width + step - 1) / step
        // Beyond the whole lattice there is nothing to count.
        let radius = min(1 + Int((sigma / Double(step)).rounded(.up)), max(rows, columns))
        var kernel: [Float] = []
        for y in 0..<step {
            for x in 0..<step {
                for down in -radius...radius {
                    for right in -radius...radius {
                        let dy = Double(y - step * down), dx = Double(x - step * right)
                        let beyond = max(0, sqrt(dy * dy + dx * dx) / sigma - 0.5)
                        kernel.append(Float(exp(-2 * beyond * beyond)))
                    }
                }
            }
        }
        self.radius = radius
        self.kernel = kernel
    }

    var count: Int { rows * columns }

    /// The mask of lattice values between 0 and 1: height x width.
    func mask(_ lattice: [Float]) -> [Float] {
        var result = [Float](repeating: 0, count: height * width)
        result.withUnsafeMutableBufferPointer { out in
            lattice.withUnsafeBufferPointer { p in
                eachPixel { pixel, window in
                    var sum: Float = 0, total = Float(window.outside)
                    each(window) { at, bump in
                        let f = bump * p[at], e = expf(SmoothMask.coldness * f)
                        sum += f * e
                        total += e
                    }
                    out[pixel] = sum / total
                }
            }
        }
        return result
    }

    /// The gradient at the lattice of one at the mask; `mask` is that of `lattice`.
    func gradient(_ gradient: [Float], _ lattice: [Float], mask: [Float]) -> [Double] {
        var result = [Double](repeating: 0, count: count)
        result.withUnsafeMutableBufferPointer { out in
            lattice.withUnsafeBufferPointer { p in
                eachPixel { pixel, window in
                    guard gradient[pixel] != 0 else { return }
                    var total = Float(window.outside)
                    each(window) { total += expf(SmoothMask.coldness * $1 * p[$0]) }
                    let share = gradient[pixel] / total, m = mask[pixel]
                    each(window) { at, bump in
                        let f = bump * p[at], e = expf(SmoothMask.coldness * f)
                        out[at] += Double(share * bump * e * (1 + SmoothMask.coldness * (f - m)))
                    }
                }
            }
        }
        return result
    }

    /// The lattice points around one pixel.
    private struct Window {
        let rows: Range<Int>
        let columns: Range<Int>
        /// Into `kernel`, of the window's first row and column.
        let first: Int
        /// Points beyond the lattice, which count as 0.
        let outside: Int
    }

    private func eachPixel(_ body: (Int, Window) -> Void) {
        let side = 2 * radius + 1
        for y in 0..<height {
            let top = y / step - radius, rowRange = max(0, top)..<min(rows, top + side)
            for x in 0..<width {
                let left = x / step - radius, columnRange = max(0, left)..<min(columns, left + side)
                let start = (y % step * step + x % step) * side * side
                let first = start + (rowRange.lowerBound - top) * side + columnRange.lowerBound - left
                body(
                    y * width + x,
                    Window(rows: rowRange, columns: columnRange, first: first, outside: side * side - rowRange.count * columnRange.count))
            }
        }
    }

    @inline(__always)
    private func each(_ window: Window, _ body: (_ lattice: Int, _ bump: Float) -> Void) {
        kernel.withUnsafeBufferPointer { k in
            var row = window.first
            for y in window.rows {
                var at = row
                for x in window.columns {
                    body(y * columns + x, k[at])
                    at += 1
                }
                row += 2 * radius + 1
            }
        }
    }
}

internal import Glibc
internal import Runtime
internal import Tensors

/// The masks of RISE: a small grid of random bits, enlarged, and cut out at a random place. None is kept; the seed and a
/// mask's number give it again.
/// Petsiuk, Das & Saenko 2018, section 3.2.
struct RandomMasks {
    let height: Int
    let width: Int
    private let grid: (rows: Int, columns: Int)
    /// Pixels of a grid cell, and so the number of places along each axis.
    private let cell: (height: Int, width: Int)
    private let probability: Double
    private let seed: UInt64

    init(height: Int, width: Int, grid: (rows: Int, columns: Int), probability: Double, seed: UInt64) {
        (self.height, self.width, self.grid, self.probability, self.seed) = (height, width, grid, probability, seed)
        cell = ((height + grid.rows - 1) / grid.rows, (width + grid.columns - 1) / grid.columns)
    }

    /// Masks `range`: n x height x width.
    func callAsFunction(_ range: Range<Int>) throws -> Tensor {
        let pixels = height * width
        var bits = [Float](repeating: 0, count: grid.rows * grid.columns)
        var stretched = [Float](repeating: 0, count: grid.rows * width)
        return try Tensor.make([range.count, height, width], Float.self) { out in
            for (row, number) in range.enumerated() {
                let random = Random(seed: seed, stream: 1 << 48 | UInt64(number))
                for i in bits.indices { bits[i] = random.uniform(UInt64(i)) < probability ? 1 : 0 }
                let down = Int(random.uniform(UInt64(bits.count)) * Double(cell.height))
                let right = Int(random.uniform(UInt64(bits.count + 1)) * Double(cell.width))
                let mask = UnsafeMutableBufferPointer(rebasing: out[row * pixels..<(row + 1) * pixels])
                enlarge(bits, down: down, right: right, &stretched, into: mask)
            }
        }
    }

    /// The grid at (cells + 1) x cell pixels, bilinear, of which a part of the image's size is cut out.
    private func enlarge(
        _ bits: [Float], down: Int, right: Int, _ stretched: inout [Float], into mask: UnsafeMutableBufferPointer<Float>
    ) {
        for x in 0..<width {
            let (low, high, share) = RandomMasks.neighbours(of: x + right, cell.width, grid.columns)
            for row in 0..<grid.rows {
                let start = row * grid.columns
                stretched[row * width + x] = bits[start + low] + share * (bits[start + high] - bits[start + low])
            }
        }
        for y in 0..<height {
            let (low, high, share) = RandomMasks.neighbours(of: y + down, cell.height, grid.rows)
            for x in 0..<width {
                let value = stretched[low * width + x]
                mask[y * width + x] = value + share * (stretched[high * width + x] - value)
            }
        }
    }

    /// The grid cells on both sides of a pixel, and the second one's share; half-pixel centres, mirrored at the border
    /// without repeating it, as the released code's resize does.
    private static func neighbours(of pixel: Int, _ cell: Int, _ cells: Int) -> (Int, Int, Float) {
        let last = Double(cells - 1)
        var position = abs((Double(pixel) + 0.5) * Double(cells) / Double((cells + 1) * cell) - 0.5)
        if position > last { position = max(0, 2 * last - position) }
        let low = Int(position)
        return (low, min(low + 1, cells - 1), Float(position - Double(low)))
    }
}

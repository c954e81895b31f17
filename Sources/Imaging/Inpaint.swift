package import Tensors

/// Removed pixels filled from what surrounds them: each is the weighted mean of its eight neighbours, 1/6 of those that
/// share an edge and 1/12 of the others; neighbours outside the image do not count.
/// The noisy linear imputation of Rong et al. 2022, "A consistent and efficient evaluation strategy for attribution methods"
/// (ROAD), section 4.2, without its noise.
package struct Inpaint: Sendable {
    /// The residual, relative to the right-hand side, at which the solution is taken.
    private static let tolerance = 1e-9

    private let height: Int
    private let width: Int
    /// Removed pixels, in row-major order.
    private let holes: [Int]
    /// Eight for each hole: the number of a neighbour that is a hole too, or `holes.count`.
    private var neighbours: [Int32]
    /// Sum of the weights of the neighbours inside the image.
    private var diagonal: [Double]
    /// Known neighbours of each hole, hole by hole.
    private var known: [(hole: Int, pixel: Int, weight: Double)]

    private static let steps: [(y: Int, x: Int, weight: Double)] = [
        (-1, -1, 1.0 / 12), (-1, 0, 1.0 / 6), (-1, 1, 1.0 / 12), (0, -1, 1.0 / 6),
        (0, 1, 1.0 / 6), (1, -1, 1.0 / 12), (1, 0, 1.0 / 6), (1, 1, 1.0 / 12),
    ]

    /// `isRemoved`: asked of every pixel.
    package init(height: Int, width: Int, _ isRemoved: (Int) -> Bool) {
        (self.height, self.width) = (height, width)
        holes = (0..<height * width).filter(isRemoved)
        var number = [Int32](repeating: -1, count: height * width)
        for (index, pixel) in holes.enumerated() { number[pixel] = Int32(index) }
        neighbours = [Int32](repeating: Int32(holes.count), count: 8 * holes.count)
        diagonal = [Double](repeating: 0, count: holes.count)
        known = []
        for (index, pixel) in holes.enumerated() {
            for (side, step) in Inpaint.steps.enumerated() {
                let y = pixel / width + step.y, x = pixel % width + step.x
                guard (0..<height).contains(y), (0..<width).contains(x) else { continue }
                diagonal[index] += step.weight
                let other = number[y * width + x]
                if other >= 0 { neighbours[8 * index + side] = other } else { known.append((index, y * width + x, step.weight)) }
            }
        }
    }

    /// Planes, the last two axes being height and width, with the holes filled. An image without any pixel left has no
    /// surroundings: its planes become their mean.
    package func callAsFunction(_ planes: Tensor) throws -> Tensor {
        let (lead, size) = try Plane.split(planes.shape)
        guard size.height == height, size.width == width else {
            throw Failure.shape("planes are \(Shape.text(planes.shape)), the removed pixels are of \(height)x\(width)")
        }
        let count = try Shape.count(lead), pixels = height * width
        return try planes.converted(to: .float32).read(Float.self) { source in
            try Tensor.make(planes.shape, Float.self) { out in
                for plane in 0..<count {
                    let from = UnsafeBufferPointer(rebasing: source[plane * pixels..<(plane + 1) * pixels])
                    let to = UnsafeMutableBufferPointer(rebasing: out[plane * pixels..<(plane + 1) * pixels])
                    _ = to.update(from: from)
                    fill(to)
                }
            }
        }
    }

    private func fill(_ plane: UnsafeMutableBufferPointer<Float>) {
        guard !holes.isEmpty else { return }
        guard !known.isEmpty else {
            let mean = plane.reduce(0.0) { $0 + Double($1) } / Double(max(1, plane.count))
            plane.update(repeating: Float(mean))
            return
        }
        var right = [Double](repeating: 0, count: holes.count)
        for entry in known { right[entry.hole] += entry.weight * Double(plane[entry.pixel]) }
        let values = solve(right)
        for (index, pixel) in holes.enumerated() { plane[pixel] = Float(values[index]) }
    }

    /// Conjugate gradients with the diagonal as preconditioner: the matrix (`diagonal` less the weights between holes) is
    /// symmetric and positive definite. Ends after eight crossings of the image at most, several times what a hole of its
    /// size needs.
    private func solve(_ right: [Double]) -> [Double] {
        let count = holes.count
        var x = [Double](repeating: 0, count: count), residual = right, product = x
        // One entry more, zero, for neighbours that are no holes.
        var direction = zip(right, diagonal).map { $0 / $1 } + [0]
        var energy = (0..<count).reduce(0.0) { $0 + residual[$1] * direction[$1] }
        let goal = Inpaint.tolerance * Inpaint.tolerance * right.reduce(0) { $0 + $1 * $1 }
        for _ in 0..<8 * (height + width) {
            multiply(direction, into: &product)
            let curvature = (0..<count).reduce(0.0) { $0 + direction[$1] * product[$1] }
            guard curvature > 0 else { break }
            let step = energy / curvature
            var size = 0.0, next = 0.0
            for i in 0..<count {
                x[i] += step * direction[i]
                residual[i] -= step * product[i]
                size += residual[i] * residual[i]
                next += residual[i] * residual[i] / diagonal[i]
            }
            if size <= goal { break }
            let ratio = next / energy
            energy = next
            for i in 0..<count { direction[i] = residual[i] / diagonal[i] + ratio * direction[i] }
        }
        return x
    }

    private func multiply(_ x: [Double], into product: inout [Double]) {
        x.withUnsafeBufferPointer { x in
            neighbours.withUnsafeBufferPointer { near in
                for i in product.indices {
                    let at = 8 * i
                    let edges = x[Int(near[at + 1])] + x[Int(near[at + 3])] + x[Int(near[at + 4])] + x[Int(near[at + 6])]
                    let corners = x[Int(near[at])] + x[Int(near[at + 2])] + x[Int(near[at + 5])] + x[Int(near[at + 7])]
                    product[i] = diagonal[i] * x[i] - edges / 6 - corners / 12
                }
            }
        }
    }
}

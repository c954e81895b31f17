package import Tensors

/// Graph-based segmentation: pixels are joined along edges of growing difference, as long as the difference between two
/// regions is no larger than what is found inside them. Felzenszwalb & Huttenlocher 2004, "Efficient graph-based image
/// segmentation", section 3. Parameters and results are scikit-image's; pixels of equal difference are joined in the order
/// of their positions, so that the result never depends on the machine.
package struct Felzenszwalb: Sendable {
    private let height: Int
    private let width: Int
    /// Difference of the two pixels of each edge; see `ends`.
    private let costs: [Double]
    /// Edges by growing difference.
    private let order: [Int32]

    /// The neighbours of each pixel right, below, below right, and (of the one below) above right.
    private static let directions = 4

    /// Planes are channels x height x width; `sigma`: blur before differences are taken. `poll` is called in between.
    package init(_ planes: Tensor, sigma: Double = 0.8, poll: () throws -> Void = {}) throws {
        var image = try PixelPlanes(planes)
        image.values = try GaussianFilter(sigma: sigma, border: .reflect)(image.values, height: image.height, width: image.width)
        (height, width) = (image.height, image.width)
        try poll()
        let costs = Felzenszwalb.costs(image)
        try poll()
        let edges = (0..<Int32(costs.count)).filter { costs[Int($0)] >= 0 }
        order = costs.withUnsafeBufferPointer { costs in
            edges.sorted { a, b in
                let x = costs[Int(a)], y = costs[Int(b)]
                return x < y || (x == y && a < b)
            }
        }
        self.costs = costs
    }

    /// Direction after direction, pixel after pixel; -1 where a pixel has no such neighbour.
    private static func costs(_ image: PixelPlanes) -> [Double] {
        let pixels = image.pixels
        var costs = [Double](repeating: -1, count: directions * pixels)
        image.values.withUnsafeBufferPointer { values in
            for edge in costs.indices {
                guard let (a, b) = ends(edge, image.height, image.width) else { continue }
                var sum = 0.0
                for channel in 0..<image.channels {
                    let difference = values[channel * pixels + a] - values[channel * pixels + b]
                    sum += difference * difference
                }
                costs[edge] = sum.squareRoot()
            }
        }
        return costs
    }

    /// The two pixels of an edge.
    private static func ends(_ edge: Int, _ height: Int, _ width: Int) -> (Int, Int)? {
        let direction = edge / (height * width), pixel = edge % (height * width), y = pixel / width, x = pixel % width
        switch direction {
        case 0: return x + 1 < width ? (pixel + 1, pixel) : nil
        case 1: return y + 1 < height ? (pixel + width, pixel) : nil
        case 2: return y + 1 < height && x + 1 < width ? (pixel + width + 1, pixel) : nil
        default: return y + 1 < height && x + 1 < width ? (pixel + 1, pixel + width) : nil
        }
    }

    /// The regions: a larger `scale` gives larger ones, none has fewer than `minSize` pixels.
    package func segmentation(scale: Double, minSize: Int, poll: () throws -> Void = {}) throws -> Segmentation {
        // As in the authors' program, whose pixels are 0 to 255.
        let scale = scale / 255
        var regions = Regions(height * width)
        for (step, edge) in order.enumerated() {
            if step & 0xFFFF == 0 { try poll() }
            guard let (a, b) = pair(edge, &regions) else { continue }
            let cost = costs[Int(edge)]
            if cost < min(regions.inner[a] + scale / Double(regions.size[a]), regions.inner[b] + scale / Double(regions.size[b])) {
                regions.join(a, b, inner: cost)
            }
        }
        for (step, edge) in order.enumerated() {
            if step & 0xFFFF == 0 { try poll() }
            guard let (a, b) = pair(edge, &regions) else { continue }
            if regions.size[a] < minSize || regions.size[b] < minSize { regions.join(a, b, inner: 0) }
        }
        return try Segmentation((0..<height * width).map { regions.root($0) }, height: height, width: width)
    }

    /// The regions of an edge's pixels, where they are two.
    private func pair(_ edge: Int32, _ regions: inout Regions) -> (Int, Int)? {
        guard let (first, second) = Felzenszwalb.ends(Int(edge), height, width) else { return nil }
        let a = regions.root(first), b = regions.root(second)
        return a == b ? nil : (a, b)
    }
}

/// Pixels joined to regions: a forest whose roots are each region's first pixel.
private struct Regions {
    private var parent: [Int32]
    /// Of roots: pixels, and the largest difference along which they were joined.
    private(set) var size: [Int32]
    private(set) var inner: [Double]

    init(_ pixels: Int) {
        parent = (0..<Int32(pixels)).map { $0 }
        size = [Int32](repeating: 1, count: pixels)
        inner = [Double](repeating: 0, count: pixels)
    }

    mutating func root(_ pixel: Int) -> Int {
        var at = Int32(pixel)
        while parent[Int(at)] != at {
            parent[Int(at)] = parent[Int(parent[Int(at)])]
            at = parent[Int(at)]
        }
        return Int(at)
    }

    mutating func join(_ a: Int, _ b: Int, inner cost: Double) {
        let (root, child) = (min(a, b), max(a, b))
        parent[child] = Int32(root)
        size[root] += size[child]
        inner[root] = cost
    }
}

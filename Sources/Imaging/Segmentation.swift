package import Tensors

/// The pixels of an image, divided into regions.
package struct Segmentation: Sendable, Equatable {
    package let height: Int
    package let width: Int
    /// The region of each pixel, row by row; numbered from 0 without gaps.
    package let labels: [Int32]
    /// Regions.
    package let count: Int

    /// The most pixels that an image to divide may have.
    package static let pixelLimit = 1 << 24

    /// From any labels: they are numbered anew, in their own order.
    package init(_ labels: [Int], height: Int, width: Int) throws {
        try Segmentation.check(height: height, width: width)
        guard labels.count == height * width else { throw Failure.shape("\(labels.count) labels for \(height)x\(width) pixels") }
        let known = Set(labels).sorted()
        let number = Dictionary(uniqueKeysWithValues: known.enumerated().map { ($1, Int32($0)) })
        self.height = height
        self.width = width
        self.labels = labels.map { number[$0] ?? 0 }
        count = known.count
    }

    /// Labels as a tensor, height x width.
    package init(_ labels: Tensor) throws {
        guard labels.shape.count == 2 else { throw Failure.shape("segments are \(Shape.text(labels.shape)), expected height x width") }
        try self.init(try labels.converted(to: .int64).integers(), height: labels.shape[0], width: labels.shape[1])
    }

    /// Equal cells, `rows` x `columns` of them.
    package static func grid(height: Int, width: Int, rows: Int, columns: Int) throws -> Segmentation {
        try check(height: height, width: width)
        let rows = min(max(1, rows), height), columns = min(max(1, columns), width)
        let labels = (0..<height * width).map { $0 / width * rows / height * columns + $0 % width * columns / width }
        return try Segmentation(labels, height: height, width: width)
    }

    static func check(height: Int, width: Int) throws {
        guard height > 0, width > 0, height <= pixelLimit, width <= pixelLimit, height * width <= pixelLimit else {
            throw Failure.shape("an image of \(height)x\(width) pixels cannot be divided into regions; at most \(pixelLimit) can")
        }
    }

    /// Height x width, int64.
    package var tensor: Tensor { get throws { try Tensor(labels.map { Int64($0) }, [height, width]) } }

    /// Pixels of each region.
    package var sizes: [Int] {
        var sizes = [Int](repeating: 0, count: count)
        for label in labels { sizes[Int(label)] += 1 }
        return sizes
    }

    /// The same regions at another size, each pixel from the one that its centre falls on.
    package func resized(height: Int, width: Int) throws -> Segmentation {
        if height == self.height, width == self.width { return self }
        try Segmentation.check(height: height, width: width)
        func source(_ place: Int, _ from: Int, _ to: Int) -> Int { min(from - 1, (2 * place + 1) * from / (2 * to)) }
        let columns = (0..<width).map { source($0, self.width, width) }
        var found: [Int] = []
        found.reserveCapacity(height * width)
        for y in 0..<height {
            let start = source(y, self.height, height) * self.width
            for column in columns { found.append(Int(labels[start + column])) }
        }
        return try Segmentation(found, height: height, width: width)
    }
}

/// The pixels of planes (channels x height x width) in double.
struct PixelPlanes {
    let channels: Int
    let height: Int
    let width: Int
    var values: [Double]

    var pixels: Int { height * width }

    init(_ planes: Tensor) throws {
        guard planes.shape.count == 3, planes.shape[0] > 0 else {
            throw Failure.shape("an image to divide is \(Shape.text(planes.shape)), expected channels x height x width")
        }
        (channels, height, width) = (planes.shape[0], planes.shape[1], planes.shape[2])
        try Segmentation.check(height: height, width: width)
        values = try planes.doubles()
        guard values.allSatisfy(\.isFinite) else { throw Failure.invalid("an image to divide has NaN or infinite pixels") }
    }
}

package import Tensors

/// How values between the points of a map are found; the meanings are those of torch.nn.functional.interpolate.
package enum Interpolation: String, Sendable, CaseIterable {
    /// Bilinear, pixels as areas (align_corners=False).
    case halfPixel = "half_pixel"
    /// Bilinear, the corner pixels' centres coincide (align_corners=True).
    case alignCorners = "align_corners"
    /// The pixel that the target's upper left corner falls into.
    case nearest
    /// Cubic convolution with a = -0.75, pixels as areas.
    case bicubic
}

/// The map's last two axes resized to `height` x `width`, as float32. Reads neighbours only: nothing is averaged when shrinking.
package func upsample(_ map: Tensor, height: Int, width: Int, _ interp: Interpolation) throws -> Tensor {
    let (lead, from) = try Plane.split(map.shape)
    try Plane.check(height: height, width: width)
    let source = try map.converted(to: .float32)
    if from.height == height, from.width == width { return source }
    let rows = Taps(from: from.height, to: height, interp)
    let columns = Taps(from: from.width, to: width, interp)
    let planes = try Shape.count(lead)
    let middle = try Tensor.make(lead + [from.height, width], Float.self) { to in
        try source.read(Float.self) { columns.gatherColumns($0, rows: planes * from.height, into: to) }
    }
    return try Tensor.make(lead + [height, width], Float.self) { to in
        try middle.read(Float.self) { rows.gatherRows($0, planes: planes, width: width, into: to) }
    }
}

/// The adjoint of `upsample`: what a gradient at the large size is worth at `height` x `width`, the size before.
package func upsampleAdjoint(_ gradient: Tensor, height: Int, width: Int, _ interp: Interpolation) throws -> Tensor {
    let (lead, large) = try Plane.split(gradient.shape)
    try Plane.check(height: height, width: width)
    let source = try gradient.converted(to: .float32)
    if large.height == height, large.width == width { return source }
    let rows = Taps(from: height, to: large.height, interp)
    let columns = Taps(from: width, to: large.width, interp)
    let planes = try Shape.count(lead)
    let middle = try Tensor.zeros(.float32, lead + [height, large.width])
    try middle.write(Float.self) { to in
        try source.read(Float.self) { rows.scatterRows($0, planes: planes, width: large.width, into: to) }
    }
    let result = try Tensor.zeros(.float32, lead + [height, width])
    try result.write(Float.self) { to in
        try middle.read(Float.self) { columns.scatterColumns($0, rows: planes * height, into: to) }
    }
    return result
}

/// The last two axes of a map.
enum Plane {
    /// The leading axes and the plane's size. Throws for a rank below 2 and for an empty plane.
    static func split(_ shape: [Int]) throws -> (lead: [Int], plane: (height: Int, width: Int)) {
        guard shape.count >= 2 else {
            throw Failure.shape("a map needs height and width as its last axes, found \(Shape.text(shape))")
        }
        let plane = (height: shape[shape.count - 2], width: shape[shape.count - 1])
        guard plane.height > 0, plane.width > 0 else { throw Failure.shape("the map \(Shape.text(shape)) is empty") }
        return (Array(shape.dropLast(2)), plane)
    }

    /// Throws unless both sizes are positive and below a million, far beyond any screen.
    static func check(height: Int, width: Int) throws {
        guard (1...1 << 20).contains(height), (1...1 << 20).contains(width) else {
            throw Failure.invalid("\(height)x\(width) is not a size that an image can have")
        }
    }
}

/// One axis of a resize: every target position reads `width` source positions with fixed weights.
struct Taps {
    let from: Int
    let to: Int
    /// Source positions read per target position: 1, 2 or 4.
    let width: Int
    private(set) var index: [Int]
    private(set) var weight: [Float]

    /// The sampling of `interp` along an axis of length `from` that becomes `to`; both positive.
    init(from: Int, to: Int, _ interp: Interpolation) {
        self.from = from
        self.to = to
        switch interp {
        case .nearest: width = 1
        case .halfPixel, .alignCorners: width = 2
        case .bicubic: width = 4
        }
        index = []
        weight = []
        index.reserveCapacity(to * width)
        weight.reserveCapacity(to * width)
        for target in 0..<to { append(target, interp) }
    }

    private mutating func append(_ target: Int, _ interp: Interpolation) {
        switch interp {
        case .nearest: add(min(Int(Double(target) * Double(from) / Double(to)), from - 1), 1)
        case .halfPixel: addLinear(max((Double(target) + 0.5) * Double(from) / Double(to) - 0.5, 0))
        case .alignCorners: addLinear(to > 1 ? Double(target) * Double(from - 1) / Double(to - 1) : 0)
        case .bicubic: addCubic((Double(target) + 0.5) * Double(from) / Double(to) - 0.5)
        }
    }

    private mutating func add(_ position: Int, _ value: Double) {
        index.append(min(max(position, 0), from - 1))
        weight.append(Float(value))
    }

    private mutating func addLinear(_ position: Double) {
        let low = position.rounded(.down)
        add(Int(low), 1 - (position - low))
        add(Int(low) + 1, position - low)
    }

    private mutating func addCubic(_ position: Double) {
        let low = position.rounded(.down)
        for step in -1...2 { add(Int(low) + step, cubicWeight(position - low - Double(step), a: -0.75)) }
    }

    /// Each row of `source` resampled along itself.
    func gatherColumns(_ source: UnsafeBufferPointer<Float>, rows: Int, into target: UnsafeMutableBufferPointer<Float>) {
        for row in 0..<rows {
            for x in 0..<to {
                var sum: Float = 0
                for tap in x * width..<(x + 1) * width { sum += weight[tap] * source[row * from + index[tap]] }
                target[row * to + x] = sum
            }
        }
    }

    /// Rows of each plane combined; `columns` is the length of a row.
    func gatherRows(_ source: UnsafeBufferPointer<Float>, planes: Int, width columns: Int, into target: UnsafeMutableBufferPointer<Float>) {
        for plane in 0..<planes {
            for y in 0..<to {
                let out = (plane * to + y) * columns
                for tap in 0..<width {
                    let factor = weight[y * width + tap]
                    let start = (plane * from + index[y * width + tap]) * columns
                    if tap == 0 {
                        for x in 0..<columns { target[out + x] = factor * source[start + x] }
                    } else if factor != 0 {
                        for x in 0..<columns { target[out + x] += factor * source[start + x] }
                    }
                }
            }
        }
    }

    /// The adjoint of `gatherColumns`; adds to `target`.
    func scatterColumns(_ source: UnsafeBufferPointer<Float>, rows: Int, into target: UnsafeMutableBufferPointer<Float>) {
        for row in 0..<rows {
            for x in 0..<to {
                let value = source[row * to + x]
                for tap in x * width..<(x + 1) * width { target[row * from + index[tap]] += weight[tap] * value }
            }
        }
    }

    /// The adjoint of `gatherRows`; adds to `target`.
    func scatterRows(_ source: UnsafeBufferPointer<Float>, planes: Int, width columns: Int, into target: UnsafeMutableBufferPointer<Float>)
    {
        for plane in 0..<planes {
            for y in 0..<to {
                let start = (plane * to + y) * columns
                for tap in y * width..<(y + 1) * width {
                    let factor = weight[tap]
                    let out = (plane * from + index[tap]) * columns
                    for x in 0..<columns { target[out + x] += factor * source[start + x] }
                }
            }
        }
    }
}

/// Cubic convolution (Keys, 1981): `a` is -0.5 in Pillow, -0.75 in PyTorch.
func cubicWeight(_ distance: Double, a: Double) -> Double {
    let x = abs(distance)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
}

package import Tensors

/// A picture being composed: photos, areas, lines and words on a ground of one colour.
package struct Canvas {
    package let height: Int
    package let width: Int
    private var pixels: [UInt8]

    /// Throws for a size that no picture can have.
    package init(height: Int, width: Int, ground: RGB) throws {
        try Plane.check(height: height, width: width)
        guard height * width <= ImageLimits.pixels else { throw Failure.memory("a picture of \(height)x\(width) is too large") }
        self.height = height
        self.width = width
        let bytes = ground.bytes
        pixels = [UInt8](repeating: 0, count: 3 * height * width)
        for i in 0..<height * width { (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]) = bytes }
    }

    /// What has been drawn.
    package func image() throws -> Image { try Image(Tensor(pixels, [height, width, 3])) }

    /// A photo with its upper left corner there; what lies outside is left out. `light`: how bright each of its pixels is, from 0
    /// (black) to 1, in the photo's size.
    package mutating func place(_ photo: Image, top: Int, left: Int, light: Tensor? = nil) throws {
        let shades = try light.map { try $0.converted(to: .float32).array(Float.self) }
        if let shades, shades.count != photo.height * photo.width {
            throw Failure.shape("\(shades.count) shades for \(photo.height)x\(photo.width) pixels")
        }
        try photo.read { from in
            for y in max(0, -top)..<max(max(0, -top), min(photo.height, height - top)) {
                for x in max(0, -left)..<max(max(0, -left), min(photo.width, width - left)) {
                    let source = y * photo.width + x, target = (top + y) * width + left + x
                    let shade = max(0, min(1, shades?[source] ?? 1))
                    for c in 0..<3 { pixels[3 * target + c] = UInt8((Float(from[3 * source + c]) * shade).rounded()) }
                }
            }
        }
    }

    /// An area of one colour.
    package mutating func fill(rows: Range<Int>, columns: Range<Int>, _ color: RGB, opacity: Float = 1) {
        for y in rows.clamped(to: 0..<height) {
            for x in columns.clamped(to: 0..<width) { blend(y * width + x, color, opacity) }
        }
    }

    /// Lines and words of one colour; where they overlap they do not add up.
    package mutating func ink(_ color: RGB, opacity: Float = 1, _ draw: (inout Strokes) -> Void) {
        var strokes = Strokes(Coverage(height: height, width: width))
        draw(&strokes)
        for (i, covered) in strokes.coverage.values.enumerated() where covered > 0 { blend(i, color, covered * opacity) }
    }

    private mutating func blend(_ i: Int, _ color: RGB, _ share: Float) {
        let pixel = RGB(red: Float(pixels[3 * i]), green: Float(pixels[3 * i + 1]), blue: Float(pixels[3 * i + 2]))
        (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]) = pixel.mixed(with: color, share).bytes
    }
}

/// Lines and words on their way to a canvas; x goes right, y down.
package struct Strokes {
    var coverage: Coverage

    init(_ coverage: Coverage) { self.coverage = coverage }

    package mutating func line(_ points: [(x: Float, y: Float)], width: Float) {
        for (a, b) in zip(points, points.dropFirst()) {
            coverage.stroke(Point(x: a.x, y: a.y), Point(x: b.x, y: b.y), radius: width / 2)
        }
    }

    /// The outline of a rectangle.
    package mutating func frame(x: Float, y: Float, width: Float, height: Float, line: Float) {
        self.line([(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)], width: line)
    }

    /// Words whose base line begins at `x`, `y`, `size` being the height of capitals.
    package mutating func text(_ text: String, x: Float, y: Float, size: Float) {
        StrokeFont.draw(text, at: Point(x: x, y: y), capHeight: size, on: &coverage)
    }

    /// How wide words are.
    package static func width(of text: String, size: Float) -> Float { StrokeFont.width(text, capHeight: size) }
}

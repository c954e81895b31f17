/// How much of each pixel lines cover, from 0 to 1. Overlapping lines do not add up.
struct Coverage {
    let height: Int
    let width: Int
    private(set) var values: [Float]

    init(height: Int, width: Int) {
        self.height = height
        self.width = width
        values = [Float](repeating: 0, count: height * width)
    }

    /// A line with round ends from `a` to `b`; pixel centres lie at whole numbers. What lies outside is left out.
    mutating func stroke(_ a: Point, _ b: Point, radius: Float) {
        guard a.x.isFinite, a.y.isFinite, b.x.isFinite, b.y.isFinite else { return }
        let reach = radius + 1
        let rows = Coverage.span(min(a.y, b.y) - reach, max(a.y, b.y) + reach, height)
        let columns = Coverage.span(min(a.x, b.x) - reach, max(a.x, b.x) + reach, width)
        let dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy
        for y in rows {
            for x in columns {
                let px = Float(x) - a.x, py = Float(y) - a.y
                let along = length > 0 ? max(0, min(1, (px * dx + py * dy) / length)) : 0
                let ox = px - along * dx, oy = py - along * dy
                let covered = max(0, min(1, radius + 0.5 - (ox * ox + oy * oy).squareRoot()))
                if covered > values[y * width + x] { values[y * width + x] = covered }
            }
        }
    }

    private static func span(_ low: Float, _ high: Float, _ count: Int) -> Range<Int> {
        let first = Int(max(0, min(Float(count), low.rounded(.down)))), last = Int(max(-1, min(Float(count - 1), high.rounded(.up))))
        return first..<max(first, last + 1)
    }
}

/// A place in a picture: x to the right, y down.
struct Point: Equatable {
    var x: Float
    var y: Float
}

extension Image {
    /// The image with a colour laid over it where lines cover it.
    func inked(_ coverage: Coverage, _ color: RGB, opacity: Float = 1) throws -> Image {
        try Image.make(height: height, width: width) { to in
            try read { from in
                for i in coverage.values.indices {
                    let pixel = RGB(red: Float(from[3 * i]), green: Float(from[3 * i + 1]), blue: Float(from[3 * i + 2]))
                    (to[3 * i], to[3 * i + 1], to[3 * i + 2]) = pixel.mixed(with: color, coverage.values[i] * opacity).bytes
                }
            }
        }
    }
}

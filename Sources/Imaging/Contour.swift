internal import Tensors

/// The lines along which a map has one value, found by marching squares: straight through each square of four neighbours.
enum Contour {
    /// Calls `line` with each piece; the map's points lie at whole coordinates.
    static func trace(
        _ map: UnsafeBufferPointer<Float>, height: Int, width: Int, level: Float, line: (Point, Point) -> Void
    ) {
        guard height > 1, width > 1 else { return }
        for y in 0..<height - 1 {
            for x in 0..<width - 1 {
                let i = y * width + x
                let corners = (map[i], map[i + 1], map[i + width + 1], map[i + width])
                square(corners, level) { a, b in
                    line(Point(x: Float(x) + a.x, y: Float(y) + a.y), Point(x: Float(x) + b.x, y: Float(y) + b.y))
                }
            }
        }
    }

    /// The pieces inside one square, whose corners are given clockwise from the upper left.
    private static func square(_ v: (Float, Float, Float, Float), _ level: Float, _ line: (Point, Point) -> Void) {
        let above = (v.0 > level, v.1 > level, v.2 > level, v.3 > level)
        if above.0 == above.1, above.1 == above.2, above.2 == above.3 { return }
        func cut(_ a: Float, _ b: Float) -> Float { a == b ? 0.5 : max(0, min(1, (level - a) / (b - a))) }
        var crossings: [Point] = []
        if above.0 != above.1 { crossings.append(Point(x: cut(v.0, v.1), y: 0)) }
        if above.1 != above.2 { crossings.append(Point(x: 1, y: cut(v.1, v.2))) }
        if above.2 != above.3 { crossings.append(Point(x: 1 - cut(v.2, v.3), y: 1)) }
        if above.3 != above.0 { crossings.append(Point(x: 0, y: 1 - cut(v.3, v.0))) }
        if crossings.count == 2 { return line(crossings[0], crossings[1]) }
        guard crossings.count == 4 else { return }
        // A saddle: the value in the middle says which corners belong together.
        let middle = (v.0 + v.1 + v.2 + v.3) / 4 > level
        let joinsFirst = middle == above.0
        line(crossings[0], crossings[joinsFirst ? 1 : 3])
        line(crossings[2], crossings[joinsFirst ? 3 : 1])
    }
}

extension Image {
    /// The image with the map's contours in white, bounded by black so that they show on any ground.
    func outlined(_ map: Tensor, at levels: [Float]) throws -> Image {
        let radius = max(0.6, Float(min(height, width)) / 400)
        var inner = Coverage(height: height, width: width), outer = inner
        try map.read(Float.self) { values in
            for level in levels {
                Contour.trace(values, height: height, width: width, level: level) { a, b in
                    inner.stroke(a, b, radius: radius)
                    outer.stroke(a, b, radius: 2 * radius)
                }
            }
        }
        return try inked(outer, 0x000000, opacity: 0.6).inked(inner, 0xFFFFFF)
    }
}

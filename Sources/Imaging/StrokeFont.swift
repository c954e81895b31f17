/// A font of lines, so that pictures can carry numbers and words at any size. Drawn for this project: ASCII, capitals 12 units
/// high, small letters 8, a pen of about 1.7 units.
enum StrokeFont {
    struct Glyph {
        var strokes: [[Point]]
        /// To the origin of the next glyph.
        var advance: Float
    }

    static let capHeight: Float = 12
    private static let gap: Float = 3
    private static let blank: Float = 5

    /// Lines of each printable character. A point is a digit (x) and a letter (y: a is 4 below the base line e, m the
    /// height of small letters, q of capitals); ~ begins a line whose corners are rounded.
    private static let lines: [Character: String] = [
        "!": "0q0i 0f0e", "\"": "0q0n 2q2n", "#": "1e3q 4e6q 0i7i 0m7m", "$": "~6o4p2p0o0m2k4k6i6g4f2f0g 3r3d",
        "%": "1e6q ~0p0n1m2m3n3p2q1q0p ~7h7f6e5e4f4h5i6i7h", "&": "~7e1n1p2q4q5p5n0h0f1e3e5f7i", "'": "0q0n", "(": "~3r1o0l0h1e3b",
        ")": "~0r2o3l3h2e0b", "*": "3p3j 0n6l 0l6n", "+": "3f3l 0i6i", ",": "1f1e0c", "-": "0i4i", ".": "0e0f", "/": "0d5r",
        "0": "~2e0g0o2q4q6o6g4e2e", "1": "1o3q3e 1e5e", "2": "~0o2q4q6o6m5k1f0e 0e6e", "3": "~0o2q4q6o6m4k2k ~3k4k6i6g4e2e0g",
        "4": "5e5q0h7h", "5": "6q1q0k ~0k1l4l6j6g4e2e0f", "6": "~5q3q0m0g2e4e6g6i4k2k0i", "7": "0q6q2e",
        "8": "~2k0m0o2q4q6o6m4k2k0i0g2e4e6g6i4k2k", "9": "~1e3e6i6o4q2q0o0m2k4k6m", ":": "0e0f 0l0m", ";": "1l1m 1f1e0c",
        "<": "6m0i6e", "=": "0g6g 0k6k", ">": "0m6i0e", "?": "~0o2q4q6o6m3k3h 3f3e",
        "@": "~6h4g3h3k4l6k6g8h8m6q2q0o0f2d6d", "A": "0e4q8e 1h7h", "B": "0e0q ~0q4q6o6m4k0k ~0k4k7i7g5e0e",
        "C": "~7o5q2q0n0h2e5e7g", "D": "0e0q ~0q3q7o7g3e0e", "E": "6e0e0q6q 0k5k", "F": "0e0q6q 0k5k", "G": "~7o5q2q0n0h2e5e7g7j 7j4j",
        "H": "0e0q 7e7q 0k7k", "I": "0e0q", "J": "~5q5g3e1e0g", "K": "0e0q 7q0j 3l7e", "L": "0q0e6e", "M": "0e0q4h8q8e", "N": "0e0q7e7q",
        "O": "~2e0h0n2q6q8n8h6e2e", "P": "0e0q ~0q4q7o7l4j0j", "Q": "~2e0h0n2q6q8n8h6e2e 5h8d", "R": "0e0q ~0q4q7o7l4j0j 3j7e",
        "S": "~6o4q2q0o0m2k4k6i6g4e2e0g", "T": "0q8q 4q4e", "U": "~0q0g2e5e7g7q", "V": "0q4e8q", "W": "0q2e4n6e8q", "X": "0q7e 7q0e",
        "Y": "0q4k8q 4k4e", "Z": "0q7q0e7e", "[": "2r0r0c2c", "\\": "0r5d", "]": "0r2r2c0c", "^": "0m3q6m", "_": "0d7d", "`": "0q2o",
        "a": "6m6e ~6k4m2m0k0g2e4e6g", "b": "0q0e ~0k2m4m6k6g4e2e0g", "c": "~5l4m2m0k0g2e4e5f", "d": "6q6e ~6k4m2m0k0g2e4e6g",
        "e": "0i6i ~6i6k4m2m0k0g2e4e6f", "f": "~4q3q1p1n1e 0m3m", "g": "~6m6c4a2a0b ~6k4m2m0k0g2e4e6g", "h": "0q0e ~0k2m4m6k6e",
        "i": "0m0e 0p0q", "j": "~2m2c1a0a 2p2q", "k": "0q0e 5m0h 2j5e", "l": "0q0e", "m": "0m0e ~0k1m3m4k4e ~4k5m7m8k8e",
        "n": "0m0e ~0k2m4m6k6e", "o": "~2e0g0k2m4m6k6g4e2e", "p": "0m0a ~0k2m4m6k6g4e2e0g", "q": "6m6a ~6k4m2m0k0g2e4e6g",
        "r": "0m0e ~0k2m4m", "s": "~5l4m1m0l0k1j4i5h5f4e1e0f", "t": "~1p1g2e4e 0m4m", "u": "6m6e ~0m0g2e4e6g", "v": "0m3e6m",
        "w": "0m2e4k6e8m", "x": "0m5e 5m0e", "y": "0m3e 6m1a", "z": "0m5m0e5e", "{": "~3r2r1p1k0i1h1d2c3c", "|": "0r0c",
        "}": "~0r1r2p2k3j2h2d1c0c", "~": "~0i2k5i7k",
    ]

    /// What stands for characters that the font does not have.
    private static let box = "0e0q5q5e0e"

    private static let glyphs: [Character: Glyph] = lines.mapValues(parsed)
    private static let unknown = parsed(box)

    static func glyph(_ character: Character) -> Glyph {
        if character.isWhitespace { return Glyph(strokes: [], advance: blank) }
        return glyphs[character == "\u{2212}" ? "-" : character] ?? unknown
    }

    /// Width of a line of text in pixels.
    static func width(_ text: String, capHeight: Float) -> Float {
        text.reduce(0) { $0 + glyph($1).advance } * capHeight / StrokeFont.capHeight
    }

    /// Draws text whose base line begins at `origin`.
    static func draw(_ text: String, at origin: Point, capHeight: Float, on coverage: inout Coverage) {
        let scale = capHeight / StrokeFont.capHeight
        var x = origin.x
        for character in text {
            let glyph = glyph(character)
            for stroke in glyph.strokes {
                let places = stroke.map { Point(x: x + $0.x * scale, y: origin.y - $0.y * scale) }
                for (a, b) in zip(places, places.dropFirst()) { coverage.stroke(a, b, radius: max(0.45, 0.85 * scale)) }
            }
            x += glyph.advance * scale
        }
    }

    private static func parsed(_ text: String) -> Glyph {
        let strokes = text.split(separator: " ").map { stroke -> [Point] in
            let isRound = stroke.first == "~"
            let bytes = Array(stroke.utf8.drop { $0 == UInt8(ascii: "~") })
            let points = stride(from: 0, to: bytes.count - 1, by: 2).map { i in
                Point(x: Float(bytes[i]) - Float(UInt8(ascii: "0")), y: Float(bytes[i + 1]) - Float(UInt8(ascii: "e")))
            }
            return isRound ? rounded(rounded(points)) : points
        }
        return Glyph(strokes: strokes, advance: (strokes.joined().map(\.x).max() ?? 0) + gap)
    }

    /// Chaikin's corner cutting (1974): each side gives way to its middle half.
    private static func rounded(_ points: [Point]) -> [Point] {
        guard let first = points.first, let last = points.last, points.count > 2 else { return points }
        let cut = zip(points, points.dropFirst()).flatMap { a, b in
            [
                Point(x: 0.75 * a.x + 0.25 * b.x, y: 0.75 * a.y + 0.25 * b.y),
                Point(x: 0.25 * a.x + 0.75 * b.x, y: 0.25 * a.y + 0.75 * b.y),
            ]
        }
        if first == last { return cut + cut.prefix(1) }
        return [first] + cut.dropFirst().dropLast() + [last]
    }
}

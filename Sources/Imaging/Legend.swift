internal import Glibc
internal import Tensors

/// The colour bar below a picture: which colour stands for which number.
struct Legend {
    let label: String
    let ink: Ink
    let strongest: Float

    init(label: String, map: ColorMap, isSigned: Bool, strongest: Float) {
        self.label = label
        ink = Ink(map, isSigned: isSigned, alpha: nil)
        self.strongest = strongest
    }

    /// What stands below the bar's left end, its middle and its right end.
    var numbers: [String] {
        (ink.isSigned ? [-strongest, 0, strongest] : [0, strongest / 2, strongest]).map(Legend.text)
    }

    /// A number with three digits that count.
    static func text(_ value: Float) -> String {
        guard value.isFinite, value != 0 else { return value.isFinite ? "0" : "?" }
        let size = abs(Double(value))
        var exponent = Int(log10(size).rounded(.down))
        var digits = Int((size / pow(10, Double(exponent - 2))).rounded())
        if digits == 1000 { (digits, exponent) = (100, exponent + 1) }
        let sign = value < 0 ? "-" : ""
        if exponent >= 2 && exponent < 6 { return sign + String(digits) + String(repeating: "0", count: exponent - 2) }
        if exponent >= 0 && exponent < 2 { return sign + decimal(digits, after: exponent + 1) }
        if exponent < 0 && exponent >= -4 { return sign + decimal(digits, after: exponent + 1) }
        return sign + decimal(digits, after: 1) + "e" + String(exponent)
    }

    /// Digits with a point after so many of them (0 or fewer: zeros in front), without zeros at the end.
    private static func decimal(_ digits: Int, after place: Int) -> String {
        let text = String(repeating: "0", count: max(0, 1 - place)) + String(digits)
        let whole = text.prefix(max(place, 1)), rest = text.dropFirst(max(place, 1))
        let fraction = rest.reversed().drop { $0 == "0" }.reversed()
        return fraction.isEmpty ? String(whole) : whole + "." + String(fraction)
    }
}

extension Image {
    /// The picture with words above and a colour bar below, on white. Sizes of text follow the picture's.
    func framed(caption: String, legend: Legend?) throws -> Image {
        let frame = Frame(self, caption: caption, legend: legend)
        var words = Coverage(height: frame.height, width: frame.width)
        frame.write(on: &words)
        let sheet = try placed(
            top: frame.top, left: (frame.width - width) / 2, height: frame.height, width: frame.width,
            Fit.Fill(red: 255, green: 255, blue: 255))
        return try sheet.barred(frame).inked(words, 0x1B1F24)
    }

    /// The image with the legend's colours in the place of its bar.
    private func barred(_ frame: Frame) throws -> Image {
        guard let ink = frame.legend?.ink else { return self }
        let bar = frame.bar, width = width
        return try Image.make(height: height, width: width) { to in
            try read { from in for i in from.indices { to[i] = from[i] } }
            for x in bar.columns {
                let share = Float(x - bar.columns.lowerBound) / Float(max(bar.columns.count - 1, 1))
                let color = ink.color(ink.isSigned ? 2 * share - 1 : share).bytes
                for y in bar.rows {
                    let i = 3 * (y * width + x)
                    (to[i], to[i + 1], to[i + 2]) = color
                }
            }
        }
    }
}

/// Where picture, words and bar go.
private struct Frame {
    let legend: Legend?
    let width: Int
    let height: Int
    /// The picture's first row.
    let top: Int
    private let lines: [String]
    private let cap: Int
    private let end: Int

    init(_ image: Image, caption: String, legend: Legend?) {
        self.legend = legend
        cap = max(8, min(24, image.width / 34))
        width = max(image.width, 18 * cap)
        lines = Frame.wrapped(caption, width: Float(width - 2 * cap), cap: Float(cap))
        top = lines.isEmpty ? 0 : lines.count * 2 * cap + cap
        end = top + image.height
        let rows = legend.map { $0.label.isEmpty ? 5 : 7 } ?? 0
        height = end + rows * cap
    }

    var bar: (rows: Range<Int>, columns: Range<Int>) { (end + cap..<end + 2 * cap, cap..<width - cap) }

    func write(on words: inout Coverage) {
        for (i, line) in lines.enumerated() { write(line, at: Float(cap), row: (i + 1) * 2 * cap, on: &words) }
        guard let legend else { return }
        let row = end + 3 * cap + cap / 2
        for (share, number) in zip([Float(0), 0.5, 1], legend.numbers) {
            let length = StrokeFont.width(number, capHeight: size) - 3 * size / StrokeFont.capHeight
            write(number, at: Float(cap) + share * (Float(width - 2 * cap) - length), row: row, on: &words)
        }
        let label = Frame.wrapped(legend.label, width: Float(width - 2 * cap), cap: size, limit: 1).first ?? ""
        write(label, at: (Float(width) - StrokeFont.width(label, capHeight: size)) / 2, row: row + 2 * cap, on: &words)
    }

    private var size: Float { Float(cap) * 0.9 }

    private func write(_ text: String, at x: Float, row: Int, on words: inout Coverage) {
        StrokeFont.draw(text, at: Point(x: x, y: Float(row)), capHeight: size, on: &words)
    }

    /// The words in lines of that width; what does not fit into the last line ends in dots.
    private static func wrapped(_ text: String, width: Float, cap: Float, limit: Int = 3) -> [String] {
        func fits(_ line: String) -> Bool { StrokeFont.width(line, capHeight: 0.9 * cap) <= width }
        var lines: [String] = []
        for word in text.prefix(400).split(whereSeparator: \.isWhitespace) {
            if let last = lines.last, fits(last + " " + word) || lines.count == limit {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.map { line in
            guard !fits(line) else { return line }
            var kept = Substring(line)
            while !kept.isEmpty, !fits(kept + "...") { kept = kept.dropLast() }
            return kept + "..."
        }
    }
}

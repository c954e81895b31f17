internal import Tensors

/// Operators on texts: StringConcat (opset 20), StringSplit (20), StringNormalizer (10), RegexFullMatch (20),
/// TfIdfVectorizer (9), and onnxruntime's Tokenizer (`com.microsoft`), which skl2onnx writes.
enum Text {
    static let operators = [concat, split, normalizer, fullMatch, vectorizer, tokenizer]

    /// Patterns and vocabularies are read when the graph is made, not in every run.
    static let lowerings = [
        Classical.preparing("RegexFullMatch") { try TextPattern($0.string("pattern", default: "")) },
        Classical.preparing("StringNormalizer") { try TextNormalizer($0) },
        Classical.preparing("TfIdfVectorizer") { try NGramCounter($0) },
        Classical.preparing(Tokenizer.name) { try Tokenizer($0) },
    ]

    static let hasNone = "texts have no gradient"

    /// Throws when a tensor of texts would take more than one allocation may.
    static func check(count: Int, bytes: Int) throws {
        let (words, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<String>.stride)
        guard !overflow, words <= Memory.largest, bytes <= Memory.largest - words else {
            throw Failure.memory("\(count) texts of \(bytes) bytes are more than the machine can hold")
        }
    }

    /// Rows of texts as a tensor with one more axis, short rows filled up.
    static func tensor(_ rows: [[String]], _ shape: [Int], width: Int, fill: String = "") throws -> Tensor {
        let count = try Shape.count(shape + [width])
        let missing = rows.reduce(0) { $0 + width - $1.count }
        let (bytes, overflow) = fill.utf8.count.multipliedReportingOverflow(by: missing)
        try check(count: count, bytes: overflow ? .max : bytes)
        var texts: [String] = []
        texts.reserveCapacity(count)
        for row in rows { texts += row + [String](repeating: fill, count: width - row.count) }
        return try Tensor(strings: texts, shape + [width])
    }

    // MARK: StringConcat

    private static let concat = Operator(
        "StringConcat", arity: 2...2, infer: { [try Elementwise.broadcast($0, element: .string)] },
        compute: { c in
            let a = try c.tensor(0), b = try c.tensor(1), x = try a.strings(), y = try b.strings()
            guard let shape = Shape.broadcast(a.shape, b.shape) else {
                throw Failure.shape("shapes \(Shape.text(a.shape)) and \(Shape.text(b.shape)) do not broadcast")
            }
            let left = try places(a, in: shape), right = try places(b, in: shape)
            var bytes = 0
            for (i, j) in zip(left, right) { bytes += x[i].utf8.count + y[j].utf8.count }
            try check(count: left.count, bytes: bytes)
            return [try Tensor(strings: zip(left, right).map { x[$0] + y[$1] }, shape)]
        }, noGradient: hasNone,
        samples: [Sample([.strings([2, 1], ["a", "b"]), .strings([3], ["x", "", "é"])])])

    /// Index of the element of `tensor` that each element of its broadcast to `shape` repeats.
    private static func places(_ tensor: Tensor, in shape: [Int]) throws -> [Int] {
        try Tensor((0..<tensor.count).map { Int64($0) }, tensor.shape).broadcast(to: shape).integers()
    }

    // MARK: StringSplit

    private static let split = Operator(
        "StringSplit", arity: 1...1,
        infer: { c in
            let dims = try c.dims(0)
            return [TensorType(.string, dims + [.unknown]), TensorType(.int64, dims)]
        },
        compute: { c in
            let x = try c.tensor(0), delimiter = c.string("delimiter", default: ""), limit = c.node.attributes["maxsplit"]?.int ?? .max
            let rows = try x.strings().map { parts($0, delimiter, limit < 0 ? .max : limit) }
            let width = rows.map(\.count).max() ?? 0
            return [try tensor(rows, x.shape, width: width), try Tensor(rows.map { Int64($0.count) }, x.shape)]
        }, noGradient: hasNone,
        samples: [
            Sample([.strings([2], ["a,b,c", "d"])], ["delimiter": .string(","), "maxsplit": .int(1)], outputs: 2),
            Sample([.strings([1, 2], [" a  b ", ""])], outputs: 2),
        ])

    /// Without a delimiter white space separates and is dropped at both ends. At most `limit` cuts; the rest stays whole.
    private static func parts(_ text: String, _ delimiter: String, _ limit: Int) -> [String] {
        guard delimiter.isEmpty else { return parts(Array(text.utf8), Array(delimiter.utf8), limit) }
        var rest = Substring(text).unicodeScalars.drop(while: isSpace), parts: [String] = []
        while !rest.isEmpty {
            guard parts.count < limit, let end = rest.firstIndex(where: isSpace) else {
                let spaces = rest.reversed().prefix(while: isSpace).count
                parts.append(String(rest.dropLast(spaces)))
                break
            }
            parts.append(String(rest[..<end]))
            rest = rest[end...].drop(while: isSpace)
        }
        return parts
    }

    private static func parts(_ text: [UInt8], _ delimiter: [UInt8], _ limit: Int) -> [String] {
        var parts: [String] = [], start = 0, place = 0
        while place + delimiter.count <= text.count, parts.count < limit {
            guard text[place..<place + delimiter.count].elementsEqual(delimiter) else { place += 1; continue }
            parts.append(String(decoding: text[start..<place], as: UTF8.self))
            place += delimiter.count
            start = place
        }
        return parts + [String(decoding: text[start...], as: UTF8.self)]
    }

    /// White space as Python's `str.split` takes it.
    private static func isSpace(_ c: Unicode.Scalar) -> Bool { c.properties.isWhitespace || (0x1c...0x1f).contains(c.value) }

    // MARK: RegexFullMatch

    private static let fullMatch = Operator(
        "RegexFullMatch", arity: 1...1, infer: { [TensorType(.bool, try $0.type(0).dims)] },
        compute: { c in
            let x = try c.tensor(0), pattern = try c.prepared { try TextPattern($0.string("pattern", default: "")) }
            return [try Tensor(x.strings().map { Truth(pattern.matchesWhole($0)) }, x.shape)]
        }, noGradient: hasNone,
        samples: [Sample([.strings([2], ["ab12", "ab"])], ["pattern": .string("[a-z]+\\d{2}")])])
}

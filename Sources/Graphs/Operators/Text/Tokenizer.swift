internal import Tensors

extension Text {
    static let tokenizer = Operator(
        Tokenizer.name, arity: 1...1,
        infer: { c in
            let dims = try c.dims(0)
            guard (1...2).contains(dims.count) else { throw Failure.shape("input has \(dims.count) axes, expected 1 or 2") }
            return [TensorType(.string, dims + [.unknown])]
        },
        compute: { c in [try c.prepared(Tokenizer.init).run(c.tensor(0))] }, noGradient: hasNone,
        samples: [
            Sample([.strings([2], ["a bc, d", "ef"])], ["tokenexp": .string("[a-z]+"), "mincharnum": .int(1), "pad_value": .string("#")]),
            Sample(
                [.strings([1, 2], ["a;b c", ""])], ["separators": .strings([";", " "]), "mark": .int(1), "mincharnum": .int(1)]),
        ])
}

/// onnxruntime's Tokenizer: texts cut at separators, or into what a pattern matches, or into characters.
struct Tokenizer: Sendable {
    static let name = "com.microsoft:Tokenizer"

    private typealias Characters = ArraySlice<Unicode.Scalar>
    private enum Way: Sendable {
        case characters
        case separators([TextPattern])
        case tokens(TextPattern)
    }
    private let way: Way
    /// Texts that begin and end with U+0002 and U+0003.
    private let marks: Bool
    private let pad: String
    /// Shorter tokens are dropped.
    private let shortest: Int

    init(_ c: Call) throws {
        marks = c.flag("mark")
        pad = c.string("pad_value", default: "")
        shortest = c.int("mincharnum", default: 1)
        guard shortest >= 1 else { throw Failure.invalid("mincharnum is \(shortest), expected at least 1") }
        let separators = c.strings("separators") ?? [], expression = c.string("tokenexp", default: "")
        if separators == [""] || (separators.isEmpty && expression == ".") {
            way = .characters
        } else if !separators.isEmpty {
            way = .separators(try separators.map { try TextPattern($0) })
        } else {
            guard !expression.isEmpty else { throw Failure.invalid("expected separators or tokenexp") }
            way = .tokens(try TextPattern(expression))
        }
    }

    func run(_ x: Tensor) throws -> Tensor {
        guard (1...2).contains(x.shape.count) else { throw Failure.shape("input has \(x.shape.count) axes, expected 1 or 2") }
        var rows = try x.strings().map { tokens(of: $0) }
        let longest = rows.map(\.count).max() ?? 0
        guard longest > 0 else { return try Tensor(strings: [], x.shape + [0]) }
        if marks { rows = rows.map { ["\u{2}"] + $0 + ["\u{3}"] } }
        return try Text.tensor(rows, x.shape, width: longest + (marks ? 2 : 0), fill: pad)
    }

    private func tokens(of text: String) -> [String] {
        let all = Array(text.unicodeScalars)[...]
        let parts: [Characters]
        switch way {
        case .characters: parts = all.indices.map { all[$0...$0] }
        case .tokens(let pattern): parts = matches(pattern, all)
        case .separators(let patterns): parts = patterns.reduce([all]) { parts, pattern in parts.flatMap { cut($0, at: pattern) } }
        }
        return parts.map { String(String.UnicodeScalarView($0)) }
    }

    /// What the pattern matches, one match behind the other.
    private func matches(_ pattern: TextPattern, _ text: Characters) -> [Characters] {
        var result: [Characters] = [], start = text.startIndex
        while let match = pattern.first(in: text, from: start) {
            // After a match that is too short the search goes on one character further.
            let isLong = match.count >= shortest
            if isLong { result.append(text[match]) }
            start = isLong ? match.upperBound : match.lowerBound + 1
            if start > text.endIndex { break }
        }
        return result
    }

    /// What lies between matches of the pattern.
    private func cut(_ text: Characters, at pattern: TextPattern) -> [Characters] {
        var result: [Characters] = [], start = text.startIndex
        while start <= text.endIndex, let match = pattern.first(in: text, from: start) {
            if match.lowerBound - start >= shortest { result.append(text[start..<match.lowerBound]) }
            start = match.isEmpty ? match.lowerBound + 1 : match.upperBound
        }
        if start <= text.endIndex, text.endIndex - start >= shortest { result.append(text[start...]) }
        return result
    }
}

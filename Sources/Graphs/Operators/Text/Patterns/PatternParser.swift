internal import Tensors

/// Reads RE2's syntax (https://github.com/google/re2/wiki/Syntax). What RE2 refuses, and scripts as character classes,
/// are errors that name the place.
struct PatternParser {
    /// Parentheses inside parentheses; RE2 has a limit of 1000, which takes more stack than a host's thread may have.
    private static let deepest = 200
    /// RE2's limit for counted repetition.
    private static let mostRepeats = 1000

    private struct Flags {
        var ignoresCase = false, isMultiline = false, dotTakesNewline = false
    }

    private let text: [Unicode.Scalar]
    private var place = 0
    private var flags = Flags()
    private var depth = 0

    static func parse(_ pattern: String) throws -> PatternNode {
        var parser = PatternParser(text: Array(pattern.unicodeScalars))
        let node = try parser.alternatives()
        if parser.place < parser.text.count { throw parser.failure("unexpected )") }
        return node
    }

    private init(text: [Unicode.Scalar]) { self.text = text }

    func failure(_ what: String) -> Failure { .invalid("pattern '\(string(text.prefix(80)))', character \(place): \(what)") }

    // MARK: Reading characters

    var next: Unicode.Scalar? { place < text.count ? text[place] : nil }

    func peek(_ ahead: Int) -> Unicode.Scalar? { place + ahead < text.count ? text[place + ahead] : nil }

    func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String { String(String.UnicodeScalarView(scalars)) }

    mutating func take() throws -> Unicode.Scalar {
        guard let c = next else { throw failure("the pattern ends too early") }
        place += 1
        return c
    }

    mutating func place(back count: Int) { place -= count }

    mutating func skip(_ expected: String) -> Bool {
        let wanted = Array(expected.unicodeScalars)
        guard text[place...].starts(with: wanted) else { return false }
        place += wanted.count
        return true
    }

    /// What stands before `end`, which is skipped.
    mutating func take(until end: String) throws -> String {
        let start = place
        while place < text.count {
            let found = text[start..<place]
            if skip(end) { return string(found) }
            place += 1
        }
        throw failure("expected \(end)")
    }

    // MARK: Structure

    private mutating func alternatives() throws -> PatternNode {
        var branches = [try sequence()]
        while skip("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .either(branches)
    }

    private mutating func sequence() throws -> PatternNode {
        var parts: [PatternNode] = []
        while let c = next, c != "|", c != ")" {
            if skip("\\Q") {
                try literals(into: &parts)
                continue
            }
            if let range = try repetition() {
                guard let last = parts.popLast() else { throw failure("nothing to repeat") }
                parts.append(.repeated(last, range.0, range.1))
                // A second operator, but for ? which only asks for the shortest match, is an error in RE2.
                _ = skip("?")
                if try repetition() != nil { throw failure("a repetition of a repetition") }
                continue
            }
            parts.append(try atom())
        }
        return parts.count == 1 ? parts[0] : parts.isEmpty ? .empty : .sequence(parts)
    }

    private mutating func literals(into parts: inout [PatternNode]) throws {
        while next != nil, !skip("\\E") { parts.append(literal(try take())) }
    }

    /// `*`, `+`, `?` or a count, if one stands here. Braces that hold no count are literal.
    private mutating func repetition() throws -> (Int, Int?)? {
        if skip("*") { return (0, nil) }
        if skip("+") { return (1, nil) }
        if skip("?") { return (0, 1) }
        guard next == "{" else { return nil }
        let start = place
        place += 1
        guard let low = number() else { place = start; return nil }
        var high: Int? = low
        if skip(",") { high = number() }
        guard skip("}") else { place = start; return nil }
        guard low <= high ?? low, max(low, high ?? 0) <= PatternParser.mostRepeats else { throw failure("bad number of repetitions") }
        return (low, high)
    }

    private mutating func number() -> Int? {
        let start = place
        while let c = next, ("0"..."9").contains(c) { place += 1 }
        // Longer ones are beyond the limit anyway.
        return start == place ? nil : Int(string(text[start..<min(place, start + 9)]))
    }

    private mutating func atom() throws -> PatternNode {
        switch try take() {
        case "(": return try group()
        case "[": return .one(try characterClass(ignoresCase: flags.ignoresCase))
        case ".": return .one(flags.dotTakesNewline ? .any : .anyButNewline)
        case "^": return .at(flags.isMultiline ? .lineStart : .textStart)
        case "$": return .at(flags.isMultiline ? .lineEnd : .textEnd)
        case "\\": return try escaped()
        case let c: return literal(c)
        }
    }

    private func literal(_ c: Unicode.Scalar) -> PatternNode {
        let own = CharacterClass(c)
        return .one(flags.ignoresCase ? own.folded() : own)
    }

    // MARK: Groups

    private mutating func group() throws -> PatternNode {
        let outer = flags
        if skip("?") {
            if skip("P<") || (next == "<" && peek(1) != "=" && peek(1) != "!" && skip("<")) {
                let name = try take(until: ">")
                guard !name.isEmpty, name.unicodeScalars.allSatisfy({ CharacterClass.perl("w")?.contains($0) ?? false }) else {
                    throw failure("bad name of a group")
                }
            } else if try !readFlags() {
                // Flags alone hold to the end of the group that they stand in.
                return .empty
            }
        }
        depth += 1
        guard depth <= PatternParser.deepest else { throw failure("groups more than \(PatternParser.deepest) levels deep") }
        let inner = try alternatives()
        depth -= 1
        guard skip(")") else { throw failure("expected )") }
        flags = outer
        return inner
    }

    /// True when a group follows, false when the parenthesis is closed.
    private mutating func readFlags() throws -> Bool {
        var value = true
        while true {
            switch try take() {
            case "i": flags.ignoresCase = value
            case "m": flags.isMultiline = value
            case "s": flags.dotTakesNewline = value
            case "U": break
            case "-" where value: value = false
            case ":": return true
            case ")": return false
            case let c: throw failure("(?\(c) is not supported")
            }
        }
    }

    // MARK: Escapes

    private mutating func escaped() throws -> PatternNode {
        switch next {
        case "A": place += 1; return .at(.textStart)
        case "z": place += 1; return .at(.textEnd)
        case "b": place += 1; return .at(.wordBoundary)
        case "B": place += 1; return .at(.insideWord)
        default: break
        }
        if let named = try namedClass() { return .one(flags.ignoresCase ? named.folded() : named) }
        return literal(try escapedCharacter())
    }
}

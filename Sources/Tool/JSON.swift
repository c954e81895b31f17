/// A JSON text read into a tree; numbers stay as they were written.
indirect enum JSON {
    case object([(key: String, value: JSON)])
    case array([JSON])
    case string(String)
    /// A number, true, false or null.
    case word(String)

    /// nil when the text is not JSON.
    init?(_ text: String) {
        var reader = Reader(rest: Substring(text))
        guard let value = reader.value(depth: 0) else { return nil }
        self = value
    }

    /// The value of a key of an object.
    subscript(_ key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// Short text for one line.
    var text: String {
        switch self {
        case .string(let text), .word(let text): text
        case .array(let items): items.map(\.text).joined(separator: ", ")
        case .object(let members): members.map { "\($0.key) \($0.value.text)" }.joined(separator: ", ")
        }
    }

    /// All values with their keys, those of inner objects after a dot.
    var rows: [(key: String, value: String)] {
        guard case .object(let members) = self else { return [] }
        return members.flatMap { member -> [(key: String, value: String)] in
            guard case .object = member.value else { return [(member.key, member.value.text)] }
            return member.value.rows.map { ("\(member.key).\($0.key)", $0.value) }
        }
    }
}

private struct Reader {
    var rest: Substring

    private mutating func take(_ expected: Character) -> Bool {
        rest = rest.drop(while: \.isWhitespace)
        guard rest.first == expected else { return false }
        rest.removeFirst()
        return true
    }

    /// Deeper nesting than any manifest has is refused, not followed.
    mutating func value(depth: Int) -> JSON? {
        guard depth < 32 else { return nil }
        if take("{") { return object(depth: depth) }
        if take("[") { return array(depth: depth) }
        if take("\"") { return string().map { .string($0) } }
        let word = rest.prefix { $0.isLetter || $0.isNumber || "+-.".contains($0) }
        rest = rest.dropFirst(word.count)
        return word.isEmpty ? nil : .word(String(word))
    }

    private mutating func object(depth: Int) -> JSON? {
        var members: [(key: String, value: JSON)] = []
        if take("}") { return .object([]) }
        repeat {
            guard take("\""), let key = string(), take(":"), let value = value(depth: depth + 1) else { return nil }
            members.append((key, value))
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func array(depth: Int) -> JSON? {
        var items: [JSON] = []
        if take("]") { return .array([]) }
        repeat {
            guard let item = value(depth: depth + 1) else { return nil }
            items.append(item)
        } while take(",")
        return take("]") ? .array(items) : nil
    }

    /// The rest of a string whose opening quote was read.
    private mutating func string() -> String? {
        var text = ""
        while let next = rest.popFirst() {
            if next == "\"" { return text }
            guard next == "\\" else { text.append(next); continue }
            guard let escaped = rest.popFirst() else { return nil }
            switch escaped {
            case "n": text.append("\n")
            case "t": text.append("\t")
            case "r", "b", "f": text.append(" ")
            case "u":
                guard let code = UInt32(rest.prefix(4), radix: 16) else { return nil }
                rest = rest.dropFirst(4)
                text.unicodeScalars.append(Unicode.Scalar(code) ?? "\u{FFFD}")
            default: text.append(escaped)
            }
        }
        return nil
    }
}

/// A JSON text as a tree; numbers stay as they were written.
indirect enum JSON {
    case object([(key: String, value: JSON)])
    case array([JSON])
    case string(String)
    /// A number, true, false or null.
    case word(String)

    static let null = JSON.word("null")
    static func bool(_ value: Bool) -> JSON { .word(value ? "true" : "false") }
    static func integer(_ value: Int) -> JSON { .word(String(value)) }
    /// JSON has no word for what is not finite.
    static func number(_ value: Double) -> JSON { value.isFinite ? .word("\(value)") : .null }

    /// nil when the text is not JSON.
    init?(_ text: String) {
        var reader = Reader(text)
        guard let value = reader.value(depth: 0), reader.isAtEnd else { return nil }
        self = value
    }

    /// The value of a key of an object.
    subscript(_ key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    var members: [(key: String, value: JSON)] {
        if case .object(let members) = self { members } else { [] }
    }
    var items: [JSON] { if case .array(let items) = self { items } else { [] } }
    var string: String? { if case .string(let text) = self { text } else { nil } }
    var double: Double? { if case .word(let word) = self { Double(word) } else { nil } }
    var int: Int? { if case .word(let word) = self { Int(word) } else { nil } }

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

    /// The text, indented by two spaces a level; arrays of plain values stand on one line.
    var rendered: String { rendered(indent: "") }

    private func rendered(indent: String) -> String {
        let inner = indent + "  "
        switch self {
        case .string(let text): return JSON.quoted(text)
        case .word(let word): return word
        case .array(let items):
            if items.allSatisfy(\.isPlain) {
                return "[" + items.map { $0.rendered(indent: "") }.joined(separator: ", ") + "]"
            }
            return "[\n" + items.map { inner + $0.rendered(indent: inner) }.joined(separator: ",\n")
                + "\n\(indent)]"
        case .object(let members):
            if members.isEmpty { return "{}" }
            let lines = members.map {
                inner + JSON.quoted($0.key) + ": " + $0.value.rendered(indent: inner)
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
        }
    }

    private var isPlain: Bool {
        switch self {
        case .string, .word: true
        case .array, .object: false
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{00}"..."\u{1F}", "\u{7F}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// Reads a text byte by byte.
private struct Reader {
    private let bytes: [UInt8]
    private var at = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return at == bytes.count
        }
    }

    private mutating func skipSpace() {
        while at < bytes.count, [32, 9, 10, 13].contains(bytes[at]) { at += 1 }
    }

    private mutating func take(_ expected: Character) -> Bool {
        skipSpace()
        guard at < bytes.count, bytes[at] == expected.asciiValue else { return false }
        at += 1
        return true
    }

    /// Deeper nesting than any manifest has is refused, not followed.
    mutating func value(depth: Int) -> JSON? {
        guard depth < 32 else { return nil }
        if take("{") { return object(depth: depth) }
        if take("[") { return array(depth: depth) }
        if take("\"") { return string().map { .string($0) } }
        let start = at
        while at < bytes.count,
            Character(Unicode.Scalar(bytes[at])).isLetter || "0123456789+-.".utf8.contains(bytes[at])
        { at += 1 }
        let word = String(decoding: bytes[start..<at], as: UTF8.self)
        return ["true", "false", "null"].contains(word) || Double(word) != nil ? .word(word) : nil
    }

    private mutating func object(depth: Int) -> JSON? {
        var members: [(key: String, value: JSON)] = []
        if take("}") { return .object([]) }
        repeat {
            guard take("\""), let key = string(), take(":"), let value = value(depth: depth + 1) else {
                return nil
            }
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
        var text: [UInt8] = []
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            guard at < bytes.count else { return nil }
            let kind = bytes[at]
            at += 1
            switch kind {
            case UInt8(ascii: "n"): text.append(10)
            case UInt8(ascii: "t"): text.append(9)
            case UInt8(ascii: "r"): text.append(13)
            case UInt8(ascii: "b"): text.append(8)
            case UInt8(ascii: "f"): text.append(12)
            case UInt8(ascii: "u"):
                guard let scalar = unicode() else { return nil }
                text += Array(String(Character(scalar)).utf8)
            default: text.append(kind)
            }
        }
        return nil
    }

    /// Four hexadecimal digits, or eight of a surrogate pair.
    private mutating func unicode() -> Unicode.Scalar? {
        guard let first = unit() else { return nil }
        guard (0xD800...0xDBFF).contains(first) else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
        guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u")
        else { return "\u{FFFD}" }
        at += 2
        guard let second = unit() else { return nil }
        guard (0xDC00...0xDFFF).contains(second) else { return "\u{FFFD}" }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    }

    private mutating func unit() -> UInt32? {
        guard at + 4 <= bytes.count else { return nil }
        defer { at += 4 }
        return UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
    }
}

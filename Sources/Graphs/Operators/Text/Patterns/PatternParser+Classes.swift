/// Characters and sets of them.
extension PatternParser {
    /// Behind the opening bracket.
    mutating func characterClass(ignoresCase: Bool) throws -> CharacterClass {
        var result = CharacterClass()
        let isNegated = skip("^")
        var isFirst = true
        while isFirst || next != "]" {
            isFirst = false
            if skip("[:") {
                result.formUnion(try posixClass())
            } else if next == "\\", let named = try namedClassBehindBackslash() {
                result.formUnion(named)
            } else {
                let low = try classCharacter()
                guard next == "-", let after = peek(1), after != "]" else { result.insert(low.value...low.value); continue }
                _ = skip("-")
                let high = try classCharacter()
                guard low.value <= high.value else { throw failure("bad range of characters") }
                result.insert(low.value...high.value)
            }
        }
        _ = skip("]")
        if ignoresCase { result = result.folded() }
        result.isNegated = isNegated
        return result
    }

    private mutating func posixClass() throws -> CharacterClass {
        let isNegated = skip("^")
        let name = try take(until: ":]")
        guard var found = CharacterClass.posix(name) else { throw failure("there is no class [:\(name):]") }
        found.isNegated = isNegated
        return found
    }

    private mutating func namedClassBehindBackslash() throws -> CharacterClass? {
        _ = skip("\\")
        if let named = try namedClass() { return named }
        place(back: 1)
        return nil
    }

    private mutating func classCharacter() throws -> Unicode.Scalar {
        let c = try take()
        return c == "\\" ? try escapedCharacter() : c
    }

    /// `\d`, `\pL` and their like, behind the backslash; nil when it is another escape.
    mutating func namedClass() throws -> CharacterClass? {
        guard let c = next else { throw failure("a backslash at the end") }
        if c == "p" || c == "P" {
            _ = try take()
            return try unicodeClass(isNegated: c == "P")
        }
        guard let lower = c.properties.lowercaseMapping.unicodeScalars.first, var named = CharacterClass.perl(lower) else { return nil }
        _ = try take()
        named.isNegated = c != lower
        return named
    }

    private mutating func unicodeClass(isNegated: Bool) throws -> CharacterClass {
        var isNegated = isNegated, name: String
        if skip("{") {
            if skip("^") { isNegated.toggle() }
            name = try take(until: "}")
        } else {
            name = String(try take())
        }
        guard var found = CharacterClass.unicode(name) else {
            throw failure("class \\p{\(name)} is not supported: general categories are, scripts are not")
        }
        found.isNegated = isNegated
        return found
    }

    /// The character that an escape stands for, behind the backslash.
    mutating func escapedCharacter() throws -> Unicode.Scalar {
        let c = try take()
        switch c {
        case "a": return "\u{7}"
        case "f": return "\u{C}"
        case "t": return "\t"
        case "n": return "\n"
        case "r": return "\r"
        case "v": return "\u{B}"
        case "x": return try hexadecimal()
        case "0"..."7": return try octal(c)
        default:
            // Punctuation stands for itself; letters and digits that mean nothing are refused.
            let isWord = CharacterClass.posix("alnum")?.contains(c) ?? false
            guard c.isASCII, !isWord else { throw failure("\\\(c) is not supported") }
            return c
        }
    }

    private mutating func hexadecimal() throws -> Unicode.Scalar {
        let digits: String
        if skip("{") { digits = try take(until: "}") } else { digits = String(try take()) + String(try take()) }
        guard digits.utf8.count <= 6, let value = UInt32(digits, radix: 16), let c = Unicode.Scalar(value) else {
            throw failure("\\x{\(digits.prefix(8))} is no character")
        }
        return c
    }

    /// `\0` to `\077`, and `\12` to `\377`; one digit alone would refer to a group, which RE2 has not.
    private mutating func octal(_ first: Unicode.Scalar) throws -> Unicode.Scalar {
        var value = first.value - 0x30
        if first != "0", !("0"..."7").contains(next ?? "9") { throw failure("references to groups are not supported") }
        for _ in 0..<2 {
            guard let c = next, ("0"..."7").contains(c) else { break }
            value = value * 8 + c.value - 0x30
            _ = try take()
        }
        guard value <= 0xFF, let c = Unicode.Scalar(value) else { throw failure("an octal number above 377") }
        return c
    }
}

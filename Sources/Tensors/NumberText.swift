internal import Glibc

/// Numbers as ONNX's Cast writes and reads them, whatever the process's locale is.
enum NumberText {
    /// Digits that onnxruntime writes of floats of any width.
    private static let precision = 8

    /// As printf's `%.8g` in the C locale; `NaN`, `INF` and `-INF` for what is no number.
    static func text(of x: Double) -> String {
        if x.isNaN { return "NaN" }
        if x.isInfinite { return x < 0 ? "-INF" : "INF" }
        guard let (digits, exponent) = scientific(x.magnitude) else { return x.description }
        let sign = x.sign == .minus ? "-" : ""
        guard exponent >= -4, exponent < precision else {
            let tail = trimmed(digits.dropFirst())
            let power = (exponent < 0 ? "-" : "+") + (abs(exponent) < 10 ? "0" : "") + String(abs(exponent))
            return sign + digits.prefix(1) + (tail.isEmpty ? "" : "." + tail) + "e" + power
        }
        if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + trimmed(digits[...]) }
        let tail = trimmed(digits.dropFirst(exponent + 1))
        return sign + digits.prefix(exponent + 1) + (tail.isEmpty ? "" : "." + tail)
    }

    private static func trimmed(_ digits: Substring) -> String {
        String(digits.prefix(digits.count - digits.reversed().prefix { $0 == "0" }.count))
    }

    /// The rounded digits, the first before the point, and the power of ten. printf's separator depends on the locale and is skipped.
    private static func scientific(_ x: Double) -> (digits: String, exponent: Int)? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = withVaList([Int32(precision - 1), x]) { vsnprintf(&buffer, buffer.count, "%.*e", $0) }
        let bytes = buffer.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }
        guard let mark = bytes.lastIndex(of: UInt8(ascii: "e")) else { return nil }
        let digits = bytes[..<mark].filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard let exponent = Int(String(decoding: bytes[(mark + 1)...], as: UTF8.self)), digits.count == precision else { return nil }
        return (String(decoding: digits, as: UTF8.self), exponent)
    }

    /// The number that a text with spaces around it says, in plain or scientific form, or `INF`, `NaN` in any case.
    static func number(_ text: String) throws -> Double {
        guard let number = Double(trimmingSpaces(text)) else { throw failure(text) }
        return number
    }

    /// The integer that a text says; a fraction is cut off.
    static func integer<T: FixedWidthInteger>(_ text: String, _: T.Type) throws -> T {
        let trimmed = trimmingSpaces(text)
        if let integer = T(trimmed) { return integer }
        guard let number = Double(trimmed), let integer = T(exactly: number.rounded(.towardZero)) else { throw failure(text) }
        return integer
    }

    private static func trimmingSpaces(_ text: String) -> Substring {
        let isSpace = { (c: UInt8) in c == 32 || (9...13).contains(c) }
        let bytes = text.utf8
        guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) }) else { return "" }
        return text[first...last]
    }

    private static func failure(_ text: String) -> Failure { .invalid("'\(text.prefix(40))' is not a number") }
}

extension Tensor {
    /// Numbers as text.
    func formatted() throws -> Tensor {
        let texts =
            if type.isFloat {
                try doubles().map(NumberText.text)
            } else if type == .uint64 {
                try array(UInt64.self).map { String($0) }
            } else {
                try converted(to: .int64).array(Int64.self).map { String($0) }
            }
        return try Tensor(strings: texts, shape)
    }

    /// Text as numbers of the type.
    func parsed(as target: ElementType) throws -> Tensor {
        let texts = try strings()
        switch target {
        case .uint64: return try Tensor(texts.map { try NumberText.integer($0, UInt64.self) }, shape)
        case .bool: return try Tensor(texts.map { Truth(try NumberText.number($0) != 0) }, shape)
        case _ where target.isInteger:
            return try Tensor(texts.map { try NumberText.integer($0, Int64.self) }, shape).converted(to: target)
        default: return try Tensor(texts.map { try NumberText.number($0) }, shape).converted(to: target)
        }
    }
}

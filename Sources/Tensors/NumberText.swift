/// Numbers as ONNX's Cast writes and reads them, whatever the process's locale is.
enum NumberText {
    /// The fewest digits that tell the number from its neighbours, as in ONNX's own data, plain from 1e-4 up to 1e16 and
    /// without `.0`, as onnxruntime writes whole numbers; `NaN`, `INF` and `-INF` for what is no number.
    static func text<T: BinaryFloatingPoint & CustomStringConvertible>(of x: T) -> String {
        if x.isNaN { return "NaN" }
        if x.isInfinite { return x < 0 ? "-INF" : "INF" }
        let (digits, exponent) = parts(x.magnitude.description), sign = x.sign == .minus ? "-" : ""
        if exponent < -4 || exponent >= 16 {
            let tail = digits.dropFirst(), power = (abs(exponent) < 10 ? "0" : "") + String(abs(exponent))
            return sign + digits.prefix(1) + (tail.isEmpty ? "" : "." + tail) + "e" + (exponent < 0 ? "-" : "+") + power
        }
        if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
        let whole = exponent + 1
        if digits.count <= whole { return sign + digits + String(repeating: "0", count: whole - digits.count) }
        return sign + digits.prefix(whole) + "." + digits.dropFirst(whole)
    }

    /// The digits of Swift's description, which are the fewest, and the power of ten of the first.
    private static func parts(_ description: String) -> (digits: String, exponent: Int) {
        let halves = description.split(separator: "e"), mantissa = halves.first.map(String.init) ?? "0"
        let point = mantissa.prefix { $0 != "." }.count
        let digits = mantissa.filter { $0 != "." }, zeros = digits.prefix { $0 == "0" }.count
        guard zeros < digits.count else { return ("0", 0) }
        let ended = digits.count - digits.reversed().prefix { $0 == "0" }.count
        let power = halves.count > 1 ? Int(halves[1]) ?? 0 : 0
        return (String(digits.prefix(ended).dropFirst(zeros)), point - 1 - zeros + power)
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
            if type == .float64 {
                try array(Double.self).map { NumberText.text(of: $0) }
            } else if type.isFloat {
                try converted(to: .float32).array(Float.self).map { NumberText.text(of: $0) }
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

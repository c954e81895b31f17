package import Tensors

/// Named values that a caller set, checked when a call reads them.
package struct Options: Sendable {
    package enum Entry: Sendable {
        case integer(Int)
        case real(Double)
        case text(String)
        case tensor(Tensor)
    }

    package private(set) var entries: [String: Entry] = [:]

    package init() {}

    package subscript(_ name: String) -> Entry? {
        get { entries[name] }
        set { entries[name] = newValue }
    }

    /// Fails for the first name that is not among `known`, naming the nearest one.
    package func reject(unlessIn known: [String], of owner: String) throws {
        for name in entries.keys.sorted() where !known.contains(name) {
            throw Failure.invalid("\(owner) has no option '\(name)'\(Suggestion.text(for: name, among: known))")
        }
    }

    package func integer(_ name: String) throws -> Int? {
        switch entries[name] {
        case nil: return nil
        case .integer(let value): return value
        case .real(let value) where value == value.rounded() && abs(value) < 0x1p53: return Int(value)
        case .text(let text): if let value = Int(text) { return value }
        default: break
        }
        throw Failure.invalid("option '\(name)': expected an integer, found \(describe(name))")
    }

    package func real(_ name: String) throws -> Double? {
        switch entries[name] {
        case nil: return nil
        case .integer(let value): return Double(value)
        case .real(let value): return value
        case .text(let text): if let value = Double(text) { return value }
        default: break
        }
        throw Failure.invalid("option '\(name)': expected a number, found \(describe(name))")
    }

    package func boolean(_ name: String) throws -> Bool? {
        switch entries[name] {
        case nil: return nil
        case .integer(0), .text("false"), .text("0"): return false
        case .integer(1), .text("true"), .text("1"): return true
        default: throw Failure.invalid("option '\(name)': expected true or false, found \(describe(name))")
        }
    }

    package func text(_ name: String) throws -> String? {
        switch entries[name] {
        case nil: return nil
        case .text(let value): return value
        case .integer(let value): return String(value)
        case .real(let value): return String(value)
        case .tensor: throw Failure.invalid("option '\(name)': expected text, found a tensor")
        }
    }

    /// A number, or several separated by commas.
    package func reals(_ name: String) throws -> [Double]? {
        if case .tensor(let tensor) = entries[name] { return try tensor.doubles() }
        return try text(name).map { try Options.reals($0, of: name) }
    }

    /// Numbers separated by commas.
    package static func reals(_ text: String, of name: String) throws -> [Double] {
        try text.split(separator: ",").map { part in
            let trimmed = part.drop { $0 == " " }
            guard let value = Double(String(trimmed)) else {
                throw Failure.invalid("option '\(name)': expected numbers separated by commas, found '\(text)'")
            }
            return value
        }
    }

    package func tensor(_ name: String) throws -> Tensor? {
        switch entries[name] {
        case nil: return nil
        case .tensor(let value): return value
        default: throw Failure.invalid("option '\(name)': expected a tensor, found \(describe(name))")
        }
    }

    private func describe(_ name: String) -> String {
        switch entries[name] {
        case nil: "nothing"
        case .integer(let value): "\(value)"
        case .real(let value): "\(value)"
        case .text(let value): "'\(value)'"
        case .tensor(let value): "a tensor \(Shape.text(value.shape))"
        }
    }
}

package import Runtime
package import Tensors

/// One declared option of a method. Drives validation, C introspection, keyword arguments, flags and docs alike.
package struct Parameter: Sendable {
    package enum Kind: Sendable {
        case integer(ClosedRange<Int>)
        case real(ClosedRange<Double>)
        case boolean
        case choice([String])
        case text
        /// Name of a value, node or module.
        case value
        case tensor
        /// A number, several numbers, or a tensor.
        case numbers
        /// As `numbers`, or one of `Baseline.names`.
        case baseline
    }

    package let name: String
    package let kind: Kind
    /// As text; empty: chosen at run time, as `help` says.
    package let defaultValue: String
    package let help: String

    package init(_ name: String, _ kind: Kind, default value: String = "", _ help: String) {
        self.name = name
        self.kind = kind
        self.defaultValue = value
        self.help = help
    }

    /// As `pellucid_parameter_info` names it.
    package var typeName: String {
        switch kind {
        case .integer: "integer"
        case .real: "real"
        case .boolean: "boolean"
        case .choice: "choice"
        case .text: "text"
        case .value: "value"
        case .tensor: "tensor"
        case .numbers: "numbers"
        case .baseline: "baseline"
        }
    }

    package var rangeText: String {
        switch kind {
        case .integer(let range): range == 0...Int.max ? "0..." : "\(range.lowerBound)...\(range.upperBound)"
        case .real(let range): range.upperBound.isInfinite ? "\(range.lowerBound)..." : "\(range.lowerBound)...\(range.upperBound)"
        case .choice(let names): names.joined(separator: "|")
        default: ""
        }
    }
}

/// Options of one call, checked against a method's parameters; every one has a value.
package struct Settings: Sendable {
    private var options: Options
    /// As the caller set them.
    package var given: Options { options }
    private let parameters: [String: Parameter]
    private let method: String

    package init(_ options: Options, _ parameters: [Parameter], of method: String) throws {
        try options.reject(unlessIn: parameters.map(\.name), of: method)
        self.options = options
        self.parameters = Dictionary(parameters.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.method = method
        for parameter in parameters { try check(parameter) }
    }

    private func check(_ parameter: Parameter) throws {
        switch parameter.kind {
        case .integer(let range): if let value = try optionalInteger(parameter.name) { try check(value, in: range, parameter) }
        case .real(let range): if let value = try optionalReal(parameter.name) { try check(value, in: range, parameter) }
        case .boolean: _ = try options.boolean(parameter.name)
        case .choice(let names):
            let given = try options.text(parameter.name) ?? parameter.defaultValue
            guard names.contains(given) || given.isEmpty else {
                throw Failure.invalid("\(method): option '\(parameter.name)' is '\(given)', expected \(names.joined(separator: ", "))")
            }
        case .numbers: if !parameter.defaultValue.isEmpty || options[parameter.name] != nil { _ = try options.reals(parameter.name) }
        case .baseline:
            guard options[parameter.name] != nil, try tensor(parameter.name) == nil, let text = try text(parameter.name) else { return }
            if !Baseline.names.contains(String(text.prefix { $0 != ":" })) { _ = try Options.reals(text, of: parameter.name) }
        case .text, .value: _ = try options.text(parameter.name)
        case .tensor: _ = try options.tensor(parameter.name)
        }
    }

    private func check<T: Comparable>(_ value: T, in range: ClosedRange<T>, _ parameter: Parameter) throws {
        guard range.contains(value) else {
            throw Failure.invalid("\(method): option '\(parameter.name)' is \(value), expected \(parameter.rangeText)")
        }
    }

    private func optionalInteger(_ name: String) throws -> Int? { try options.integer(name) ?? Int(parameters[name]?.defaultValue ?? "") }
    private func optionalReal(_ name: String) throws -> Double? { try options.real(name) ?? Double(parameters[name]?.defaultValue ?? "") }

    /// The value given, or the default; nil when both are empty.
    package func integer(_ name: String) throws -> Int? { try optionalInteger(name) }
    package func real(_ name: String) throws -> Double? { try optionalReal(name) }
    package func flag(_ name: String) throws -> Bool { try options.boolean(name) ?? (parameters[name]?.defaultValue == "true") }
    package func choice(_ name: String) throws -> String { try options.text(name) ?? parameters[name]?.defaultValue ?? "" }
    package func text(_ name: String) throws -> String? {
        let value = try options.text(name) ?? parameters[name]?.defaultValue ?? ""
        return value.isEmpty ? nil : value
    }
    package func numbers(_ name: String) throws -> [Double]? {
        if options[name] != nil { return try options.reals(name) }
        return try parameters[name].flatMap { $0.defaultValue.isEmpty ? nil : try Options.reals($0.defaultValue, of: name) }
    }
    package func tensor(_ name: String) throws -> Tensor? {
        if case .tensor(let tensor) = options[name] { return tensor }
        return nil
    }
    package func integer(_ name: String, or value: Int) throws -> Int { try optionalInteger(name) ?? value }
    package func real(_ name: String, or value: Double) throws -> Double { try optionalReal(name) ?? value }

    /// The same options but one.
    func replacing(_ name: String, with tensor: Tensor) -> Settings {
        var copy = self
        copy.options[name] = .tensor(tensor)
        return copy
    }

    /// Every parameter with the value in force, for the manifest. What a method chose at run time replaces empty ones.
    package func resolved(_ chosen: [String: JSON]) -> JSON {
        var result: [String: JSON] = [:]
        for (name, parameter) in parameters { result[name] = chosen[name] ?? shown(parameter) }
        return .object(result)
    }

    private func shown(_ parameter: Parameter) -> JSON {
        switch options[parameter.name] {
        case .integer(let value): if case .boolean = parameter.kind { .bool(value != 0) } else { .integer(value) }
        case .real(let value): .number(value)
        case .text(let text): text == parameter.defaultValue ? typed(text, parameter) : typed(text, parameter)
        case .tensor(let tensor): .string("tensor \(Shape.text(tensor.shape))")
        case nil: parameter.defaultValue.isEmpty ? .null : typed(parameter.defaultValue, parameter)
        }
    }

    private func typed(_ text: String, _ parameter: Parameter) -> JSON {
        switch parameter.kind {
        case .integer: Int(text).map { .integer($0) } ?? .string(text)
        case .real: Double(text).map { .number($0) } ?? .string(text)
        case .boolean: .bool(text == "true" || text == "1")
        default: .string(text)
        }
    }
}

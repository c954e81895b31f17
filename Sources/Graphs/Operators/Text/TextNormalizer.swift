internal import Tensors

extension Text {
    static let normalizer = Operator(
        "StringNormalizer", arity: 1...1,
        infer: { c in
            let x = try c.type(0)
            guard try c.prepared(TextNormalizer.init).drops else { return [x] }
            return [TensorType(.string, x.dims.map { $0.dropLast() + [.unknown] })]
        },
        compute: { c in [try c.prepared(TextNormalizer.init).run(c.tensor(0))] }, noGradient: hasNone,
        samples: [
            Sample([.strings([3], ["The", "Cat", "É"])], ["case_change_action": .string("LOWER"), "stopwords": .strings(["the"])]),
            Sample([.strings([1, 2], ["a", "b"])], ["case_change_action": .string("UPPER"), "is_case_sensitive": .int(1)]),
        ])
}

/// StringNormalizer: drops stop words, and changes the case of the others character by character.
///
/// Of the locale only what changes such mappings is heeded: the dotted and dotless i of Turkish and Azerbaijani.
struct TextNormalizer: Sendable {
    private enum Action: String { case lower = "LOWER", upper = "UPPER", none = "NONE" }
    private let action: Action
    /// How texts and stop words are made alike before they are compared.
    private let comparison: Action
    private var stopWords: Set<TextKey> = []
    private let isTurkic: Bool

    init(_ c: Call) throws {
        let name = c.string("case_change_action", default: "NONE")
        guard let action = Action(rawValue: name) else {
            throw Failure.invalid("case_change_action is \(name), expected LOWER, UPPER or NONE")
        }
        self.action = action
        comparison = c.flag("is_case_sensitive") ? .none : action == .upper ? .upper : .lower
        let language = c.string("locale", default: "en_US").prefix { $0 != "_" && $0 != "-" && $0 != "." }
        isTurkic = language == "tr" || language == "az"
        stopWords = Set((c.strings("stopwords") ?? []).map { TextKey(changed($0, comparison)) })
    }

    /// True when texts may be dropped.
    var drops: Bool { !stopWords.isEmpty }

    func run(_ x: Tensor) throws -> Tensor {
        let texts = try x.strings()
        guard drops else { return try Tensor(strings: texts.map { changed($0, action) }, x.shape) }
        guard x.shape.count == 1 || (x.shape.count == 2 && x.shape[0] == 1) else {
            throw Failure.shape("with stop words the input must be a vector or one row, found \(Shape.text(x.shape))")
        }
        let kept = texts.filter { !stopWords.contains(TextKey(changed($0, comparison))) }.map { changed($0, action) }
        return try Tensor(strings: kept.isEmpty ? [""] : kept, x.shape.dropLast() + [max(kept.count, 1)])
    }

    private func changed(_ text: String, _ action: Action) -> String {
        guard action != .none else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(action == .lower ? lower(scalar) : upper(scalar)) }
        return String(result)
    }

    private func lower(_ c: Unicode.Scalar) -> Unicode.Scalar {
        if isTurkic, c == "I" { return "ı" }
        return c == "İ" ? "i" : TextNormalizer.only(c.properties.lowercaseMapping) ?? c
    }

    private func upper(_ c: Unicode.Scalar) -> Unicode.Scalar {
        isTurkic && c == "i" ? "İ" : TextNormalizer.only(c.properties.uppercaseMapping) ?? c
    }

    /// The character of a text that has one; ß, whose capital form has two, stays as it is.
    private static func only(_ text: String) -> Unicode.Scalar? {
        let scalars = text.unicodeScalars
        return scalars.dropFirst().isEmpty ? scalars.first : nil
    }
}

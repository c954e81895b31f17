internal import Tensors

/// What ONNX says about an operator at an opset: attributes, and numbers of inputs and outputs.
struct OnnxSchema: Sendable {
    private struct AttributeRule: Sendable {
        let name: String
        let isRequired: Bool
        let type: Character
    }

    private let since: Int
    private let isGone: Bool
    private let inputs: ClosedRange<Int>
    private let outputs: ClosedRange<Int>
    private let attributes: [AttributeRule]

    /// All schemas by operator, oldest first.
    private static let all: [String: [OnnxSchema]] = {
        var result: [String: [OnnxSchema]] = [:]
        for line in table.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 3, let since = Int(words[1]) else { continue }
            result[String(words[0]), default: []].append(OnnxSchema(since, words.dropFirst(2)))
        }
        return result.mapValues { $0.sorted { $0.since < $1.since } }
    }()

    private init(_ since: Int, _ words: ArraySlice<Substring>) {
        self.since = since
        isGone = words.first == "gone"
        let counts = words.prefix(2).map(Self.range)
        inputs = counts.first ?? 0...0
        outputs = counts.last ?? 0...0
        attributes = words.dropFirst(2).compactMap { word in
            guard let type = word.last, let mark = word.dropLast().last else { return nil }
            return AttributeRule(name: String(word.dropLast(2)), isRequired: mark == "!", type: type)
        }
    }

    private static func range(_ text: Substring) -> ClosedRange<Int> {
        let ends = text.split(separator: "-")
        let low = ends.first.flatMap { Int($0) } ?? 0
        return low...max(low, ends.last.flatMap { Int($0) } ?? .max)
    }

    /// True for operators of ONNX, of any opset.
    static func knows(_ op: String) -> Bool { all[op] != nil }

    /// Throws when ONNX knows the node's operator but not in this form; says nothing about operators outside ONNX.
    static func check(_ node: OnnxNode, opset: Int) throws {
        guard let versions = all[node.op], let first = versions.first else { return }
        guard let schema = versions.last(where: { $0.since <= opset }) else {
            throw Failure.parse("\(node.label): \(node.op) exists from opset \(first.since) on, the model is of opset \(opset)")
        }
        if schema.isGone {
            throw Failure.parse("\(node.label): \(node.op) ended with opset \(schema.since - 1), the model is of opset \(opset)")
        }
        try schema.check(node)
    }

    private func check(_ node: OnnxNode) throws {
        let given = node.inputs.count - node.inputs.reversed().prefix { $0.isEmpty }.count
        // Optional inputs before a variadic one are named even when they are left out.
        let listed = inputs.upperBound == .max ? node.inputs.count : given
        guard listed >= inputs.lowerBound, given <= inputs.upperBound else {
            throw Failure.parse("\(node.label): expected \(Self.text(inputs)) inputs, found \(given)")
        }
        let computed = node.outputs.count - node.outputs.reversed().prefix { $0.isEmpty }.count
        guard computed <= outputs.upperBound else {
            throw Failure.parse("\(node.label): expected \(Self.text(outputs)) outputs, found \(computed)")
        }
        for rule in attributes {
            guard let attribute = node.attributes.last(where: { $0.name == rule.name }) else {
                if rule.isRequired { throw Failure.parse("\(node.label): attribute '\(rule.name)' is missing") }
                continue
            }
            if let letter = attribute.value.letter, letter != rule.type {
                let words = OnnxAttribute.Value.words
                throw Failure.parse(
                    "\(node.label): attribute '\(rule.name)' should be \(words[rule.type] ?? "of another type"), found \(words[letter] ?? "something else")"
                )
            }
        }
    }

    private static func text(_ range: ClosedRange<Int>) -> String {
        if range.count == 1 { return "\(range.lowerBound)" }
        return range.upperBound == .max ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
    }
}

extension OnnxAttribute.Value {
    /// Letters of the types in the table.
    fileprivate static let words: [Character: String] = [
        "f": "a number", "i": "an integer", "s": "a text", "t": "a tensor", "g": "a graph", "F": "numbers", "I": "integers",
        "S": "texts", "p": "a sparse tensor", "y": "a type", "T": "tensors", "G": "graphs", "P": "sparse tensors", "Y": "types",
    ]

    /// nil where the file does not tell the type: an empty list of an untyped attribute.
    fileprivate var letter: Character? {
        switch self {
        case .none: nil
        case .int: "i"
        case .float: "f"
        case .string: "s"
        case .ints: "I"
        case .floats: "F"
        case .strings: "S"
        case .tensor: "t"
        case .tensors: "T"
        case .sparse: "p"
        case .sparses: "P"
        case .graph: "g"
        case .graphs: "G"
        case .types(let types): types.count == 1 ? nil : "Y"
        }
    }
}

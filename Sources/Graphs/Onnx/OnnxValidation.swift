internal import Tensors

/// Checks names and operators of a graph and of those inside, before anything is computed.
struct OnnxValidation {
    private let operators: OperatorSet
    /// Nodes of operators that the library does not know, by operator in order of appearance.
    private var unknown: [(op: String, labels: [String])] = []

    /// Names that are visible where a graph stands.
    private final class Scope {
        let names: Set<String>
        let outer: Scope?

        init(_ names: Set<String>, _ outer: Scope?) {
            self.names = names
            self.outer = outer
        }

        func has(_ name: String) -> Bool { names.contains(name) || outer?.has(name) ?? false }
    }

    /// Throws when the graph is not sound, or uses operators outside `operators`.
    static func check(_ graph: OnnxGraph, operators: OperatorSet) throws {
        guard !graph.outputs.isEmpty else { throw Failure.parse("the graph has no outputs") }
        var validation = OnnxValidation(operators: operators)
        try validation.check(graph, in: nil)
        try validation.reportUnknown()
    }

    private init(operators: OperatorSet) { self.operators = operators }

    private mutating func check(_ graph: OnnxGraph, in outer: Scope?) throws {
        let names = try define(graph, isInner: outer != nil)
        let scope = Scope(names, outer)
        for node in graph.nodes {
            for input in node.inputs where !input.isEmpty && !scope.has(input) {
                throw Failure.parse("\(node.label): input '\(input)' is no input, weight or output of a node")
            }
            try check(node)
            for body in node.bodies { try check(body, in: scope) }
        }
        for output in graph.outputs where !scope.has(output.name) {
            throw Failure.parse("output '\(output.name)' is never computed")
        }
    }

    /// Names that the graph defines, each once.
    private func define(_ graph: OnnxGraph, isInner: Bool) throws -> Set<String> {
        var owners: [String: String] = [:]
        func define(_ name: String, _ owner: String) throws {
            if let first = owners.updateValue(owner, forKey: name) {
                throw Failure.parse("value '\(name)' is defined twice: by \(first) and by \(owner)")
            }
        }
        for input in graph.inputs { try define(input.name, "an input of the graph") }
        let inputs = Set(owners.keys)
        for name in graph.initializers.map(\.name) + graph.sparseInitializers.map(\.name) {
            guard !name.isEmpty else { throw Failure.parse("a weight has no name") }
            // Until IR version 3 all weights were inputs as well.
            if inputs.contains(name), owners[name] != "a weight" { owners[name] = nil }
            try define(name, "a weight")
        }
        for node in graph.nodes {
            for output in node.outputs where !output.isEmpty { try define(output, node.label) }
        }
        return Set(owners.keys)
    }

    private mutating func check(_ node: OnnxNode) throws {
        guard !node.op.isEmpty, node.op != "\(node.domain):" else { throw Failure.parse("node '\(node.displayName)' has no operator") }
        if let attribute = node.attributes.first(where: { !$0.reference.isEmpty }) {
            throw Failure.parse(
                "\(node.label): attribute '\(attribute.name)' refers to '\(attribute.reference)' of a function, outside of one")
        }
        guard let opset = node.opset else {
            if !operators.knows(node.op, opset: .max) { return note(node) }
            throw Failure.parse(
                "\(node.label): the model imports no opset of \(node.domain.isEmpty ? "the default domain" : "domain '\(node.domain)'")")
        }
        guard opset >= 1 else { throw Failure.parse("\(node.label): opset \(opset) does not exist") }
        // Pellucid's own operators (gradients, fusions) trust what made them; a file cannot name them.
        let isInternal = OperatorSet.standard[node.op] != nil && !node.op.contains(":") && !OnnxSchema.knows(node.op)
        if node.op != "Constant", isInternal || !operators.knows(node.op, opset: opset) { return note(node) }
        try OnnxSchema.check(node, opset: opset)
    }

    private mutating func note(_ node: OnnxNode) {
        if let index = unknown.firstIndex(where: { $0.op == node.op }) {
            unknown[index].labels.append(node.displayName)
        } else if unknown.count < 100 {
            unknown.append((node.op, [node.displayName]))
        }
    }

    private func reportUnknown() throws {
        guard let first = unknown.first else { return }
        if unknown.count == 1 {
            let name = first.op.split(separator: ":").last.map(String.init) ?? first.op
            let more = first.labels.count > 1 ? " (and in \(first.labels.count - 1) more nodes)" : ""
            throw Failure.unsupported("\(name) '\(first.labels[0])': operator \(first.op) is not supported\(more)")
        }
        let list = unknown.prefix(30).map { "\($0.op) ('\($0.labels[0])'\($0.labels.count > 1 ? ", \($0.labels.count) nodes" : ""))" }
        throw Failure.unsupported(
            "\(unknown.count) operators are not supported: \(list.joined(separator: ", "))\(unknown.count > 30 ? ", …" : "")")
    }
}

extension OperatorSet {
    /// True when nodes of ONNX's operator can be lowered at that opset.
    func knows(_ op: String, opset: Int) -> Bool { op == "Constant" || lowering(op, opset: opset) != nil || self[op] != nil }
}

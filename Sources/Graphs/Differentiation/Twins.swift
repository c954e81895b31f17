internal import Tensors

/// The network a second time, on references of its inputs and beside the first, for rules that compare what both compute.
/// A copy of the nodes and not a larger batch: it works whatever batch the file fixes, and no image meets its reference.
extension Gradients {
    private static let prefix = "pellucid.reference."

    /// What the reference of an input is fed as.
    package static func reference(of input: String) -> String { prefix + input }

    /// The input that a fed value is the reference of; nil for other values.
    package static func input(ofReference name: String) -> String? {
        name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
    }

    /// The value of the other run; the value itself where both runs share it.
    func twin(_ id: ValueID) -> ValueID { twins[id] ?? id }

    /// Whether the two runs differ in a value.
    func hasTwin(_ id: ValueID?) -> Bool { id.map { twins[$0] != nil } ?? false }

    /// Copies every node that depends on the inputs, to be computed of their references.
    package mutating func addTwins(of inputs: [String]) throws {
        for name in inputs {
            guard let id = graph.id(of: name) else { throw Failure.notFound("the model has no value '\(name)'") }
            let reference = graph.add(Gradients.reference(of: name), type: graph[id].type)
            graph.inputs.append(reference)
            twins[id] = reference
        }
        let depends = graph.dependents(of: Set(twins.keys))
        for node in graph.nodes where node.outputs.contains(where: { $0.map { isCopied($0, depends) } ?? false }) {
            // Both runs draw the same random numbers.
            guard operators[node.op]?.isPure ?? true else { continue }
            guard !node.attributes.values.contains(where: { $0.graph != nil }) else {
                throw Failure.unsupported("\(node.label): a graph inside the node cannot be compared with a reference")
            }
            let outputs = node.outputs.map { output -> ValueID? in
                guard let output else { return nil }
                guard isCopied(output, depends) else { return graph.add("\(graph[output].name)/unread") }
                let copy = graph.add("\(graph[output].name)/reference")
                twins[output] = copy
                return copy
            }
            var copy = node
            copy.name = "\(node.name)/reference"
            copy.inputs = node.inputs.map { $0.map { twin($0) } }
            copy.outputs = outputs
            try graph.infer(copy, operators: operators)
            graph.nodes.append(copy)
        }
    }

    private func isCopied(_ id: ValueID, _ depends: [Bool]) -> Bool { depends[id.index] && graph[id].constant == nil }

    /// A node of the other run; its inputs carry a signal where the node's own do.
    mutating func twin(of node: Node) -> Node {
        for input in node.inputs { if let input, let other = twins[input] { depend(other, like: input) } }
        var other = node
        other.inputs = node.inputs.map { $0.map { twin($0) } }
        other.outputs = node.outputs.map { $0.map { twin($0) } }
        return other
    }
}

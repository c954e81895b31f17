internal import Tensors

extension Pass {
    /// Computes once what equal nodes compute, and reads one of equal small constants.
    static let commonSubexpressions = Pass("common-subexpressions") { graph, context in
        var replacements = equalConstants(graph, context)
        var known: [Signature: Node] = [:]
        for node in graph.nodes {
            guard context.operators[node.op]?.isPure ?? false, !node.attributes.values.contains(where: { $0.graph != nil }) else { continue }
            let signature = Signature(node, replacements)
            guard let first = known[signature] else { known[signature] = node; continue }
            for (mine, other) in zip(node.outputs, first.outputs) {
                if let mine, let other, !context.pinned.contains(mine), !graph.outputs.contains(mine) { replacements[mine] = other }
            }
        }
        graph.replace(replacements)
        return removeUnread(&graph, replacements)
    }

    /// What makes two nodes compute the same.
    private struct Signature: Hashable {
        let op: String
        let inputs: [ValueID?]
        let outputs: [Bool]
        let attributes: String

        init(_ node: Node, _ replacements: [ValueID: ValueID]) {
            op = node.op
            inputs = node.inputs.map { $0.map { replacements[$0] ?? $0 } }
            outputs = node.outputs.map { $0 != nil }
            attributes = node.attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\(Signature.text($0.value))" }.joined(separator: ";")
        }

        private static func text(_ attribute: Attribute) -> String {
            guard let tensor = attribute.tensor else { return "\(attribute)" }
            // Tensors are told apart by their memory.
            return "\(ObjectIdentifier(tensor.storage))+\(tensor.offset) \(tensor.shape)"
        }
    }

    /// Constants of at most a few kilobytes with equal contents.
    private static func equalConstants(_ graph: Graph, _ context: PassContext) -> [ValueID: ValueID] {
        struct Content: Hashable {
            let type: ElementType
            let shape: [Int]
            let bytes: [UInt8]
        }
        var first: [Content: ValueID] = [:]
        var result: [ValueID: ValueID] = [:]
        for index in graph.values.indices {
            let id = ValueID(at: index)
            guard let tensor = graph.values[index].constant, tensor.type != .string, tensor.count <= 1024, !context.pinned.contains(id),
                let dense = try? tensor.contiguous(), let size = dense.type.byteCount(dense.count)
            else { continue }
            let bytes = Array(UnsafeRawBufferPointer(start: dense.start, count: size))
            let content = Content(type: tensor.type, shape: tensor.shape, bytes: bytes)
            if let other = first[content] { result[id] = other } else { first[content] = id }
        }
        return result
    }

    /// Drops the nodes whose every output has been replaced.
    private static func removeUnread(_ graph: inout Graph, _ replaced: [ValueID: ValueID]) -> Bool {
        let kept = graph.nodes.filter { !$0.outputs.allSatisfy { $0.map { replaced[$0] != nil } ?? true } }
        guard kept.count < graph.nodes.count else { return false }
        graph.nodes = kept
        return true
    }
}

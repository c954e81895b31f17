internal import Tensors

extension Pass {
    /// Lets the readers of a node that changes nothing read its input.
    static let removeIdentity = Pass("remove-identity") { graph, context in
        var replacements: [ValueID: ValueID] = [:]
        let kept = graph.nodes.filter { node in
            guard let input = node.inputs.first, let input, node.outputs.count == 1, let output = node.outputs[0],
                !context.pinned.contains(output), !graph.outputs.contains(output), changesNothing(node, input, output, graph)
            else { return true }
            replacements[output] = input
            return false
        }
        guard !replacements.isEmpty else { return false }
        graph.nodes = kept
        graph.replace(replacements)
        return true
    }

    private static func changesNothing(_ node: Node, _ input: ValueID, _ output: ValueID, _ graph: Graph) -> Bool {
        let from = graph[input].type, to = graph[output].type
        switch node.op {
        case "Identity": return true
        case "Cast": return from != nil && from?.element == to?.element
        case "Transpose": return node.attributes["perm"]?.ints.map { $0 == Array($0.indices) } ?? false
        case "Reshape", "Flatten", "Expand", "Squeeze", "Unsqueeze", "Slice", "Pad":
            // Equal complete shapes: nothing was moved, cut or added (a Slice or Pad of equal size could still reverse or shift).
            guard from?.shape != nil, from == to else { return false }
            return node.op != "Slice" && node.op != "Pad"
        case "Concat": return node.inputs.count == 1
        default: return false
        }
    }
}

internal import Tensors

extension Pass {
    /// Lets the readers of a node that changes nothing read its input.
    static let removeIdentity = Pass("remove-identity") { graph, context in
        var replacements: [ValueID: ValueID] = [:]
        let before = graph.nodes.count
        let outputs = Set(graph.outputs)
        let kept = graph.nodes.filter { node in
            guard let input = node.inputs.first, let input, node.outputs.count == 1, let output = node.outputs[0],
                !context.pinned.contains(output), !outputs.contains(output), changesNothing(node, input, output, graph)
            else { return true }
            replacements[output] = input
            return false
        }
        guard kept.count < before else { return false }
        graph.nodes = kept
        graph.replace(replacements)
        return true
    }

    private static func changesNothing(_ node: Node, _ input: ValueID, _ output: ValueID, _ graph: Graph) -> Bool {
        let from = graph[input].type, to = graph[output].type
        switch node.op {
        case "Identity": return true
        case "Cast": return from != nil && from?.element == to?.element && node.attributes["storage"] == nil
        case "Transpose": return node.attributes["perm"]?.ints.map { $0 == Array($0.indices) } ?? false
        case "Concat": return node.inputs.count == 1
        case "Reshape", "Flatten", "Expand", "Squeeze", "Unsqueeze", "Tile": return isSame(from, to)
        // Of equal size it could still be reversed or shifted.
        case "Slice": return isSame(from, to) && isEach(node, 4, 1, graph)
        case "Pad": return isSame(from, to) && node.inputs.count > 1 && node.inputs[1] != nil && isEach(node, 1, 0, graph)
        default: return false
        }
    }

    /// Equal types of complete shape: nothing was moved, cut or added.
    private static func isSame(_ from: TensorType?, _ to: TensorType?) -> Bool {
        guard let dims = from?.dims, !dims.contains(where: \.isUnknown) else { return false }
        return from == to
    }

    /// True when an input is left out, or a constant of nothing but that number.
    private static func isEach(_ node: Node, _ index: Int, _ number: Int, _ graph: Graph) -> Bool {
        guard index < node.inputs.count, let id = node.inputs[index] else { return true }
        guard let tensor = graph[id].constant, tensor.count <= 256 else { return false }
        return (try? tensor.integers().allSatisfy { $0 == number }) ?? false
    }
}

internal import Tensors

extension Pass {
    /// `0.5 x (1 + erf(x / √2))`, as exporters below opset 20 write it, as one Gelu.
    static let recognizeGelu = Pass("recognize-gelu") { graph, context in
        let search = GeluSearch(graph, context)
        var removed: Set<Int> = []
        for (index, node) in graph.nodes.enumerated() where node.op == "Erf" {
            guard let match = search.match(erf: index) else { continue }
            let end = graph.nodes[match.last]
            let gelu = Node(op: "Gelu", name: end.name, inputs: [match.x], outputs: end.outputs, module: end.module)
            guard removed.isDisjoint(with: match.absorbed), context.isSupported(gelu, graph) else { continue }
            graph.nodes[match.last] = gelu
            removed.formUnion(match.absorbed)
        }
        guard !removed.isEmpty else { return false }
        graph.keepNodes { !removed.contains($0) }
        return true
    }
}

private struct GeluSearch {
    private let graph: Graph
    private let usage: Usage

    init(_ graph: Graph, _ context: PassContext) {
        self.graph = graph
        usage = Usage(graph, kept: context.pinned)
    }

    /// What the pattern reads, the node that computes its result, and its other nodes.
    struct Match {
        let x: ValueID
        let last: Int
        let absorbed: [Int]
    }

    /// The pattern around the error function `erf`.
    func match(erf: Int) -> Match? {
        guard let scaled = graph.nodes[erf].inputs.first ?? nil, let scaling = usage.producer(scaled), usage.reader(scaled) == erf,
            let x = halfRoot(scaling), let add = usage.reader(graph.nodes[erf].outputs[0]), graph.nodes[add].op == "Add",
            other(add, than: graph.nodes[erf].outputs[0]).map({ isNumber($0, 1) }) ?? false
        else { return nil }
        // The product of three factors, in any order and grouping.
        var absorbed = [scaling, erf], last = add
        var hasX = false, hasHalf = false
        while !(hasX && hasHalf) {
            let product = graph.nodes[last].outputs[0]
            guard let next = usage.reader(product), graph.nodes[next].op == "Mul", let factor = other(next, than: product) else {
                return nil
            }
            if factor == x, !hasX {
                hasX = true
            } else if isNumber(factor, 0.5), !hasHalf {
                hasHalf = true
            } else if !hasX, !hasHalf, let half = usage.producer(factor), usage.reader(factor) == next, isHalf(half, of: x) {
                (hasX, hasHalf) = (true, true)
                absorbed.append(half)
            } else {
                return nil
            }
            absorbed.append(last)
            last = next
        }
        return Match(x: x, last: last, absorbed: absorbed)
    }

    /// `x` when the node is `x / √2` or `x · √½`.
    private func halfRoot(_ index: Int) -> ValueID? {
        let node = graph.nodes[index]
        guard node.inputs.count == 2, let a = node.inputs[0], let b = node.inputs[1] else { return nil }
        switch node.op {
        case "Div": return isNumber(b, 2.0.squareRoot()) ? a : nil
        case "Mul": return isNumber(b, 0.5.squareRoot()) ? a : isNumber(a, 0.5.squareRoot()) ? b : nil
        default: return nil
        }
    }

    private func isHalf(_ index: Int, of x: ValueID) -> Bool {
        graph.nodes[index].op == "Mul" && other(index, than: x).map { isNumber($0, 0.5) } ?? false
    }

    /// The other operand of a node of two.
    private func other(_ index: Int, than id: ValueID?) -> ValueID? {
        let inputs = graph.nodes[index].inputs
        guard inputs.count == 2, inputs[0] != inputs[1] else { return nil }
        return inputs[0] == id ? inputs[1] : inputs[1] == id ? inputs[0] : nil
    }

    /// True for a constant of one element that is `value` as closely as exporters write it.
    private func isNumber(_ id: ValueID, _ value: Double) -> Bool {
        guard let tensor = graph[id].constant, tensor.count == 1, tensor.shape.count <= 1, let number = try? tensor.doubles().first else {
            return false
        }
        return (number - value).magnitude < 1e-6 * value
    }
}

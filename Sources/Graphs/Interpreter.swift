package import Tensors

/// Runs a graph node by node on the reference kernels: the branches of If, and whatever needs no backend.
package enum Interpreter {
    /// The outputs of `graph` for its inputs in order. Values are let go after their last reader.
    package static func run(_ graph: Graph, inputs: [Tensor], operators: OperatorSet) throws -> [Tensor] {
        guard inputs.count == graph.inputs.count else {
            throw Failure.invalid("expected \(graph.inputs.count) inputs, found \(inputs.count)")
        }
        try graph.checkNesting()
        var values = [Tensor?](repeating: nil, count: graph.values.count)
        for (id, tensor) in zip(graph.inputs, inputs) { values[id.index] = try tensor.widened() }
        let lastUse = graph.lastUses()
        for (index, node) in graph.nodes.enumerated() {
            let results = try compute(node, graph, values, operators)
            for (output, result) in zip(node.outputs, results) { if let output { values[output.index] = result } }
            for id in node.inputs + node.outputs { if let id, lastUse[id.index] <= index { values[id.index] = nil } }
        }
        return try graph.outputs.map { id in
            guard let result = values[id.index] ?? graph[id].constant else {
                throw Failure.invalid("output '\(graph[id].name)' is not computed")
            }
            return result
        }
    }

    private static func compute(_ node: Node, _ graph: Graph, _ values: [Tensor?], _ operators: OperatorSet) throws -> [Tensor] {
        guard let op = operators[node.op] else { throw Failure.unsupported("\(node.label): operator \(node.op) is not supported") }
        do {
            let inputs = try node.inputs.map { input -> Tensor? in
                guard let input else { return nil }
                if let tensor = values[input.index] { return tensor }
                guard let constant = graph[input].constant else { throw Failure.invalid("input '\(graph[input].name)' is not computed") }
                return try constant.widened()
            }
            let results = try op.compute(Call(node: node, inputs: inputs))
            guard results.count >= node.outputs.count else {
                throw Failure.invalid("computes \(results.count) outputs of \(node.outputs.count)")
            }
            return results
        } catch let failure as Failure {
            throw failure.at(node.label)
        }
    }
}

extension Graph {
    /// Levels of graphs inside graphs that are run; each takes some of the thread's stack.
    private static let deepest = 32

    /// Throws when branches lie too deep inside each other.
    func checkNesting(_ level: Int = 0) throws {
        guard level <= Graph.deepest else { throw Failure.unsupported("branches more than \(Graph.deepest) levels deep") }
        for node in nodes { for attribute in node.attributes.values { try attribute.graph?.checkNesting(level + 1) } }
    }
}

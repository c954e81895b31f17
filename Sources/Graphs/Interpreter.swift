package import Tensors

/// Runs a graph node by node on the reference kernels: branches, bodies of loops, and whatever needs no backend.
package struct Interpreter {
    private let graph: Graph
    private let operators: [Operator]
    private let lastUses: [Int]
    /// By value: fed from outside, so that its memory is not this run's.
    private let isInput: [Bool]

    /// Throws when the graph has operators that are not known, or graphs too deep inside each other.
    package init(_ graph: Graph, operators: OperatorSet) throws {
        try graph.checkNesting()
        self.graph = graph
        self.operators = try graph.nodes.map { node in
            guard let op = operators[node.op] else { throw Failure.unsupported("\(node.label): operator \(node.op) is not supported") }
            return op
        }
        lastUses = graph.lastUses()
        var isInput = [Bool](repeating: false, count: graph.values.count)
        for id in graph.inputs { isInput[id.index] = true }
        self.isInput = isInput
    }

    /// The outputs of `graph` for its inputs in order.
    package static func run(_ graph: Graph, inputs: [Tensor], operators: OperatorSet, watch: Watch? = nil) throws -> [Tensor] {
        try Interpreter(graph, operators: operators).run(inputs, watch: watch)
    }

    /// The outputs for the inputs in order. Values are let go after their last reader.
    package func run(_ inputs: [Tensor], watch: Watch? = nil) throws -> [Tensor] {
        guard inputs.count == graph.inputs.count else {
            throw Failure.invalid("expected \(graph.inputs.count) inputs, found \(inputs.count)")
        }
        let watch = watch ?? Watch()
        var values = [Tensor?](repeating: nil, count: graph.values.count), held = 0
        defer { watch.release(held) }
        for (id, tensor) in zip(graph.inputs, inputs) { values[id.index] = try tensor.widened() }
        for (index, node) in graph.nodes.enumerated() {
            try watch.poll()
            for (output, result) in zip(node.outputs, try compute(node, operators[index], values, watch)) {
                guard let output else { continue }
                try watch.hold(result.footprint)
                held += result.footprint
                values[output.index] = result
            }
            for id in node.inputs + node.outputs {
                guard let id, lastUses[id.index] <= index, let tensor = values[id.index] else { continue }
                values[id.index] = nil
                if isInput[id.index] { continue }
                watch.release(tensor.footprint)
                held -= tensor.footprint
            }
        }
        return try graph.outputs.map { id in
            guard let result = values[id.index] ?? graph[id].constant else {
                throw Failure.invalid("output '\(graph[id].name)' is not computed")
            }
            return result
        }
    }

    private func compute(_ node: Node, _ op: Operator, _ values: [Tensor?], _ watch: Watch) throws -> [Tensor] {
        do {
            let inputs = try node.inputs.map { input -> Tensor? in
                guard let input else { return nil }
                if let tensor = values[input.index] { return tensor }
                guard let constant = graph[input].constant else { throw Failure.invalid("input '\(graph[input].name)' is not computed") }
                return try constant.widened()
            }
            let results = try op.run(Call(node: node, inputs: inputs, watch: watch))
            guard results.count >= node.outputs.count else {
                throw Failure.invalid("computes \(results.count) outputs of \(node.outputs.count)")
            }
            return results
        } catch let failure as Failure where failure.kind != .cancelled {
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

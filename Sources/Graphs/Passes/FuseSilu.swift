extension Pass {
    /// `x * Sigmoid(x)` as one Silu, where nobody else needs the Sigmoid. Runs only after differentiation: rules of
    /// layer-wise methods know Mul and Sigmoid.
    static let fuseSilu = Pass("fuse-silu") { graph, context in
        let usage = Usage(graph, kept: context.pinned)
        var removed: Set<Int> = []
        for (index, node) in graph.nodes.enumerated() where node.op == "Mul" && node.inputs.count == 2 {
            for (gate, x) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
                guard let producer = usage.producer(gate), usage.reader(gate) == index, graph.nodes[producer].op == "Sigmoid",
                    graph.nodes[producer].inputs.first == x, !removed.contains(producer)
                else { continue }
                let fused = Node(op: "Silu", name: node.name, inputs: [x], outputs: node.outputs, origin: node.origin, module: node.module)
                guard context.isSupported(fused, graph) else { continue }
                graph.nodes[index] = fused
                removed.insert(producer)
                break
            }
        }
        guard !removed.isEmpty else { return false }
        graph.keepNodes { !removed.contains($0) }
        return true
    }
}

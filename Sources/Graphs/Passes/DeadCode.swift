extension Pass {
    /// Removes nodes that nothing wanted depends on.
    static let deadCode = Pass("dead-code") { graph, context in
        var needed = [Bool](repeating: false, count: graph.values.count)
        for id in graph.outputs { needed[id.index] = true }
        for id in context.pinned { needed[id.index] = true }
        var kept: [Node] = []
        for node in graph.nodes.reversed() where node.outputs.contains(where: { $0.map { needed[$0.index] } ?? false }) {
            for input in node.inputs { if let input { needed[input.index] = true } }
            kept.append(node)
        }
        guard kept.count < graph.nodes.count else { return false }
        graph.nodes = kept.reversed()
        return true
    }
}

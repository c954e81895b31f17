extension Pass {
    /// Puts the branch of an If whose condition is known in the If's place.
    static let inlineIf = Pass("inline-if") { graph, context in
        let isKnown = { (node: Node) in
            node.op == "If" && node.inputs.first.flatMap { $0 }.map { graph[$0].constant != nil && !context.pinned.contains($0) } ?? false
        }
        guard graph.nodes.contains(where: isKnown) else { return false }
        let nodes = graph.nodes
        graph.nodes = []
        for node in nodes {
            guard node.op == "If", let id = node.inputs.first, let id, let condition = graph[id].constant, !context.pinned.contains(id)
            else {
                graph.nodes.append(node)
                continue
            }
            for inner in try Control.inlined(node, condition, in: &graph) {
                try graph.infer(inner, operators: context.operators)
                graph.nodes.append(inner)
            }
        }
        return true
    }
}

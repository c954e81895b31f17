extension Pass {
    /// Removes nodes that nothing wanted depends on.
    static let deadCode = Pass("dead-code") { graph, context in graph.keepNodes(neededFor: graph.outputs + context.pinned) }
}

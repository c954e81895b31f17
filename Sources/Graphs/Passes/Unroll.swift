extension Pass {
    /// Puts the turns of loops of known length in the loops' place. What follows from shapes is unrolled for each plan.
    package static let unroll = Pass("unroll") { graph, context in
        graph.hasControlFlow ? try graph.unroll(operators: context.operators, kept: context.pinned) : false
    }
}

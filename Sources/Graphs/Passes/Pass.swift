/// A rewrite of a graph that keeps its meaning.
package struct Pass: Sendable {
    package let name: String
    /// Rewrites the graph; never removes a value of `pinned`. Returns true when something changed.
    package let apply: @Sendable (inout Graph, PassContext) throws -> Bool

    package init(_ name: String, _ apply: @escaping @Sendable (inout Graph, PassContext) throws -> Bool) {
        self.name = name
        self.apply = apply
    }
}

/// What a pass must respect.
package struct PassContext: Sendable {
    package let operators: OperatorSet
    /// Values that the user asked to see, feed or differentiate; outputs of the graph included.
    package var pinned: Set<ValueID>
    /// Whether the chosen backend runs such a node; asked before a fusion.
    package var isSupported: @Sendable (Node, Graph) -> Bool

    package init(operators: OperatorSet, pinned: Set<ValueID>, isSupported: @escaping @Sendable (Node, Graph) -> Bool = { _, _ in true }) {
        self.operators = operators
        self.pinned = pinned
        self.isSupported = isSupported
    }
}

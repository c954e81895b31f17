/// How a signal goes back through a network: the derivative, or another table of rules over it.
package struct BackwardRules: Sendable {
    /// Rules of single nodes, by their first output, that come before those of `rules`: for methods that tell nodes of one
    /// operator apart. Given the graph, and by value whether the walk carries a signal on.
    package typealias Assignment = @Sendable (Graph, [Bool], OperatorSet) throws -> [ValueID: Operator.VJP]

    /// Names the rules with all their parameters; plans are cached by it.
    package let name: String
    /// Rules that replace an operator's own.
    package let rules: [String: Operator.VJP]
    package let assignment: Assignment?
    /// Whether the signal that starts is the score itself in place of 1.
    package let startsFromScore: Bool
    /// Whether rules compare each value with the one that a second input gives, see `Twins`.
    package let isPaired: Bool

    package init(
        name: String, rules: [String: Operator.VJP] = [:], startsFromScore: Bool = false, isPaired: Bool = false,
        assignment: Assignment? = nil
    ) {
        self.name = name
        self.rules = rules
        self.startsFromScore = startsFromScore
        self.isPaired = isPaired
        self.assignment = assignment
    }

    /// The derivative.
    package static let gradient = BackwardRules(name: "gradient")
}

/// How a signal goes back through a network: the derivative, or another table of rules over it.
package struct BackwardRules: Sendable {
    package let name: String
    /// Rules that replace an operator's own.
    package let rules: [String: Operator.VJP]

    package init(name: String, rules: [String: Operator.VJP]) {
        self.name = name
        self.rules = rules
    }

    /// The derivative.
    package static let gradient = BackwardRules(name: "gradient", rules: [:])
}

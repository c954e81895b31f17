internal import Tensors

/// Backward rules that show what excites a unit, in place of the derivative at rectifiers.
extension BackwardRules {
    /// Which activations a rectifier rule replaces.
    package enum Rectifiers: String, Sendable, CaseIterable {
        /// Relu alone (what Captum replaces).
        case relu
        /// Relu, and Clip from 0 (ReLU6).
        case rectifiers
        /// Every activation that is like one.
        case reluLike = "relu_like"

        var operators: [String] {
            let similar = [
                "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Softplus", "Gelu", "HardSwish", "Mish", "Silu", "Swish",
            ]
            switch self {
            case .relu: return ["Relu"]
            case .rectifiers: return ["Relu", "Clip"]
            case .reluLike: return ["Relu", "Clip"] + similar
            }
        }
    }

    /// Guided backpropagation: only positive signal passes, and only where the derivative lets it
    /// (Springenberg et al. 2015, "Striving for simplicity", section 3.4).
    package static func guidedBackprop(_ rectifiers: Rectifiers = .rectifiers) -> BackwardRules {
        overlay("guided-backprop", rectifiers) { g, node, dy, derivative in
            try derivative(&g, node, dy).map { try $0.map { try g.emit("Relu", [$0]) } }
        }
    }

    /// Deconvolution: only positive signal passes, whatever the forward pass was
    /// (Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 2.1).
    package static func deconvolution(_ rectifiers: Rectifiers = .rectifiers) -> BackwardRules {
        overlay("deconvolution", rectifiers) { g, _, dy, _ in [try dy[0].map { try g.emit("Relu", [$0]) }] }
    }

    /// The rules that callers may name.
    package static func named(_ name: String) -> BackwardRules? {
        switch name {
        case "gradient": .gradient
        case "guided-backprop": .guidedBackprop()
        case "deconvolution": .deconvolution()
        default: nil
        }
    }

    /// A rule at one rectifier, given its derivative.
    typealias Rule = @Sendable (inout Gradients, Node, [ValueID?], Operator.VJP) throws -> [ValueID?]

    /// A rule for the rectifiers; all other operators have their derivative.
    static func overlay(_ name: String, _ rectifiers: Rectifiers, _ rule: @escaping Rule) -> BackwardRules {
        var rules: [String: Operator.VJP] = [:]
        for op in rectifiers.operators {
            rules[op] = { g, node, dy in
                guard let derivative = g.operators[op]?.vjp else { throw Failure.unsupported("\(op) has no gradient") }
                return isRectifier(node, in: g) ? try rule(&g, node, dy, derivative) : try derivative(&g, node, dy)
            }
        }
        return BackwardRules(name: "\(name)/\(rectifiers.rawValue)", rules: rules)
    }

    /// Clip is a rectifier when it cuts at 0.
    private static func isRectifier(_ node: Node, in g: Gradients) -> Bool {
        guard node.op == "Clip" else { return true }
        let low = g.constantInput(node, 1).flatMap { try? $0.doubles().first } ?? node.attributes["min"]?.float
        return low == 0
    }
}

/// The parameters of layer-wise relevance propagation: which rule each kind of layer has, and its numbers.
package struct Relevance: Sendable {
    /// How a linear layer hands relevance down.
    package enum Rule: String, Sendable, CaseIterable {
        /// `x W^T (R / (z + epsilon sign z))` (Bach et al. 2015, equation 58).
        case epsilon
        /// Positive parts of the weights count `1 + gamma` times (Montavon et al. 2019, section 10.2.3).
        case gamma
        /// Positive and negative contributions apart, weighed by alpha and beta = alpha - 1 (Bach et al. 2015, equation 60).
        case alphaBeta = "alpha-beta"
        /// Positive contributions alone (Montavon et al. 2017, equation 12).
        case zPlus = "z-plus"
        /// By squared weights, whatever the input (Montavon et al. 2017, equation 10).
        case wSquare = "w-square"
        /// To every input of a window alike (Lapuschkin et al. 2019).
        case flat
        /// For inputs between a lowest and a highest value (Montavon et al. 2017, equation 13).
        case zBox = "z-box"
    }

    /// What attention does with relevance.
    package enum Attention: String, Sendable, CaseIterable {
        /// Softmax by its Taylor expansion, products half to each factor (Achtibat et al. 2024, propositions 3.1 and 3.3).
        case relevance = "attn-lrp"
        /// Attention weights are constants: only values carry relevance (Ali et al. 2022).
        case conservative = "cp-lrp"
    }

    /// Where a product of two signals sends its relevance.
    package enum Products: String, Sendable, CaseIterable {
        /// Half to each factor (Achtibat et al. 2024, proposition 3.2).
        case uniform
        /// All to the signal, nothing to the gate, which is what a sigmoid or softmax made (Arras et al. 2017).
        case signal
    }

    package var convolution: Rule
    package var dense: Rule
    /// Of linear layers that no other linear layer comes before; nil: as the others of its kind.
    package var first: Rule?
    /// Of layers by the names of their outputs.
    package var named: [String: Rule] = [:]
    package var attention = Attention.relevance
    package var products = Products.uniform
    package var epsilon = 1e-6
    package var gamma = 0.25
    package var alpha = 2.0
    /// Added to every other denominator, with its sign.
    package var stabilizer = 1e-6
    /// Bounds of the box, one number or one per channel; nil: of each image's own elements.
    package var low: [Double]?
    package var high: [Double]?
    /// Whether biases take no part, so that no relevance ends in them.
    package var ignoresBias = false
    /// Whether the last linear layer sends down what speaks for the target minus what speaks against it
    /// (Zhang et al. 2016, section 3.3).
    package var isContrastive = false

    package init(convolution: Rule, dense: Rule, first: Rule? = nil) {
        self.convolution = convolution
        self.dense = dense
        self.first = first
    }

    /// Every parameter, for the name of the rules.
    fileprivate var text: String {
        let layers = named.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.rawValue)" }.joined(separator: ",")
        return
            "\(convolution.rawValue)/\(dense.rawValue)/\(first?.rawValue ?? "")/\(layers)/\(attention.rawValue)/\(products.rawValue)/\(epsilon)/\(gamma)/\(alpha)/\(stabilizer)/\(low ?? [])/\(high ?? [])/\(ignoresBias)/\(isContrastive)"
    }
}

extension BackwardRules {
    /// Layer-wise relevance propagation: what goes back is relevance, and the score starts it.
    package static func relevance(_ parameters: Relevance) -> BackwardRules {
        BackwardRules(name: "relevance/\(parameters.text)", startsFromScore: true) { graph, depends, operators in
            try RelevanceAssignment(graph, parameters).rules(depends, operators)
        }
    }

    /// Excitation backpropagation: the same walk with probabilities, through positive weights alone
    /// (Zhang et al. 2016, "Top-down neural attention by excitation backprop", section 3.2).
    package static func excitation(isContrastive: Bool) -> BackwardRules {
        var parameters = Relevance(convolution: .zPlus, dense: .zPlus)
        parameters.stabilizer = 0
        parameters.ignoresBias = true
        parameters.isContrastive = isContrastive
        return BackwardRules(name: "excitation/\(isContrastive)") { [parameters] graph, depends, operators in
            try RelevanceAssignment(graph, parameters).rules(depends, operators)
        }
    }
}

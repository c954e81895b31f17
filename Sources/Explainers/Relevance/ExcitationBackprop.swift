internal import Graphs
internal import Runtime
internal import Tensors

/// Excitation backpropagation: the probability that a unit wins the competition for its parent, down through positive weights:
/// `P(a_j) = sum_i (w+_ij a_j / sum_k w+_ik a_k) P(a_i)`.
/// Zhang, Lin, Brandt, Shen & Sclaroff 2016, "Top-down neural attention by excitation backprop", equations 2 and 6, section 3.3.
struct ExcitationBackprop: Explainer {
    static let method = Method(
        "excitation-backprop", family: "gradient", summary: "Probability of winning, sent down through positive weights.",
        reference: "Zhang, Lin, Brandt, Shen, Sclaroff: Top-Down Neural Attention by Excitation Backprop (2016)", needs: [.gradient],
        parameters: [
            Parameter(
                "layer", .value,
                "the probabilities of this layer's units in place of the input's; the paper looks at the middle of the network"),
            Parameter(
                "contrastive", .boolean, default: "false",
                "minus the probabilities under the last linear layer's negated weights: what speaks for this class and no other (section 3.3)"
            ),
            Parameter("relu", .boolean, default: "false", "negative values become 0, as the official code shows contrastive maps"),
            Parameter(
                "channel_reduce", .choice(["none", "max", "mean", "sum", "l2"]), default: "sum",
                "how the channel axis (1) is folded; sum is the paper's"),
        ])

    private let settings: Settings
    private let rules: BackwardRules

    init(_ settings: Settings) throws {
        self.settings = settings
        rules = .excitation(isContrastive: try settings.flag("contrastive"))
    }

    func explain(_ request: Request) throws -> Findings {
        let place = try LRP.place(settings, request)
        let outcome = try request.evaluate(gradients: [place], rules: rules)
        let probabilities = try outcome.gradient(place)
        let folded = try Maps.reduceChannels(probabilities, try settings.choice("channel_reduce"))
        var findings = Findings(map: try settings.flag("relu") ? Maps.map(folded) { max($0, 0) } : folded)
        if place != request.input { findings.chosen["layer"] = .string(place) }
        let whole = try settings.flag("contrastive") ? 0.0 : 1.0
        try findings.noteGaps(sums: Maps.sums(probabilities), expected: outcome.scores.map { _ in whole })
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        [request.work(gradients: [try LRP.place(settings, request)], rules: rules)]
    }
}

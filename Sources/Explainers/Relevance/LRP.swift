internal import Graphs
internal import Runtime
internal import Tensors

/// Layer-wise relevance propagation: the score is handed down from layer to layer, each output's relevance to the layer's
/// inputs in proportion to what they contributed.
/// Bach et al. 2015, "On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation";
/// composites of rules after Montavon et al. 2019 and zennit; transformers after Achtibat et al. 2024, "AttnLRP".
struct LRP: GradientMethod {
    static let method = Method(
        "lrp", family: "gradient", summary: "The score handed down layer by layer, in proportion to contributions.",
        reference:
            "Bach, Binder, Montavon, Klauschen, Müller, Samek: On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation (2015)",
        needs: [.gradient], parameters: composites + rules + numbers + [layer])

    /// It has an option of its own, under which the layers before it count as layers still.
    static let takesLayer = false

    private static let ruleNames = Relevance.Rule.allCases.map(\.rawValue)

    private static let composites = [
        Parameter(
            "composite", .choice(["auto"] + Composite.allCases.map(\.rawValue)), default: "auto",
            "which rule each kind of layer has, as in zennit; auto: attn-lrp for networks with attention, else epsilon-plus")
    ]
    private static let rules = [
        Parameter("convolution_rule", .choice(ruleNames), "rule of convolutions; default: the composite's"),
        Parameter("dense_rule", .choice(ruleNames), "rule of matrix products; default: the composite's"),
        Parameter(
            "first_rule", .choice(ruleNames),
            "rule of linear layers that no other one comes before; default: the composite's, if it has one"),
        Parameter(
            "layer_rules", .text, "rules of single linear layers, as conv1=z-box,fc=epsilon; names are those of values or nodes"),
        Parameter(
            "attention", .choice(Relevance.Attention.allCases.map(\.rawValue)),
            "attn-lrp: relevance through softmax and both factors of products; cp-lrp: attention weights are constants; default: the composite's"
        ),
        Parameter(
            "products", .choice(Relevance.Products.allCases.map(\.rawValue)), default: "uniform",
            "of two signals multiplied: half to each, or all to the signal and nothing to its gate"),
        Parameter(
            "bias", .choice(["absorb", "ignore"]), default: "absorb",
            "absorb: biases keep their share of relevance, as in the papers; ignore: they take no part"),
    ]
    private static let numbers = [
        Parameter("epsilon", .real(0...Double.infinity), default: "1e-6", "of the epsilon rule (zennit's default); 0 is LRP-0"),
        Parameter("gamma", .real(0...Double.infinity), default: "0.25", "of the gamma rule (zennit's default)"),
        Parameter("alpha", .real(1...Double.infinity), default: "2", "of the alpha-beta rule; beta is alpha - 1"),
        Parameter("stabilizer", .real(0...Double.infinity), default: "1e-6", "added to the denominators of all other rules"),
        Parameter("low", .numbers, default: "", "lowest value of the z-box rule, one or one per channel; default: each image's own"),
        Parameter("high", .numbers, default: "", "highest value of the z-box rule, one or one per channel; default: each image's own"),
    ]
    static let layer = Parameter("layer", .value, "relevance of this layer's values in place of the input's")

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func explain(_ request: Request) throws -> Findings {
        let (rules, composite) = try rules(request)
        let place = try LRP.place(settings, request)
        let outcome = try request.evaluate(gradients: [place], rules: rules)
        let relevance = try outcome.gradient(place)
        var findings = Findings(map: relevance)
        findings.chosen["composite"] = .string(composite.rawValue)
        if place != request.input { findings.chosen["layer"] = .string(place) }
        try findings.noteGaps(sums: Maps.sums(relevance), expected: outcome.scores)
        let isAbsorbed = zip(try Maps.sums(relevance), outcome.scores).contains { $0.magnitude < 0.01 * $1.magnitude }
        if isAbsorbed, try settings.choice("bias") == "absorb" {
            findings.warnings.append("biases absorbed 99 % of an image's score on the way down: try bias=ignore, or composite=epsilon")
        }
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        [request.work(gradients: [try LRP.place(settings, request)], rules: try rules(request).rules)]
    }

    /// The value whose relevance is asked for.
    static func place(_ settings: Settings, _ request: Request) throws -> String {
        try settings.text("layer").map { try request.model.names.resolve($0) } ?? request.input
    }

    private func rules(_ request: Request) throws -> (rules: BackwardRules, composite: Composite) {
        let composite = try Composite(rawValue: settings.choice("composite")) ?? Composite.fitting(request.model.outline)
        var relevance = composite.relevance
        func given(_ option: String) throws -> Relevance.Rule? { try Relevance.Rule(rawValue: settings.choice(option)) }
        relevance.convolution = try given("convolution_rule") ?? relevance.convolution
        relevance.dense = try given("dense_rule") ?? relevance.dense
        relevance.first = try given("first_rule") ?? relevance.first
        relevance.attention = try Relevance.Attention(rawValue: settings.choice("attention")) ?? relevance.attention
        relevance.products = try Relevance.Products(rawValue: settings.choice("products")) ?? relevance.products
        relevance.ignoresBias = try settings.choice("bias") == "ignore"
        relevance.epsilon = try settings.real("epsilon", or: relevance.epsilon)
        relevance.gamma = try settings.real("gamma", or: relevance.gamma)
        relevance.alpha = try settings.real("alpha", or: relevance.alpha)
        relevance.stabilizer = try settings.real("stabilizer", or: relevance.stabilizer)
        (relevance.low, relevance.high) = (try settings.numbers("low"), try settings.numbers("high"))
        for entry in (try settings.text("layer_rules") ?? "").split(separator: ",") {
            let parts = entry.split(separator: "=", omittingEmptySubsequences: false).map { $0.drop { $0 == " " } }
            guard parts.count == 2, let rule = Relevance.Rule(rawValue: String(parts[1])) else {
                throw Failure.invalid(
                    "option 'layer_rules': '\(entry)', expected LAYER=RULE with a rule of \(LRP.ruleNames.joined(separator: ", "))")
            }
            relevance.named[try request.model.names.resolve(String(parts[0]))] = rule
        }
        return (.relevance(relevance), composite)
    }
}

/// Rules for kinds of layers, under zennit's names.
private enum Composite: String, CaseIterable {
    case epsilon
    case epsilonPlus = "epsilon-plus"
    case epsilonPlusFlat = "epsilon-plus-flat"
    case epsilonAlpha2Beta1 = "epsilon-alpha2-beta1"
    case epsilonAlpha2Beta1Flat = "epsilon-alpha2-beta1-flat"
    case epsilonGammaBox = "epsilon-gamma-box"
    case attention = "attn-lrp"
    case conservativeAttention = "cp-lrp"

    var relevance: Relevance {
        switch self {
        case .epsilon, .attention: return Relevance(convolution: .epsilon, dense: .epsilon)
        case .conservativeAttention:
            var relevance = Relevance(convolution: .epsilon, dense: .epsilon)
            relevance.attention = .conservative
            return relevance
        case .epsilonPlus: return Relevance(convolution: .zPlus, dense: .epsilon)
        case .epsilonPlusFlat: return Relevance(convolution: .zPlus, dense: .epsilon, first: .flat)
        case .epsilonAlpha2Beta1: return Relevance(convolution: .alphaBeta, dense: .epsilon)
        case .epsilonAlpha2Beta1Flat: return Relevance(convolution: .alphaBeta, dense: .epsilon, first: .flat)
        case .epsilonGammaBox: return Relevance(convolution: .gamma, dense: .epsilon, first: .zBox)
        }
    }

    /// A Softmax whose result is read is attention.
    static func fitting(_ outline: Graph) -> Composite {
        let readers = outline.readers()
        let hasAttention = outline.nodes.contains { node in
            node.op == "Softmax" && node.outputs.contains { $0.map { !readers[$0.index].isEmpty } ?? false }
        }
        return hasAttention ? .attention : .epsilonPlus
    }
}

extension Findings {
    /// By how much the parts of each image miss what they should add up to.
    mutating func noteGaps(sums: [Double], expected: [Double]) throws {
        guard sums.count == expected.count else { return }
        let gaps = zip(sums, expected).map { $0 - $1 }
        tensors["completeness_gaps"] = try Tensor(gaps.map { Float($0) })
        numbers["completeness_gap"] = gaps.max { abs($0) < abs($1) } ?? 0
    }
}

internal import Graphs
internal import Runtime
internal import Tensors

/// Rectified gradients: `R^l_i = 1[a^l_i R^(l+1)_i > tau] R^(l+1)_i` at every rectifier, times the input at the end.
/// Kim, Seo, Jeon, Koo, Choe & Jeon 2019, "Why are saliency maps noisy? Cause of and solution to noisy saliency maps", section 4.
struct RectGrad: GradientMethod {
    static let method = Method(
        "rect-grad", family: "gradient", summary: "Gradient through rectifiers whose activation times signal is large.",
        reference: "Kim, Seo, Jeon, Koo, Choe, Jeon: Why Are Saliency Maps Noisy? (2019)", needs: [.gradient],
        parameters: [
            Parameter(
                "percentile", .real(0...100), default: "98",
                "tau is this percentile of activation times signal, of each image and layer (the official code's default)"),
            Parameter("tau", .real(-Double.infinity...Double.infinity), "the same threshold everywhere in its place; 0 is guided-backprop"),
            Parameter(
                "apply_to", .choice(BackwardRules.Rectifiers.allCases.map(\.rawValue)), default: "rectifiers",
                "activations that get the rule: Relu alone, Relu and ReLU6, or every activation like them"),
            Parameter(
                "pooling", .choice(["gradient", "proportional"]), default: "gradient",
                "max-pools send the signal to the maximum, or share it by activation (the paper's proportional redistribution rule)"),
            Parameter(
                "padding_trick", .boolean, default: "false",
                "padded convolutions drop the outermost signal, as in the official code, against bright borders"),
            Parameter("multiply_by_inputs", .boolean, default: "true", "times the input, as in the paper"),
        ])

    private let settings: Settings
    private let rules: BackwardRules

    init(_ settings: Settings) throws {
        self.settings = settings
        let threshold: BackwardRules.Threshold =
            try settings.real("tau").map { .constant($0) } ?? .percentile(settings.real("percentile", or: 98))
        rules = .rectGrad(
            threshold, BackwardRules.Rectifiers(rawValue: try settings.choice("apply_to")) ?? .rectifiers,
            isProportional: try settings.choice("pooling") == "proportional", trimsBorder: try settings.flag("padding_trick"))
    }

    func explain(_ request: Request) throws -> Findings {
        let signal = try request.evaluate(gradients: [request.input], rules: rules).gradient(request.input)
        return Findings(map: try settings.flag("multiply_by_inputs") ? Maps.zip(request.x, signal) { $0 * $1 } : signal)
    }

    func work(_ request: Request) throws -> [Work] { [request.work(gradients: [request.input], rules: rules)] }
}

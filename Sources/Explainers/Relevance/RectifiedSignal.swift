internal import Graphs
internal import Runtime
internal import Tensors

/// What deconvolution and guided backpropagation share: a signal sent back under other rules at rectifiers, from the
/// target or, with `neuron_layer`, from units of an inner layer.
struct RectifiedSignal {
    static let parameters: [Parameter] = [
        Parameter(
            "apply_to", .choice(BackwardRules.Rectifiers.allCases.map(\.rawValue)), default: "rectifiers",
            "activations that get the rule: Relu alone (as in Captum), Relu and ReLU6, or every activation like them")
    ]

    let rectifiers: BackwardRules.Rectifiers

    init(_ settings: Settings) throws {
        rectifiers = BackwardRules.Rectifiers(rawValue: try settings.choice("apply_to")) ?? .rectifiers
    }

    func explain(_ request: Request, _ rules: BackwardRules) throws -> Findings {
        Findings(map: try request.evaluate(gradients: [request.input], rules: rules).gradient(request.input))
    }

    func work(_ request: Request, _ rules: BackwardRules) throws -> [Work] {
        [request.work(gradients: [request.input], rules: rules)]
    }
}

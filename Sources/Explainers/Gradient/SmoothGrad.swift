internal import Runtime
internal import Tensors

/// Gradients averaged over noisy copies of the input: `mean g`, `mean g^2`, or their variance,
/// with `g_s = dS(x + sigma e_s) / dx`. The gradient of one copy is here, the average in `NoiseTunnel`.
/// Smilkov et al. 2017, "SmoothGrad", section 3; Hooker et al. 2019 (squared); Adebayo et al. 2018 (VarGrad).
struct SmoothGrad: GradientMethod {
    static let method = Method(
        "smoothgrad", family: "gradient", summary: "Gradient averaged over noisy copies of the input; also squared, or as a variance.",
        reference: "Smilkov, Thorat, Kim, Viegas, Wattenberg: SmoothGrad (2017)", needs: [.gradient],
        parameters: [
            Parameter("abs", .boolean, default: "false", "average absolute gradients, as Captum does when it wraps Saliency")
        ])

    static let smoothing = Smoothing.always

    private let gradient: Saliency

    init(_ settings: Settings) throws { gradient = try Saliency(settings) }

    func explain(_ request: Request) throws -> Findings { try gradient.explain(request) }

    func work(_ request: Request) throws -> [Work] { try gradient.work(request) }
}

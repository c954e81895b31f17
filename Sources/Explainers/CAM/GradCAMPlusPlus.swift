internal import Runtime
internal import Tensors

/// Grad-CAM++: `w_k = sum_ij alpha_k(i,j) ReLU(g_k(i,j))`, `alpha = g² / (2 g² + sum(A_k) g³)`.
/// Chattopadhyay et al. 2018, "Grad-CAM++", equations 10 and 19, for `Y = exp(S)`; the common factor `exp(S)` of all weights is
/// left out, so that it cannot overflow.
struct GradCAMPlusPlus: WeightedCAM {
    enum Variant: String, CaseIterable { case paper, official, torchcam }

    static let method = Method.cam(
        "grad-cam++", "Grad-CAM whose positions are weighted by higher derivatives: several instances of a class all count.",
        reference: "Chattopadhyay, Sarkar, Howlader, Balasubramanian: Grad-CAM++ (2018)",
        [
            Parameter(
                "variant", .choice(Variant.allCases.map(\.rawValue)), default: "paper",
                "paper: equation 19, as pytorch-grad-cam; official: the authors' code, which scales each channel's alphas to add up to 1; torchcam: the formula of torch-cam, with the sum over A g³"
            ),
            Parameter(
                "eps", .real(0...1),
                "added to the denominator of alpha; default 1e-6 (paper, as pytorch-grad-cam), 1e-8 (torchcam), 0 (official)"),
            Parameter(
                "clamp_sum", .boolean, default: "false",
                "count a negative sum of A as 0: the paper assumes a Relu before the layer, and without one the denominator may vanish"),
        ])

    let pipeline: CAMPipeline
    private let variant: Variant
    private let eps: Double
    private let clampsSum: Bool

    init(_ settings: Settings) throws {
        pipeline = CAMPipeline(settings)
        variant = Variant(rawValue: try settings.choice("variant")) ?? .paper
        let usual: [Variant: Double] = [.paper: 1e-6, .torchcam: 1e-8, .official: 0]
        eps = try settings.real("eps") ?? usual[variant] ?? 0
        clampsSum = try settings.flag("clamp_sum")
    }

    func weights(_ layer: LayerSignal) throws -> Tensor {
        try layer.perChannel { channel in
            let third = self.third(channel)
            var sum = 0.0, alphas = 0.0
            for i in channel.g.indices where channel.g[i] > 0 {
                let g = Double(channel.g[i])
                let alpha = self.alpha(g, third(g))
                sum += alpha * g
                alphas += alpha
            }
            return variant == .official && alphas != 0 ? sum / alphas : sum
        }
    }

    /// The part of the denominator with the third derivative, by `g`.
    private func third(_ channel: LayerSignal.Channel) -> (Double) -> Double {
        if variant == .torchcam {
            let sum = channel.g.indices.reduce(0.0) {
                $0 + Double(channel.a[$1]) * Double(channel.g[$1]) * Double(channel.g[$1]) * Double(channel.g[$1])
            }
            let clamped = clampsSum ? max(0, sum) : sum
            return { _ in clamped }
        }
        let sum = LayerSignal.Channel.sum(channel.a)
        let clamped = clampsSum ? max(0, sum) : sum
        return { clamped * $0 * $0 * $0 }
    }

    private func alpha(_ g: Double, _ third: Double) -> Double {
        let denominator = 2 * g * g + third + eps
        if denominator == 0 { return variant == .official ? g * g : 0 }
        return g * g / denominator
    }
}

internal import Runtime
internal import Tensors

/// Grad-CAM: `L = ReLU(sum_k a_k A_k)` with `a_k` the mean over space of `dS/dA_k`.
/// Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
struct GradCAM: WeightedCAM {
    static let method = Method.cam(
        "grad-cam", "A layer's channels weighted by the mean gradient of the score.",
        reference: "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM (2017)",
        [
            Parameter(
                "negative", .boolean, default: "false", "weights of -dS/dA: what speaks against the target (section 3.3 of the paper)")
        ])

    let pipeline: CAMPipeline
    private let isNegative: Bool

    init(_ settings: Settings) throws {
        pipeline = CAMPipeline(settings)
        isNegative = try settings.flag("negative")
    }

    func weights(_ layer: LayerSignal) throws -> Tensor { try GradCAM.meanGradient(layer, sign: isNegative ? -1 : 1) }

    /// Equation 1.
    static func meanGradient(_ layer: LayerSignal, sign: Double = 1) throws -> Tensor {
        try layer.perChannel { sign * LayerSignal.Channel.sum($0.g) / Double(max(1, $0.g.count)) }
    }
}

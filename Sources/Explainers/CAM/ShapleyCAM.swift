internal import Runtime
internal import Tensors

/// Shapley-CAM: `w_k` is the mean over space of `g - H A / 2`, the channels' Shapley values in the second-order expansion of the
/// utility around the activation. Cai 2025, "CAMs as Shapley value-based explainers". The utility is the paper's ReST, `S_c +
/// log P_c`, unless the target's score says otherwise. `H A` is exact: the derivative is differentiated again.
struct ShapleyCAM: WeightedCAM {
    static let method = Method.cam(
        "shapley-cam", "Grad-CAM with the second-order term that Shapley values have.",
        reference: "Cai: CAMs as Shapley Value-based Explainers (2025)", score: .rest, layer: CAMPipeline.normalizedLayer,
        [
            Parameter(
                "elementwise", .boolean, default: "false",
                "the weights of every position in place of their mean, as HiResCAM has them (ShapleyCAM-H)")
        ])

    static let derivatives = LayerSignal.Derivatives.curvature
    /// In front of a normalisation the patches' own part of `H A` is `-g`, whatever they show.
    static let readsNormalized = true

    let pipeline: CAMPipeline
    private let isElementwise: Bool

    init(_ settings: Settings) throws {
        pipeline = CAMPipeline(settings)
        isElementwise = try settings.flag("elementwise")
    }

    func weights(_ layer: LayerSignal) throws -> Tensor {
        guard let curvature = layer.curvature else { throw Failure.unsupported("the layer came without a second derivative") }
        let corrected = try LayerSignal(
            activation: layer.activation, gradient: Maps.zip(layer.gradient, curvature) { $0 - $1 / 2 })
        return try isElementwise ? corrected.gradient : GradCAM.meanGradient(corrected)
    }
}

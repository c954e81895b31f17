internal import Runtime
internal import Tensors

/// Eigen-CAM: the layer's channels projected on their first principal component; no class and no gradient enter.
/// Muhammad & Yeasin 2020, "Eigen-CAM", section 3.
struct EigenCAM: WeightedCAM {
    static let method = Method.cam(
        "eigen-cam", "The first principal component of a layer's channels; no class, no gradient.",
        reference: "Muhammad, Yeasin: Eigen-CAM (2020)", needs: [.layer], isSmoothed: false, isOfClass: false, EigenCAM.parameters)

    /// Of Eigen-Grad-CAM too.
    static let parameters: [Parameter] = [
        Parameter(
            "center", .boolean, default: "false",
            "take each channel's mean over space away first, as pytorch-grad-cam does (the paper does not)"),
        Parameter(
            "flip", .boolean, default: "false",
            "the other sign of the component: it has none of its own, and the rule (positive sum; with center, larger end positive) may pick the background"
        ),
    ]

    static let derivatives = LayerSignal.Derivatives.none

    let pipeline: CAMPipeline
    let component: PrincipalComponent?

    init(_ settings: Settings) throws {
        pipeline = CAMPipeline(settings)
        component = try PrincipalComponent(isCentred: settings.flag("center"), isFlipped: settings.flag("flip"))
    }

    func weights(_ layer: LayerSignal) throws -> Tensor { try layer.perChannel { _ in 1 } }
}

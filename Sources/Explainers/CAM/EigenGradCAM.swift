internal import Runtime
internal import Tensors

/// Eigen-Grad-CAM: the first principal component of activation times gradient, which brings the class into Eigen-CAM.
/// pytorch-grad-cam's `EigenGradCAM`; no paper.
struct EigenGradCAM: WeightedCAM {
    static let method = Method.cam(
        "eigen-grad-cam", "The first principal component of activation times gradient.",
        reference: "Gildenblat and contributors: pytorch-grad-cam (EigenGradCAM)", isSmoothed: false, EigenCAM.parameters)

    let pipeline: CAMPipeline
    let component: PrincipalComponent?

    init(_ settings: Settings) throws {
        pipeline = CAMPipeline(settings)
        component = try PrincipalComponent(isCentred: settings.flag("center"), isFlipped: settings.flag("flip"))
    }

    func weights(_ layer: LayerSignal) throws -> Tensor { layer.gradient }
}

internal import Runtime
internal import Tensors

/// HiResCAM: `L = ReLU(sum_k g_k A_k)`, element by element. Draelos & Carin 2020, "Use HiResCAM instead of Grad-CAM for
/// faithful explanations of convolutional neural networks", section 3.
struct HiResCAM: WeightedCAM {
    static let method = Method.cam(
        "hires-cam", "Activation times gradient, added up over the channels: no mean over space.",
        reference: "Draelos, Carin: Use HiResCAM Instead of Grad-CAM (2020)", layer: CAMPipeline.normalizedLayer)

    static let readsNormalized = true

    let pipeline: CAMPipeline

    init(_ settings: Settings) throws { pipeline = CAMPipeline(settings) }

    func weights(_ layer: LayerSignal) throws -> Tensor { layer.gradient }
}

internal import Runtime
internal import Tensors

/// Element-wise Grad-CAM: `L = sum_k ReLU(g_k A_k)`; what speaks against the target at one channel takes nothing away from
/// the others. pytorch-grad-cam's `GradCAMElementWise`; no paper.
struct GradCAMElementWise: WeightedCAM {
    static let method = Method.cam(
        "grad-cam-elementwise", "Positive parts of activation times gradient, added up over the channels.",
        reference: "Gildenblat and contributors: pytorch-grad-cam (GradCAMElementWise)")

    let pipeline: CAMPipeline

    init(_ settings: Settings) throws { pipeline = CAMPipeline(settings) }

    func weights(_ layer: LayerSignal) throws -> Tensor {
        try layer.perPosition { channel, out in
            for i in out.indices { out[i] = channel.g[i] * channel.a[i] > 0 ? channel.g[i] : 0 }
        }
    }
}

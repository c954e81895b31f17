internal import Runtime
internal import Tensors

/// XGrad-CAM: `w_k = sum_ij A_k(i,j) g_k(i,j) / sum(A_k)`; the map adds up to `sum A g`.
/// Fu et al. 2020, "Axiom-based Grad-CAM", equation 8.
struct XGradCAM: WeightedCAM {
    static let method = Method.cam(
        "xgrad-cam", "A layer's channels weighted by the gradient averaged where they are active.",
        reference: "Fu, Hu, Dong, Guo, Gao, Li: Axiom-based Grad-CAM (2020)",
        [
            Parameter(
                "eps", .real(0...1), default: "1e-7",
                "added to the size of the sum of A, which keeps its sign (1e-7 in pytorch-grad-cam, 1e-8 in torch-cam, 1e-6 in the authors' code)"
            )
        ])

    let pipeline: CAMPipeline
    private let eps: Double

    init(_ settings: Settings) throws {
        pipeline = CAMPipeline(settings)
        eps = try settings.real("eps", or: 1e-7)
    }

    func weights(_ layer: LayerSignal) throws -> Tensor {
        try layer.perChannel { channel in
            let sum = LayerSignal.Channel.sum(channel.a)
            let size = sum + (sum < 0 ? -eps : eps)
            guard size != 0 else { return 0 }
            return channel.a.indices.reduce(0.0) { $0 + Double(channel.a[$1]) * Double(channel.g[$1]) } / size
        }
    }
}

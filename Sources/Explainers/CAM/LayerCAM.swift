internal import Runtime
internal import Tensors

/// Layer-CAM: `L = ReLU(sum_k ReLU(g_k) A_k)`, which also works on shallow layers; the maps of several are fused by
/// `max` after `tanh(gamma L / max L)`. Jiang et al. 2021, "LayerCAM", equations 5, 6 and 9.
struct LayerCAM: WeightedCAM {
    static let method = Method.cam(
        "layer-cam", "Activation times positive gradient at every position; several layers, deep and shallow, become one map.",
        reference: "Jiang, Zhang, Hou, Cheng, Wei: LayerCAM (2021)", fusion: "max",
        [
            Parameter(
                "gamma", .real(0...Double.infinity), default: "2",
                "strength of the tanh that lifts the maps of several layers before fusion=max (2 in the paper); 0: as they are")
        ])

    let pipeline: CAMPipeline

    init(_ settings: Settings) throws { pipeline = CAMPipeline(settings) }

    func weights(_ layer: LayerSignal) throws -> Tensor {
        try layer.perPosition { channel, out in for i in out.indices { out[i] = max(channel.g[i], 0) } }
    }
}

internal import Graphs
internal import Runtime
internal import Tensors

/// Class activation mapping: `L_c = sum_k W_ck A_k` for a network that ends in global average pooling and one linear layer.
/// Zhou et al. 2016, "Learning deep features for discriminative localization", equation 2. The mean of the map and the
/// class's bias add up to its score.
struct CAM: Explainer {
    static let method = Method(
        "cam", family: "cam", summary: "The last map's channels weighted by the classifier's own weights.",
        reference: "Zhou, Khosla, Lapedriza, Oliva, Torralba: Learning Deep Features for Discriminative Localization (2016)",
        needs: [.globalPooling], parameters: CAMPipeline.finishing)

    private let pipeline: CAMPipeline

    init(_ settings: Settings) throws { pipeline = CAMPipeline(settings) }

    func explain(_ request: Request) throws -> Findings {
        let structure = Structure(try request.model.outline)
        let head = try structure.pooledHead(before: try scored(request))
        let layer = structure.graph[head.map].name
        let outcome = try request.evaluate(wanted: [layer])
        let activation = try outcome.value(layer)
        let map = try CAMPipeline.combine(
            try activation.converted(to: .float32).contiguous(), weights: try weights(head, activation.shape, request))
        var findings = Findings(map: try pipeline.finish([map], request))
        findings.chosen["layer"] = .string(layer)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let structure = Structure(try request.model.outline)
        return [request.work(wanted: [structure.graph[try structure.pooledHead(before: try scored(request)).map].name])]
    }

    /// The logits: CAM explains the linear layer's output, whatever follows it.
    private func scored(_ request: Request) throws -> ValueID {
        let graph = try request.model.outline
        let producers = graph.producers()
        var at = try CAMPipeline.output(request)
        while producers[at.index] >= 0 {
            let node = graph.nodes[producers[at.index]]
            guard ["Softmax", "LogSoftmax", "Sigmoid", "Identity"].contains(node.op), let input = node.inputs.first, let input else {
                break
            }
            at = input
        }
        return at
    }

    /// Images x channels: the target's weights over the classes times the classifier's matrix.
    private func weights(_ head: Structure.PooledHead, _ shape: [Int], _ request: Request) throws -> Tensor {
        let images = request.images, channels = shape[1]
        guard let matrix = try head.weight?.converted(to: .float32) else {
            return try request.fixedTarget().weights([images, channels], element: .float32)
        }
        let classes = matrix.shape[head.isTransposed ? 0 : 1]
        guard matrix.shape[head.isTransposed ? 1 : 0] == channels else {
            throw Failure.unsupported(
                "CAM: the linear layer reads \(matrix.shape[head.isTransposed ? 1 : 0]) numbers, the map has \(channels) channels")
        }
        let target = try request.fixedTarget().weights([images, classes], element: .float32)
        return try target.read(Float.self) { t in
            try matrix.read(Float.self) { w in
                try Tensor.make([images, channels], Float.self) { out in
                    for image in 0..<images {
                        for channel in 0..<channels {
                            var sum = 0.0
                            for c in 0..<classes where t[image * classes + c] != 0 {
                                sum +=
                                    Double(t[image * classes + c])
                                    * Double(w[head.isTransposed ? c * channels + channel : channel * classes + c])
                            }
                            out[image * channels + channel] = Float(head.alpha * sum)
                        }
                    }
                }
            }
        }
    }
}

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
        needs: [.globalPooling],
        parameters: [CAMPipeline.classes, CAMPipeline.eigenSmooth, CAMPipeline.augSmooth] + CAMPipeline.finishing)

    private let pipeline: CAMPipeline

    init(_ settings: Settings) throws { pipeline = CAMPipeline(settings) }

    func explain(_ request: Request) throws -> Findings {
        let structure = Structure(try request.model.outline)
        let head = try structure.pooledHead(before: try scored(request))
        let layer = structure.graph[head.map].name
        let classes = try pipeline.classes(request)
        var maps: [Tensor] = [], several: [Tensor] = []
        for (index, view) in try pipeline.views(request).enumerated() {
            try request.control.begin("activations", index, to: index + 1, of: pipeline.viewCount)
            let found = try index == 0 ? request.evaluate(wanted: [layer]) : request.ask(question(request, view, layer))
            let activation = try found.value(layer).converted(to: .float32).contiguous()
            let own = try weights(head, channels: activation.shape[1], of: request.fixedTarget(), rows: request.images)
            let map = try CAMPipeline.combine(activation, weights: own, by: pipeline.smoothing)
            maps.append(try view.restored(pipeline.finish([map], request)))
            if !classes.isEmpty {
                several.append(try view.restored(pipeline.finish([classMaps(head, activation, classes, request)], request)))
            }
        }
        var findings = Findings(map: try Maps.mean(maps))
        if !classes.isEmpty {
            let mean = try Maps.mean(several)
            findings.tensors["maps"] = try mean.reshaped([request.images, classes.count] + mean.shape.dropFirst(2))
        }
        findings.chosen["layer"] = .string(layer)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let structure = Structure(try request.model.outline)
        let layer = structure.graph[try structure.pooledHead(before: try scored(request)).map].name
        let first = request.work(wanted: [layer]), views = pipeline.viewCount
        return views > 1 ? [first, Work(question(request, AugmentedView(request), layer), times: views - 1)] : [first]
    }

    private func question(_ request: Request, _ view: AugmentedView, _ layer: String) -> Evaluation {
        Evaluation(view.feeds, wanted: [layer], batch: request.batchSize, memory: request.memory, isDequantized: true)
    }

    /// All classes of an image are one product of matrices: (images * classes) x 1 x space.
    private func classMaps(_ head: Structure.PooledHead, _ activation: Tensor, _ classes: [Int], _ request: Request) throws -> Tensor {
        let target = Target(.each(classes), score: request.target.score, output: request.target.output)
        let rows = try weights(head, channels: activation.shape[1], of: target, rows: classes.count)
        return try Maps.joined(
            (0..<request.images).map { image in
                let one = try activation.sliced(0, image..<(image + 1))
                let copies = try one.broadcast(to: [classes.count] + one.shape.dropFirst())
                return try CAMPipeline.combine(copies.contiguous(), weights: rows, by: pipeline.smoothing)
            })
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

    /// Rows x channels: the target's weights over the classes times the classifier's matrix.
    private func weights(_ head: Structure.PooledHead, channels: Int, of target: Target, rows: Int) throws -> Tensor {
        guard let matrix = try head.weight?.converted(to: .float32) else {
            return try target.weights([rows, channels], element: .float32)
        }
        let classes = matrix.shape[head.isTransposed ? 0 : 1]
        guard matrix.shape[head.isTransposed ? 1 : 0] == channels else {
            throw Failure.unsupported(
                "CAM: the linear layer reads \(matrix.shape[head.isTransposed ? 1 : 0]) numbers, the map has \(channels) channels")
        }
        let target = try target.weights([rows, classes], element: .float32)
        return try target.read(Float.self) { t in
            try matrix.read(Float.self) { w in
                try Tensor.make([rows, channels], Float.self) { out in
                    for row in 0..<rows {
                        for channel in 0..<channels {
                            var sum = 0.0
                            for c in 0..<classes where t[row * classes + c] != 0 {
                                sum +=
                                    Double(t[row * classes + c])
                                    * Double(w[head.isTransposed ? c * channels + channel : channel * classes + c])
                            }
                            out[row * channels + channel] = Float(head.alpha * sum)
                        }
                    }
                }
            }
        }
    }
}

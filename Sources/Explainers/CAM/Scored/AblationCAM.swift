internal import Runtime
internal import Tensors

/// Ablation-CAM: `L = ReLU(sum_k w_k A_k)` with `w_k = (S - S_k) / |S|`, where `S_k` is the score without channel k.
/// Desai & Ramaswamy 2020, "Ablation-CAM", equations 2 and 3. Only the network behind the layer runs for each channel.
struct AblationCAM: Explainer {
    static let method = Method(
        "ablation-cam", family: "cam", summary: "A layer's channels weighted by how far the score falls without each.",
        reference: "Desai, Ramaswamy: Ablation-CAM (2020)", needs: [.layer],
        parameters: [
            CAMPipeline.layer, CAMPipeline.fusion(default: "mean"),
            Parameter(
                "ablate", .choice(["zero", "mean", "min"]), default: "zero",
                "what stands in a removed channel: 0 (the paper), its mean over space, or its least value"),
            Parameter(
                "divide_by", .choice(["abs", "score", "none"]), default: "abs",
                "abs: |S|; score: S itself as pytorch-grad-cam, which turns the map over where S is negative; none: the fall of the score"),
            Parameter(
                "ratio_channels_to_ablate", .real(0...1), default: "1",
                "below 1: that share of the channels that lie most in the principal component's region, and of those that lie least in it (pytorch-grad-cam); the others weigh nothing"
            ),
        ] + LayerLayout.parameters + ScoredClasses.parameters + [CAMPipeline.eigenSmooth] + CAMPipeline.finishing)

    private let settings: Settings
    private let pipeline: CAMPipeline
    private let ablate: String
    private let divisor: String
    private let ratio: Double

    init(_ settings: Settings) throws {
        self.settings = settings
        pipeline = CAMPipeline(settings)
        ablate = try settings.choice("ablate")
        divisor = try settings.choice("divide_by")
        ratio = try settings.real("ratio_channels_to_ablate", or: 1)
    }

    func explain(_ request: Request) throws -> Findings {
        let layers = try pipeline.layers(request)
        let classes = try ScoredClasses(settings, request.target)
        let outcome = try request.evaluate(
            Evaluation(
                request.feeds, wanted: layers, target: request.target, batch: request.batchSize, memory: request.memory,
                isDequantized: true,
                wantsEveryScore: classes.wantsEveryScore))
        let whole = try classes.rows(outcome), target = try request.scoredTarget()
        var maps: [ScoredMaps] = [], layouts: [String] = []
        for layer in layers {
            let activation = try outcome.value(layer)
            let layout = try pipeline.layout(layer, activation, request)
            layouts.append(layout.text)
            let ablation = Ablation(
                activation: activation, layout: layout, tail: try Tail(request, after: layer), target: target, classes: classes,
                whole: whole)
            do {
                maps.append(try pipeline.scoredMaps(layout.canonical(activation), weights(ablation, request)))
            } catch let failure as Failure where request.canStop(failure) && !maps.isEmpty {
                request.isStopped = true
            }
        }
        var findings = try pipeline.findings(maps, request)
        findings.chosen["layer"] = .string(layers.joined(separator: ","))
        findings.chosen["layout"] = .string(layouts.joined(separator: "; "))
        return findings
    }

    /// One layer, and what its channels are removed from.
    private struct Ablation {
        let activation: Tensor
        let layout: LayerLayout
        let tail: Tail
        let target: Target
        let classes: ScoredClasses
        /// Of the unchanged images: one row for each, of one score for each class.
        let whole: [[Double]]
    }

    func work(_ request: Request) throws -> [Work] {
        let layers = try pipeline.layers(request)
        var result = [request.work(wanted: layers)]
        for layer in layers {
            let shape = try request.model.shape(of: layer, request.feeds)
            let layout = try pipeline.layout(layer, Tensor.placeholder(.float32, shape), request)
            let channels = layout == .channelsFirst ? shape[1] : shape[shape.count - 1]
            let count = ratio < 1 ? min(channels, 2 * Int(Double(channels) * ratio)) : channels
            result += try Tail(request, after: layer).work(versions: count, chunk: request.chunk(of: count), activation: shape)
        }
        return result
    }

    /// Images x classes x channels.
    private func weights(_ layer: Ablation, _ request: Request) throws -> [[[Double]]] {
        let canonical = try layer.layout.canonical(layer.activation), channels = canonical.shape[1]
        let chosen = try (0..<request.images).map { image in
            ratio < 1
                ? try ChannelSelection(canonical.sliced(0, image..<(image + 1)).contiguous()).ends(share: ratio) : Array(0..<channels)
        }
        let cells = LayerCells(layer.activation.shape, layer.layout)
        var weights = layer.whole.map { $0.map { _ in [Double](repeating: 0, count: channels) } }
        _ = try request.sample("channels", chosen.map(\.count).max() ?? 0) { image, range in
            let some = Array(chosen[image][range.clamped(to: chosen[image].indices)])
            guard !some.isEmpty else { return }
            let outcome = try layer.tail.evaluate(
                image: image, without(some, layer.activation.sliced(0, image..<(image + 1)), cells), target: layer.target,
                wantsEveryScore: layer.classes.wantsEveryScore)
            for (channel, scores) in zip(some, try layer.classes.rows(outcome)) {
                for (slot, score) in scores.enumerated() {
                    let whole = layer.whole[image][slot]
                    weights[image][slot][channel] = (whole - score) / denominator(whole)
                }
            }
        }
        return weights
    }

    private func denominator(_ score: Double) -> Double {
        switch divisor {
        case "score": abs(score) > 1e-12 ? score : 1e-12
        case "none": 1
        default: max(abs(score), 1e-12)
        }
    }

    /// One version of the image's activation for each channel, which is missing in it.
    private func without(_ missing: [Int], _ activation: Tensor, _ cells: LayerCells) throws -> Tensor {
        let dense = try activation.converted(to: .float32).contiguous()
        let versions = try dense.read(Float.self) { a in
            try Tensor.make([missing.count] + activation.shape.dropFirst(), Float.self) { out in
                for (row, channel) in missing.enumerated() {
                    let version = UnsafeMutableBufferPointer(rebasing: out[(row * a.count)..<((row + 1) * a.count)])
                    _ = version.update(from: a)
                    let value = fill(a, channel, cells)
                    for place in cells.everywhere { version[place * cells.placeStride + channel * cells.channelStride] = value }
                }
            }
        }
        return try versions.converted(to: activation.type)
    }

    private func fill(_ a: UnsafeBufferPointer<Float>, _ channel: Int, _ cells: LayerCells) -> Float {
        guard ablate != "zero", !cells.everywhere.isEmpty else { return 0 }
        var low = Float.infinity, sum = 0.0
        for place in cells.everywhere {
            let value = a[place * cells.placeStride + channel * cells.channelStride]
            low = min(low, value)
            sum += Double(value)
        }
        return ablate == "min" ? low : Float(sum / Double(cells.everywhere.count))
    }
}

internal import Glibc
internal import Imaging
internal import Runtime
internal import Tensors

/// What Score-CAM and its relatives share: a channel's weight follows from the score of the image seen through the channel.
struct ScoredChannels {
    /// Of all methods of this kind, behind their own.
    static let common =
        [CAMPipeline.layer, CAMPipeline.fusion(default: "mean")] + [maskOrder, maskInterp, topK, .baseline] + Baseline.preparation
        + LayerLayout.parameters + ScoredClasses.parameters + [CAMPipeline.eigenSmooth] + CAMPipeline.finishing
    private static let topK = Parameter(
        "top_k", .integer(0...1_000_000), default: "0",
        "only so many channels, those of the largest mean activation; 0: all. Constant channels are skipped, which changes nothing")
    private static let maskOrder = Parameter(
        "mask_order", .choice(ChannelMasks.Order.allCases.map(\.rawValue)),
        "what comes first: enlarging a channel or scaling it to [0, 1]; default: the mode's (resize-minmax, torchcam: minmax-resize)")
    private static let maskInterp = Parameter(
        "mask_interp", .choice(Interpolation.allCases.map(\.rawValue)),
        "how channels are enlarged to masks; default: the mode's (half_pixel, pytorch-grad-cam: align_corners)")
    /// Of the relatives that only torch-cam has.
    static let mode = Parameter(
        "mode", .choice(["paper", "torchcam"]), default: "paper",
        "torchcam: masks are scaled to [0, 1] before they are enlarged, and constant channels take part with a mask of zeros")

    /// How weights follow from scores.
    enum Weighting: String, CaseIterable { case softmax, raw, cic }

    /// What a method makes of the options.
    struct Recipe {
        var order = ChannelMasks.Order.resizeThenMinmax
        var interp = Interpolation.halfPixel
        var weighting = Weighting.softmax
        /// Whether a constant channel takes part, with a mask of zeros.
        var keepsConstant = false
        /// Whether the signed map is enlarged to the input before it is rectified.
        var enlargesFirst = false
        /// Images that each channel is scored on; their mean counts.
        var views = 1
        var topK = 0

        /// The mode's, then the options that are given besides.
        init(_ settings: Settings) throws {
            let mode = try settings.choice("mode")
            order = try ChannelMasks.Order(rawValue: settings.choice("mask_order")) ?? (mode == "torchcam" ? .minmaxThenResize : order)
            interp = try Interpolation(rawValue: settings.choice("mask_interp")) ?? (mode == "pytorch-grad-cam" ? .alignCorners : interp)
            weighting = try Weighting(rawValue: settings.choice("weighting")) ?? (mode == "official" ? .raw : weighting)
            enlargesFirst = mode == "official"
            keepsConstant = mode == "pytorch-grad-cam" || mode == "torchcam"
            topK = try settings.integer("top_k", or: 0)
        }
    }

    /// Which mask a view starts from.
    struct Place {
        let image: Int
        let channel: Int
        let view: Int
        /// Of the layer.
        let channels: Int
    }

    private let settings: Settings
    private let pipeline: CAMPipeline
    private let recipe: Recipe

    init(_ settings: Settings, _ recipe: Recipe) {
        self.settings = settings
        self.recipe = recipe
        pipeline = CAMPipeline(settings)
    }

    /// `alter` turns a channel's mask into that of one view of it.
    func explain(_ request: Request, _ alter: (Place, UnsafeMutableBufferPointer<Float>) throws -> Void = { _, _ in }) throws -> Findings {
        let layers = try pipeline.layers(request), image = try ImageLayout(request)
        let outcome = try request.evaluate(wanted: layers)
        let target = try request.scoredTarget()
        let scorer = try Scorer(
            request: request, target: target, layout: image, baseline: Baseline.tensor(settings, like: request.x, seed: request.seed),
            recipe: recipe, classes: ScoredClasses(settings, target))
        var maps: [ScoredMaps] = [], layouts: [String] = []
        var samples = Int.max
        for layer in layers {
            let activation = try outcome.value(layer)
            let layout = try pipeline.layout(layer, activation, request)
            layouts.append(layout.text)
            let canonical = try layout.canonical(activation)
            do {
                let (weights, taken) = try scorer.weights(canonical, layer, alter)
                samples = min(samples, taken)
                let found = try pipeline.scoredMaps(canonical, weights)
                maps.append(
                    recipe.enlargesFirst
                        ? try found.map { try upsample($0, height: image.height, width: image.width, recipe.interp) } : found)
            } catch let failure as Failure where request.canStop(failure) && !maps.isEmpty {
                request.isStopped = true
            }
        }
        var findings = try pipeline.findings(maps, request)
        findings.numbers["samples"] = Double(samples)
        findings.chosen["layer"] = .string(layers.joined(separator: ","))
        findings.chosen["layout"] = .string(layouts.joined(separator: "; "))
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let layers = try pipeline.layers(request)
        var result = [request.work(wanted: layers)]
        for layer in layers {
            let shape = try request.model.shape(of: layer, request.feeds)
            let layout = try pipeline.layout(layer, Tensor.placeholder(.float32, shape), request)
            let channels = layout == .channelsFirst ? shape[1] : shape[shape.count - 1]
            let total = (recipe.topK > 0 ? min(recipe.topK, channels) : channels) * recipe.views
            result += try request.work(versions: total, chunk: request.chunk(of: total), gradient: false)
            if recipe.weighting == .cic { result += try request.work(versions: 1, chunk: 1, gradient: false) }
        }
        return result
    }
}

/// Scores the channels of a layer, in batches of masked images.
private struct Scorer {
    let request: Request
    let target: Target
    let layout: ImageLayout
    let baseline: Tensor
    let recipe: ScoredChannels.Recipe
    let classes: ScoredClasses

    /// Images x classes x channels, and the masked images that each image took. Ends early at the deadline, with the channels of the
    /// largest mean activation.
    func weights(
        _ activation: Tensor, _ layer: String,
        _ alter: (ScoredChannels.Place, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws -> ([[[Double]]], Int) {
        let images = request.images, channels = activation.shape[1]
        let masks = try (0..<images).map { image in
            try ChannelMasks(
                activation.sliced(0, image..<(image + 1)).contiguous(), layer: layer, layout: layout, order: recipe.order,
                interp: recipe.interp)
        }
        let masking = try (0..<images).map { try Masking(request, image: $0, baseline: baseline, layout) }
        let rankings = try masks.map { mask in
            let ranking = try mask.ranking(keepsConstant: recipe.keepsConstant)
            return recipe.topK > 0 ? Array(ranking.prefix(recipe.topK)) : ranking
        }
        guard !rankings.contains(where: \.isEmpty) else {
            throw Failure.unsupported(
                "every channel of layer '\(layer)' is constant, so that no mask can be made of them; choose another layer")
        }
        var tallies = [Tally](repeating: Tally(channels), count: images)
        let taken = try request.sample("masks", (rankings.map(\.count).max() ?? 0) * recipe.views) { image, range in
            let ranking = rankings[image]
            let units = range.clamped(to: 0..<(ranking.count * recipe.views))
            guard !units.isEmpty else { return }
            let places = units.map {
                ScoredChannels.Place(image: image, channel: ranking[$0 % ranking.count], view: $0 / ranking.count, channels: channels)
            }
            let views = try masks[image].masks(places.map(\.channel))
            try views.write(Float.self) { out in
                let pixels = layout.pixels
                for (row, place) in places.enumerated() {
                    try alter(place, UnsafeMutableBufferPointer(rebasing: out[(row * pixels)..<((row + 1) * pixels)]))
                }
            }
            for (place, scores) in zip(places, try scores(image, masking[image].versions(views))) {
                tallies[image].add(scores, place.channel)
            }
        }
        return (try tallies.enumerated().map { image, tally in try weights(of: tally, image: image) }, taken.min() ?? 0)
    }

    private func scores(_ image: Int, _ versions: Tensor) throws -> [[Double]] {
        try classes.rows(request.evaluate(image: image, versions, target: target, wantsEveryScore: classes.wantsEveryScore))
    }

    /// Classes x channels.
    private func weights(of tally: Tally, image: Int) throws -> [[Double]] {
        switch recipe.weighting {
        case .softmax: return tally.softmax
        case .raw: return tally.means.map { $0.map { $0 ?? 0 } }
        case .cic:
            let absent = try scores(image, baseline.sliced(0, image..<(image + 1))).first ?? []
            return zip(tally.means, absent).map { means, absent in means.map { mean in mean.map { $0 - absent } ?? 0 } }
        }
    }
}

/// Sum and number of the scores of each channel, for each class.
private struct Tally {
    private let channels: Int
    private var sums: [[Double]] = []
    private var counts: [Int]

    init(_ channels: Int) {
        self.channels = channels
        counts = [Int](repeating: 0, count: channels)
    }

    /// `scores`: of each class.
    mutating func add(_ scores: [Double], _ channel: Int) {
        if sums.isEmpty { sums = scores.map { _ in [Double](repeating: 0, count: channels) } }
        for (slot, score) in scores.enumerated() { sums[slot][channel] += score }
        counts[channel] += 1
    }

    /// nil: a channel that was left out.
    var means: [[Double?]] { sums.map { sums in zip(sums, counts).map { $1 > 0 ? $0 / Double($1) : nil } } }

    /// Over the channels that were scored; the others weigh nothing.
    var softmax: [[Double]] {
        means.map { means in
            let top = means.compactMap { $0 }.max() ?? 0
            let powers = means.map { mean in mean.map { exp($0 - top) } ?? 0 }
            let sum = powers.reduce(0, +)
            return powers.map { sum > 0 ? $0 / sum : 0 }
        }
    }
}

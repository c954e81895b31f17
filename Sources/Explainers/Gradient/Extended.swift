internal import Graphs
internal import Runtime
internal import Tensors

/// A method that sends gradients back to the input, as large as the input. `Extended` gives it what the family shares.
protocol GradientMethod: Explainer {
    /// How it is averaged over noisy copies of the input.
    static var smoothing: Smoothing { get }
    /// Whether it can attribute to any inner layer: not where it needs an image.
    static var takesLayer: Bool { get }
}

extension GradientMethod {
    static var smoothing: Smoothing { .optional }
    static var takesLayer: Bool { true }
}

/// Whether a gradient method is averaged over noisy copies of the input.
enum Smoothing {
    /// With the option `smooth_samples`.
    case optional
    /// That is what it is for: `n_samples`.
    case always
    /// It takes samples of its own.
    case never
}

/// A gradient method with the options of its family: to a layer, of a neuron, over noise, channels folded.
struct Extended<Base: GradientMethod>: Explainer {
    static var method: Method {
        var parameters = Base.method.ownParameters
        if Base.takesLayer { parameters += Where.layer.filter { $0.name != "baseline_at" || hasBaseline } }
        parameters += Where.neuron
        if Base.smoothing != .never { parameters += NoiseTunnel.parameters(counter) }
        if Base.smoothing != .never, Base.takesLayer { parameters.append(noiseAt) }
        return Base.method.with(parameters + [.channelReduce, channelAxis])
    }

    private static var hasBaseline: Bool { Base.method.ownParameters.contains { $0.name == "baseline" } }

    private static var counter: Parameter {
        Base.smoothing == .always
            ? Parameter("n_samples", .integer(1...1_000_000), default: "50", "noisy copies (50 in the paper)")
            : Parameter(
                "smooth_samples", .integer(0...1_000_000), default: "0",
                "average over so many noisy copies of the input (Captum's NoiseTunnel); 0: the input alone")
    }

    private static var noiseAt: Parameter {
        Parameter("noise_at", .choice(["input", "layer"]), default: "input", "with layer: what the noise is added to")
    }

    private static var channelAxis: Parameter {
        Parameter(
            "channel_axis", .integer(-8...8), default: "0",
            "which axis channel_reduce folds; 0: 1, but the last of nhwc images and of layers of tokens")
    }

    private let settings: Settings
    private let place: Where
    private let tunnel: NoiseTunnel?

    init(_ settings: Settings) throws {
        self.settings = settings
        place = try Where(settings)
        tunnel = Base.smoothing == .never ? nil : try NoiseTunnel(settings, countedBy: Extended.counter.name)
        _ = try Base(settings)
    }

    func explain(_ request: Request) throws -> Findings {
        try checkType(request)
        let aimed = try place.aimed(request).request
        var findings = try averaged(aimed)
        request.adopt(aimed, images: true)
        if aimed !== request { request.explained(aimed.target) }
        findings.chosen.merge(try place.chosen(request)) { $1 }
        if let tunnel, tunnel.samples > 0 { findings.chosen[Extended.counter.name] = .integer(tunnel.samples) }
        if let map = findings.tensors["map"] {
            findings.tensors["map"] = try Maps.reduceChannels(map, settings.choice("channel_reduce"), axis: try axis(map, request))
        }
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let aimed = try place.aimed(request, .estimate)
        guard let tunnel, tunnel.samples > 0 else { return try aimed.work + atLayer(aimed.request, settings) }
        guard try isNoiseAtLayer() else {
            let fixed = try fixed(settings, aimed.request, image: 0)
            return try aimed.work + tunnel.work(aimed.request) { try atLayer($0, fixed) }
        }
        let placed = try place.placed(aimed.request, settings, hasBaseline: Extended.hasBaseline, .estimate)
        let base = try Base(fixed(placed.settings, placed.request, image: 0))
        return try aimed.work + placed.work + tunnel.work(placed.request) { try base.work($0) }
    }

    private func averaged(_ request: Request) throws -> Findings {
        guard let tunnel, tunnel.samples > 0 else { return try atLayer(request, settings) }
        guard try isNoiseAtLayer() else {
            return try tunnel.explain(request) { try atLayer($0, fixed(settings, request, image: $1)) }
        }
        let placed = try place.placed(request, settings, hasBaseline: Extended.hasBaseline)
        let findings = try tunnel.explain(placed.request) {
            try Base(fixed(placed.settings, placed.request, image: $1)).explain($0)
        }
        request.adopt(placed.request, images: true)
        return findings
    }

    private func isNoiseAtLayer() throws -> Bool {
        try Base.takesLayer && settings.text("layer") != nil && settings.choice("noise_at") == "layer"
    }

    private func atLayer(_ request: Request, _ settings: Settings) throws -> Findings {
        guard Base.takesLayer else { return try Base(settings).explain(request) }
        let placed = try place.placed(request, settings, hasBaseline: Extended.hasBaseline)
        let findings = try Base(placed.settings).explain(placed.request)
        request.adopt(placed.request, images: true)
        return findings
    }

    private func atLayer(_ request: Request, _ settings: Settings) throws -> [Work] {
        guard Base.takesLayer else { return try Base(settings).work(request) }
        let placed = try place.placed(request, settings, hasBaseline: Extended.hasBaseline, .estimate)
        return try placed.work + Base(placed.settings).work(placed.request)
    }

    /// The settings for noisy copies of one image: its baseline is that of the image without noise.
    private func fixed(_ settings: Settings, _ request: Request, image: Int) throws -> Settings {
        guard Extended.hasBaseline, try settings.tensor("baselines") == nil else { return settings }
        let baseline = try Baseline.tensor(settings, like: request.x, seed: request.seed)
        return settings.replacing("baseline", with: try baseline.sliced(0, image..<(image + 1)).contiguous())
    }

    /// Token ids have no gradient: what is meant is their embedding.
    private func checkType(_ request: Request) throws {
        guard try place.landing(request) == nil, try request.x.type.isInteger else { return }
        let embedding = request.model.graph.embedding(of: request.input)
        guard let embedding else { return }
        throw Failure.unsupported(
            "input '\(request.input)' holds \(try request.x.type), which has no gradient; attribute to its embedding: layer=\(embedding)")
    }

    /// The axis of the channels of a map.
    private func axis(_ map: Tensor, _ request: Request) throws -> Int {
        let rank = map.shape.count, given = try settings.integer("channel_axis", or: 0)
        guard given == 0 else {
            guard (1 - rank..<rank).contains(given), given != 0 else {
                throw Failure.invalid("option 'channel_axis' is \(given), the map is \(Shape.text(map.shape))")
            }
            return given < 0 ? given + rank : given
        }
        guard let layer = Base.takesLayer ? try place.landing(request) : nil else {
            let isLast = (try? ImageLayout(map.shape, named: request.input))?.isChannelsLast ?? false
            return isLast ? rank - 1 : 1
        }
        let outline = try request.model.outline
        let isEmbedding = request.model.inputs.contains { request.model.graph.embedding(of: $0.name) == layer }
        return isEmbedding || Structure(outline).hasChannelsLast(layer) ?? false ? rank - 1 : 1
    }
}

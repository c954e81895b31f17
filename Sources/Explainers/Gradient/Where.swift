internal import Graphs
internal import Runtime
internal import Tensors

/// Where an explanation lands and what it explains: an inner layer in place of the input, a unit of an inner layer in
/// place of the target. Both make another request of a request, so that a method knows nothing of them: the first
/// feeds the layer and so leaves the network behind it (Captum's Layer… methods), the second aims at the unit (Neuron…).
struct Where {
    /// Whether values are computed, or only their shapes: the estimate of a cost runs nothing.
    enum Mode { case run, estimate }

    /// An inner layer in place of the input.
    static let layer: [Parameter] = [
        Parameter("layer", .value, "attribute to this inner value in place of the input; for token ids their embedding"),
        Parameter(
            "baseline_at", .choice(["input", "layer"]), default: "input",
            "with layer: whether baselines are inputs, whose activation counts (as in Captum), or values of the layer"),
    ]

    /// A unit of an inner layer in place of the target.
    static let neuron: [Parameter] = [
        Parameter("neuron_layer", .value, "explain units of this inner value in place of the target: what do they look for?"),
        Parameter("unit", .text, "with neuron_layer: the channel, or channel and position, as 12 or 12,3,5"),
        Parameter(
            "select", .choice(["channel_max", "channel_all", "neuron"]), default: "channel_max",
            "with neuron_layer: the channel's strongest position, all its positions, or the one position in unit"),
        Parameter(
            "start", .choice(["one", "activation"]), default: "one",
            "with neuron_layer: the signal that starts there; activation is Zeiler & Fergus's"),
    ]

    private let settings: Settings

    init(_ settings: Settings) throws {
        self.settings = settings
        if try settings.text("neuron_layer") == nil, try settings.text("unit") != nil {
            throw Failure.invalid("option 'unit' is a unit of 'neuron_layer', which is not given")
        }
    }

    /// The inner layer that the explanation lands on, by its value's name.
    func landing(_ request: Request) throws -> String? { try settings.text("layer").map { try request.model.names.resolve($0) } }

    /// What the method chose, for the manifest.
    func chosen(_ request: Request) throws -> [String: JSON] {
        var found: [String: JSON] = [:]
        if let layer = try landing(request) { found["layer"] = .string(layer) }
        if let layer = try settings.text("neuron_layer") { found["neuron_layer"] = .string(try request.model.names.resolve(layer)) }
        return found
    }

    // MARK: A unit in place of the target

    /// The request that explains the unit; the same request where none is named. And what finding the unit takes.
    func aimed(_ request: Request, _ mode: Mode = .run) throws -> (request: Request, work: [Work]) {
        guard let text = try settings.text("neuron_layer") else { return (request, []) }
        let name = try request.model.names.resolve(text)
        let evaluation = forward(name, request)
        var target = Target(.index(0), score: .output, output: name)
        // The weights of the signal are not known before a run; a class of the layer makes the same plan.
        if mode == .run {
            let activation = try request.ask(evaluation).value(name)
            guard activation.shape.first == request.images else { throw withoutImages(name, activation.shape, request) }
            target.kind = .weights(try signal(activation))
        }
        return (Request(request, feeds: request.feeds, input: request.input, target: target), [Work(evaluation)])
    }

    /// The signal at the layer: zero but at the chosen units of each image.
    private func signal(_ activation: Tensor) throws -> Tensor {
        guard activation.shape.count >= 2, let text = try settings.text("unit") else {
            throw Failure.invalid("option 'unit' must name a channel of 'neuron_layer', which is \(Shape.text(activation.shape))")
        }
        let unit = text.split(separator: ",").compactMap { Int(String($0)) }
        let select = try settings.choice("select")
        let expected = select == "neuron" ? activation.shape.count - 1 : 1
        guard unit.count == expected, zip(unit, activation.shape.dropFirst()).allSatisfy({ $0 >= 0 && $0 < $1 }) else {
            throw Failure.invalid(
                "option 'unit' is '\(text)', expected \(expected) numbers within \(Shape.text(Array(activation.shape.dropFirst())))")
        }
        let channels = activation.shape[1], inner = activation.shape.dropFirst(2).reduce(1, *)
        let usesActivation = try settings.choice("start") == "activation"
        return try activation.converted(to: .float32).read(Float.self) { a in
            try Tensor.make(activation.shape, Float.self) { out in
                out.update(repeating: 0)
                for image in 0..<activation.shape[0] {
                    let start = (image * channels + unit[0]) * inner
                    let fixed = zip(unit.dropFirst(), Shape.strides(activation.shape).dropFirst(2)).reduce(0) { $0 + $1.0 * $1.1 }
                    let best = (0..<inner).max { a[start + $0] < a[start + $1] } ?? 0
                    let one = select == "neuron" ? fixed : best
                    for position in select == "channel_all" ? 0..<inner : one..<(one + 1) {
                        out[start + position] = usesActivation ? a[start + position] : 1
                    }
                }
            }
        }
    }

    // MARK: A layer in place of the input

    /// A request whose input is the layer, with the settings that then hold, and what the layer's values take.
    struct Placed {
        let request: Request
        let settings: Settings
        var work: [Work] = []
    }

    /// The request at the layer; the same request where none is named. `settings`: those of the method, whose baselines
    /// become activations. `hasBaseline`: whether the method asks for one.
    func placed(_ request: Request, _ settings: Settings, hasBaseline: Bool, _ mode: Mode = .run) throws -> Placed {
        guard let layer = try landing(request) else { return Placed(request: request, settings: settings) }
        let graph = request.model.graph
        let output = try CAMPipeline.output(request)
        guard let id = graph.id(of: layer), graph.depends(output, on: id) else {
            throw Failure.invalid("option 'layer': '\(graph[output].name)' does not depend on '\(layer)'; choose a layer before it")
        }
        var work: [Work] = []
        let activation = try values(of: layer, request.feeds, request, mode, &work)
        guard activation.shape.first == request.images else { throw withoutImages(layer, activation.shape, request) }
        var feeds = [layer: activation]
        for input in graph.inputsNeeded(for: output, given: id) { feeds[graph[input].name] = request.feeds[graph[input].name] }
        var inner = settings
        if hasBaseline, try settings.choice("baseline_at") == "input" {
            inner = try baselines(at: layer, request, settings, mode, &work)
        }
        return Placed(request: Request(request, feeds: feeds, input: layer, target: request.target), settings: inner, work: work)
    }

    /// The settings with the activations of their baselines in place of these.
    private func baselines(at layer: String, _ request: Request, _ settings: Settings, _ mode: Mode, _ work: inout [Work]) throws
        -> Settings
    {
        var feeds = request.feeds
        guard let several = try settings.tensor("baselines") else {
            feeds[request.input] = try Baseline.tensor(settings, like: request.x, seed: request.seed)
            return settings.replacing("baseline", with: try values(of: layer, feeds, request, mode, &work))
        }
        guard let count = several.shape.first, several.shape.dropFirst() == (try request.x).shape.dropFirst() else {
            throw Failure.shape(
                "option 'baselines' is \(Shape.text(several.shape)), expected K x \(Shape.text(Array(try request.x.shape.dropFirst())))")
        }
        guard request.images == 1 || feeds.count == 1 else {
            throw Failure.unsupported("option 'baselines' with 'layer' and several inputs: explain the images one by one")
        }
        let versions = try several.converted(to: request.x.type).contiguous()
        let all = try values(of: layer, request.feeds(image: 0, versions), request, mode, &work)
        guard all.shape.first == count else { throw withoutImages(layer, all.shape, request) }
        return settings.replacing("baselines", with: all)
    }

    private func values(of name: String, _ feeds: [String: Tensor], _ request: Request, _ mode: Mode, _ work: inout [Work]) throws
        -> Tensor
    {
        let evaluation = forward(name, request, feeds)
        work.append(Work(evaluation))
        guard mode == .run else {
            let type = request.model.type(of: name)?.element ?? .float32
            return try Tensor.placeholder(type, request.model.shape(of: name, in: evaluation))
        }
        let value = try request.ask(evaluation).value(name)
        guard value.type.isFloat else {
            throw Failure.invalid("option 'layer': '\(name)' holds \(value.type), which has no gradient; choose one of real numbers")
        }
        return value
    }

    private func forward(_ name: String, _ request: Request, _ feeds: [String: Tensor]? = nil) -> Evaluation {
        Evaluation(feeds ?? request.feeds, wanted: [name], batch: request.batchSize, memory: request.memory)
    }

    private func withoutImages(_ name: String, _ shape: [Int], _ request: Request) -> Failure {
        Failure.unsupported(
            "'\(name)' is \(Shape.text(shape)): its first axis is not the \(request.images) images; choose another layer")
    }
}

extension Graph {
    /// Whether a value is computed from another one.
    func depends(_ value: ValueID, on source: ValueID) -> Bool {
        let producers = producers()
        var seen: Set<ValueID> = [value], queue = [value]
        while let next = queue.popLast() {
            if next == source { return true }
            let producer = producers[next.index]
            guard producer >= 0 else { continue }
            for input in nodes[producer].inputs { if let input, seen.insert(input).inserted { queue.append(input) } }
        }
        return false
    }

    /// The embedding of an input of token ids: what a table's rows are gathered into.
    func embedding(of input: String) -> String? {
        guard let id = id(of: input) else { return nil }
        let casts = nodes.filter { $0.op == "Cast" && $0.inputs.first == id }.compactMap { $0.outputs.first ?? nil }
        let found = nodes.first { node in
            guard node.op == "Gather", node.inputs.count > 1, let table = node.inputs[0], let index = node.inputs[1] else { return false }
            return self[table].constant?.shape.count == 2 && ([id] + casts).contains(index)
        }
        return found.flatMap { $0.outputs.first ?? nil }.map { self[$0].name }
    }
}

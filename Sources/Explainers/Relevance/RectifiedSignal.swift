internal import Graphs
internal import Runtime
internal import Tensors

/// What deconvolution and guided backpropagation share: a signal sent back from the target or from units of an inner
/// layer, under other rules at rectifiers.
struct RectifiedSignal {
    static let parameters: [Parameter] = [
        Parameter(
            "apply_to", .choice(BackwardRules.Rectifiers.allCases.map(\.rawValue)), default: "rectifiers",
            "activations that get the rule: Relu alone (as in Captum), Relu and ReLU6, or every activation like them"),
        Parameter("layer", .value, "start from units of this layer in place of the target's class: what do they look for?"),
        Parameter("unit", .text, "with layer: the channel, or channel and position, as 12 or 12,3,5"),
        Parameter(
            "select", .choice(["channel_max", "channel_all", "neuron"]), default: "channel_max",
            "with layer: the channel's strongest position, all its positions, or the one position in unit"),
        Parameter(
            "start", .choice(["one", "activation"]), default: "one",
            "with layer: the signal that starts there; activation is Zeiler & Fergus's"),
        .channelReduce,
    ]

    private let settings: Settings
    let rectifiers: BackwardRules.Rectifiers

    init(_ settings: Settings) throws {
        self.settings = settings
        rectifiers = BackwardRules.Rectifiers(rawValue: try settings.choice("apply_to")) ?? .rectifiers
    }

    func explain(_ request: Request, _ rules: BackwardRules) throws -> Findings {
        let reduce = try settings.choice("channel_reduce")
        guard let layer = try settings.text("layer") else {
            let outcome = try request.evaluate(gradients: [request.input], rules: rules)
            return Findings(map: try Maps.reduceChannels(outcome.gradient(request.input), reduce))
        }
        let name = try request.model.names.resolve(layer)
        let activation = try request.evaluate(wanted: [name]).value(name)
        let target = Target(.weights(try signal(activation)), score: .output, output: name)
        let outcome = try request.ask(
            Evaluation(
                request.feeds, target: target, gradients: [request.input], rules: rules, batch: request.batchSize, memory: request.memory))
        var findings = Findings(map: try Maps.reduceChannels(outcome.gradient(request.input), reduce))
        findings.chosen["layer"] = .string(name)
        return findings
    }

    func work(_ request: Request, _ rules: BackwardRules) throws -> [Work] {
        guard let layer = try settings.text("layer") else { return [request.work(gradients: [request.input], rules: rules)] }
        let name = try request.model.names.resolve(layer)
        // The weights of the signal are not known; a class of the layer makes the same plan.
        let signal = Evaluation(
            request.feeds, target: Target(.index(0), score: .output, output: name), gradients: [request.input], rules: rules,
            batch: request.batchSize, memory: request.memory)
        return [request.work(wanted: [name]), Work(signal)]
    }

    /// The signal at the layer: zero but at the chosen units of each image.
    private func signal(_ activation: Tensor) throws -> Tensor {
        guard activation.shape.count >= 2, let text = try settings.text("unit") else {
            throw Failure.invalid("option 'unit' must name a channel of the layer, which is \(Shape.text(activation.shape))")
        }
        let unit = text.split(separator: ",").compactMap { Int(String($0)) }
        let isNeuron = try settings.choice("select") == "neuron"
        let expected = isNeuron ? activation.shape.count - 1 : 1
        guard unit.count == expected, zip(unit, activation.shape.dropFirst()).allSatisfy({ $0 >= 0 && $0 < $1 }) else {
            throw Failure.invalid(
                "option 'unit' is '\(text)', expected \(expected) numbers within \(Shape.text(Array(activation.shape.dropFirst())))")
        }
        let channels = activation.shape[1], inner = activation.shape.dropFirst(2).reduce(1, *)
        let usesActivation = try settings.choice("start") == "activation"
        let selectsAll = try settings.choice("select") == "channel_all"
        return try activation.converted(to: .float32).read(Float.self) { a in
            try Tensor.make(activation.shape, Float.self) { out in
                out.update(repeating: 0)
                for image in 0..<activation.shape[0] {
                    let start = (image * channels + unit[0]) * inner
                    let fixed = zip(unit.dropFirst(), Shape.strides(activation.shape).dropFirst(2)).reduce(0) { $0 + $1.0 * $1.1 }
                    let best = (0..<inner).max { a[start + $0] < a[start + $1] } ?? 0
                    for position in selectsAll ? 0..<inner : (isNeuron ? fixed..<(fixed + 1) : best..<(best + 1)) {
                        out[start + position] = usesActivation ? a[start + position] : 1
                    }
                }
            }
        }
    }
}

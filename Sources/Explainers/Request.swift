package import Graphs
package import Runtime
package import Tensors

/// What a method works on, and the only verbs it needs: scores, activations, gradients.
package final class Request {
    package let model: Model
    package let feeds: [String: Tensor]
    /// The input whose importance is asked for.
    package let input: String
    package private(set) var target: Target
    package let control: Control
    /// Images evaluated together; nil: chosen under the memory budget.
    package let batchSize: Int?
    /// Bytes that one run may use for activations.
    package let memory: Int
    package let seed: UInt64
    /// Score of the unchanged input, one per image; set by the first evaluation of it.
    package private(set) var scores: [Double] = []
    /// Class explained, one per image, for an arg-max target.
    package private(set) var classes: [Int] = []
    /// Whether the deadline ended the method before all its samples were taken.
    package var isStopped = false
    /// True when a gradient went straight through the rounding of a quantised network.
    private(set) var isStraightThrough = false
    private let settings: Settings

    /// `method`: says which score an `auto` target means.
    package init(method: Method, model: Model, feeds: [String: Tensor], target: Target, settings: Settings, control: Control) throws {
        self.model = model
        self.target = target.scored(as: try Request.score(of: method, model, target))
        self.control = control
        self.settings = settings
        batchSize = try settings.integer("batch_size").flatMap { $0 > 0 ? $0 : nil }
        memory = try settings.integer("memory").flatMap { $0 > 0 ? $0 : nil } ?? model.memory
        seed = UInt64(bitPattern: Int64(try settings.integer("seed", or: 0)))
        input = try Request.explainedInput(model, feeds, named: try settings.text("input"))
        self.feeds = feeds
    }

    /// The same question about other feeds, another of them, or another target.
    init(_ origin: Request, feeds: [String: Tensor], input: String, target: Target) {
        (model, control, settings) = (origin.model, origin.control, origin.settings)
        (batchSize, memory, seed) = (origin.batchSize, origin.memory, origin.seed)
        (self.feeds, self.input, self.target) = (feeds, input, target)
    }

    /// Takes over what a request made of this one found out; `images`: of the same images, so that its scores are this one's.
    func adopt(_ derived: Request, images: Bool) {
        isStopped = isStopped || derived.isStopped
        isStraightThrough = isStraightThrough || derived.isStraightThrough
        guard images, derived !== self, !derived.scores.isEmpty else { return }
        (scores, classes) = (derived.scores, derived.classes)
    }

    /// The account names what was explained in place of the caller's target.
    func explained(_ target: Target) { self.target = target }

    /// A method's own score; an output of a single number has no probability.
    private static func score(of method: Method, _ model: Model, _ target: Target) throws -> Target.Score {
        guard method.score == .probability else { return method.score }
        let output = try target.output.map { try model.names.resolve($0) } ?? model.outputs.first?.name
        guard let dims = output.flatMap({ model.type(of: $0)?.dims }), dims.count > 1, dims[1].value == 1 else { return .probability }
        return .output
    }

    /// The named input, or the first floating-point one.
    private static func explainedInput(_ model: Model, _ feeds: [String: Tensor], named name: String?) throws -> String {
        if let name {
            guard feeds[name] != nil else {
                throw Failure.notFound("option 'input': '\(name)' was not fed\(Suggestion.text(for: name, among: feeds.keys.sorted()))")
            }
            return name
        }
        let ordered = model.inputs.map(\.name).filter { feeds[$0] != nil } + feeds.keys.sorted()
        guard let found = ordered.first(where: { feeds[$0]?.type.isFloat ?? false }) ?? ordered.first else {
            throw Failure.invalid("no input was fed")
        }
        return found
    }

    /// NaN or infinite input would give a map of NaN without a word.
    package func checkFinite() throws { for (name, tensor) in feeds { try Request.checkFinite(tensor, name) } }

    private static func checkFinite(_ tensor: Tensor, _ name: String) throws {
        guard tensor.type == .float32 || tensor.type == .float64 else { return }
        let isFinite =
            tensor.type == .float32
            ? try tensor.read(Float.self) { $0.allSatisfy(\.isFinite) } : try tensor.read(Double.self) { $0.allSatisfy(\.isFinite) }
        guard isFinite else { throw Failure.invalid("input '\(name)' has NaN or infinite elements") }
    }

    /// The explained input.
    package var x: Tensor {
        get throws {
            guard let tensor = feeds[input] else { throw Failure.invalid("input '\(input)' was not fed") }
            return tensor
        }
    }

    package var images: Int { feeds[input]?.shape.first ?? 1 }

    // MARK: Verbs

    /// Evaluates the unchanged input: values, and gradients of the target.
    package func evaluate(wanted: [String] = [], gradients: [String] = [], rules: BackwardRules = .gradient) throws -> Outcome {
        try evaluate(
            Evaluation(
                feeds, wanted: wanted, target: target, gradients: gradients, rules: rules, batch: batchSize, memory: memory,
                isDequantized: true))
    }

    /// Any question about the unchanged input and the target.
    func evaluate(_ evaluation: Evaluation) throws -> Outcome {
        let outcome = try model.evaluate(evaluation, control)
        try note(outcome)
        return outcome
    }

    /// Remembers what the manifest says about an evaluation.
    func noteRounding(of outcome: Outcome) { isStraightThrough = isStraightThrough || outcome.isStraightThrough }

    private func note(_ outcome: Outcome) throws {
        noteRounding(of: outcome)
        if scores.isEmpty { try note(scoresOf: outcome) }
    }

    /// Scores and classes of the images that follow those noted before.
    func note(scoresOf outcome: Outcome) throws {
        for (index, score) in outcome.scores.enumerated() where !score.isFinite {
            throw Failure.invalid("the score of image \(scores.count + index) is \(score); the model gives no finite output for it")
        }
        scores += outcome.scores
        classes += outcome.classes
    }

    /// The target with the class of the unchanged input fixed: an arg-max must not change with the samples around it.
    package func fixedTarget() throws -> Target {
        guard case .argmax = target.kind else { return target }
        if classes.isEmpty { _ = try evaluate() }
        return Target(.each(classes), score: target.score, output: target.output)
    }

    /// The fixed target where the unchanged input was evaluated; nothing runs.
    var explained: Target {
        get throws { classes.isEmpty ? target : try fixedTarget() }
    }

    /// The fixed target, and the scores of the unchanged input: the first, small part of a method that samples.
    package func scoredTarget() throws -> Target {
        try control.begin("score", 0, to: 1, of: 100)
        if scores.isEmpty { _ = try evaluate() }
        guard scores.count == images else {
            throw Failure.unsupported("the target gives \(scores.count) scores for \(images) images; this method needs one for each")
        }
        return try fixedTarget()
    }

    /// True for an input with an entry for each image along its first axis: not by chance, where the file fixes its size.
    func hasImages(_ name: String, _ tensor: Tensor) -> Bool {
        guard tensor.shape.first == images, images > 0 else { return false }
        let declared = model.type(of: name)?.dims?.first?.value
        return declared == nil || declared == model.type(of: input)?.dims?.first?.value
    }

    /// Feeds of one image with other versions of the explained input, the other inputs repeated.
    package func feeds(image: Int, _ versions: Tensor) throws -> [String: Tensor] {
        let count = versions.shape.first ?? 1
        return try Dictionary(
            uniqueKeysWithValues: feeds.map { name, tensor in
                (name, name == input ? versions : try repeated(name, tensor, image: image, count))
            })
    }

    /// An input of one image for so many versions of another one; what has no images stays as it is.
    func repeated(_ name: String, _ tensor: Tensor, image: Int, _ count: Int) throws -> Tensor {
        guard hasImages(name, tensor) else { return tensor }
        let one = try tensor.sliced(0, image..<(image + 1))
        return try one.broadcast(to: [count] + one.shape.dropFirst())
    }

    /// A target for all images, for one of them alone.
    package func target(_ target: Target, ofImage image: Int) throws -> Target {
        var target = target
        switch target.kind {
        case .each(let classes):
            guard classes.indices.contains(image) else { throw Failure.shape("\(classes.count) target classes for a batch of \(images)") }
            target.kind = .index(classes[image])
        case .weights(let tensor) where tensor.shape.first == images && images > 1:
            target.kind = .weights(try tensor.sliced(0, image..<(image + 1)))
        default: break
        }
        return target
    }

    /// Evaluates versions of the explained input of one image for its class; `wanted` are values to return besides.
    package func evaluate(
        image: Int, _ versions: Tensor, target: Target, gradient: Bool = false, rules: BackwardRules = .gradient, wanted: [String] = [],
        wantsEveryScore: Bool = false
    ) throws -> Outcome {
        try ask(
            Evaluation(
                try feeds(image: image, versions), wanted: wanted, target: try self.target(target, ofImage: image),
                gradients: gradient ? [input] : [], rules: rules, batch: batchSize, memory: memory, wantsEveryScore: wantsEveryScore))
    }

    /// Any question to the model, in the account of this request.
    package func ask(_ evaluation: Evaluation) throws -> Outcome {
        let outcome = try model.evaluate(evaluation, control)
        noteRounding(of: outcome)
        return outcome
    }

    /// Versions that may be held in memory at once: batches of them are made, evaluated and folded into the result.
    package func chunk(of total: Int) throws -> Int {
        // An input whose images lie along another axis, as the state of a recurrent network, cannot be repeated along the first.
        guard feeds.allSatisfy({ $0.key == input || $0.value.shape.isEmpty || hasImages($0.key, $0.value) }) else { return 1 }
        if let batchSize { return min(batchSize, total) }
        let bytes = (try x).count / max(1, images) * 4
        return max(1, min(total, 16, memory / max(1, bytes * 8)))
    }
}

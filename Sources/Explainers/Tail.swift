internal import Graphs
internal import Runtime
internal import Tensors

/// The network behind one layer: evaluated on versions of the layer's activation, so that what comes before it runs once.
struct Tail {
    let layer: String
    private let request: Request
    private let given: [String: Tensor]
    /// Inputs of the model that the rest of the network reads past the layer.
    private let others: [String]

    /// `feeds`: in place of the request's, as for other versions of the images.
    init(_ request: Request, after layer: String, feeds: [String: Tensor]? = nil) throws {
        self.request = request
        given = feeds ?? request.feeds
        self.layer = layer
        let graph = request.model.graph
        guard let id = graph.id(of: layer) else { throw Failure.notFound("the model has no value '\(layer)'") }
        let output = try CAMPipeline.output(request)
        let needed = graph.inputsNeeded(for: output, given: id)
        others = needed.map { graph[$0].name }.filter { request.feeds[$0] != nil }
    }

    /// Versions of the layer's activation for one image, the other inputs that are needed being that image's own.
    /// `beside`: further values that are given, as many versions of each.
    func evaluate(
        image: Int, _ versions: Tensor, beside: [String: Tensor] = [:], target: Target, gradient: Bool = false,
        rules: BackwardRules = .gradient, wantsEveryScore: Bool = false
    ) throws -> Outcome {
        try request.ask(
            try evaluation(
                image: image, versions, beside: beside, target: request.target(target, ofImage: image), gradient: gradient, rules: rules,
                wantsEveryScore: wantsEveryScore))
    }

    /// `evaluate` for so many versions of each image, `chunk` at a time; `activation` is the layer's for all images.
    func work(
        versions: Int, chunk: Int, activation: [Int], beside: [String] = [], gradient: Bool = false, rules: BackwardRules = .gradient,
        curvature: Bool = false
    ) throws -> [Work] {
        guard versions > 0 else { return [] }
        let chunk = max(1, min(chunk, versions)), images = request.images
        func one(_ count: Int) throws -> Evaluation {
            let copies = try Tensor.placeholder(.float32, [count] + activation.dropFirst())
            var question = try evaluation(
                image: 0, copies, beside: Dictionary(beside.map { ($0, copies) }, uniquingKeysWith: { first, _ in first }),
                target: Target(.index(0), score: request.target.score, output: request.target.output), gradient: gradient, rules: rules)
            if curvature { question.curvatures = [layer] }
            return question
        }
        var result = [Work(try one(chunk), times: versions / chunk * images)]
        if versions % chunk > 0 { result.append(Work(try one(versions % chunk), times: images)) }
        return result
    }

    /// The question that `evaluate` asks.
    func evaluation(
        image: Int, _ versions: Tensor, beside: [String: Tensor] = [:], target: Target, gradient: Bool, rules: BackwardRules = .gradient,
        wantsEveryScore: Bool = false
    ) throws -> Evaluation {
        let count = versions.shape.first ?? 1
        var feeds = beside
        feeds[layer] = versions
        for name in others {
            guard let tensor = given[name] else { continue }
            feeds[name] = try request.repeated(name, tensor, image: image, count)
        }
        return Evaluation(
            feeds, target: target, gradients: gradient ? [layer] : [], rules: rules, batch: request.batchSize, memory: request.memory,
            wantsEveryScore: wantsEveryScore)
    }
}

extension Graph {
    /// The inputs that a value is computed from, where another value is given.
    func inputsNeeded(for output: ValueID, given: ValueID) -> [ValueID] {
        let producers = producers()
        var seen: Set<ValueID> = [output, given], queue = output == given ? [] : [output], found: [ValueID] = []
        while let value = queue.popLast() {
            if inputs.contains(value) { found.append(value) }
            let producer = producers[value.index]
            guard producer >= 0 else { continue }
            for input in nodes[producer].inputs { if let input, seen.insert(input).inserted { queue.append(input) } }
        }
        return found
    }
}

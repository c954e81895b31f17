internal import Graphs
internal import Runtime
internal import Tensors

/// One explanation by a `WeightedCAM`: which evaluations it takes, and what becomes of them.
struct CAMRun<Variant: WeightedCAM> {
    /// Raw maps, one tensor for each layer.
    struct Maps {
        /// Of the target: images x 1 x space.
        var target: [Tensor] = []
        /// Of the option `classes`: (images * classes) x 1 x space.
        var classes: [Tensor] = []
    }

    private let variant: Variant
    private let request: Request
    let layers: [String]
    private let classes: [Int]

    init(_ variant: Variant, _ request: Request) throws {
        self.variant = variant
        self.request = request
        layers = try variant.pipeline.layers(request, isNormalized: Variant.readsNormalized)
        classes = try variant.pipeline.classes(request)
    }

    private var usesGradient: Bool { if case .none = Variant.derivatives { false } else { true } }
    private var usesCurvature: Bool { if case .curvature = Variant.derivatives { true } else { false } }

    // MARK: Explaining

    func findings() throws -> Findings {
        let views = try variant.pipeline.views(request)
        var steps = Steps(total: (Variant.hasObjective ? request.images : 0) + views.count * stepsPerView, control: request.control)
        var maps: [Tensor] = [], several: [Tensor] = [], layouts: [String] = []
        let objectives = try self.objectives(&steps)
        for (index, view) in views.enumerated() {
            let raw = try self.maps(view, isFirst: index == 0, objectives, &layouts, &steps)
            maps.append(try view.restored(variant.pipeline.finish(raw.target, request)))
            if !classes.isEmpty { several.append(try view.restored(variant.pipeline.finish(raw.classes, request))) }
        }
        var findings = Findings(map: try Explainers.Maps.mean(maps))
        if !classes.isEmpty {
            let mean = try Explainers.Maps.mean(several)
            findings.tensors["maps"] = try mean.reshaped([request.images, classes.count] + mean.shape.dropFirst(2))
        }
        findings.chosen["layer"] = .string(layers.joined(separator: ","))
        findings.chosen["layout"] = .string(layouts.joined(separator: "; "))
        return findings
    }

    /// The raw maps of the unchanged images, for methods that go on from them; they are the first of so many equal parts of the
    /// work.
    func maps(layouts: inout [String], of parts: Int) throws -> Maps {
        var steps = Steps(total: parts * stepsPerView, control: request.control)
        return try maps(AugmentedView(request), isFirst: true, objectives(&steps), &layouts, &steps)
    }

    /// Progress, in images that run.
    private struct Steps {
        var done = 0
        let total: Int
        let control: Control

        mutating func begin(_ stage: String, _ count: Int) throws {
            try control.begin(stage, done, to: done + count, of: total)
            done += count
        }
    }

    private var stepsPerView: Int { request.images * (1 + layers.count * classes.count) }

    private func maps(
        _ view: AugmentedView, isFirst: Bool, _ objectives: Objectives?, _ layouts: inout [String], _ steps: inout Steps
    ) throws -> Maps {
        try steps.begin("gradients", request.images)
        let outcome = try evaluate(view, isFirst: isFirst, objectives)
        var maps = Maps()
        layouts = []
        for layer in layers {
            let activation = try outcome.value(layer)
            let layout = try variant.pipeline.layout(layer, activation, request)
            layouts.append(layout.text)
            maps.target.append(try map(layer, activation, outcome, layout))
            if !classes.isEmpty { maps.classes.append(try classMaps(layer, activation, layout, view, objectives, &steps)) }
        }
        return maps
    }

    /// The first evaluation is that of the unchanged images: it sets scores and classes.
    private func evaluate(_ view: AugmentedView, isFirst: Bool, _ objectives: Objectives?) throws -> Outcome {
        if isFirst, objectives == nil { return try request.evaluate(question(view.feeds, request.target)) }
        let target = try objectives?.target(request) ?? request.fixedTarget()
        return try request.ask(question(view.feeds, target))
    }

    private func question(_ feeds: [String: Tensor], _ target: Target) -> Evaluation {
        var question = Evaluation(
            feeds, wanted: layers, target: target, gradients: usesGradient ? layers : [], batch: request.batchSize,
            memory: request.memory, isDequantized: true)
        if usesCurvature { question.curvatures = layers }
        return question
    }

    private func map(_ layer: String, _ activation: Tensor, _ outcome: Outcome, _ layout: LayerLayout) throws -> Tensor {
        let signal = try LayerSignal(
            activation: layout.canonical(activation), gradient: usesGradient ? layout.canonical(outcome.gradient(layer)) : nil,
            curvature: usesCurvature ? layout.canonical(outcome.curvature(layer)) : nil)
        return try CAMPipeline.combine(signal.activation, weights: variant.weights(signal), by: variant.component)
    }

    // MARK: Several classes

    /// The network behind the layer runs on copies of the layer's activation, one for each class; what comes before it ran
    /// once.
    private func classMaps(
        _ layer: String, _ activation: Tensor, _ layout: LayerLayout, _ view: AugmentedView, _ objectives: Objectives?,
        _ steps: inout Steps
    ) throws -> Tensor {
        guard request.model.type(of: layer)?.element.isFloat ?? true else {
            throw Failure.unsupported(
                "option 'classes': layer '\(layer)' holds levels of a quantised network, which the rest of it cannot start from; choose the value that dequantises it, or explain one class at a time"
            )
        }
        let tail = try Tail(request, after: layer, feeds: view.feeds)
        let chunk = chunk(of: activation.shape)
        var maps: [Tensor] = []
        for image in 0..<request.images {
            let one = try activation.sliced(0, image..<(image + 1))
            for start in stride(from: 0, to: classes.count, by: chunk) {
                let part = Array(classes[start..<min(start + chunk, classes.count)])
                try steps.begin("classes", part.count)
                let copies = try one.broadcast(to: [part.count] + one.shape.dropFirst())
                let target = try objectives?.target(request, image: image, part) { try variant.objective(of: $0, scores: $1) }
                var question = try tail.evaluation(
                    image: image, copies,
                    target: target ?? Target(.each(part), score: request.target.score, output: request.target.output), gradient: true)
                if usesCurvature { question.curvatures = [layer] }
                maps.append(try map(layer, copies, request.ask(question), layout))
            }
        }
        return try Explainers.Maps.joined(maps)
    }

    /// Classes at once, so that their activations and gradients stay within the memory option.
    private func chunk(of activation: [Int]) -> Int {
        if let batch = request.batchSize { return min(batch, max(1, classes.count)) }
        let bytes = activation.dropFirst().reduce(4) { $0.multipliedReportingOverflow(by: $1).partialValue }
        return max(1, min(classes.count, 32, request.memory / max(1, bytes * 8)))
    }

    // MARK: Other objectives

    /// What is differentiated in place of the target's score, of every image.
    private struct Objectives {
        /// Images x classes.
        let scores: [[Double]]
        let weights: Tensor

        func target(_ request: Request) -> Target {
            Target(.weights(weights), score: request.target.score, output: request.target.output)
        }

        /// Of several classes of one image.
        func target(_ request: Request, image: Int, _ classes: [Int], _ objective: (Int, [Double]) throws -> [Double]) throws -> Target {
            let rows = try classes.flatMap { try objective($0, scores[image]) }
            return Target(
                .weights(try Tensor(rows.map { Float($0) }, [classes.count, scores[image].count])), score: request.target.score,
                output: request.target.output)
        }
    }

    private func objectives(_ steps: inout Steps) throws -> Objectives? {
        guard Variant.hasObjective else { return nil }
        try steps.begin("score", request.images)
        let outcome = try request.evaluate(scoring)
        guard let every = outcome.everyScore, every.shape.count == 2, every.shape[0] == request.images, every.shape[1] > 1 else {
            throw Failure.unsupported(
                "the target's output is \(Shape.text(outcome.everyScore?.shape ?? [])); comparing classes needs images x classes, of at least two"
            )
        }
        let all = try every.doubles(), count = every.shape[1]
        let scores = (0..<request.images).map { Array(all[$0 * count..<($0 + 1) * count]) }
        let chosen = try request.chosenClasses()
        let rows = try zip(chosen, scores).flatMap { try variant.objective(of: $0, scores: $1) }
        return Objectives(scores: scores, weights: try Tensor(rows.map { Float($0) }, every.shape))
    }

    private var scoring: Evaluation {
        Evaluation(request.feeds, target: request.target, batch: request.batchSize, memory: request.memory, wantsEveryScore: true)
    }

    // MARK: Cost

    func work() throws -> [Work] {
        let views = variant.pipeline.viewCount
        let fixed = Target(.index(0), score: request.target.score, output: request.target.output)
        let first = question(request.feeds, Variant.hasObjective ? fixed : request.target)
        var work = Variant.hasObjective ? [Work(scoring)] : []
        work.append(Work(first))
        if views > 1 { work.append(Work(question(request.feeds, fixed), times: views - 1)) }
        guard !classes.isEmpty else { return work }
        for layer in layers {
            let shape = try request.model.shape(of: layer, in: first)
            let parts = try Tail(request, after: layer).work(
                versions: classes.count, chunk: chunk(of: shape), activation: shape, gradient: true, curvature: usesCurvature)
            work += parts.map { Work($0.evaluation, times: $0.times * views) }
        }
        return work
    }
}

extension Request {
    /// The class explained for each image; for a target that is not one class an error.
    fileprivate func chosenClasses() throws -> [Int] {
        switch try fixedTarget().kind {
        case .index(let index): return [Int](repeating: index, count: images)
        case .each(let indices):
            guard indices.count == images else { throw Failure.shape("\(indices.count) target classes for a batch of \(images)") }
            return indices
        default: throw Failure.invalid("the target is no single class; comparing classes needs one for each image")
        }
    }
}

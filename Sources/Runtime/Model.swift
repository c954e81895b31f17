package import Graphs
package import Tensors

/// A loaded network: immutable, shared by any number of threads.
package final class Model: Sendable {
    package let runtime: Runtime
    /// As imported: every value of the file, before any rewrite.
    package let graph: Graph
    package let names: Names
    private let facts: [String: String]
    private let hash: FileHash
    /// See `declaredType`.
    private let declared: [String: ElementType]
    /// Bytes that one run may use for activations.
    package let memory: Int
    private let backends: [Backend]
    private let passes: (before: [Pass], after: [Pass])
    private let pool: BufferPool
    private let plans = PlanCache(capacity: 24)
    /// The graph rewritten for values that must survive, by those that the default rewriting removes.
    private let rewritten = Mutex<[Set<String>: Graph]>([:])
    /// See `outline`.
    private let outlined = Mutex<Graph?>(nil)
    private let introspected = Mutex<Introspection?>(nil)
    private let operators = OperatorSet.standard

    /// Names of the options, see `pellucid_model_load`.
    package static let options = ["backend", "passes", "memory", "external", "folder"]

    /// `metadata`: what the file tells about itself; `declared`: element types of inputs and outputs where those of the graph
    /// are wider; `file`: its bytes, for the hash.
    package init(
        graph: Graph, metadata: [String: String] = [:], declared: [String: ElementType] = [:], file: Storage? = nil, runtime: Runtime,
        options: Options = Options()
    ) throws {
        try options.reject(unlessIn: Model.options, of: "a model")
        self.runtime = runtime
        self.graph = graph
        names = Names(graph)
        memory = try options.integer("memory") ?? 1 << 30
        guard memory > 0 else { throw Failure.invalid("option 'memory': expected a positive number of bytes, found \(memory)") }
        backends = try Model.choose(try options.text("backend"), from: runtime.backends)
        let choice = try options.text("passes") ?? "all"
        passes = (
            try PassList.select(choice, from: PassList.beforeDifferentiation),
            try PassList.select(choice, from: PassList.afterDifferentiation)
        )
        pool = BufferPool(limit: min(memory, 512 << 20))
        facts = metadata
        self.declared = declared
        hash = FileHash(file)
    }

    /// Another graph under the same options, on the same backends.
    init(graph: Graph, like other: Model) {
        runtime = other.runtime
        self.graph = graph
        names = Names(graph)
        memory = other.memory
        backends = other.backends
        passes = other.passes
        pool = other.pool
        facts = [:]
        declared = [:]
        hash = FileHash(nil)
    }

    /// The same network with other weights: by name, each of its value's type and shape. It is no longer the file's, and
    /// has no hash.
    package func replacing(weights: [String: Tensor]) throws -> Model {
        var graph = graph
        for (name, tensor) in weights {
            guard let id = graph.id(of: name), let known = graph[id].constant else {
                throw Failure.notFound("the model has no weight '\(name)'")
            }
            guard known.type == tensor.type, known.shape == tensor.shape else {
                throw Failure.shape(
                    "weight '\(name)' is \(known.type) \(Shape.text(known.shape)), its replacement \(tensor.type) \(Shape.text(tensor.shape))"
                )
            }
            graph[id].constant = tensor
        }
        return Model(graph: graph, like: self)
    }

    /// An entry of the file's metadata, or what `pellucid_model_metadata` names besides.
    package func metadata(_ key: String) -> String? {
        switch key {
        case "hash": hash.text
        case "backend": backend
        default: facts[key]
        }
    }

    /// The preferred backend, then the others by score: what one does not run, the next does.
    private static func choose(_ name: String?, from backends: [Backend]) throws -> [Backend] {
        guard let name else { return backends }
        guard let preferred = backends.first(where: { $0.name == name }) else {
            throw Failure.notFound("no backend '\(name)'\(Suggestion.text(for: name, among: backends.map(\.name)))")
        }
        // The oracle stays pure: nothing of a reference run comes from another backend.
        if name == "reference" { return [preferred] }
        return [preferred] + backends.filter { $0 !== preferred }
    }

    package var backend: String { backends.first?.name ?? "" }
    package var inputs: [Value] { graph.inputs.map { graph[$0] } }
    package var outputs: [Value] { graph.outputs.map { graph[$0] } }

    /// What is known of a value before a run.
    package func type(of name: String) -> TensorType? { graph.id(of: name).flatMap { graph[$0].type } }

    /// The imported graph with the operators that exporters break up (LayerNormalization, Gelu) put together again and
    /// shape arithmetic folded: what a method reads the network's structure from. Its values have the file's names.
    package var outline: Graph {
        get throws {
            if let known = outlined.withLock({ $0 }) { return known }
            var graph = graph
            try PassList.run(PassList.recognition, on: &graph, context: PassContext(operators: operators, pinned: Set(graph.outputs)))
            outlined.withLock { $0 = graph }
            return graph
        }
    }

    /// Element type that the file declares for an input or output; kernels may compute in a wider one.
    package func declaredType(of name: String) -> ElementType? {
        let computed = type(of: name)?.element
        return computed?.isContainer ?? false ? computed : declared[name] ?? computed
    }

    /// A value that was asked for, rounded to the type that the file declares for it if it is an output.
    package func delivered(_ name: String, of outcome: Outcome) throws -> Tensor {
        let tensor = try outcome.value(name)
        guard let type = declared[name], graph.id(of: name).map(graph.outputs.contains) ?? false else { return tensor }
        return try Model.rounded(tensor, to: type)
    }

    /// The elements, those of a container's items too, rounded to a type of the same kind. A file that is wrong about its
    /// output does not change what was computed.
    private static func rounded(_ tensor: Tensor, to type: ElementType) throws -> Tensor {
        if tensor.type == .sequence || tensor.type == .optional { return try tensor.mapItems { try rounded($0, to: type) } }
        guard type.isFloat == tensor.type.isFloat, type.isInteger == tensor.type.isInteger else { return tensor }
        return try tensor.narrowed(to: type, saturates: false)
    }

    /// What can be told of the nodes without running them; found when it is first asked for.
    package var introspection: Introspection {
        introspected.withLock { known in
            if let known { return known }
            let found = Introspection(graph, modules: names.modules, backends: backends, operators: operators)
            known = found
            return found
        }
    }

    // MARK: Evaluating

    /// Answers in as few runs as batch axis and memory allow.
    package func evaluate(_ question: Evaluation, _ control: Control) throws -> Outcome {
        var evaluation = question
        // Small floats are computed in float32, as the imported graph's inputs say.
        evaluation.feeds = try question.feeds.mapValues { try $0.widened() }
        let (batching, ranges) = try cut(evaluation, control)
        if ranges.count == 1 { return try run(evaluation, control) }
        var parts: [Outcome] = []
        for range in ranges { parts.append(try run(part(evaluation, range, batching), control)) }
        return try join(parts, evaluation)
    }

    /// The batch in parts that fit the model's batch axis and the memory budget.
    func cut(_ evaluation: Evaluation, _ control: Control) throws -> (Batching, [Range<Int>]) {
        let batching = Batching(feeds: evaluation.feeds) { type(of: $0) }
        // What is computed of several parts could not be put together again.
        let isWhole = evaluation.wanted.contains { type(of: $0)?.element.isContainer ?? false }
        let chunk = batching.chunk(limit: isWhole ? .max : evaluation.batch, budget: evaluation.memory ?? memory) {
            // Where one entry alone cannot be planned, the first axis is none of images; such inputs are run whole.
            max(1, (try? plan(for: part(evaluation, 0..<1, batching), control).peakBytes) ?? 1)
        }
        return (batching, try batching.ranges(chunk))
    }

    func part(_ evaluation: Evaluation, _ range: Range<Int>, _ batching: Batching) throws -> Evaluation {
        var part = evaluation
        part.feeds = try batching.slice(evaluation.feeds, range)
        if let count = batching.count { part.target = try evaluation.target?.sliced(range, of: count) }
        return part
    }

    /// Values and gradients of images lie one behind the other; gradients of weights add up.
    private func join(_ parts: [Outcome], _ evaluation: Evaluation) throws -> Outcome {
        var result = Outcome()
        for name in evaluation.wanted {
            let pieces = try parts.map { try $0.value(name) }
            result.values[name] = try graph.id(of: name).flatMap { graph[$0].constant } ?? Tensor.joined(pieces)
        }
        for name in evaluation.gradients {
            let pieces = try parts.map { try $0.gradient(name) }
            let isWeight = graph.id(of: name).map { graph[$0].constant != nil } ?? false
            result.gradients[name] = try isWeight ? pieces.dropFirst().reduce(pieces[0]) { try Tensor.sum($0, $1) } : Tensor.joined(pieces)
        }
        for name in evaluation.curvatures { result.curvatures[name] = try Tensor.joined(parts.map { try $0.curvature(name) }) }
        result.scores = parts.flatMap(\.scores)
        if evaluation.wantsEveryScore { result.everyScore = try Tensor.joined(parts.compactMap(\.everyScore)) }
        result.classes = parts.flatMap(\.classes)
        result.isStraightThrough = parts.contains(where: \.isStraightThrough)
        return result
    }

    private func run(_ evaluation: Evaluation, _ control: Control) throws -> Outcome {
        let plan = try plan(for: evaluation, control)
        var feeds = try evaluation.feeds.map { name, tensor in
            guard let id = plan.graph.id(of: name) else { throw Failure.notFound("the model has no value '\(name)'") }
            return (id, tensor)
        }
        if let id = plan.targetWeights, let target = evaluation.target, let type = plan.graph[id].type, let shape = type.shape {
            feeds.append((id, try target.weights(shape, element: type.element)))
        }
        var executor = Executor(plan, pool: pool, control: control)
        try executor.run(feeds)
        control.count(images: images(evaluation), isBackward: !evaluation.gradients.isEmpty, bytes: plan.peakBytes)
        return try outcome(of: executor, plan, evaluation)
    }

    /// Images of one run: the common first axis of the feeds, or 1 where they have none.
    func images(_ evaluation: Evaluation) -> Int { Batching(feeds: evaluation.feeds) { type(of: $0) }.count ?? 1 }

    private func outcome(of executor: Executor, _ plan: Plan, _ evaluation: Evaluation) throws -> Outcome {
        var outcome = Outcome()
        for (name, id) in plan.wanted { outcome.values[name] = try executor.value(id) }
        func derivative(_ name: String, _ id: ValueID?) throws -> Tensor {
            if let id { return try executor.value(id) }
            // No path leads from the value to the target.
            let value = plan.graph.id(of: name).flatMap { plan.graph[$0].type }
            return try .zeros(value?.element ?? .float32, value?.shape ?? [])
        }
        for (name, id) in plan.gradients { outcome.gradients[name] = try derivative(name, id) }
        for (name, id) in plan.curvatures { outcome.curvatures[name] = try derivative(name, id) }
        if let score = plan.score { outcome.scores = try executor.value(score).doubles() }
        if let every = plan.everyScore { outcome.everyScore = try executor.value(every) }
        outcome.isStraightThrough = plan.isStraightThrough
        if let classes = plan.classes { outcome.classes = try executor.value(classes).integers() }
        return outcome
    }

    // MARK: Planning

    /// The graph with the shapes of the feeds, before fusions, and the value that the target reads.
    func specialised(_ evaluation: Evaluation) throws -> (graph: Graph, output: ValueID)? {
        let request = try planRequest(evaluation, Control())
        let builder = PlanBuilder(
            request: request, rules: evaluation.rules, operators: operators, passes: passes.after, mayUnroll: true, backends: backends)
        let graph = try builder.specialised(try rewrittenGraph(keeping: request))
        return request.target.flatMap { graph.id(of: $0.output) }.map { (graph, $0) }
    }

    private func planRequest(_ evaluation: Evaluation, _ control: Control) throws -> PlanRequest {
        let target = try evaluation.target.map { target in
            TargetPlan(
                output: try target.output.map { try names.resolve($0) } ?? firstOutput(), score: target.score, isArgmax: target.isArgmax)
        }
        return PlanRequest(
            feeds: evaluation.feeds.sorted { $0.key < $1.key }.map { .init(name: $0.key, type: TensorType(of: $0.value)) },
            wanted: evaluation.wanted, target: target, gradients: evaluation.gradients, curvatures: evaluation.curvatures,
            rules: evaluation.rules.name,
            forwardHooks: control.hooks.filter { $0.phase == .forward }.map(\.name),
            backwardHooks: control.hooks.filter { $0.phase == .backward }.map(\.name), isDequantized: evaluation.isDequantized,
            wantsEveryScore: evaluation.wantsEveryScore)
    }

    func plan(for evaluation: Evaluation, _ control: Control) throws -> Plan {
        let request = try planRequest(evaluation, control)
        return try plans.plan(request) {
            let builder = PlanBuilder(
                request: request, rules: evaluation.rules, operators: operators, passes: passes.after,
                mayUnroll: passes.before.contains { $0.name == Pass.unroll.name }, backends: backends)
            let plan = try builder.plan(try rewrittenGraph(keeping: request))
            runtime.log(
                2, "plan for \(request.feeds.map { "\($0.name) \($0.type)" }.joined(separator: ", ")): \(plan.summary)")
            return plan
        }
    }

    private func firstOutput() throws -> String {
        guard let first = graph.outputs.first else { throw Failure.unsupported("the model has no output") }
        return graph[first].name
    }

    /// The imported graph after the passes that do not depend on shapes, with every value of the request still there.
    private func rewrittenGraph(keeping request: PlanRequest) throws -> Graph {
        let plain = try rewrite(pinning: [])
        let feeds = request.feeds.map(\.name).filter { Gradients.input(ofReference: $0) == nil }
        let asked =
            feeds + request.wanted + request.gradients + request.forwardHooks + request.backwardHooks
            + [request.target?.output].compactMap { $0 }
        let present = Model.present(in: plain)
        let missing = Set(asked.filter { name in !(graph.id(of: name).map { present[$0.index] } ?? false) })
        // A weight that is fed or differentiated must not be folded into what is computed from it.
        let weights = Set(
            (request.gradients + feeds).filter { name in graph.id(of: name).map { graph[$0].constant != nil } ?? false }
        )
        let pins = missing.union(weights)
        return pins.isEmpty ? plain : try rewrite(pinning: pins)
    }

    private func rewrite(pinning names: Set<String>) throws -> Graph {
        if let known = rewritten.withLock({ $0[names] }) { return known }
        var graph = graph
        let pinned = try names.map { name in
            guard let id = graph.id(of: name) else { throw Failure.notFound("the model has no value '\(name)'") }
            return id
        }
        let context = PassContext(operators: operators, pinned: Set(pinned).union(graph.outputs))
        try PassList.run(passes.before, on: &graph, context: context)
        rewritten.withLock { cache in
            if cache.count > 16 { cache = cache.filter { $0.key.isEmpty } }
            cache[names] = graph
        }
        return graph
    }

    private static func present(in graph: Graph) -> [Bool] {
        var present = graph.values.map { $0.constant != nil }
        for input in graph.inputs { present[input.index] = true }
        for node in graph.nodes { for output in node.outputs { if let output { present[output.index] = true } } }
        return present
    }
}

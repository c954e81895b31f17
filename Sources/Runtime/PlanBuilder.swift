internal import Graphs
internal import Tensors

/// Makes a plan: fixes shapes, adds the derivative, rewrites, chooses backends, orders releases.
struct PlanBuilder {
    let request: PlanRequest
    let rules: BackwardRules
    let operators: OperatorSet
    let passes: [Pass]
    /// Whether loops of known length become ordinary nodes; derivatives always need that.
    let mayUnroll: Bool
    /// Best first; the reference backend runs what no other one does.
    let backends: [Backend]

    func plan(_ model: Graph) throws -> Plan {
        var builder = Gradients(graph: try specialised(model), operators: operators)
        var target: (scored: ValueID, score: ValueID, seed: ValueID, classes: ValueID?)?
        if let asked = request.target { target = try builder.attach(asked) }
        if rules.isPaired { try builder.addTwins(of: request.feeds.compactMap { Gradients.input(ofReference: $0.name) }) }
        var gradients: [String: ValueID?] = [:]
        var curvatures: [String: ValueID?] = [:]
        var hooked: [ValueID: String] = [:]
        var isStraightThrough = false
        if let target, !(request.gradients.isEmpty && request.backwardHooks.isEmpty) {
            let wrt = try (request.gradients + request.backwardHooks).map { try find($0, in: builder.graph) }
            try checkDifferentiable(wrt, in: builder.graph)
            if builder.graph.hasControlFlow { try checkCopies(request.gradients + request.backwardHooks, in: builder.graph) }
            let derivative = try builder.graph.differentiated(
                seeds: [(target.scored, target.seed)], wrt: wrt, rules: rules, operators: operators, mustReach: true,
                twins: builder.twins)
            builder.graph = derivative.graph
            isStraightThrough = derivative.isStraightThrough
            for name in request.gradients {
                let id = try find(name, in: builder.graph)
                let gradient: ValueID? = try derivative.gradients[id].map { try builder.byReal($0, of: id) }
                // nil says that it is zero; assigned to the subscript it would take the entry away.
                gradients.updateValue(gradient, forKey: name)
            }
            for name in request.backwardHooks {
                if let id = derivative.gradients[try find(name, in: builder.graph)] { hooked[id] = name }
            }
            curvatures = try secondDerivatives(derivative.gradients, &builder)
        }
        var wanted: [String: ValueID] = [:]
        for name in request.wanted {
            let id = try find(name, in: builder.graph)
            wanted[name] = request.isDequantized ? try builder.dequantized(id) : id
        }
        var graph = builder.graph
        var forwardHooks: [ValueID: String] = [:]
        for name in request.forwardHooks { forwardHooks[try find(name, in: graph)] = name }
        let every = request.wantsEveryScore ? target?.scored : nil
        graph.outputs =
            Array(wanted.values) + gradients.values.compactMap { $0 } + curvatures.values.compactMap { $0 }
            + [target?.score, target?.classes, every].compactMap { $0 }
        let pinned = Set(graph.outputs).union(forwardHooks.keys).union(hooked.keys)
        let context = PassContext(operators: operators, pinned: pinned) { node, graph in supports(node, graph) }
        try PassList.run(passes, on: &graph, context: context)
        try checkFed(graph)
        let (steps, peak) = try schedule(graph)
        return Plan(
            graph: graph, steps: steps, wanted: wanted, gradients: gradients, curvatures: curvatures, score: target?.score,
            classes: target?.classes,
            everyScore: every,
            targetWeights: request.target.map { _ in target?.seed }?.flatMap { graph.inputs.contains($0) ? $0 : nil },
            forwardHooks: forwardHooks, backwardHooks: hooked, isStraightThrough: isStraightThrough, peakBytes: peak)
    }

    /// `H v` for each value `v` asked for: its gradient differentiated again, with `v` itself as the signal that arrives there
    /// (Pearlmutter 1994, "Fast exact multiplication by the Hessian").
    private func secondDerivatives(_ gradients: [ValueID: ValueID], _ builder: inout Gradients) throws -> [String: ValueID?] {
        var result: [String: ValueID?] = [:]
        for name in request.curvatures {
            let id = try find(name, in: builder.graph)
            guard builder.graph[id].type?.element.isFloat ?? true else {
                throw Failure.unsupported("'\(name)' holds levels of a quantised network, which have no second derivative")
            }
            var product: ValueID?
            if let gradient = gradients[id] {
                let derivative = try builder.graph.differentiated(seeds: [(gradient, id)], wrt: [id], operators: operators)
                builder.graph = derivative.graph
                product = derivative.gradients[id]
            }
            result.updateValue(product, forKey: name)
        }
        return result
    }

    private func find(_ name: String, in graph: Graph) throws -> ValueID {
        guard let id = graph.id(of: name) else { throw Failure.notFound("the model has no value '\(name)'") }
        return id
    }

    /// Inner graphs hold copies of the weights that they capture: what is fed, or asked for, must not miss them.
    private func checkCopies(_ names: [String], in graph: Graph) throws {
        for name in names {
            guard let holder = graph.holder(ofCopies: try find(name, in: graph)) else { continue }
            throw Failure.unsupported(
                "'\(name)' is part of a graph inside \(holder.label), where it can neither be fed nor differentiated")
        }
    }

    private func checkDifferentiable(_ values: [ValueID], in graph: Graph) throws {
        for id in values {
            if let type = graph[id].type, !Gradients.isDifferentiable(id, in: graph) {
                throw Failure.unsupported(
                    "'\(graph[id].name)' holds \(type.element); a gradient needs a floating-point value, such as the embedding that follows it"
                )
            }
        }
    }

    private var isDifferentiated: Bool { !request.gradients.isEmpty || !request.backwardHooks.isEmpty }
    private var unrolls: Bool { mayUnroll || isDifferentiated }

    // MARK: Shapes

    /// The graph with fed values as its inputs, and every shape inferred anew from theirs.
    func specialised(_ model: Graph) throws -> Graph {
        var graph = model
        // References are inputs of the copy that rules add.
        let feeds = request.feeds.filter { Gradients.input(ofReference: $0.name) == nil }
        if graph.hasControlFlow { try checkCopies(feeds.map(\.name), in: graph) }
        let fed = try feeds.map { ($0, try find($0.name, in: graph)) }
        let fedIDs = Set(fed.map(\.1))
        for index in graph.nodes.indices {
            graph.nodes[index].outputs = graph.nodes[index].outputs.map { $0.map { fedIDs.contains($0) } ?? false ? nil : $0 }
        }
        for node in graph.nodes { for output in node.outputs { if let output { graph[output].type = nil; graph[output].symbolic = nil } } }
        // What was computed from a constant that is now fed must be computed again.
        let depends = graph.dependents(of: fedIDs)
        for index in depends.indices where depends[index] { graph[ValueID(at: index)].constant = nil }
        for (feed, id) in fed {
            try check(feed, against: graph[id])
            graph[id].constant = nil
            graph[id].symbolic = nil
            graph[id].type = graph[id].type.flatMap { $0.element.isContainer ? $0.joined(with: feed.type) : nil } ?? feed.type
        }
        graph.inputs += fed.map(\.1).filter { !graph.inputs.contains($0) }
        graph.outputs = try (request.wanted + request.forwardHooks + [request.target?.output].compactMap { $0 }).map {
            try find($0, in: graph)
        }
        graph.keepNodes(neededFor: graph.outputs)
        guard unrolls, graph.hasControlFlow else {
            try graph.inferAll(operators: operators)
            return graph
        }
        try graph.unroll(
            operators: operators, kept: Set(try request.forwardHooks.map { try find($0, in: graph) }),
            limit: isDifferentiated ? Unroller.derivativeLimit : Unroller.plainLimit)
        graph.keepNodes(neededFor: graph.outputs)
        return graph
    }

    private func check(_ feed: PlanRequest.Feed, against value: Value) throws {
        guard let type = value.type else { return }
        guard type.element == feed.type.element else {
            if type.element.isContainer || feed.type.element.isContainer {
                throw Failure.shape("input '\(feed.name)' is \(type.element.kind), \(feed.type.element.kind) was given")
            }
            throw Failure.shape("input '\(feed.name)' holds \(type.element), the tensor given holds \(feed.type.element)")
        }
        guard type.admits(feed.type) else {
            if type.element.isContainer { throw Failure.shape("input '\(feed.name)' expects \(type), found \(feed.type)") }
            throw Failure.shape("input '\(feed.name)' expects \(type), the tensor given is \(Shape.text(feed.type.shape ?? []))")
        }
    }

    /// Every input that is read must have been fed.
    private func checkFed(_ graph: Graph) throws {
        let fed = Set(request.feeds.map(\.name))
        let computed = Set(graph.nodes.flatMap { $0.outputs.compactMap { $0 } })
        for node in graph.nodes {
            for input in node.inputs {
                guard let input, graph[input].constant == nil, !computed.contains(input) else { continue }
                let name = graph[input].name
                if fed.contains(name) || name.hasPrefix(TargetPlan.weights) { continue }
                let given = request.feeds.map { "'\($0.name)'" }.joined(separator: ", ")
                throw Failure.invalid("\(node.label) needs '\(name)', which was not fed\(given.isEmpty ? "" : " (fed: \(given))")")
            }
        }
    }

    // MARK: Backends

    private func supports(_ node: Node, _ graph: Graph) -> Bool {
        guard let program = Program(node, in: graph) else { return false }
        return backends.first?.supports(program) ?? false
    }

    private func action(_ node: Node, in graph: Graph) throws -> Plan.Action {
        if Plan.isView(node.op), let from = node.inputs.first, let from, let to = node.outputs.first, let to, graph[to].type?.shape != nil {
            return .view(from: from, to: to)
        }
        if let program = Program(node, in: graph) {
            for backend in backends {
                if let kernel = try backend.compile(program) { return .kernel(kernel) }
            }
        }
        guard let op = operators[node.op] else { throw Failure.unsupported("\(node.label): operator \(node.op) is not supported") }
        return .interpret(op, node)
    }

    // MARK: Order

    private func schedule(_ graph: Graph) throws -> ([Plan.Step], Int) {
        let last = graph.lastUses()
        var steps: [Plan.Step] = []
        var live = 0, peak = 0
        for (index, node) in graph.nodes.enumerated() {
            let outputs = node.outputs.compactMap { $0 }
            do {
                let action = try action(node, in: graph)
                live += outputs.reduce(0) { $0 + bytes($1, graph) }
                peak = max(peak, live)
                guard peak <= Memory.bytes else {
                    throw Failure.memory(
                        "the run needs more than \(peak >> 20) MiB at once, this process can have \(Memory.bytes >> 20) MiB")
                }
                let released = Set(node.inputs.compactMap { $0 } + outputs).filter { last[$0.index] == index }
                live -= released.reduce(0) { $0 + bytes($1, graph) }
                steps.append(
                    .init(action: action, label: node.label, op: node.op, outputs: outputs, released: Array(released)))
            } catch let failure as Failure {
                throw failure.at(node.label)
            }
        }
        return (steps, peak)
    }

    private func bytes(_ id: ValueID, _ graph: Graph) -> Int {
        guard let type = graph[id].type, let shape = type.shape, graph[id].constant == nil else { return 0 }
        return (try? Shape.count(shape)).flatMap { type.element.byteCount($0) } ?? 0
    }
}

extension Plan {
    /// Operators whose output is the input's memory under another shape.
    static func isView(_ op: String) -> Bool { ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"].contains(op) }
}

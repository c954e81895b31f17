internal import Tensors

/// Control flow. A branch is a closed graph: the node's inputs are the condition and the values that the branches
/// capture, and each branch's own inputs are those captured values in that order. Loop, Scan and SequenceMap have their own
/// inputs before those.
///
/// ONNX: If, Loop (opset 1 and up), Scan (8 and up), SequenceMap (17 and up).
enum Control {
    static let operators: [Operator] = [
        impossible,
        Operator(
            "If", arity: 1...Int(Int32.max), infer: { try branchTypes($0) },
            compute: { c in
                guard let condition = try c.tensor(0).converted(to: .bool).array(Truth.self).first else {
                    throw Failure.shape("the condition is empty")
                }
                let inputs = try c.node.inputs.indices.dropFirst().map { try c.tensor($0) }
                return try Interpreter.run(branch(c.node, condition.isTrue), inputs: inputs, operators: .standard, watch: c.watch)
            }, vjp: branchBack, takesContainers: true, samples: ifSamples),
        loop, scan, sequenceMap,
    ]

    static let lowerings: [Lowering] = [
        // A condition that follows from shapes alone is decided when the graph is made.
        Lowering("If", since: 1) { b, n in
            guard let id = n.inputs.first, let id, let condition = b.graph[id].constant else { return try b.add(n) }
            for node in try inlined(n, condition, in: &b.graph) { try b.add(node) }
        },
        Lowering("Scan", since: 8) { b, n in
            var node = n
            node.attributes[batched] = .int(1)
            try b.add(node)
        },
        Lowering("Scan", since: 9) { b, n in
            var node = n
            node.attributes[batched] = nil
            try b.add(node)
        },
    ]

    /// The branch for a value of the condition.
    static func branch(_ node: Node, _ condition: Bool) throws -> Graph {
        let name = condition ? "then_branch" : "else_branch"
        guard let graph = node.attributes[name]?.graph else { throw Failure.invalid("the \(name) is missing") }
        return graph
    }

    /// The nodes of the branch that a known condition takes, in place of the If.
    static func inlined(_ node: Node, _ condition: Tensor, in graph: inout Graph) throws -> [Node] {
        guard let first = try condition.converted(to: .bool).array(Truth.self).first else { throw Failure.shape("the condition is empty") }
        let taken = try branch(node, first.isTrue)
        try taken.checkNesting()
        return try graph.adopt(taken, inputs: Array(node.inputs.dropFirst()), outputs: node.outputs, prefix: node.name)
    }

    // MARK: Types

    private static func branchTypes(_ c: Inference) throws -> [TensorType] {
        if let condition = c.constants.first, let condition, let first = try condition.converted(to: .bool).array(Truth.self).first {
            return try types(of: branch(c.node, first.isTrue), c).map { type in
                guard let type else { throw NotYetKnown() }
                return type
            }
        }
        let either = try possibleTypes(c)
        guard let a = either.first, let b = either.last else { throw NotYetKnown() }
        guard a.count == b.count else { throw Failure.invalid("branches of \(a.count) and \(b.count) outputs") }
        return try zip(a, b).map { a, b in
            guard let a, let b else { throw NotYetKnown() }
            guard let joined = a.joined(with: b) else { throw Failure.invalid("branches give \(a.element) and \(b.element)") }
            return joined
        }
    }

    /// Types of the branches that the sizes allow; throws where neither is one.
    private static func possibleTypes(_ c: Inference) throws -> [[TensorType?]] {
        var result: [[TensorType?]] = []
        var contradiction: Failure?
        for condition in [true, false] {
            let branch = try branch(c.node, condition)
            if branch.isImpossible { continue }
            do { result.append(try types(of: branch, c)) } catch let failure as Failure where failure.kind == .shape {
                contradiction = failure
            }
        }
        if result.isEmpty, let contradiction { throw contradiction }
        return result
    }

    private static func types(of branch: Graph, _ c: Inference) throws -> [TensorType?] {
        let typed = try typed(branch, c.types.dropFirst().map { $0 }, OperatorSet.standard)
        return typed.outputs.map { typed[$0].type }
    }

    /// The branch with types inferred from those of what it captures.
    static func typed(_ branch: Graph, _ types: [TensorType?], _ operators: OperatorSet) throws -> Graph {
        try branch.checkNesting()
        guard types.count == branch.inputs.count else {
            throw Failure.invalid("a branch captures \(branch.inputs.count) values, found \(types.count)")
        }
        var graph = branch
        for (id, type) in zip(graph.inputs, types) { graph[id].type = type ?? graph[id].type }
        for node in graph.nodes { try graph.infer(node, operators: operators, fold: false) }
        return graph
    }

    // MARK: Gradient

    /// An If whose branches are the derivatives of the branches.
    private static let branchBack: Operator.VJP = { g, n, dy in
        let captured = Array(n.inputs.dropFirst())
        let reals = captured.indices.filter { captured[$0].map { g.graph[$0].type?.element.isFloat ?? false } ?? false }
        let seeded = dy.indices.filter { dy[$0] != nil }
        guard !reals.isEmpty, !seeded.isEmpty else { return n.inputs.map { _ in nil } }
        let types = captured.map { $0.flatMap { g.graph[$0].type } }
        let seeds = seeded.compactMap { dy[$0] }
        var attributes: [String: Attribute] = [:]
        for condition in [true, false] {
            let derivative = try possibleDerivative(
                of: branch(n, condition), types, outputs: seeded, seedTypes: seeds.map { g.graph[$0].type }, reals, g.operators)
            attributes[condition ? "then_branch" : "else_branch"] = .graph(derivative)
        }
        let gradients = try g.emit("If", [n.inputs[0]] + captured + seeds.map { $0 }, attributes, outputs: reals.count)
        var result = [ValueID?](repeating: nil, count: n.inputs.count)
        for (place, gradient) in zip(reals, gradients) { result[place + 1] = gradient }
        return result
    }

    /// The same as `derivative`; of a branch that the sizes do not allow, a graph that fails when it runs.
    private static func possibleDerivative(
        of branch: Graph, _ types: [TensorType?], outputs: [Int], seedTypes: [TensorType?], _ reals: [Int], _ operators: OperatorSet
    ) throws -> Graph {
        do {
            guard !branch.isImpossible else { throw Failure.shape("the branch does not fit the sizes") }
            var inner = try typed(branch, types, operators)
            if inner.hasControlFlow { try inner.unroll(operators: operators, limit: Unroller.derivativeLimit) }
            return try derivative(of: inner, outputs: outputs, seedTypes: seedTypes, reals, operators)
        } catch let failure as Failure where failure.kind == .shape {
            return .impossible(inputs: types.count + seedTypes.count, outputs: reals.count, failure.message)
        }
    }

    /// The graph from a branch's inputs and the gradients of `outputs` to the gradients of the inputs `reals`.
    private static func derivative(of branch: Graph, outputs: [Int], seedTypes: [TensorType?], _ reals: [Int], _ operators: OperatorSet)
        throws -> Graph
    {
        var graph = branch
        var seeds: [(value: ValueID, gradient: ValueID)] = []
        for (output, type) in zip(outputs, seedTypes) {
            guard output < branch.outputs.count else { throw Failure.invalid("a branch has only \(branch.outputs.count) outputs") }
            let value = branch.outputs[output]
            let seed = graph.add("\(branch[value].name)/gradient", type: branch[value].type ?? type)
            graph.inputs.append(seed)
            seeds.append((value, seed))
        }
        let wrt = reals.map { branch.inputs[$0] }
        let derivative = try graph.differentiated(seeds: seeds, wrt: wrt, operators: operators)
        var builder = Gradients(graph: derivative.graph, operators: operators)
        builder.current = "branch"
        builder.graph.outputs = try wrt.map { try derivative.gradients[$0] ?? builder.zeros(like: $0) }
        return builder.graph
    }

    // MARK: Samples

    private static var ifSamples: [Sample] {
        let branches: [String: Attribute] = ["then_branch": .graph(branch("Add", [0, 0])), "else_branch": .graph(branch("Exp", [1]))]
        return [
            Sample([.truths([], [true]), .real(2, 3), .real(2, 3)], branches),
            Sample([.truths([1], [false]), .real(2, 3), .real(2, 3)], branches),
        ]
    }

    /// A branch of one node over two captured values.
    private static func branch(_ op: String, _ inputs: [Int]) -> Graph {
        var graph = Graph()
        graph.inputs = [graph.add("x"), graph.add("y")]
        graph.outputs = [graph.add("z")]
        graph.nodes = [Node(op: op, name: op, inputs: inputs.map { graph.inputs[$0] }, outputs: graph.outputs)]
        return graph
    }
}

internal import Tensors

/// Loop (ONNX opset 1 and up). The node's inputs are the trip count, the condition, the values that are carried from turn
/// to turn, and what the body captures; the body's are the turn's number, the condition, and the same.
struct LoopForm {
    let body: Graph
    /// How many values are carried, captured, and collected over the turns.
    let carried: Int, captured: Int, scanned: Int

    init(_ node: Node) throws {
        guard let body = node.attributes["body"]?.graph else { throw Failure.invalid("the body is missing") }
        self.body = body
        captured = node.attributes[Control.captured]?.int ?? 0
        carried = node.inputs.count - 2 - captured
        guard captured >= 0, carried >= 0, body.inputs.count == node.inputs.count else {
            throw Failure.invalid(
                "the body has \(body.inputs.count - captured) inputs, expected \(max(0, node.inputs.count - captured)): turn, condition and what is carried"
            )
        }
        scanned = body.outputs.count - 1 - carried
        guard scanned >= 0, node.outputs.count <= carried + scanned else {
            throw Failure.invalid("the body has \(body.outputs.count) outputs, expected at least \(1 + max(carried, node.outputs.count))")
        }
    }

    /// True when the body passes its condition on, or gives a constant true: the trip count alone ends the loop.
    var isCounted: Bool {
        var id = body.outputs[0]
        let producers = body.producers()
        while producers[id.index] >= 0, body.nodes[producers[id.index]].op == "Identity",
            let input = body.nodes[producers[id.index]].inputs.first, let input
        {
            id = input
        }
        if id == body.inputs[1] { return true }
        guard let constant = body[id].constant else { return false }
        return (try? Control.isTrue(constant)) ?? false
    }

    /// Number of turns, where inputs and body fix it.
    func fixedTrips(_ c: some NodeReader) throws -> Int? {
        guard c.has(0), let trips = c.constant(0), isCounted else { return nil }
        if c.has(1) {
            guard let condition = c.constant(1) else { return nil }
            if try !Control.isTrue(condition) { return 0 }
        }
        return max(0, try Control.tripCount(trips))
    }

    /// The turn's number, or the condition, of the rank that the body declares.
    func scalar(_ tensor: Tensor, input: Int) throws -> Tensor {
        try tensor.reshaped(body[body.inputs[input]].type?.dims?.count == 1 ? [1] : [])
    }
}

extension Control {
    /// How many of a node's inputs are values that its body captures; those are its last.
    static let captured = "captured"

    static let loop = Operator(
        "Loop", arity: 0...Int(Int32.max), infer: { try loopTypes($0) }, compute: { try runLoop($0) }, isPure: false,
        takesContainers: true, noGradient: "how many turns it takes follows from data, or they are too many to unroll",
        samples: loopSamples)

    static func isTrue(_ condition: Tensor) throws -> Bool {
        guard condition.count == 1, let first = try condition.converted(to: .bool).array(Truth.self).first else {
            throw Failure.shape("the condition must be one truth value, found \(condition.type) \(Shape.text(condition.shape))")
        }
        return first.isTrue
    }

    static func tripCount(_ trips: Tensor) throws -> Int {
        guard trips.count == 1, trips.type.isInteger, let count = try trips.integers().first else {
            throw Failure.shape("the trip count must be one integer, found \(trips.type) \(Shape.text(trips.shape))")
        }
        return count
    }

    private static func runLoop(_ c: Call) throws -> [Tensor] {
        let form = try LoopForm(c.node)
        let interpreter = try Interpreter(form.body, operators: .standard)
        let trips = try c.has(0) ? tripCount(c.tensor(0)) : Int.max
        var condition = try c.has(1) ? c.tensor(1) : try .scalar(Truth(true))
        var goesOn = try isTrue(condition), turn = 0
        condition = try form.scalar(condition, input: 1)
        var carried = try (2..<2 + form.carried).map { try c.tensor($0) }
        let captured = try (2 + form.carried..<c.node.inputs.count).map { try c.tensor($0) }
        var stacks = (0..<form.scanned).map { _ in Stack(watch: c.watch) }
        defer { for stack in stacks { stack.letGo() } }
        while goesOn, turn < trips {
            try c.watch?.poll()
            let number = try form.scalar(.scalar(Int64(turn)), input: 0)
            let results = try interpreter.run([number, condition] + carried + captured, watch: c.watch)
            condition = results[0]
            goesOn = try isTrue(condition)
            carried = Array(results[1..<1 + form.carried])
            for index in stacks.indices { try stacks[index].append(results[1 + form.carried + index]) }
            turn += 1
        }
        if turn > 0 { return try carried + stacks.map { try $0.stacked() } }
        let types = try settled(
            form.body, [TensorType(.int64, []), TensorType(.bool, [])], carried.map { TensorType(of: $0) },
            captured.map { TensorType(of: $0) }, firstOutput: 1)
        return try carried + zip(stacks, types.dropFirst(form.carried)).map { try $0.stacked(emptyType: $1) }
    }

    // MARK: Types

    private static func loopTypes(_ c: Inference) throws -> [TensorType] {
        let form = try LoopForm(c.node)
        let initial = Array(c.types[2..<2 + form.carried]), captured = Array(c.types[(2 + form.carried)...])
        let outputs = try settled(form.body, [TensorType(.int64, []), TensorType(.bool, [])], initial, captured, firstOutput: 1)
        let trips = try form.fixedTrips(c).map { Dim($0) } ?? .unknown
        let scanned = try outputs.dropFirst(form.carried).map { type in
            guard let type else { throw NotYetKnown() }
            return TensorType(type.element, type.dims.map { [trips] + $0 })
        }
        return try outputs.prefix(form.carried).map { type in
            guard let type else { throw NotYetKnown() }
            return type
        } + scanned
    }

    /// Types of what a body carries from turn to turn, whatever the turn, then of its other outputs. Sizes that change are
    /// unknown; where nothing follows, what the file declares holds.
    static func settled(_ body: Graph, _ leading: [TensorType?], _ initial: [TensorType?], _ trailing: [TensorType?], firstOutput: Int)
        throws -> [TensorType?]
    {
        // Bodies within bodies are inferred anew for each guess, so that deep ones get the plainest guess at once.
        let guesses = body.height > 3 ? 0 : 3
        var carried = guesses == 0 ? initial.map { $0.map { TensorType($0.element, nil, items: $0.items) } } : initial
        for guess in 0...guesses {
            let typed = try typed(body, leading + carried + trailing, .standard)
            let outputs = typed.outputs.dropFirst(firstOutput).map { typed[$0].type }
            let next = try carried.enumerated().map { try joined($1, outputs[$0], index: $0) }
            if next == carried || guess == guesses { return next + outputs.dropFirst(carried.count) }
            carried = guess == guesses - 1 ? next.map { $0.map { TensorType($0.element, nil, items: $0.items) } } : next
        }
        return carried
    }

    /// The type of a carried value, which is the initial one at first and the body's later.
    private static func joined(_ first: TensorType?, _ later: TensorType?, index: Int) throws -> TensorType? {
        guard let first else { return later.map { TensorType($0.element, nil, items: $0.items) } }
        guard let later else { return TensorType(first.element, nil, items: first.items) }
        if let joined = first.joined(with: later) { return joined }
        // An optional may give way to what it holds.
        if first.element.isContainer, later.element.isContainer || first.element == .optional { return nil }
        throw Failure.invalid("carried value \(index) is \(first.element.kind) at first, \(later.element.kind) after a turn")
    }
}

extension Graph {
    /// Levels of graphs inside this one.
    var height: Int {
        nodes.reduce(0) { highest, node in
            node.attributes.values.reduce(highest) { max($0, $1.graph.map { $0.height + 1 } ?? 0) }
        }
    }
}

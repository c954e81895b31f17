import Tensors
import Testing

@testable import Graphs

/// Loops, sequences and optionals: as their kernels run them, unrolled, and broken.
@Suite struct ControlFlowTests {
    /// A graph whose nodes are given as operator, inputs, outputs; constants by name.
    static func graph(
        _ inputs: [(String, TensorType?)], constants: [String: Tensor] = [:], _ nodes: [Node.Sketch], outputs: [String]
    ) throws -> Graph {
        var graph = Graph()
        graph.inputs = inputs.map { graph.add($0.0, type: $0.1) }
        for (name, tensor) in constants.sorted(by: { $0.key < $1.key }) { _ = graph.constant(tensor, name) }
        for sketch in nodes {
            let read = try sketch.inputs.map { name -> ValueID? in
                guard !name.isEmpty else { return nil }
                let known: ValueID = try #require(graph.id(of: name))
                return known
            }
            let written = sketch.outputs.map { graph.add($0) }
            let node = Node(op: sketch.op, name: sketch.outputs[0], inputs: read, outputs: written, attributes: sketch.attributes)
            graph.nodes.append(node)
        }
        graph.outputs = try outputs.map { try #require(graph.id(of: $0)) }
        return graph
    }

    private static let vector = TensorType(.float32, shape: [3])
    private let x = Result { try Tensor([1, -2, 0.5] as [Float]) }

    /// `v` times `x` plus the turn's number, turn after turn; collects what comes out. `x` is captured.
    private static func body(_ condition: [Node.Sketch] = [.init("Identity", ["go"], ["next"])]) throws -> Graph {
        try graph(
            [("i", nil), ("go", nil), ("v", nil), ("x", nil)], constants: ["two": .scalar(Int64(2))],
            condition + [
                .init("Cast", ["i"], ["number"], ["to": .int(1)]), .init("Mul", ["v", "x"], ["product"]),
                .init("Add", ["product", "number"], ["sum"]),
            ], outputs: ["next", "sum", "product"])
    }

    private static func loop(trips: Int?, _ body: Graph) throws -> Graph {
        var constants = ["yes": try Tensor.scalar(Truth(true))]
        if let trips { constants["trips"] = try .scalar(Int64(trips)) }
        return try graph(
            [("x", vector)], constants: constants,
            [
                .init(
                    "Loop", [trips == nil ? "" : "trips", "yes", "x", "x"], ["last", "all"],
                    ["body": .graph(body), Control.captured: .int(1)])
            ], outputs: ["last", "all"])
    }

    private func run(_ graph: Graph, watch: Watch? = nil) throws -> [Tensor] {
        try Interpreter.run(graph, inputs: [x.get()], operators: .standard, watch: watch)
    }

    /// What the loop above computes, in plain Swift.
    private func expected(_ trips: Int) throws -> (last: [Float], all: [Float]) {
        let x = try x.get().array(Float.self)
        var v = x, all: [Float] = []
        for turn in 0..<max(0, trips) {
            all += zip(v, x).map { $0 * $1 }
            v = zip(v, x).map { $0 * $1 + Float(turn) }
        }
        return (v, all)
    }

    @Test(arguments: [4, 1, 0, -5, .min]) func tripsAreCounted(_ trips: Int) throws {
        let plain = try Self.loop(trips: trips, Self.body()), expected = try expected(trips)
        var unrolled = plain
        #expect(try unrolled.unroll(operators: .standard))
        #expect(!unrolled.nodes.contains { $0.op == "Loop" })
        for graph in [plain, unrolled] {
            let results = try run(graph)
            #expect(try results[0].array(Float.self) == expected.last)
            #expect(try results[1].array(Float.self) == expected.all)
            #expect(results[1].shape == [max(0, trips), 3])
        }
        if trips == 4 { #expect(unrolled.id(of: "last/3/product") != nil) }
    }

    /// The condition follows from the turn's number.
    @Test(arguments: [Int.max, nil]) func theConditionEndsALoop(_ trips: Int?) throws {
        let plain = try Self.loop(trips: trips, Self.body([.init("Less", ["i", "two"], ["next"])]))
        var unrolled = plain
        #expect(try unrolled.unroll(operators: .standard))
        for graph in [plain, unrolled] { #expect(try run(graph)[0].array(Float.self) == expected(3).last) }
    }

    /// A derivative passes the turns of an unrolled loop, and says whose turns it cannot pass.
    @Test func gradients() throws {
        let trips = 3
        var graph = try Self.loop(trips: trips, Self.body())
        try graph.inferAll(operators: .standard)
        let seed = graph.constant(try Tensor([1, 1, 1] as [Float]), "seed")
        let failure = #expect(throws: Failure.self) {
            try graph.differentiated(seeds: [(graph.outputs[0], seed)], wrt: [graph.inputs[0]], operators: .standard)
        }
        #expect(failure?.kind == .unsupported)
        #expect(failure?.message.contains("Loop 'last'") ?? false)
        #expect(failure?.message.contains("methods that only run the model still work") ?? false)
        try graph.unroll(operators: .standard)
        var derivative = try graph.differentiated(seeds: [(graph.outputs[0], seed)], wrt: [graph.inputs[0]], operators: .standard)
        derivative.graph.outputs = [try #require(derivative.gradients[graph.inputs[0]])]
        // ((x² + 0)x + 1)x + 2
        let slopes = try x.get().array(Float.self).map { 4 * $0 * $0 * $0 + 1 }
        #expect(try run(derivative.graph)[0].array(Float.self) == slopes)
    }

    /// A weight that the body captures is the same weight in every turn, so that its gradient is the sum over the turns.
    @Test func capturedWeightsStayOne() throws {
        let weight = try Tensor([2, 3, 4] as [Float])
        let body = try Self.graph(
            [("i", nil), ("go", nil), ("v", nil)], constants: ["w": weight],
            [.init("Identity", ["go"], ["next"]), .init("Mul", ["v", "w"], ["product"])], outputs: ["next", "product"])
        var graph = try Self.graph(
            [("x", Self.vector)], constants: ["w": weight, "trips": .scalar(Int64(3)), "yes": .scalar(Truth(true))],
            [.init("Loop", ["trips", "yes", "x"], ["y"], ["body": .graph(body), Control.captured: .int(0)])], outputs: ["y"])
        let id = try #require(graph.id(of: "w"))
        #expect(graph.holder(ofCopies: id)?.name == "y")
        try graph.unroll(operators: .standard)
        #expect(graph.nodes.filter { $0.inputs.contains(id) }.count == 3)
        #expect(graph.holder(ofCopies: id) == nil)
    }

    /// A trip count that may still be replaced is not relied on.
    @Test func replaceableTripCountsAreKept() throws {
        var graph = try Self.loop(trips: 3, Self.body())
        let trips = try #require(graph.id(of: "trips"))
        #expect(try !graph.unroll(operators: .standard, kept: [trips]))
        #expect(graph.nodes.count == 1)
    }

    @Test func aLoopWithoutEndIsEnded() throws {
        let endless = try Self.loop(trips: nil, Self.body())
        var graph = endless
        #expect(try !graph.unroll(operators: .standard))
        #expect(graph.nodes.count == 1)
        var polls = 0
        let watch = Watch {
            polls += 1
            if polls > 1000 { throw Failure(.cancelled, "enough") }
        }
        let failure = #expect(throws: Failure.self) { try run(endless, watch: watch) }
        #expect(failure?.message == "enough")
        #expect(polls == 1001)
    }

    /// What turns give is counted before it is copied. The views take no memory.
    @Test func whatIsKeptMustFit() throws {
        let large = try Tensor.scalar(Float(1)).broadcast(to: [Memory.elements])
        var stack = Stack(watch: nil)
        let full = #expect(throws: Failure.self) { try stack.append(large) }
        #expect(full?.kind == .memory)
        #expect(throws: Failure.self) { try Tensor(sequence: [large, large]) }
        let watch = Watch()
        try watch.hold(Memory.bytes)
        let more = #expect(throws: Failure.self) { try watch.hold(1) }
        #expect(more?.kind == .memory)
        watch.release(Memory.bytes)
        try watch.hold(1)
    }

    /// Loops without end inside a loop of many turns, which are not tried again in every turn.
    @Test(.timeLimit(.minutes(1))) func hopelessLoopsAreGivenUp() throws {
        let inner = try Self.graph(
            [("i", nil), ("go", nil), ("v", nil)], constants: ["most": .scalar(Int64.max)],
            [.init("Less", ["i", "most"], ["next"]), .init("Neg", ["v"], ["turned"])], outputs: ["next", "turned"])
        let outer = try Self.graph(
            [("i", nil), ("go", nil), ("v", nil)], constants: ["yes": .scalar(Truth(true))],
            [
                .init("Identity", ["go"], ["next"]),
                .init("Loop", ["", "yes", "v"], ["turned"], ["body": .graph(inner), Control.captured: .int(0)]),
            ], outputs: ["next", "turned"])
        var graph = try Self.graph(
            [("x", Self.vector)], constants: ["trips": .scalar(Int64(1000)), "yes": .scalar(Truth(true))],
            (0..<20).map { .init("Loop", ["trips", "yes", "x"], ["y\($0)"], ["body": .graph(outer), Control.captured: .int(0)]) },
            outputs: ["y0"])
        #expect(try !graph.unroll(operators: .standard))
        #expect(graph.nodes.count == 20)
    }

    /// What is collected must fit, whatever the loop does.
    @Test func bodiesThatDoNotFitAreRefused() throws {
        let short = try Self.graph([("i", nil), ("go", nil)], [], outputs: ["go"])
        let silent = try Self.graph([("i", nil), ("go", nil), ("v", nil), ("x", nil)], [], outputs: ["go"])
        let growing = try Self.graph(
            [("i", nil), ("go", nil), ("v", nil), ("x", nil)], [.init("Concat", ["v", "x"], ["more"], ["axis": .int(0)])],
            outputs: ["go", "more", "more"])
        for (body, text) in [(short, "inputs, expected"), (silent, "outputs, expected"), (growing, "those before it gave")] {
            let failure = #expect(throws: Failure.self) { try run(Self.loop(trips: 3, body)) }
            #expect(failure?.message.contains(text) ?? false, "\(failure?.message ?? "")")
            var graph = try Self.loop(trips: 3, body)
            _ = try? graph.unroll(operators: .standard)
        }
        let nothing = try Self.graph(
            [("x", Self.vector)], [.init("Loop", ["", "", "x"], ["y"]), .init("Scan", ["x"], ["z"]), .init("SequenceMap", ["x"], ["w"])],
            outputs: ["y", "z", "w"])
        for node in nothing.nodes {
            #expect(throws: Failure.self) {
                try OperatorSet.standard[node.op]?.run(Call(node: node, inputs: node.inputs.map { try $0.map { _ in try x.get() } }))
            }
        }
    }

    /// A carried value must keep its elements' type, and may change its size.
    @Test func typesOfCarriedValuesSettle() throws {
        let growing = try Self.graph(
            [("i", nil), ("go", nil), ("v", nil), ("x", nil)], [.init("Concat", ["v", "x"], ["more"], ["axis": .int(0)])],
            outputs: ["go", "more", "x"])
        var graph = try Self.loop(trips: 3, growing)
        try graph.inferAll(operators: .standard)
        #expect(graph[graph.outputs[0]].type == TensorType(.float32, [.unknown]))
        #expect(graph[graph.outputs[1]].type == TensorType(.float32, shape: [3, 3]))
        let turning = try Self.graph(
            [("i", nil), ("go", nil), ("v", nil), ("x", nil)], [.init("Cast", ["v"], ["other"], ["to": .int(7)])],
            outputs: ["go", "other", "x"])
        var wrong = try Self.loop(trips: 3, turning)
        let failure = #expect(throws: Failure.self) { try wrong.inferAll(operators: .standard) }
        #expect(failure?.message.contains("carried value 0 is a float32 tensor at first, an int64 tensor after a turn") ?? false)
    }

    // MARK: Containers

    /// Splits, squares each part, and joins them again: through sequences, all of which are known.
    @Test func knownSequencesDisappear() throws {
        let square = try Self.graph([("item", nil)], [.init("Mul", ["item", "item"], ["squared"])], outputs: ["squared"])
        var graph = try Self.graph(
            [("x", Self.vector)], constants: ["first": .scalar(Int64(0)), "last": .scalar(Int64(-1))],
            [
                .init("SplitToSequence", ["x"], ["parts"]),
                .init("SequenceMap", ["parts"], ["squares"], ["body": .graph(square), Control.captured: .int(0)]),
                .init("SequenceAt", ["parts", "last"], ["end"]), .init("SequenceInsert", ["squares", "end", "first"], ["longer"]),
                .init("SequenceErase", ["longer", "last"], ["shorter"]), .init("Optional", ["shorter"], ["maybe"]),
                .init("OptionalGetElement", ["maybe"], ["sure"]), .init("ConcatFromSequence", ["sure"], ["y"], ["axis": .int(0)]),
            ], outputs: ["y"])
        let before = try run(graph)[0].array(Float.self)
        #expect(before == [0.5, 1, 4])
        try graph.inferAll(operators: .standard)
        try graph.unroll(operators: .standard)
        graph.keepNodes(neededFor: graph.outputs)
        #expect(!graph.nodes.contains { $0.op.contains("Sequence") || $0.op.contains("Optional") })
        #expect(try run(graph)[0].array(Float.self) == before)
    }

    @Test func operatorsOnTensorsRefuseContainers() throws {
        let sequence = try Tensor(sequence: [x.get()])
        for op in OperatorSet.standard.all where !op.takesContainers && op.arity.lowerBound > 0 {
            let count = op.arity.lowerBound
            let node = Node(op: op.name, name: "n", inputs: (0..<count).map { ValueID(at: $0) }, outputs: [ValueID(at: count)])
            let failure = #expect(throws: Failure.self, "\(op.name)") {
                try op.run(Call(node: node, inputs: [Tensor?](repeating: sequence, count: count)))
            }
            #expect(failure?.message == "input 0 is a sequence, expected a tensor", "\(op.name)")
        }
    }

    /// A long axis beside an empty one takes no memory; its parts would.
    @Test func partsAreBounded() throws {
        let long = try Tensor.empty(.float32, [Memory.elements, 0])
        let graph = try Self.graph([("x", nil)], [.init("SplitToSequence", ["x"], ["s"])], outputs: ["s"])
        let failure = #expect(throws: Failure.self) { try Interpreter.run(graph, inputs: [long], operators: .standard) }
        #expect(failure?.kind == .memory)
    }

    @Test func placesOutsideASequenceAreRefused() throws {
        for (place, isInside) in [(0, true), (-2, true), (2, false), (-3, false), (.max, false), (.min, false)] {
            let graph = try Self.graph(
                [("x", nil)], constants: ["place": .scalar(Int64(place))],
                [.init("SequenceConstruct", ["x", "x"], ["s"]), .init("SequenceAt", ["s", "place"], ["y"])], outputs: ["y"])
            if isInside { _ = try run(graph) } else { #expect(throws: Failure.self) { try run(graph) } }
        }
    }
}

extension Node {
    /// A node before it has values.
    struct Sketch {
        let op: String, inputs: [String], outputs: [String]
        let attributes: [String: Attribute]

        init(_ op: String, _ inputs: [String], _ outputs: [String], _ attributes: [String: Attribute] = [:]) {
            self.op = op
            self.inputs = inputs
            self.outputs = outputs
            self.attributes = attributes
        }
    }
}

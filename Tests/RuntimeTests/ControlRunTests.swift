import Graphs
import Runtime
import Tensors
import Testing

/// Containers and loops behind plans, feeds, hooks and batches.
@Suite struct ControlRunTests {
    private typealias Sketch = (op: String, inputs: [String], output: String, attributes: [String: Attribute])

    private func graph(_ inputs: [(String, TensorType?)], _ constants: [(String, Tensor)], _ nodes: [Sketch], _ outputs: [String]) throws
        -> Graph
    {
        var graph = Graph()
        graph.inputs = inputs.map { graph.add($0.0, type: $0.1) }
        for (name, tensor) in constants { _ = graph.constant(tensor, name) }
        for node in nodes {
            let read = node.inputs.map { graph.id(of: $0) }
            graph.nodes.append(
                Node(op: node.op, name: node.output, inputs: read, outputs: [graph.add(node.output)], attributes: node.attributes))
        }
        graph.outputs = outputs.compactMap { graph.id(of: $0) }
        return graph
    }

    private func model(_ graph: Graph, _ options: [String: Options.Entry] = [:]) throws -> Model {
        var graph = graph
        for node in graph.nodes { try graph.infer(node, operators: .standard) }
        return try TinyModels.model(graph, options)
    }

    private func run(_ model: Model, _ feeds: [String: Tensor], _ wanted: String, _ control: Control = Control()) throws -> Tensor {
        try model.evaluate(Evaluation(feeds, wanted: [wanted]), control).value(wanted)
    }

    /// Sums the rows of `x`, each times `w`: as many turns as there are rows.
    private func summing() throws -> Graph {
        let body = try graph(
            [("s", nil), ("row", nil), ("w", nil)], [],
            [("Mul", ["row", "w"], "product", [:]), ("Add", ["s", "product"], "next", [:])], ["next", "product"])
        return try graph(
            [("x", TensorType(.float32, [.symbol("T"), 2])), ("w", TensorType(.float32, shape: [2]))],
            [("zero", Tensor([0, 0] as [Float]))],
            [("Scan", ["zero", "x", "w"], "sum", ["body": .graph(body), "num_scan_inputs": .int(1), "captured": .int(1)])], ["sum"])
    }

    @Test(arguments: ["all", "none"]) func scansRunAndHaveGradients(_ passes: String) throws {
        let model = try model(summing(), ["passes": .text(passes)])
        let x = try Tensor([1, 2, 3, 4, 5, 6] as [Float], [3, 2]), w = try Tensor([1, -1] as [Float])
        let question = Evaluation(
            ["x": x, "w": w], wanted: ["sum"], target: Target(.weights(try .scalar(Float(1))), score: .output), gradients: ["w"],
            batch: .max)
        let outcome = try model.evaluate(question, Control())
        #expect(try outcome.value("sum").array(Float.self) == [9, -12])
        #expect(try outcome.gradient("w").array(Float.self) == [9, 12])
        #expect(try run(model, ["x": x, "w": w], "sum").array(Float.self) == [9, -12])
    }

    /// A loop that stays one holds a copy of the weight: to feed or differentiate the weight would miss it.
    @Test func copiesOfWeightsAreNotMissed() throws {
        let weight = try Tensor([2, 3] as [Float])
        let body = try graph([("i", nil), ("go", nil), ("v", nil)], [("w", weight)], [("Mul", ["v", "w"], "next", [:])], ["go", "next"])
        let model = try model(
            graph(
                [("x", TensorType(.float32, shape: [2])), ("trips", TensorType(.int64, []))],
                [("yes", .scalar(Truth(true))), ("w", weight)],
                [("Loop", ["trips", "yes", "x"], "y", ["body": .graph(body), "captured": .int(0)])], ["y"]))
        let feeds = ["x": try Tensor([1, 1] as [Float]), "trips": try Tensor.scalar(Int64(2))]
        #expect(try run(model, feeds, "y").array(Float.self) == [4, 9])
        let failure = #expect(throws: Failure.self) { try run(model, feeds.merging(["w": weight]) { $1 }, "y") }
        #expect(failure?.message == "'w' is part of a graph inside Loop 'y', where it can neither be fed nor differentiated")
    }

    private func endless() throws -> Graph {
        let body = try graph([("i", nil), ("go", nil), ("v", nil)], [], [("Neg", ["v"], "next", [:])], ["go", "next"])
        return try graph(
            [("x", TensorType(.float32, shape: [2]))], [("yes", .scalar(Truth(true)))],
            [("Loop", ["", "yes", "x"], "y", ["body": .graph(body), "captured": .int(0)])], ["y"])
    }

    @Test func deadlineAndFlagEndALoop() throws {
        let model = try model(endless()), x = try Tensor([1, 2] as [Float])
        let late = #expect(throws: Failure.self) { try run(model, ["x": x], "y", Control(deadline: 0.05)) }
        #expect(late?.kind == .cancelled)
        var asked = 0
        let flag = Control(isCancelled: {
            asked += 1
            return asked > 500
        })
        let cancelled = #expect(throws: Failure.self) { try run(model, ["x": x], "y", flag) }
        #expect(cancelled?.kind == .cancelled)
    }

    @Test func hooksReachTheTurnsOfALoop() throws {
        let body = try graph([("i", nil), ("go", nil), ("v", nil)], [], [("Add", ["v", "v"], "twice", [:])], ["go", "twice"])
        var graph = try graph(
            [("x", TensorType(.float32, shape: [1]))], [("three", .scalar(Int64(3))), ("yes", .scalar(Truth(true)))],
            [("Loop", ["three", "yes", "x"], "y", ["body": .graph(body), "captured": .int(0)])], ["y"])
        for node in graph.nodes { try graph.infer(node, operators: .standard) }
        try graph.unroll(operators: .standard)
        let model = try model(graph)
        var seen: [Float] = []
        let hook = Hook("y/1/twice") { _, value in
            seen = try value.array(Float.self)
            return try Tensor([100] as [Float])
        }
        #expect(try run(model, ["x": Tensor([1] as [Float])], "y", Control(hooks: [hook])).array(Float.self) == [200])
        #expect(seen == [4])
    }

    @Test func containersAreFedWhereTheyAreExpected() throws {
        let model = try model(
            graph(
                [("s", .sequence(of: TensorType(.float32, nil))), ("x", TensorType(.float32, nil))], [("first", .scalar(Int64(0)))],
                [("SequenceAt", ["s", "first"], "item", [:]), ("Add", ["item", "x"], "y", [:])], ["y"]))
        let x = try Tensor([1, 2] as [Float]), sequence = try Tensor(sequence: [x, x])
        #expect(try run(model, ["s": sequence, "x": x], "y").array(Float.self) == [2, 4])
        let integers = try Tensor(sequence: [Tensor([1, 2] as [Int64])])
        for (feeds, text) in [
            (["s": x, "x": x], "input 's' is a sequence, a float32 tensor was given"),
            (["s": sequence, "x": sequence], "input 'x' is a float32 tensor, a sequence was given"),
            (["s": integers, "x": x], "expects sequence(float32 of unknown shape), found sequence(int64 2)"),
            (["s": try Tensor(sequence: []), "x": x], "position 0 is outside a sequence of 0 items"),
        ] {
            let failure = #expect(throws: Failure.self) { try run(model, feeds, "y") }
            #expect(failure?.message.contains(text) ?? false, "\(failure?.message ?? "")")
        }
    }

    /// Parts of a batch give sequences that could not be put together.
    @Test func sequencesAreComputedInOnePiece() throws {
        let model = try model(
            graph([("x", TensorType(.float32, [.symbol("N"), 2]))], [], [("SplitToSequence", ["x"], "rows", [:])], ["rows"]))
        let x = try Tensor((0..<200).map { Float($0) }, [100, 2])
        let rows = try run(model, ["x": x], "rows").sequence()
        #expect(rows.count == 100)
        #expect(try rows[99].array(Float.self) == [198, 199])
    }

    @Test func containersPassUnchanged() throws {
        let any: [(String, Tensor)] = [
            ("sequence", try Tensor(sequence: [Tensor(strings: ["a"], [1])])), ("optional", try Tensor(optional: nil)),
            ("map", try Tensor(keys: Tensor([1, 2] as [Int64]), values: Tensor([0.5, 1] as [Float]))),
        ]
        for (name, container) in any {
            let model = try model(graph([("x", TensorType(of: container))], [], [("Identity", ["x"], "y", [:])], ["y"]))
            let back = try run(model, ["x": container], "y")
            #expect(back.type == container.type && back.count == container.count, "\(name)")
        }
    }
}

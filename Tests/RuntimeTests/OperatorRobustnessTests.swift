import Graphs
import Runtime
import Tensors
import Testing

/// Nodes that a damaged or hostile file could hold. A trap would end the test process, as it would end a host's.
@Suite struct OperatorRobustnessTests {
    /// Attributes of all samples, so that operators also meet those of others.
    private static let pool = OperatorSet.standard.all.flatMap { op in
        op.samples.flatMap { sample in sample.attributes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }

    /// Shape rule, kernel and derivative of every operator end in a result or in an error.
    @Test(arguments: OperatorSet.standard.all.map(\.name)) func nothingTraps(_ name: String) throws {
        let op = try #require(OperatorSet.standard[name])
        for seed in 0..<UInt64(24) { _ = try RandomNode(op, seed: seed, pool: Self.pool).complaints() }
    }

    /// So does every backend, behind plans and passes.
    @Test(arguments: ["reference", "cpu"]) func noBackendTraps(_ backend: String) throws {
        var runtimeOptions = Options()
        runtimeOptions["threads"] = .integer(1)
        runtimeOptions["plugins"] = .integer(0)
        let runtime = try Runtime(runtimeOptions)
        var options = Options()
        options["backend"] = .text(backend)
        for op in OperatorSet.standard.all {
            for seed in 100..<UInt64(108) {
                let (graph, _, feeds) = try RandomNode(op, seed: seed, pool: Self.pool).graph(.sizes)
                guard !feeds.isEmpty, let model = try? Model(graph: graph, runtime: runtime, options: options) else { continue }
                _ = try? model.evaluate(Evaluation(feeds, wanted: model.outputs.map(\.name)), Control(deadline: 5))
            }
        }
    }

    /// The smallest node for each trap that was found: all of them are errors now.
    @Test func foundTrapsAreErrors() throws {
        func fails(_ op: String, _ inputs: [Tensor], _ attributes: [String: Attribute] = [:]) throws {
            let known = try #require(OperatorSet.standard[op])
            let node = Node(op: op, name: op, inputs: inputs.map { _ in ValueID(at: 0) }, outputs: [], attributes: attributes)
            #expect(throws: Failure.self, "\(op)") { try known.compute(Call(node: node, inputs: inputs)) }
        }
        let one = try Tensor.scalar(Float(1)), x = try Tensor([1, 2, 3, 4] as [Float], [2, 2]), huge = Int64.max
        try fails("Range", [one, try Tensor.scalar(-Float.infinity), one])
        try fails("Range", [one, try Tensor.scalar(Float.nan), one])
        try fails("Range", [try Tensor.scalar(Int64(0)), try Tensor.scalar(huge), try Tensor.scalar(Int64(1))])
        try fails("CenterCropPad", [x, try Tensor([1 << 32, 2] as [Int64])])
        try fails("SliceGrad", [x, try Tensor([-2, 2] as [Int64]), try Tensor([0] as [Int64]), try Tensor([1] as [Int64])])
        try fails("ConvGradInput", [one, one], ["input_shape": .ints([])])
        try fails("Equal", [try Tensor(strings: ["a"], [1]), try Tensor([1] as [Int64])])
        try fails("Tile", [x, try Tensor([huge, 1] as [Int64])])
        try fails("Expand", [one, try Tensor([1 << 47] as [Int64])])
        try fails("ConstantOfShape", [try Tensor([1 << 47] as [Int64])])
        try fails("Pad", [x, try Tensor([0, 0, 1 << 40, 0] as [Int64])])
        try fails("Resize", [x, one, try Tensor([1, 1e8] as [Float])], ["mode": .string("cubic")])
        try fails("OneHot", [try Tensor([0] as [Int64]), try Tensor.scalar(Int64(1 << 46)), try Tensor([0, 1] as [Float])])
    }

    /// A derivative is asked for before a kernel could refuse the attributes.
    @Test(arguments: [("ConvTranspose", 0), ("RMSNormalization", Int.min), ("LayerNormalization", Int.min)])
    func derivativesOfSenselessNodes(_ name: String, _ axis: Int) throws {
        var graph = Graph()
        let type = TensorType(.float32, [.symbol("N")])
        let x = graph.add("x", type: type), w = graph.add("w", type: type), y = graph.add("y", type: type),
            seed = graph.add("seed", type: type)
        graph.inputs = [x, w]
        graph.outputs = [y]
        graph.nodes = [Node(op: name, name: "node", inputs: [x, w], outputs: [y], attributes: ["axis": .int(axis)])]
        let given = graph
        #expect(throws: Failure.self) { try given.differentiated(seeds: [(value: y, gradient: seed)], wrt: [x, w], operators: .standard) }
    }
}

/// What the machine cannot hold is refused before anything is allocated.
@Suite struct MemoryLimitTests {
    @Test func shapesBeyondTheMachine() throws {
        #expect(throws: Failure.self) { try Shape.count([Memory.elements + 1]) }
        #expect(throws: Failure.self) { try Shape.count([0, Memory.elements + 1]) }
        #expect(throws: Failure.self) { try Tensor.zeros(.float64, [Memory.bytes / 8, 2]) }
        #expect(try Shape.count([0, 1 << 20]) == 0)
    }

    /// A run whose activations would not fit is refused when it is planned.
    @Test func plansBeyondTheMachine() throws {
        let side = Memory.elements / 2
        let graph = try TinyModels.graph(inputs: [("x", [1, 1])], outputs: ["y"]) { b, id in
            var parts: [ValueID?] = []
            for index in 0..<20 {
                let shape = b.graph.constant(try Tensor([Int64(side), 1] as [Int64]), "shape\(index)")
                parts.append(try TinyModels.add(&b, "Expand", "expand\(index)", [id("x"), shape]))
            }
            var sum = parts[0]
            for part in parts.dropFirst().reversed() { sum = try TinyModels.add(&b, "Mul", "mul\(parts.count)", [sum, part]) }
            _ = try TinyModels.add(&b, "ReduceSum", "sum", [sum], to: id("y"))
        }
        let model = try TinyModels.model(graph, ["passes": .text("none")])
        let error = #expect(throws: Failure.self) {
            try model.evaluate(Evaluation(["x": Tensor.zeros(.float32, [1, 1])], wanted: ["y"]), Control())
        }
        #expect(error?.kind == .memory)
    }

    /// Strides whose reach cannot be negated.
    @Test func stridesBeyondIntegers() throws {
        let storage = try Storage.allocate(64)
        for step in [Int.min, Int.min + 1, Int.max] {
            #expect(throws: Failure.self) { _ = try Tensor(.float32, [2, 2], strides: [step, 1], storage: storage) }
        }
    }
}

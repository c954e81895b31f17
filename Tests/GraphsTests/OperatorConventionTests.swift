import Graphs
import Tensors
import Testing

/// Choices that random samples do not reach: gradients at kinks and ties, what older opsets meant, empty tensors.
@Suite struct OperatorConventionTests {
    /// Gradient of the sum of an operator's first output by its first input.
    private func gradient(_ op: String, _ inputs: [Tensor], _ attributes: [String: Attribute] = [:]) throws -> [Double] {
        var graph = Graph(), feeds: [ValueID: Tensor] = [:]
        let ids = inputs.enumerated().map { index, tensor in
            let id = graph.add("x\(index)", type: TensorType(tensor.type, shape: tensor.shape))
            feeds[id] = tensor
            return id
        }
        let y = graph.add("y")
        graph.nodes = [Node(op: op, name: op, inputs: ids, outputs: [y], attributes: attributes)]
        try graph.inferAll(operators: .standard)
        let shape = try evaluate(graph, feeds: feeds, outputs: [y])[0].shape
        let seed = graph.constant(try Tensor([Double](repeating: 1, count: Shape.count(shape)), shape), "seed")
        let derivative = try graph.differentiated(seeds: [(value: y, gradient: seed)], wrt: [ids[0]], operators: .standard)
        let result = try #require(derivative.gradients[ids[0]])
        return try evaluate(derivative.graph, feeds: feeds, outputs: [result])[0].doubles()
    }

    @Test func gradientsAtKinks() throws {
        #expect(try gradient("Relu", [Tensor([-1.0, 0, 2])]) == [0, 0, 1])
        #expect(try gradient("Abs", [Tensor([-1.0, 0, 2])]) == [-1, 0, 1])
        #expect(try gradient("Clip", [Tensor([-1.0, 0, 2, 6, 7])], ["min": .float(0), "max": .float(6)]) == [0, 0, 1, 0, 0])
        #expect(try gradient("ReduceL2", [Tensor([0.0, 0])]) == [0, 0])
    }

    @Test func gradientsAtTies() throws {
        #expect(try gradient("Max", [Tensor([1.0, 3]), Tensor([1.0, 2])]) == [1, 1])
        #expect(try gradient("Max", [Tensor([1.0]), Tensor([2.0])]) == [0])
        #expect(try gradient("ReduceMax", [Tensor([2.0, 1, 2])]) == [0.5, 0, 0.5])
    }

    @Test func gradientOfProductsWithZeros() throws {
        #expect(try gradient("ReduceProd", [Tensor([2.0, 0, 3])]) == [0, 6, 0])
        #expect(try gradient("ReduceProd", [Tensor([2.0, 0, 0])]) == [0, 0, 0])
        #expect(try gradient("Pow", [Tensor([0.0, 3]), Tensor([2.0, 0])]) == [0, 0])
    }

    /// Computes one ONNX node at an opset from its inputs.
    private func run(_ op: String, _ inputs: [Tensor], opset: Int, _ attributes: [String: Attribute] = [:], outputs: Int = 1) throws
        -> [Tensor]
    {
        var lowerer = Lowerer(operators: .standard), feeds: [ValueID: Tensor] = [:]
        let ids = inputs.enumerated().map { index, tensor in
            let id = lowerer.graph.add("x\(index)", type: TensorType(tensor.type, shape: tensor.shape))
            feeds[id] = tensor
            return id
        }
        let results = (0..<outputs).map { lowerer.graph.add("y\($0)") }
        try lowerer.lower(Node(op: op, name: "node", inputs: ids, outputs: results, attributes: attributes), opset: opset)
        return try evaluate(lowerer.graph, feeds: feeds, outputs: results)
    }

    @Test func softmaxBeforeOpset13TakesAllAxesFromItsOwn() throws {
        let x = try Tensor([Float](repeating: 1, count: 12), [2, 3, 2])
        let old = try run("Softmax", [x], opset: 11)[0], new = try run("Softmax", [x], opset: 13, ["axis": .int(1)])[0]
        #expect(try old.doubles().allSatisfy { abs($0 - 1.0 / 6) < 1e-7 })
        #expect(try new.doubles().allSatisfy { abs($0 - 1.0 / 3) < 1e-7 })
        #expect(old.shape == [2, 3, 2])
    }

    @Test func dropoutPassesOnAndItsMaskKeepsAll() throws {
        let x = try Tensor([Float.nan, 2])
        let new = try run("Dropout", [x], opset: 13, outputs: 2), old = try run("Dropout", [x], opset: 7, outputs: 2)
        #expect(try new[0].array(Float.self)[1] == 2)
        #expect(try new[1].array(Truth.self).allSatisfy(\.isTrue))
        #expect(try old[1].array(Float.self) == [1, 1])
    }

    @Test func batchNormalizationWithoutSharedStatistics() throws {
        let x = try Tensor([Float(1), 2, 3, 4], [1, 2, 2]), one = try Tensor([Float(1), 1, 1, 1], [2, 2])
        let mean = try Tensor([Float(1), 1, 1, 1], [2, 2]), zero = try Tensor([Float(0), 0, 0, 0], [2, 2])
        let y = try run("BatchNormalization", [x, one, zero, mean, one], opset: 7, ["spatial": .int(0), "epsilon": .float(0)])[0]
        #expect(try y.array(Float.self) == [0, 1, 2, 3])
    }

    @Test func batchNormalizationWithTheBatchsOwnStatistics() throws {
        let x = try Tensor([Float(1), 2, 3, 4], [1, 2, 2]), ones = try (0..<4).map { _ in try Tensor([Float(1), 1]) }
        let attributes: [String: Attribute] = ["training_mode": .int(1), "epsilon": .float(0), "momentum": .float(0.5)]
        let results = try run("BatchNormalization", [x] + ones, opset: 15, attributes, outputs: 3)
        #expect(try results[0].array(Float.self) == [0, 2, 0, 2])
        #expect(try results[1].array(Float.self) == [1.25, 2.25])
        #expect(try results[2].array(Float.self) == [0.625, 0.625])
        // Up to opset 13 further outputs say that the node trains, but not how they are meant here.
        #expect(throws: Failure.self) { try run("BatchNormalization", [x] + ones, opset: 9, outputs: 3) }
    }

    /// Exporters write `if the axis is 1 then Squeeze else Identity` for sizes that never come.
    @Test func aBranchThatDoesNotFitTheSizesFailsOnlyWhenItIsTaken() throws {
        func branch(_ op: String, _ attributes: [String: Attribute] = [:]) -> Attribute {
            var graph = Graph()
            graph.inputs = [graph.add("x")]
            graph.outputs = [graph.add("y")]
            graph.nodes = [Node(op: op, name: op, inputs: graph.inputs, outputs: graph.outputs, attributes: attributes)]
            return .graph(graph)
        }
        let attributes: [String: Attribute] = [
            "then_branch": branch("Squeeze", ["axes": .ints([0])]), "else_branch": branch("Relu"),
        ]
        let x = try Tensor([Float(-1), 2])
        #expect(try run("If", [Tensor([Truth(false)]), x], opset: 11, attributes)[0].array(Float.self) == [0, 2])
        #expect(throws: Failure.self) { try run("If", [Tensor([Truth(true)]), x], opset: 11, attributes) }
    }

    @Test func groupNormalizationAtOpset18ScalesGroups() throws {
        let x = try Tensor((0..<8).map { Float($0 * $0) }, [1, 4, 2])
        let old = try run("GroupNormalization", [x, Tensor([Float(2), 3]), Tensor([Float(0), 1])], opset: 18, ["num_groups": .int(2)])[0]
        let new = try run(
            "GroupNormalization", [x, Tensor([Float(2), 2, 3, 3]), Tensor([Float(0), 0, 1, 1])], opset: 21, ["num_groups": .int(2)])[0]
        #expect(try old.array(Float.self) == new.array(Float.self))
    }

    @Test func reductionsOfNothing() throws {
        let empty = try Tensor([Float](), [2, 0]), axes = try Tensor([Int64(1)])
        #expect(try run("ReduceSum", [empty, axes], opset: 18)[0].array(Float.self) == [0, 0])
        #expect(try run("ReduceProd", [empty, axes], opset: 18)[0].array(Float.self) == [1, 1])
        #expect(try run("ReduceMax", [empty, axes], opset: 18)[0].array(Float.self) == [-.infinity, -.infinity])
        let integers = try Tensor([Int32](), [2, 0])
        #expect(try run("ReduceMin", [integers, axes], opset: 18)[0].array(Int32.self) == [.max, .max])
        #expect(throws: Failure.self) { try run("ArgMax", [empty], opset: 13, ["axis": .int(1)]) }
    }

    @Test func messagesNameWhatWasExpected() throws {
        func message(_ op: String, _ inputs: [Tensor], _ attributes: [String: Attribute] = [:]) -> String {
            do { _ = try run(op, inputs, opset: 21, attributes) } catch { return "\(error)" }
            return "no failure"
        }
        let m = { (shape: [Int]) in try Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape) }
        #expect(try message("MatMul", [m([2, 3]), m([4, 2])]).hasSuffix("first input has 3 columns, second has 4 rows"))
        #expect(try message("Add", [m([2, 3]), m([4])]).hasSuffix("shapes 2x3 and 4 do not broadcast"))
        #expect(
            try message("BatchNormalization", [m([1, 3, 2]), m([2]), m([3]), m([3]), m([3])]).hasSuffix(
                "scale has 2 numbers, input has 3 channels"))
        #expect(try message("Softmax", [m([2, 3])], ["axis": .int(5)]).hasSuffix("axis 5 is outside a tensor of rank 2"))
        #expect(
            try message("Einsum", [m([2, 3]), m([4, 2])], ["equation": .string("ij,jk->ik")]).hasSuffix("letter j has sizes 3 and 4"))
    }
}

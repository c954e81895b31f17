import Graphs
import Tensors
import Testing

/// Convolutions, pools, resizes and quantisers beyond what the generic operator tests see.
@Suite struct WindowOperatorTests {
    private func run(_ op: String, _ inputs: [Tensor?], _ attributes: [String: Attribute], outputs: Int = 1) throws -> [Tensor] {
        var lowerer = Lowerer(operators: .standard)
        let given = inputs.map { $0.map { lowerer.constant($0) } }
        let results = (0..<outputs).map { lowerer.graph.add("y\($0)") }
        try lowerer.lower(Node(op: op, name: "n", inputs: given, outputs: results, attributes: attributes), opset: 19)
        return try results.map { try #require(lowerer.graph[$0].constant) }
    }

    private func ramp(_ shape: Int...) throws -> Tensor {
        let count = try Shape.count(shape)
        return try Tensor((0..<count).map { Float(($0 * 7) % 11) - 5 }, shape)
    }

    @Test(arguments: ["SAME_UPPER", "SAME_LOWER", "VALID"], ["Conv", "ConvTranspose", "MaxPool", "AveragePool"])
    func explicitPadsKeepTheMeaning(_ padding: String, _ op: String) throws {
        let x = try ramp(1, 2, 6, 5)
        let isPool = op.hasSuffix("Pool")
        var attributes: [String: Attribute] = ["auto_pad": .string(padding), "strides": .ints([2, 1])]
        if isPool { attributes["kernel_shape"] = .ints([3, 2]) }
        let inputs = isPool ? [x] : [x, try ramp(2, 2, 3, 2)]
        let implicit = try run(op, inputs, attributes)

        var graph = Graph()
        let ids = inputs.map { graph.add("x", type: TensorType($0.type, shape: $0.shape)) }
        let y = graph.add("y")
        graph.nodes = [Node(op: op, name: "n", inputs: ids, outputs: [y], attributes: attributes)]
        let context = PassContext(operators: .standard, pinned: [y])
        #expect(try Pass.explicitPads.apply(&graph, context))
        #expect(graph.nodes[0].attributes["auto_pad"] == nil && graph.nodes[0].attributes["pads"]?.ints?.count == 4)
        #expect(try !Pass.explicitPads.apply(&graph, context))
        let explicit = try run(op, inputs, graph.nodes[0].attributes)
        #expect(try implicit[0].shape == explicit[0].shape && implicit[0].doubles() == explicit[0].doubles())
    }

    @Test func explicitPadsOfAnAskedOutputShape() throws {
        var graph = Graph()
        let x = graph.add("x", type: TensorType(.float32, shape: [1, 1, 3, 3])),
            w = graph.add("w", type: TensorType(.float32, shape: [1, 2, 3, 3]))
        let attributes: [String: Attribute] = ["strides": .ints([3, 2]), "output_shape": .ints([10, 8])]
        graph.nodes = [Node(op: "ConvTranspose", name: "n", inputs: [x, w], outputs: [graph.add("y")], attributes: attributes)]
        #expect(try Pass.explicitPads.apply(&graph, PassContext(operators: .standard, pinned: [])))
        #expect(graph.nodes[0].attributes["output_padding"]?.ints == [1, 1])
        #expect(graph.nodes[0].attributes["pads"]?.ints == [0, 0, 0, 0])
    }

    @Test func fusedConvolutionAddsAndActivates() throws {
        let x = try ramp(1, 2, 4, 4), w = try ramp(3, 2, 3, 3), residual = try ramp(1, 3, 2, 2)
        let plain = try run("Conv", [x, w], [:])[0].doubles()
        let fused = try run(
            "Conv", [x, w, nil, residual], ["activation": .string("Clip"), "activation_alpha": .float(-1), "activation_beta": .float(6)])
        let expected = try zip(plain, residual.doubles()).map { min(max($0 + $1, -1), 6) }
        #expect(try fused[0].doubles() == expected)
        #expect(throws: Failure.self) { try run("Conv", [x, w], ["activation": .string("Nothing")]) }
    }

    @Test func failuresName() throws {
        let x = try ramp(1, 4, 5, 5), w = try ramp(2, 3, 3, 3)
        #expect { try run("Conv", [x, w], [:]) } throws: { "\($0)".contains("weight has 3 input channels, input has 4") }
        #expect { try run("MaxPool", [x], ["kernel_shape": .ints([9, 1])]) } throws: { "\($0)".contains("window of 9 elements is larger") }
        for attributes: [String: Attribute] in [
            ["strides": .ints([0, 1])], ["dilations": .ints([1 << 40, 1])], ["pads": .ints([1])], ["group": .int(0)],
        ] {
            #expect(throws: Failure.self) { try run("Conv", [x, ramp(2, 4, 3, 3)], attributes) }
        }
    }

    /// A pair of quantisers becomes one operator whose gradient is that of the identity where nothing is clipped.
    @Test func quantiserPairPassesGradients() throws {
        var lowerer = Lowerer(operators: .standard)
        let x = lowerer.graph.add("x", type: TensorType(.float32, shape: [4]))
        let scale = lowerer.constant(try .scalar(Float(0.5))), zero = lowerer.constant(try .scalar(Int8(3)))
        let q = lowerer.graph.add("q"), y = lowerer.graph.add("y")
        try lowerer.lower(Node(op: "QuantizeLinear", name: "q", inputs: [x, scale, zero], outputs: [q]), opset: 13)
        try lowerer.lower(Node(op: "DequantizeLinear", name: "d", inputs: [q, scale, zero], outputs: [y]), opset: 13)
        #expect(lowerer.graph.nodes.map(\.op) == ["QuantizeLinear", "FakeQuantize"])
        let seed = lowerer.graph.add("seed", type: TensorType(.float32, shape: [4]))
        let derivative = try lowerer.graph.differentiated(seeds: [(y, seed)], wrt: [x], operators: .standard)
        let feeds = [x: try Tensor([Float(0.3), -100, 1.26, 70]), seed: try Tensor([Float(1), 2, 3, 4])]
        let gradient = try #require(derivative.gradients[x])
        let results = try evaluate(derivative.graph, feeds: feeds, outputs: [y, gradient])
        #expect(try results[0].doubles() == [0.5, -65.5, 1.5, 62])
        #expect(try results[1].doubles() == [1, 0, 3, 0])
    }

    /// Upsample repeats elements (ONNX test_upsample_nearest).
    @Test func oldResizeMeansPlainScaling() throws {
        var lowerer = Lowerer(operators: .standard)
        let x = lowerer.constant(try Tensor([Float(1), 2, 3, 4], [1, 1, 2, 2])), scales = lowerer.constant(try Tensor([Float(1), 1, 2, 3]))
        let y = lowerer.graph.add("y")
        try lowerer.lower(
            Node(op: "Upsample", name: "u", inputs: [x, scales], outputs: [y], attributes: ["mode": .string("nearest")]), opset: 9)
        let result = try #require(lowerer.graph[y].constant)
        #expect(result.shape == [1, 1, 4, 6])
        #expect(try result.doubles() == [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4])
    }
}

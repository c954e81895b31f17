import Graphs
import Tensors
import Testing

/// Attention becomes other operators; its gradient must stay finite where a query sees no key.
@Suite struct AttentionTests {
    private struct Model {
        var graph: Graph
        let inputs: [ValueID], output: ValueID
        var feeds: [ValueID: Tensor]
    }

    /// Three real inputs of the given shapes, then constants.
    private func model(_ op: String, _ shapes: [[Int]], constants: [Tensor], _ attributes: [String: Attribute], isSymbolic: Bool = false)
        throws -> Model
    {
        var lowerer = Lowerer(operators: .standard), feeds: [ValueID: Tensor] = [:]
        let inputs = try shapes.enumerated().map { index, shape in
            var type = TensorType(.float64, shape: shape)
            if isSymbolic { type.dims?[0] = .symbol("N") }
            let id = lowerer.graph.add("x\(index)", type: type)
            feeds[id] = try uniform(shape, -1...1, seed: UInt64(index))
            return id
        }
        let others = constants.enumerated().map { lowerer.graph.constant($1, "c\($0)") }
        let output = lowerer.graph.add("y")
        try lowerer.lower(Node(op: op, name: op, inputs: inputs + others, outputs: [output], attributes: attributes), opset: 24)
        return Model(graph: lowerer.graph, inputs: inputs, output: output, feeds: feeds)
    }

    private func value(_ model: Model, _ feeds: [ValueID: Tensor]) throws -> Double {
        try evaluate(model.graph, feeds: feeds, outputs: [model.output], symbols: ["N": 2])[0].doubles().enumerated()
            .reduce(0) { $0 + $1.element * (1 + 0.1 * Double($1.offset)) }
    }

    private func checkGradients(_ model: Model) throws {
        var graph = model.graph
        let shape = try evaluate(graph, feeds: model.feeds, outputs: [model.output], symbols: ["N": 2])[0].shape
        let weights = (0..<(try Shape.count(shape))).map { 1 + 0.1 * Double($0) }
        let seed = graph.constant(try Tensor(weights, shape), "seed")
        let derivative = try graph.differentiated(seeds: [(value: model.output, gradient: seed)], wrt: model.inputs, operators: .standard)
        for id in model.inputs {
            let gradient = try #require(derivative.gradients[id])
            let rule = try evaluate(derivative.graph, feeds: model.feeds, outputs: [gradient], symbols: ["N": 2])[0].doubles()
            let numbers = try #require(model.feeds[id]).doubles(), sizes = try #require(model.feeds[id]).shape
            for index in numbers.indices {
                var feeds = model.feeds, up = numbers, down = numbers
                up[index] += 1e-5
                down[index] -= 1e-5
                feeds[id] = try Tensor(up, sizes)
                let high = try value(model, feeds)
                feeds[id] = try Tensor(down, sizes)
                let expected = try (high - value(model, feeds)) / 2e-5
                #expect(abs(rule[index] - expected) < 1e-6)
            }
        }
    }

    @Test(arguments: [false, true]) func gradientWithMaskedRows(_ isSymbolic: Bool) throws {
        let mask = try Tensor([false, false, false, true, false, true].map { Truth($0) }, [2, 3])
        let shapes = [[2, 4, 2, 3], [2, 2, 3, 3], [2, 2, 3, 2]]
        try checkGradients(model("Attention", shapes, constants: [mask], [:], isSymbolic: isSymbolic))
    }

    @Test(arguments: [false, true]) func gradientOfCausalFlatForm(_ isSymbolic: Bool) throws {
        let attributes: [String: Attribute] = [
            "is_causal": .int(1), "q_num_heads": .int(2), "kv_num_heads": .int(1), "softcap": .float(0.8),
        ]
        try checkGradients(model("Attention", [[2, 3, 4], [2, 3, 2], [2, 3, 3]], constants: [], attributes, isSymbolic: isSymbolic))
    }

    @Test(arguments: [0, 1]) func gradientOfRotaryEmbedding(_ interleaved: Int) throws {
        let attributes: [String: Attribute] = ["interleaved": .int(interleaved), "rotary_embedding_dim": .int(4), "num_heads": .int(2)]
        let shapes = [[2, 3, 12], [2, 3, 2], [2, 3, 2]]
        try checkGradients(model("RotaryEmbedding", shapes, constants: [], attributes))
    }
}

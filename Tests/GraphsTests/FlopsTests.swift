import Testing

@testable import Graphs
@testable import Tensors

@Suite struct FlopsTests {
    /// One node over inputs of the given shapes.
    private func count(_ op: String, _ shapes: [[Int]], _ attributes: [String: Attribute] = [:]) throws -> Int? {
        var graph = Graph()
        let inputs = shapes.enumerated().map { graph.add("x\($0.offset)", type: TensorType(.float32, shape: $0.element)) }
        let node = Node(op: op, name: "node", inputs: inputs, outputs: [graph.add("y")], attributes: attributes)
        try graph.infer(node, operators: .standard)
        graph.nodes = [node]
        return Flops.count(node, in: graph)
    }

    @Test func theTableNamesOperators() {
        #expect(Flops.operators.filter { OperatorSet.standard[$0] == nil } == [])
    }

    /// ResNet-50's first layer: 112 x 112 x 64 results of 7 x 7 x 3 products each.
    @Test func convolution() throws {
        let products = 112 * 112 * 64 * 7 * 7 * 3
        let window: [String: Attribute] = ["strides": .ints([2, 2]), "pads": .ints([3, 3, 3, 3])]
        #expect(try count("Conv", [[1, 3, 224, 224], [64, 3, 7, 7]], window) == 2 * products)
        #expect(try count("Conv", [[2, 3, 224, 224], [64, 3, 7, 7], [64]], window) == 4 * products + 2 * 112 * 112 * 64)
        #expect(try count("Conv", [[1, 8, 6, 6], [8, 1, 3, 3]], ["group": .int(8)]) == 2 * 8 * 4 * 4 * 9)
        #expect(try count("ConvTranspose", [[1, 4, 5, 5], [4, 2, 3, 3]]) == 2 * 4 * 25 * 2 * 9)
    }

    @Test func products() throws {
        #expect(try count("MatMul", [[3, 4, 5], [5, 6]]) == 2 * 3 * 4 * 6 * 5)
        #expect(try count("Gemm", [[4, 5], [5, 6], [6]]) == 2 * 4 * 6 * 5 + 24)
        #expect(try count("Gemm", [[5, 4], [5, 6]], ["transA": .int(1)]) == 2 * 4 * 6 * 5)
        #expect(try count("Einsum", [[2, 3, 4], [2, 4, 5]], ["equation": .string("bij,bjk->bik")]) == 2 * 2 * 3 * 4 * 5)
        #expect(try count("Einsum", [[2, 3, 4], [4, 5]], ["equation": .string("...j,jk->...k")]) == 2 * 2 * 3 * 4 * 5)
    }

    @Test func theRest() throws {
        #expect(try count("Relu", [[2, 3]]) == 6)
        #expect(try count("Sum", [[2, 3], [2, 3], [3]]) == 12)
        #expect(try count("Softmax", [[2, 10]]) == 100)
        #expect(try count("MaxPool", [[1, 2, 8, 8]], ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]) == 2 * 16 * 4)
        #expect(try count("GlobalAveragePool", [[1, 2, 8, 8]]) == 128)
        #expect(try count("Transpose", [[2, 3]]) == 0)
        #expect(
            try count("LSTM", [[3, 2, 2], [1, 12, 2], [1, 12, 3]], ["hidden_size": .int(3)]) == 3 * 2 * (2 * (24 + 36) + 10 * 4 * 3))
    }

    @Test func whatIsNotKnownHasNoNumber() throws {
        var graph = Graph()
        let x = graph.add("x", type: TensorType(.float32, [.symbol("N"), 4]))
        let node = Node(op: "Relu", name: "node", inputs: [x], outputs: [graph.add("y")])
        try graph.infer(node, operators: .standard)
        #expect(Flops.count(node, in: graph) == nil)
    }
}

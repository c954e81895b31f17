import Graphs
import Runtime
import Tensors
import Testing

/// Meanings of old opsets that no case of ONNX's series has.
@Suite struct LegacyTests {
    /// The operator on a 2x3x3 tensor of ones and [1, 2, 3].
    private func run(_ op: String, opset: Int, _ attributes: [String: Attribute]) throws -> [Double] {
        var lowerer = Lowerer(operators: .standard)
        let x = lowerer.graph.add("x", type: TensorType(.float32, shape: [2, 3, 3]))
        let y = lowerer.graph.add("y")
        lowerer.graph.inputs = [x]
        let b = lowerer.graph.constant(try Tensor([1, 2, 3] as [Float]), "b")
        try lowerer.lower(Node(op: op, name: "n", inputs: [x, b], outputs: [y], attributes: attributes), opset: opset)
        lowerer.graph.outputs = [y]
        let model = try Model(graph: lowerer.graph, runtime: Runtime())
        let ones = try Tensor([Float](repeating: 1, count: 18), [2, 3, 3])
        return try model.evaluate(Evaluation(["x": ones], wanted: ["y"]), Control()).value("y").doubles()
    }

    @Test func anAxisSaysWhereTheSecondOperandLies() throws {
        let rows: [Double] = [2, 2, 2, 3, 3, 3, 4, 4, 4], columns: [Double] = [2, 3, 4, 2, 3, 4, 2, 3, 4]
        #expect(try run("Add", opset: 6, ["broadcast": .int(1), "axis": .int(1)]) == rows + rows)
        #expect(try run("Add", opset: 6, ["broadcast": .int(1), "axis": .int(-2)]) == rows + rows)
        #expect(try run("Add", opset: 6, ["broadcast": .int(1)]) == columns + columns)
        #expect(try run("Add", opset: 7, [:]) == columns + columns)
    }

    @Test func anAxisOutsideIsRefused() {
        let failure = #expect(throws: Failure.self) { try run("Mul", opset: 1, ["broadcast": .int(1), "axis": .int(3)]) }
        #expect(failure?.message == "Mul 'n': 1 axes from axis 3 on do not fit into 3")
    }
}

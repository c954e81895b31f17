import Tensors
import Testing

@testable import Graphs

@Suite struct FusionTests {
    /// Two convolutions that meet in one Add: only one of them may take it.
    @Test func oneOfTwoBranchesTakesTheSharedAdd() throws {
        var lowerer = Lowerer(operators: .standard)
        let x = lowerer.graph.add("x", type: TensorType(.float32, shape: [1, 2, 4, 4]))
        lowerer.graph.inputs = [x]
        let weight = lowerer.graph.constant(try Tensor([Float](repeating: 0.5, count: 4), [2, 2, 1, 1]), "w")
        let a = try lowerer.emit("Conv", [x, weight]), b = try lowerer.emit("Conv", [x, weight])
        let sum = try lowerer.emit("Add", [a, b])
        let y = try lowerer.emit("Relu", [sum])
        lowerer.graph.outputs = [y]
        var graph = lowerer.graph
        let context = PassContext(operators: .standard, pinned: [y])
        #expect(try Pass.fuseActivation.apply(&graph, context))
        #expect(graph.nodes.map(\.op) == ["Conv", "Conv"])
        var known: Set<ValueID> = [x, weight]
        for node in graph.nodes {
            for input in node.inputs { if let input { #expect(known.contains(input)) } }
            known.formUnion(node.outputs.compactMap { $0 })
        }
        #expect(known.contains(y))
    }
}

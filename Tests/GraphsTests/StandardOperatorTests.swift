import Graphs
import Tensors
import Testing

/// What single operators promise beyond the generic tests.
@Suite struct StandardOperatorTests {
    /// The derivative of a determinant exists where the inverse does not.
    @Test func determinantOfSingularMatricesHasAGradient() throws {
        let matrices = try Tensor([1, 2, 3, 2, 4, 6, 3, 6, 9, 4, 0, 1, 1, 2, 3, 5, 2, 4] as [Double], [2, 3, 3])
        let cofactors = try #require(OperatorSet.standard["Cofactors"])
        let node = Node(op: "Cofactors", name: "c", inputs: [], outputs: [], attributes: [:])
        let found = try cofactors.compute(Call(node: node, inputs: [matrices]))[0].doubles()
        // The second one is singular too: its last row is the sum of the others.
        let expected: [Double] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 11, -8, 2, 11, -8, -2, -11, 8]
        for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-9) }
    }
}

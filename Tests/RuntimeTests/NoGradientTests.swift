import Graphs
import Runtime
import Tensors
import Testing

/// Where a gradient does not exist the answer is an error that names the node, not a map of zeros.
@Suite struct NoGradientTests {
    /// The gradient of the sum of the output, by an input of [1, 3, 2].
    private func gradient(_ build: (inout Lowerer, ValueID, ValueID) throws -> Void) throws -> [Double] {
        let graph = try TinyModels.graph(inputs: [("x", [1, 3])], outputs: ["y"]) { try build(&$0, $1("x"), $1("y")) }
        let model = try Model(graph: graph, runtime: Runtime())
        let x = try Tensor([1, 3, 2] as [Float], [1, 3])
        let outcome = try model.evaluate(Evaluation(["x": x], target: Target(.index(0), score: .output), gradients: ["x"]), Control())
        return try outcome.gradient("x").doubles()
    }

    @Test func positionsHaveNone() throws {
        let failure = #expect(throws: Failure.self) {
            try gradient { l, x, y in
                let best = try TinyModels.add(&l, "ArgMax", "best", [x], ["axis": .int(1)])
                _ = try TinyModels.add(&l, "Cast", "real", [best], to: y, ["to": .int(1)])
            }
        }
        #expect(failure?.message.contains("ArgMax 'best'") ?? false)
        #expect(failure?.kind == .unsupported)
    }

    @Test func comparisonsHaveNone() throws {
        let failure = #expect(throws: Failure.self) {
            try gradient { l, x, y in
                let limit = l.constant(try Tensor([2 as Float], []))
                let above = try TinyModels.add(&l, "Greater", "above", [x, limit])
                _ = try TinyModels.add(&l, "Cast", "real", [above], to: y, ["to": .int(1)])
            }
        }
        #expect(failure?.message.contains("Greater 'above'") ?? false)
    }

    @Test func stepsAreFlat() throws {
        #expect(try gradient { l, x, y in _ = try TinyModels.add(&l, "Floor", "floor", [x], to: y) } == [0, 0, 0])
    }

    /// A position that only chooses from numbers leaves those their gradient.
    @Test func whatIsChosenKeepsItsGradient() throws {
        let found = try gradient { l, x, y in
            let best = try TinyModels.add(&l, "ArgMax", "best", [x], ["axis": .int(1)])
            _ = try TinyModels.add(&l, "GatherElements", "choice", [x, best], to: y, ["axis": .int(1)])
        }
        #expect(found == [0, 1, 0])
    }
}

import Graphs
import Runtime
import Tensors
import Testing

/// The CPU backend agrees with the reference kernels on numbers whose squares overflow, and on numbers far from zero.
@Suite struct ExtremeNumberTests {
    private func run(_ op: String, _ x: Tensor, _ attributes: [String: Attribute], vectors: Int, backend: String) throws -> [Double] {
        let graph = try TinyModels.graph(inputs: [("x", x.shape.map { Dim($0) })], outputs: ["y"]) { l, id in
            let scale = l.constant(try Tensor([Float](repeating: 1, count: vectors)))
            let shift = l.constant(try Tensor([Float](repeating: 0.5, count: vectors)))
            _ = try TinyModels.add(&l, op, "norm", [id("x"), scale, shift], to: id("y"), attributes)
        }
        var options = Options()
        options["backend"] = .text(backend)
        let model = try Model(graph: graph, runtime: Runtime(), options: options)
        return try model.evaluate(Evaluation(["x": x], wanted: ["y"]), Control()).value("y").doubles()
    }

    @Test(arguments: [1e-30, 1e20, 1e30, 1e37], [0.0, 7e5]) func normsAgree(_ factor: Double, _ shift: Double) throws {
        let numbers = TinyModels.numbers(2 * 4 * 40, seed: 1).map { Float(Double($0) * (shift == 0 ? factor : 1) + shift) }
        let x = try Tensor(numbers, [2, 4, 40])
        let cases: [(String, [String: Attribute], Int)] = [
            ("InstanceNormalization", [:], 4), ("LayerNormalization", [:], 40),
            ("GroupNormalization", ["num_groups": .int(2)], 2),
        ]
        for (op, attributes, vectors) in cases {
            let expected = try run(op, x, attributes, vectors: vectors, backend: "reference")
            let found = try run(op, x, attributes, vectors: vectors, backend: "cpu")
            for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1e-4 * max(1, abs(b)), "\(op) of \(factor), \(shift)") }
        }
    }

    /// A constant plane has no deviation, however large it is.
    @Test func constantsBecomeTheShift() throws {
        let x = try Tensor([Float](repeating: 7e5, count: 320), [2, 4, 40])
        #expect(try run("InstanceNormalization", x, [:], vectors: 4, backend: "cpu").allSatisfy { $0 == 0.5 })
    }

    /// NaN is larger and smaller than every number, as in NumPy and ONNX's reference.
    @Test(arguments: ["reference", "cpu"]) func notANumberIsNeverLost(_ backend: String) throws {
        var numbers = TinyModels.numbers(2 * 36, seed: 2)
        numbers[14] = .nan
        let x = try Tensor(numbers, [1, 2, 6, 6])
        let cases: [(String, [Int64]?, [String: Attribute], [Int])] = [
            ("MaxPool", nil, ["kernel_shape": .ints([3, 3]), "strides": .ints([3, 3])], [0]),
            ("MaxPool", nil, ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])], [4]), ("GlobalMaxPool", nil, [:], [0]),
            ("ReduceMax", [2, 3], [:], [0]), ("ReduceMin", [2, 3], [:], [0]), ("ReduceMax", [1], [:], [14]),
        ]
        for (op, axes, attributes, expected) in cases {
            let graph = try TinyModels.graph(inputs: [("x", [1, 2, 6, 6])], outputs: ["y"]) { l, id in
                let more = try axes.map { l.constant(try Tensor($0)) }
                _ = try TinyModels.add(&l, op, "n", [id("x")] + (more.map { [$0] } ?? []), to: id("y"), attributes)
            }
            var options = Options()
            options["backend"] = .text(backend)
            let model = try Model(graph: graph, runtime: Runtime(), options: options)
            let found = try model.evaluate(Evaluation(["x": x], wanted: ["y"]), Control()).value("y").doubles()
            #expect(found.indices.filter { found[$0].isNaN } == expected, "\(op) \(attributes) on \(backend)")
        }
    }
}

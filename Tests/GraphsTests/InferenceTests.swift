import Tensors
import Testing

@testable import Graphs

/// Shape arithmetic inside graphs becomes numbers or symbols when a graph is made.
@Suite struct InferenceTests {
    private let n = Dim.symbol("N")

    private func folded(_ sketch: Sketch) throws -> Sketch {
        var sketch = sketch
        for node in sketch.graph.nodes { try sketch.graph.infer(node, operators: .standard) }
        return sketch
    }

    @Test func flattensByGatherAndConcat() throws {
        var s = Sketch()
        let x = s.input("x", n, 3, 4), shape = try s.node("Shape", x)
        let first = try s.node("Gather", shape, s.graph.constant(Tensor.scalar(Int64(0)), "zero"))
        let target = try s.node("Concat", s.node("Unsqueeze", first, s.integers(0)), s.integers(-1), attributes: ["axis": .int(0)])
        let y = try s.node("Reshape", x, target)
        #expect(s.graph[y].type?.dims == [n, 12])
    }

    @Test func splitsAndMergesTokens() throws {
        var s = Sketch()
        let x = s.input("x", n, 196, 768)
        let y = try s.node("Reshape", x, s.integers(-1, 768))
        #expect(s.graph[y].type?.dims == [n * 196, 768])
        let back = try s.node("Reshape", y, s.integers(-1, 196, 12, 64))
        #expect(s.graph[back].type?.dims == [n, 196, 12, 64])
        let flat = try s.node("Flatten", back)
        #expect(s.graph[flat].type?.dims == [n, 150528])
    }

    /// torch's class token: Expand to Where(Equal(shape, -1), ones, shape).
    @Test func expandsTheClassToken() throws {
        var s = Sketch()
        let x = s.input("x", n, 196, 768), token = s.input("token", 1, 1, 768)
        let batch = try s.node("Slice", s.node("Shape", x), s.integers(0), s.integers(1))
        let shape = try s.node("Concat", batch, s.integers(-1), s.integers(-1), attributes: ["axis": .int(0)])
        let ones = try s.node("ConstantOfShape", s.integers(3), attributes: ["value": .tensor(Tensor([Int64(1)]))])
        let minus = try s.node("Mul", ones, s.integers(-1))
        let y = try s.node("Expand", token, s.node("Where", s.node("Equal", shape, minus), ones, shape))
        #expect(s.graph[y].type?.dims == [n, 1, 768])
        let z = try s.node("Concat", y, x, attributes: ["axis": .int(1)])
        #expect(s.graph[z].type?.dims == [n, 197, 768])
    }

    @Test func computesSizes() throws {
        var s = Sketch()
        let x = s.input("x", n, 8, 15, 15), shape = try s.node("Shape", x)
        let sides = try s.node("Slice", shape, s.integers(2), s.integers(Int.max))
        let half = try s.node("Div", s.node("Add", sides, s.integers(1)), s.integers(2))
        s = try folded(s)
        #expect(try s.graph[half].constant?.integers() == [8, 8])
        let count = try s.node("ReduceProd", s.node("Cast", shape, attributes: ["to": .int(7)]), attributes: ["keepdims": .int(0)])
        #expect(s.graph[count].symbolic == [n * 1800])
    }

    @Test func slicesSymbols() throws {
        var s = Sketch()
        let x = s.input("x", n, 5)
        func dims(_ start: Int, _ end: Int, _ step: Int = 1) throws -> Dim? {
            let y = try s.node("Slice", x, s.integers(start), s.integers(end), s.integers(0), s.integers(step))
            return s.graph[y].type?.dims?.first
        }
        #expect(try dims(1, .max) == n - 1)
        #expect(try dims(0, -1) == n - 1)
        #expect(try dims(-1, .max) == 1)
        #expect(try dims(-1, .min, -1) == n)
        #expect(try dims(0, 3) == .unknown)
    }

    @Test func namesWhatDoesNotFit() throws {
        var s = Sketch()
        let x = s.input("x", 2, 3)
        let fails = { (op: String, inputs: [ValueID?], attributes: [String: Attribute], words: String) in
            let node = Node(op: op, name: "n", inputs: inputs, outputs: [s.graph.add("y")], attributes: attributes)
            #expect { try s.graph.infer(node, operators: .standard) } throws: { "\($0)".contains(words) }
        }
        fails("Reshape", [x, try s.integers(4, -1)], [:], "cannot reshape 2x3 to 4x-1")
        fails("Transpose", [x], ["perm": .ints([0, 0])], "not a permutation")
        fails("Squeeze", [x, try s.integers(0)], [:], "has size 2")
        fails("Concat", [x, s.input("z", 3, 3)], ["axis": .int(1)], "differ along axis 0")
        fails("Split", [x], ["axis": .int(5)], "axis 5 is outside")
        fails("Gather", [x, try s.integers(0)], ["axis": .int(2)], "axis 2 is outside")
        fails("Slice", [x, try s.integers(0), try s.integers(1), try s.integers(0), try s.integers(0)], [:], "step of 0")
        fails("Pad", [x, try s.integers(0, 0, 0)], [:], "3 pads")
    }

    /// Sizes and indices from a file must not bring the process down.
    @Test func survivesHugeNumbers() throws {
        var s = Sketch()
        let x = s.graph.constant(try uniform([2, 3], 0...1, seed: 1), "x")
        for big in [Int.max, Int.min, Int.min + 1, 1 << 40, -(1 << 40)] {
            for (op, rest) in [
                ("Reshape", [try s.integers(big, big)]), ("Expand", [try s.integers(big, big)]), ("Tile", [try s.integers(big, big)]),
                ("Pad", [try s.integers(big, big, big, big)]),
                ("Slice", [try s.integers(big), try s.integers(0), try s.integers(0), try s.integers(big)]),
                ("Slice", [try s.integers(0), try s.integers(big), try s.integers(1), try s.integers(big)]),
                ("Gather", [try s.integers(big)]),
                ("Split", [try s.integers(big, big)]), ("Trilu", [try s.integers(big)]), ("TopK", [try s.integers(big)]),
                ("Unsqueeze", [try s.integers(big)]),
                ("Squeeze", [try s.integers(big)]), ("CenterCropPad", [try s.integers(big, big)]), ("GatherND", [try s.integers(big)]),
            ] {
                let node = Node(op: op, name: "n", inputs: [x] + rest.map { $0 }, outputs: [s.graph.add("y")])
                _ = try? s.graph.infer(node, operators: .standard)
                _ = try? OperatorSet.standard[op]?.compute(
                    Call(node: node, inputs: node.inputs.map { $0.flatMap { s.graph[$0].constant } }))
            }
            let shape = try s.integers(big, big)
            let node = Node(op: "ConstantOfShape", name: "n", inputs: [shape], outputs: [s.graph.add("y")])
            _ = try? s.graph.infer(node, operators: .standard)
        }
    }
}

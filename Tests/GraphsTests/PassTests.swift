import Tensors
import Testing

@testable import Graphs

/// Builds small graphs by hand.
struct Sketch {
    var graph = Graph()

    mutating func input(_ name: String, _ dims: Dim..., element: ElementType = .float64) -> ValueID {
        let id = graph.add(name, type: TensorType(element, dims))
        graph.inputs.append(id)
        return id
    }

    mutating func constant(_ shape: [Int], seed: UInt64, _ range: ClosedRange<Double> = 0.5...1.5) throws -> ValueID {
        graph.constant(try uniform(shape, range, seed: seed), "c\(seed)")
    }

    mutating func number(_ value: Double) throws -> ValueID { graph.constant(try Tensor.scalar(value), "number") }

    mutating func integers(_ values: Int...) throws -> ValueID {
        graph.constant(try Tensor(values.map { Int64($0) }), "integers")
    }

    mutating func node(_ op: String, _ inputs: ValueID?..., attributes: [String: Attribute] = [:], name: String? = nil) throws -> ValueID {
        let output = graph.add(name ?? op)
        let node = Node(op: op, name: graph[output].name, inputs: inputs, outputs: [output], attributes: attributes)
        try graph.infer(node, operators: .standard, fold: false)
        graph.nodes.append(node)
        return output
    }

    var ops: [String] { graph.nodes.map(\.op) }
}

/// Each pass keeps what a graph computes, and leaves the values that were asked for.
@Suite struct PassTests {
    /// The operators that are left after the passes; the outputs must not change.
    private func rewritten(_ sketch: Sketch, to output: ValueID, by passes: [Pass], pinned: Set<ValueID> = []) throws -> (
        ops: [String], graph: Graph
    ) {
        var graph = sketch.graph
        graph.outputs = [output]
        let inputs = try graph.inputs.enumerated().map { try uniform(graph[$1].type?.shape ?? [], -1...1, seed: UInt64(100 + $0)) }
        let before = try Interpreter.run(graph, inputs: inputs, operators: .standard)
        let context = PassContext(operators: .standard, pinned: pinned.union([output]))
        for _ in 0..<3 {
            for pass in passes {
                _ = try pass.apply(&graph, context)
                try graph.validate(operators: .standard)
            }
        }
        let after = try Interpreter.run(graph, inputs: inputs, operators: .standard)
        for (a, b) in zip(after, before) { try compare(a, b, tolerance: 1e-12, place: "output") }
        let producers = graph.producers()
        for id in pinned where producers[id.index] < 0 { #expect(graph[id].constant != nil || graph.inputs.contains(id)) }
        return (graph.nodes.map(\.op), graph)
    }

    @Test func deadCode() throws {
        var s = Sketch()
        let x = s.input("x", 2, 3), y = try s.node("Exp", x), unused = try s.node("Neg", x)
        #expect(try rewritten(s, to: y, by: [.deadCode]).ops == ["Exp"])
        #expect(try rewritten(s, to: y, by: [.deadCode], pinned: [unused]).ops == ["Exp", "Neg"])
    }

    @Test func removeIdentity() throws {
        var s = Sketch()
        let x = s.input("x", 2, 3)
        let a = try s.node("Identity", x), b = try s.node("Reshape", a, s.integers(2, -1)),
            c = try s.node("Transpose", b, attributes: ["perm": .ints([0, 1])])
        let d = try s.node("Pad", c, s.integers(0, 0, 0, 0)), e = try s.node("Slice", d, s.integers(0), s.integers(9)),
            f = try s.node("Expand", e, s.integers(3))
        let shifted = try s.node("Pad", f, s.integers(0, 1, 0, -1)),
            reversed = try s.node("Slice", shifted, s.integers(-1), s.integers(-9), s.integers(0), s.integers(-1))
        let y = try s.node("Exp", reversed)
        #expect(try rewritten(s, to: y, by: [.removeIdentity]).ops == ["Pad", "Slice", "Exp"])
        #expect(try rewritten(s, to: y, by: [.removeIdentity], pinned: [c]).ops == ["Transpose", "Pad", "Slice", "Exp"])
    }

    @Test func commonSubexpressions() throws {
        var s = Sketch()
        let x = s.input("x", 2, 3), one = try s.constant([3], seed: 1),
            same = s.graph.constant(try uniform([3], 0.5...1.5, seed: 1), "same")
        let a = try s.node("Mul", x, one), b = try s.node("Mul", x, same), c = try s.node("Exp", a), d = try s.node("Exp", b)
        let y = try s.node("Add", c, d)
        #expect(try rewritten(s, to: y, by: [.commonSubexpressions]).ops == ["Mul", "Exp", "Add"])
        #expect(try rewritten(s, to: y, by: [.commonSubexpressions], pinned: [c, d]).ops == ["Mul", "Exp", "Exp", "Add"])
    }

    @Test(arguments: [1, 2]) func foldBatchNorm(_ groups: Int) throws {
        for op in ["Conv", "ConvTranspose", "Gemm"] {
            var s = Sketch()
            let isGemm = op == "Gemm"
            let x = isGemm ? s.input("x", 2, 4) : s.input("x", 2, 4, 5, 5)
            let shape = isGemm ? [6, 4] : op == "Conv" ? [6, 4 / groups, 3, 3] : [4, 6 / groups, 3, 3]
            let a = try s.node(
                op, x, s.constant(shape, seed: 1), s.constant([6], seed: 2),
                attributes: isGemm ? ["transB": .int(1)] : ["group": .int(groups)])
            let y = try s.node(
                "BatchNormalization", a, s.constant([6], seed: 3), s.constant([6], seed: 4), s.constant([6], seed: 5),
                s.constant([6], seed: 6))
            #expect(try rewritten(s, to: y, by: [.foldBatchNorm]).ops == [op])
            #expect(try rewritten(s, to: y, by: [.foldBatchNorm], pinned: [a]).ops == [op, "BatchNormalization"])
        }
    }

    @Test func fuseActivation() throws {
        var s = Sketch()
        let x = s.input("x", 1, 2, 4, 4), w = try s.constant([2, 2, 1, 1], seed: 1, -1...1)
        let a = try s.node("Conv", x, w), b = try s.node("Add", a, x), c = try s.node("Relu", b)
        let d = try s.node("Conv", c, w), y = try s.node("Clip", d, s.number(-0.1), s.number(0.3))
        #expect(try rewritten(s, to: y, by: [.fuseActivation]).ops == ["Conv", "Conv"])
        #expect(try rewritten(s, to: y, by: [.fuseActivation], pinned: [b]).ops == ["Conv", "Relu", "Conv"])
        #expect(try rewritten(s, to: y, by: [.fuseActivation], pinned: [a, d]).ops == ["Conv", "Add", "Relu", "Conv", "Clip"])
    }

    @Test func fuseActivationIntoGemm() throws {
        var s = Sketch()
        let x = s.input("x", 2, 3), y = try s.node("Relu", s.node("Gemm", x, s.constant([3, 4], seed: 1, -1...1)))
        #expect(try rewritten(s, to: y, by: [.fuseActivation]).ops == ["Gemm"])
    }

    @Test(arguments: ["bhid,bhjd->bhij", "bij,jk->bki", "hwc,bxhwc->bx", "abc,abc->ab", "ik,jk->ij", "a,b->ba"])
    func einsumToMatMul(_ equation: String) throws {
        let sizes: [Character: Int] = ["a": 2, "b": 3, "c": 4, "d": 5, "h": 2, "i": 3, "j": 4, "k": 5, "w": 3, "x": 4]
        let operands = equation.split(separator: "-")[0].split(separator: ",").map { $0.map { Dim(sizes[$0] ?? 0) } }
        var s = Sketch()
        let inputs = operands.enumerated().map { index, dims in
            let id = s.graph.add("x\(index)", type: TensorType(.float64, dims))
            s.graph.inputs.append(id)
            return id
        }
        let y = try s.node("Einsum", inputs[0], inputs[1], attributes: ["equation": .string(equation)])
        let ops = try rewritten(s, to: y, by: [.einsumToMatMul]).ops
        #expect(ops.contains("MatMul") && !ops.contains("Einsum"))
    }

    @Test(arguments: ["ij->ji", "ij,jk->i", "ii,ij->j", "...i,ij->...j"]) func otherEinsumsStay(_ equation: String) throws {
        var s = Sketch()
        let x = s.input("x", 3, 3), w = s.input("w", 3, 3)
        let y =
            try equation.contains(",")
            ? s.node("Einsum", x, w, attributes: ["equation": .string(equation)])
            : s.node("Einsum", x, attributes: ["equation": .string(equation)])
        #expect(try rewritten(s, to: y, by: [.einsumToMatMul]).ops == ["Einsum"])
    }

    @Test func fuseSilu() throws {
        var s = Sketch()
        let x = s.input("x", 2, 3), gate = try s.node("Sigmoid", x), y = try s.node("Mul", gate, x)
        #expect(try rewritten(s, to: y, by: [.fuseSilu]).ops == ["Silu"])
        #expect(try rewritten(s, to: y, by: [.fuseSilu], pinned: [gate]).ops == ["Sigmoid", "Mul"])
    }

    @Test(arguments: [false, true]) func recognizeLayerNorm(_ isOpen: Bool) throws {
        var s = Sketch()
        let x = s.input("x", 2, 3, 4), axes: [String: Attribute] = ["axes": .ints([-1])]
        let mean = try s.node("ReduceMean", x, attributes: axes), centred = try s.node("Sub", x, mean)
        let square = try s.node("Pow", centred, s.number(2)), variance = try s.node("ReduceMean", square, attributes: axes)
        let root = try s.node("Sqrt", s.node("Add", variance, s.number(1e-5)))
        let plain = try s.node("Div", centred, root)
        let y = isOpen ? plain : try s.node("Add", s.node("Mul", plain, s.constant([4], seed: 1)), s.constant([4], seed: 2))
        #expect(try rewritten(s, to: y, by: [.recognizeLayerNorm]).ops == ["LayerNormalization"])
        #expect(try rewritten(s, to: y, by: [.recognizeLayerNorm], pinned: [variance]).ops.contains("Sqrt"))
    }

    @Test(arguments: [0, 1, 2]) func recognizeGelu(_ form: Int) throws {
        var s = Sketch()
        let x = s.input("x", 2, 3)
        let inner = form == 0 ? try s.node("Div", x, s.number(2.0.squareRoot())) : try s.node("Mul", x, s.number(0.5.squareRoot()))
        let sum = try s.node("Add", s.node("Erf", inner), s.number(1))
        let y: ValueID
        switch form {
        case 0: y = try s.node("Mul", s.node("Mul", x, sum), s.number(0.5))
        case 1: y = try s.node("Mul", s.node("Mul", x, s.number(0.5)), sum)
        default: y = try s.node("Mul", x, s.node("Mul", s.number(0.5), sum))
        }
        #expect(try rewritten(s, to: y, by: [.recognizeGelu]).ops == ["Gelu"])
        #expect(try rewritten(s, to: y, by: [.recognizeGelu], pinned: [sum]).ops.contains("Erf"))
    }

    @Test(arguments: [true, false]) func inlineIf(_ condition: Bool) throws {
        var branch = Graph()
        branch.inputs = [branch.add("x")]
        let double = branch.add("double")
        branch.nodes = [Node(op: "Add", name: "double", inputs: [branch.inputs[0], branch.inputs[0]], outputs: [double])]
        branch.outputs = [double]
        var copy = Graph()
        copy.inputs = [copy.add("x")]
        copy.outputs = copy.inputs
        var s = Sketch()
        let x = s.input("x", 2, 3), flag = s.graph.constant(try Tensor.scalar(Truth(condition)), "flag")
        let z = try s.node("If", flag, x, attributes: ["then_branch": .graph(branch), "else_branch": .graph(copy)]),
            y = try s.node("Exp", z)
        #expect(try rewritten(s, to: y, by: [.inlineIf, .removeIdentity]).ops == (condition ? ["Add", "Exp"] : ["Exp"]))
        #expect(
            try rewritten(s, to: y, by: [.inlineIf, .removeIdentity], pinned: [z]).ops
                == (condition ? ["Add", "Exp"] : ["Identity", "Exp"]))
    }

    @Test func compaction() throws {
        var s = Sketch()
        let x = s.input("x", 2), _ = try s.constant([1000], seed: 1), y = try s.node("Exp", x)
        s.graph.outputs = [y]
        let (graph, ids) = s.graph.compacted(keeping: [])
        #expect(graph.values.count == 2 && graph.outputs == [ids[y]])
        try graph.validate(operators: .standard)
    }

    @Test func selection() throws {
        let all = PassList.afterDifferentiation
        #expect(try PassList.select("all", from: all).count == all.count)
        #expect(try PassList.select("none", from: all).isEmpty)
        #expect(try PassList.select("dead-code, fuse-silu", from: all).map(\.name) == ["dead-code", "fuse-silu"])
        #expect(try PassList.select("-dead-code", from: all).count == all.count - 1)
        #expect(throws: Failure.self) { try PassList.select("dead", from: all) }
    }
}

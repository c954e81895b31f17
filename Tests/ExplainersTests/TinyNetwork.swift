import Graphs
import Runtime
import Tensors

/// Networks of one operator, whose explanations can be written down.
enum TinyNetwork {
    /// `y = x w` over all elements of an input of one image's `shape`; `w` by class.
    static func linear(_ shape: [Int], weights: [[Float]]) throws -> Model {
        try model(shape) { b, x in
            let size = shape.reduce(1, *)
            let flat = try add(&b, "Flatten", [x], ["axis": .int(1)])
            let w = b.graph.constant(try Tensor(weights.flatMap { $0 }, [weights.count, size]), "w")
            return try add(&b, "Gemm", [flat, w], ["transB": .int(1)])
        }
    }

    /// `y = value` for both classes, whatever the input.
    static func constant(_ shape: [Int], _ value: Float) throws -> Model {
        try model(shape) { b, x in
            let flat = try add(&b, "Flatten", [x], ["axis": .int(1)])
            let w = b.graph.constant(try Tensor.zeros(.float32, [2, shape.reduce(1, *)]), "w")
            let bias = b.graph.constant(try Tensor([value, value]), "b")
            return try add(&b, "Gemm", [flat, w, bias], ["transB": .int(1)])
        }
    }

    /// A network with input `x` of any number of images and the output that `build` makes.
    static func model(_ shape: [Int], type: ElementType = .float32, _ build: (inout Lowerer, ValueID) throws -> ValueID) throws -> Model {
        var b = Lowerer(operators: .standard)
        let x = b.graph.add("x", type: TensorType(type, [.symbol("N")] + shape.map { Dim($0) }))
        b.graph.inputs.append(x)
        b.graph.outputs = [try build(&b, x)]
        var options = Options()
        options["plugins"] = .integer(0)
        return try Model(graph: b.graph, runtime: try Runtime(options))
    }

    /// A network with inputs `x` and `y`.
    static func pair(_ first: [Int], _ second: [Int], _ build: (inout Lowerer, ValueID, ValueID) throws -> ValueID) throws -> Model {
        try model(first) { b, x in
            let y = b.graph.add("y", type: TensorType(.float32, [.symbol("N")] + second.map { Dim($0) }))
            b.graph.inputs.append(y)
            return try build(&b, x, y)
        }
    }

    static func add(_ b: inout Lowerer, _ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:]) throws -> ValueID {
        let output = b.graph.add("\(op)_\(b.graph.nodes.count)_out")
        try b.lower(Node(op: op, name: "", inputs: inputs, outputs: [output], attributes: attributes, origin: op), opset: 20)
        return output
    }

    /// Numbers between -1 and 1.
    static func numbers(_ count: Int, seed: UInt64 = 1) -> [Float] {
        let random = Random(seed: seed)
        return (0..<count).map { Float(random.uniform(UInt64($0)) * 2 - 1) }
    }
}

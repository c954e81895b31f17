import Graphs
import Runtime
import Tensors

/// Small networks built by hand.
enum TinyModels {
    /// Builds a graph: inputs by name and dims, then nodes; the last value named `output` is the output.
    static func graph(inputs: [(String, [Dim])], outputs: [String], _ build: (inout Lowerer, (String) -> ValueID) throws -> Void) throws
        -> Graph
    {
        var lowerer = Lowerer(operators: .standard)
        for (name, dims) in inputs {
            let id = lowerer.graph.add(name, type: TensorType(.float32, dims))
            lowerer.graph.inputs.append(id)
        }
        for name in outputs { _ = lowerer.graph.add(name) }
        let graph = lowerer.graph
        func id(_ name: String) -> ValueID {
            guard let id = graph.id(of: name) else { preconditionFailure("no value \(name)") }
            return id
        }
        try build(&lowerer, id)
        lowerer.graph.outputs = outputs.map(id)
        return lowerer.graph
    }

    static func add(
        _ lowerer: inout Lowerer, _ op: String, _ name: String, _ inputs: [ValueID?], to output: ValueID? = nil,
        _ attributes: [String: Attribute] = [:], module: String = ""
    ) throws -> ValueID {
        let output = output ?? lowerer.graph.add("\(name)_out")
        try lowerer.lower(
            Node(op: op, name: name, inputs: inputs, outputs: [output], attributes: attributes, origin: op, module: module), opset: 20)
        return output
    }

    static func numbers(_ count: Int, seed: UInt64) -> [Float] {
        let random = Random(seed: seed)
        return (0..<count).map { Float(random.uniform(UInt64($0)) * 2 - 1) }
    }

    /// conv 3->4 (3x3, pads 1), relu, global pool, linear to 5 classes. Values: conv_out, relu_out, logits.
    static func classifier(batch: Dim = .symbol("N")) throws -> Graph {
        try graph(inputs: [("x", [batch, 3, 6, 6])], outputs: ["logits"]) { b, id in
            let w = b.graph.constant(try Tensor(numbers(4 * 27, seed: 1), [4, 3, 3, 3]), "conv.weight")
            let bias = b.graph.constant(try Tensor(numbers(4, seed: 2), [4]), "conv.bias")
            let conv = try add(&b, "Conv", "conv", [id("x"), w, bias], ["pads": .ints([1, 1, 1, 1])], module: "features.0")
            let relu = try add(&b, "Relu", "relu", [conv], module: "features.1")
            let pool = try add(&b, "GlobalAveragePool", "pool", [relu])
            let flat = try add(&b, "Flatten", "flat", [pool])
            let fc = b.graph.constant(try Tensor(numbers(20, seed: 3), [5, 4]), "fc.weight")
            let fcBias = b.graph.constant(try Tensor(numbers(5, seed: 4), [5]), "fc.bias")
            _ = try add(&b, "Gemm", "fc", [flat, fc, fcBias], to: id("logits"), ["transB": .int(1)], module: "fc")
        }
    }

    /// A linear classifier: logits = x W.
    static func linear(features: Int, classes: Int) throws -> Graph {
        try graph(inputs: [("x", [.symbol("N"), Dim(features)])], outputs: ["logits"]) { b, id in
            let w = b.graph.constant(try Tensor(numbers(features * classes, seed: 9), [features, classes]), "w")
            _ = try add(&b, "MatMul", "linear", [id("x"), w], to: id("logits"))
        }
    }

    static func model(_ graph: Graph, _ settings: [String: Options.Entry] = [:], threads: Int = 2) throws -> Model {
        var runtimeOptions = Options()
        runtimeOptions["threads"] = .integer(threads)
        runtimeOptions["plugins"] = .integer(0)
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try Model(graph: graph, runtime: try Runtime(runtimeOptions), options: options)
    }

    static func image(_ batch: Int, seed: UInt64 = 7) throws -> Tensor { try Tensor(numbers(batch * 108, seed: seed), [batch, 3, 6, 6]) }
}

/// Largest absolute difference over largest absolute value.
func difference(_ a: Tensor, _ b: Tensor) throws -> Double {
    let x = try a.doubles(), y = try b.doubles()
    guard a.shape == b.shape else { return .infinity }
    let scale = y.map(abs).max() ?? 0
    let gap = zip(x, y).map { abs($0 - $1) }.max() ?? 0
    return gap == 0 ? 0 : gap / max(scale, 1e-30)
}

import Explainers
import Graphs
import Runtime
import Tensors

/// Classifiers of images of 3 x 3 pixels, one channel, whose second class follows from a formula over the pixels.
enum PlantedModels {
    /// `hidden`: rows of weights with a bias, each rectified; the second class's logit is `scale * sum of out * hidden - offset`.
    static func model(hidden: [(weights: [Float], bias: Float)], out: [Float], scale: Float, offset: Float) throws -> Model {
        var lowerer = Lowerer(operators: .standard)
        let x = lowerer.graph.add("x", type: TensorType(.float32, [.symbol("N"), 1, 3, 3]))
        lowerer.graph.inputs.append(x)
        let logits = lowerer.graph.add("logits")
        func node(_ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:], to output: ValueID? = nil) throws -> ValueID
        {
            let output = output ?? lowerer.graph.add("\(op)_\(lowerer.graph.nodes.count)")
            try lowerer.lower(
                Node(
                    op: op, name: "\(op)_\(lowerer.graph.nodes.count)", inputs: inputs, outputs: [output], attributes: attributes,
                    origin: op, module: ""), opset: 20)
            return output
        }
        let flat = try node("Flatten", [x])
        let w = lowerer.graph.constant(try Tensor(hidden.flatMap(\.weights), [hidden.count, 9]), "w")
        let b = lowerer.graph.constant(try Tensor(hidden.map(\.bias), [hidden.count]), "b")
        let h = try node("Relu", [try node("Gemm", [flat, w, b], ["transB": .int(1)])])
        let zeros = [Float](repeating: 0, count: hidden.count)
        let v = lowerer.graph.constant(try Tensor(zeros + out.map { $0 * scale }, [2, hidden.count]), "v")
        let c = lowerer.graph.constant(try Tensor([0, -offset] as [Float], [2]), "c")
        _ = try node("Gemm", [h, v, c], ["transB": .int(1)], to: logits)
        lowerer.graph.outputs = [logits]
        return try Model(graph: lowerer.graph, runtime: try Runtime(), options: Options())
    }

    /// 1 where all these pixels are 1, 0 where one of them is 0 (and others are 0 or 1).
    static func all(_ pixels: [Int]) -> (weights: [Float], bias: Float) {
        ((0..<9).map { pixels.contains($0) ? 1 : 0 }, 1 - Float(pixels.count))
    }

    /// The second class if one of these groups of pixels is there.
    static func anyOf(_ groups: [[Int]]) throws -> Model {
        try model(hidden: groups.map(all), out: groups.map { _ in 1 }, scale: 40, offset: 20)
    }

    /// The second class the more, the more weight there is.
    static func additive(_ weights: [Float], scale: Float, offset: Float) throws -> Model {
        try model(hidden: [(weights, 0)], out: [1], scale: scale, offset: offset)
    }

    static func white(_ images: Int = 1) throws -> Tensor {
        try Tensor([Float](repeating: 1, count: 9 * images), [images, 1, 3, 3])
    }
}

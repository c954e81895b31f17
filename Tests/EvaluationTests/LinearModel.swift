import Evaluation
import Explainers
import Foundation
import Graphs
import Runtime
import Tensors

/// Networks whose explanations and metrics are known: `f(x) = w x + b` for each class, over images or plain numbers.
struct LinearModel {
    let model: Model
    let x: Tensor
    /// Of class 0.
    let weights: [Float]
    let bias: Float

    /// Images of `shape` without the first axis; weights and pixels are random numbers of the seed, or those given.
    init(_ shape: [Int], images: Int = 2, classes: Int = 2, seed: UInt64 = 1, weights given: [Float]? = nil, x pixels: [Float]? = nil)
        throws
    {
        let features = shape.reduce(1, *)
        let matrix = given.map { first in first + LinearModel.numbers(features * (classes - 1), seed: seed + 9) }
        let rows = matrix ?? LinearModel.numbers(features * classes, seed: seed)
        weights = Array(rows.prefix(features))
        bias = 0.25
        x = try Tensor(pixels ?? LinearModel.numbers(images * features, seed: seed + 1), [images] + shape)
        var lowerer = Lowerer(operators: .standard)
        let input = lowerer.graph.add("x", type: TensorType(.float32, [.symbol("N")] + shape.map { Dim($0) }))
        lowerer.graph.inputs = [input]
        let w = lowerer.graph.constant(try Tensor(rows, [classes, features]), "w")
        let b = lowerer.graph.constant(try Tensor([Float](repeating: bias, count: classes), [classes]), "b")
        let flat = lowerer.graph.add("flat"), logits = lowerer.graph.add("logits")
        try lowerer.lower(Node(op: "Flatten", name: "flatten", inputs: [input], outputs: [flat], origin: "Flatten"), opset: 20)
        try lowerer.lower(
            Node(op: "Gemm", name: "fc", inputs: [flat, w, b], outputs: [logits], attributes: ["transB": .int(1)], origin: "Gemm"),
            opset: 20)
        lowerer.graph.outputs = [logits]
        var options = Options()
        options["plugins"] = .integer(0)
        options["threads"] = .integer(1)
        model = try Model(graph: lowerer.graph, runtime: try Runtime(options), options: Options())
    }

    static func numbers(_ count: Int, seed: UInt64) -> [Float] {
        let random = Random(seed: seed)
        return (0..<count).map { Float(random.uniform(UInt64($0)) * 2 - 1) }
    }

    var size: Int { weights.count }
    var images: Int { x.shape[0] }

    /// Pixels of one image.
    func pixels(_ image: Int) throws -> [Float] { Array(try x.array(Float.self)[(image * size)..<((image + 1) * size)]) }

    /// `w x + b` of class 0.
    func score(_ pixels: [Float]) -> Double { zip(weights, pixels).reduce(Double(bias)) { $0 + Double($1.0) * Double($1.1) } }

    /// What each pixel adds to the score of class 0: exact attributions against a baseline of zero, shaped as the input.
    func contributions() throws -> Tensor {
        try Tensor((0..<images).flatMap { image in try zip(weights, pixels(image)).map { $0 * $1 } }, x.shape)
    }

    func evaluate(
        _ metric: String, _ settings: [String: Options.Entry] = [:], map: Tensor? = nil, explanation: Explanation? = nil,
        target: Target? = Target(.index(0), score: .logit), control: Control = Control()
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        if let map { options["map"] = .tensor(map) }
        return try MetricList.evaluate(
            metric, model: model, feeds: ["x": x], target: target, explanation: explanation, options: options, control: control)
    }

    func explain(_ method: String, _ settings: [String: Options.Entry] = [:]) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain(
            method, model: model, feeds: ["x": x], target: Target(.index(0)), options: options, control: Control())
    }

    func cost(_ metric: String, _ settings: [String: Options.Entry] = [:], map: Tensor? = nil, explanation: Explanation? = nil) throws
        -> Cost
    {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        if let map { options["map"] = .tensor(map) }
        return try MetricList.cost(
            metric, model: model, feeds: ["x": x], target: Target(.index(0), score: .logit), explanation: explanation, options: options)
    }
}

extension Explanation {
    /// The metric's value for each image.
    var values: [Double] { (try? tensors["values"]?.doubles()) ?? [] }
    var value: Double { numbers["value"] ?? .nan }

    func numbers(of tensor: String) -> [Double] { (try? tensors[tensor]?.doubles()) ?? [] }
}

/// What a failing call says.
func message(_ body: () throws -> Explanation) -> String {
    do {
        _ = try body()
        return ""
    } catch {
        return "\(error)"
    }
}

/// How many images a call ran forward and backward, by its manifest.
func counted(_ explanation: Explanation) throws -> (forwards: Int, backwards: Int) {
    struct Account: Decodable {
        let forwards: Int
        let backwards: Int
    }
    let account = try JSONDecoder().decode(Account.self, from: Data(explanation.manifest.utf8))
    return (account.forwards, account.backwards)
}

import Explainers
import Graphs
import Runtime
import Tensors

/// Small networks node by node, for what must hold of a method on a structure that exporters seldom write.
struct HandMade {
    private var lowerer = Lowerer(operators: .standard)
    private var seed: UInt64 = 1

    /// A graph from `input` of the given sizes to `output`.
    static func model(
        _ dims: [Int], batch: Dim = .symbol("N"), passes: String = "all", _ build: (inout HandMade, ValueID) throws -> ValueID
    ) throws -> Model {
        var made = HandMade()
        let input = made.lowerer.graph.add("input", type: TensorType(.float32, [batch] + dims.map { Dim($0) }))
        made.lowerer.graph.inputs = [input]
        made.lowerer.graph.outputs = [try build(&made, input)]
        var options = Options()
        options["passes"] = .text(passes)
        return try Model(graph: made.lowerer.graph, runtime: try Runtime(), options: options)
    }

    /// A node; its value has the given name, if there is one.
    mutating func add(_ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:], name: String = "") throws -> ValueID {
        let output = lowerer.graph.add(name.isEmpty ? "\(op)_\(lowerer.graph.values.count)" : name)
        let node = Node(op: op, name: lowerer.graph[output].name, inputs: inputs, outputs: [output], attributes: attributes, origin: op)
        try lowerer.lower(node, opset: 20)
        return output
    }

    /// Each image's numbers under another shape.
    mutating func cut(_ value: ValueID, _ shape: [Int]) throws -> ValueID {
        try add("Reshape", [value, constant(Tensor(([-1] + shape).map { Int64($0) }))])
    }

    /// A constant of random numbers between the bounds.
    mutating func weight(_ shape: [Int], _ range: ClosedRange<Float> = -1...1) throws -> ValueID {
        seed += 1
        return lowerer.graph.constant(try HandMade.numbers(shape, seed: seed, range), "weight\(seed)")
    }

    mutating func constant(_ tensor: Tensor) -> ValueID {
        seed += 1
        return lowerer.graph.constant(tensor, "constant\(seed)")
    }

    static func numbers(_ shape: [Int], seed: UInt64, _ range: ClosedRange<Float> = -1...1) throws -> Tensor {
        let random = Random(seed: seed)
        let width = range.upperBound - range.lowerBound
        return try Tensor.make(shape, Float.self) { out in
            for i in out.indices { out[i] = range.lowerBound + width * Float(random.uniform(UInt64(i))) }
        }
    }

    /// Convolutions, ReLUs, a max-pool, a residual sum and a mean, all without biases.
    static func withoutBiases() throws -> Model {
        try model([3, 8, 8]) { n, x in
            let same: [String: Attribute] = ["pads": .ints([1, 1, 1, 1])]
            let first = try n.add("Relu", [n.add("Conv", [x, n.weight([6, 3, 3, 3])], same)], name: "first")
            let pool = try n.add("MaxPool", [first], ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])], name: "pool")
            let inner = try n.add("Relu", [n.add("Conv", [pool, n.weight([6, 6, 3, 3])], same)])
            let sum = try n.add("Add", [pool, n.add("Conv", [inner, n.weight([6, 6, 1, 1])])], name: "sum")
            let mean = try n.add("Flatten", [n.add("GlobalAveragePool", [n.add("Relu", [sum])])])
            return try n.add("Gemm", [mean, n.weight([4, 6])], ["transB": .int(1)], name: "output")
        }
    }
}

/// What a method finds with the given options, for one class of every image.
func explained(_ method: String, _ model: Model, _ x: Tensor, _ settings: [String: Options.Entry] = [:], target: Int = 1) throws
    -> Explanation
{
    var options = Options()
    for (name, value) in settings { options[name] = value }
    let input = model.inputs.first?.name ?? "input"
    return try MethodList.explain(
        method, model: model, feeds: [input: x], target: Target(.index(target)), options: options, control: Control())
}

extension Explanation {
    /// The map; throws where there is none.
    var map: Tensor {
        get throws {
            guard let map = tensors["map"] else { throw Failure.notFound("the explanation has no map") }
            return map
        }
    }

    /// Sums of the map, one per image.
    var sums: [Double] {
        get throws {
            let map = try map, images = map.shape.first ?? 1, numbers = try map.doubles()
            let size = numbers.count / max(images, 1)
            return (0..<images).map { numbers[($0 * size)..<(($0 + 1) * size)].reduce(0, +) }
        }
    }
}

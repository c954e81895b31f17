internal import Glibc
internal import Graphs
internal import Runtime
internal import Tensors

/// The layers of a network whose weights can be made random: what convolutions and matrix products multiply by. Biases and
/// the statistics of normalisations stay.
struct WeightRandomization {
    struct Layer {
        /// The node that multiplies.
        let node: String
        /// The weight as the file has it.
        let weight: String
    }

    /// In the order of computation; a weight that several nodes share belongs to the first.
    let layers: [Layer]
    private let model: Model
    private let isPermuted: Bool
    private let seed: UInt64

    /// `isPermuted`: the same numbers in another order, in place of normal ones of the same mean and spread.
    init(_ model: Model, isPermuted: Bool, seed: UInt64) {
        self.model = model
        self.isPermuted = isPermuted
        self.seed = seed
        let graph = model.graph, producers = graph.producers()
        var seen: Set<Int> = [], layers: [Layer] = []
        for node in graph.nodes where ["Conv", "ConvTranspose", "Gemm", "MatMul"].contains(node.op) {
            for input in node.inputs.prefix(2) {
                guard let input, let weight = WeightRandomization.constant(input, graph, producers), seen.insert(weight.index).inserted
                else {
                    continue
                }
                layers.append(Layer(node: node.name, weight: graph[weight].name))
            }
        }
        self.layers = layers
    }

    /// The constant that a value is, or that it is a mere form of; only where it has two axes or more.
    private static func constant(_ value: ValueID, _ graph: Graph, _ producers: [Int]) -> ValueID? {
        var value = value
        for _ in 0..<8 {
            if let tensor = graph[value].constant { return tensor.shape.count > 1 && tensor.type.bits >= 8 ? value : nil }
            let producer = producers[value.index]
            guard producer >= 0, ["Identity", "Transpose", "Reshape", "Cast", "DequantizeLinear"].contains(graph.nodes[producer].op),
                let input = graph.nodes[producer].inputs.first, let input
            else { return nil }
            value = input
        }
        return nil
    }

    /// The model with random numbers in these layers; each layer's are the same whatever the others.
    func randomized(_ chosen: [Int]) throws -> Model {
        var weights: [String: Tensor] = [:]
        for index in chosen {
            let name = layers[index].weight
            guard let tensor = model.graph.id(of: name).flatMap({ model.graph[$0].constant }) else { continue }
            weights[name] = try random(tensor, Random(seed: seed, stream: 1 << 56 | UInt64(index)))
        }
        return try model.replacing(weights: weights)
    }

    private func random(_ weight: Tensor, _ random: Random) throws -> Tensor {
        // Levels of a quantised layer have no other distribution than their own.
        if isPermuted || !weight.type.isFloat { return try WeightRandomization.permuted(weight, random) }
        let values = try weight.doubles(), count = Double(max(1, values.count))
        let mean = values.reduce(0, +) / count
        let deviation = sqrt(values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count)
        return try Tensor.make(weight.shape, Float.self) { out in
            random.fillNormal(out)
            for i in out.indices { out[i] = Float(mean + deviation * Double(out[i])) }
        }.converted(to: weight.type)
    }

    private static func permuted(_ weight: Tensor, _ random: Random) throws -> Tensor {
        var values = try weight.doubles()
        for i in stride(from: values.count - 1, to: 0, by: -1) { values.swapAt(i, Int(random.uniform(UInt64(i)) * Double(i + 1))) }
        return try Tensor(values, weight.shape).converted(to: weight.type)
    }
}

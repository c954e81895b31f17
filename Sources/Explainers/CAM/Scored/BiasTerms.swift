internal import Glibc
internal import Graphs
internal import Tensors

/// One bias of a network: added to the value `output`, whose gradient therefore is the bias's own.
struct BiasTerm {
    let output: String
    /// Broadcasts to the output's shape.
    let bias: Tensor
    /// Whether the output has height and width, and the bias one number per channel: convolutions and batch normalisations.
    let isSpatial: Bool
}

/// The biases that a score depends on, read off the graph.
struct BiasTerms {
    private let graph: Graph

    init(_ graph: Graph) { self.graph = graph }

    /// In the graph's order.
    func found(before output: ValueID) throws -> [BiasTerm] {
        try Structure(graph).ancestors(of: output).reversed().compactMap { node in
            guard let value = node.outputs.first, let value, let bias = try bias(of: node) else { return nil }
            let isSpatial = ["Conv", "ConvTranspose", "BatchNormalization"].contains(node.op) && graph[value].type?.rank == 4
            return BiasTerm(output: graph[value].name, bias: try bias.converted(to: .float32).contiguous(), isSpatial: isSpatial)
        }
    }

    private func bias(of node: Node) throws -> Tensor? {
        switch node.op {
        case "Conv", "ConvTranspose", "InstanceNormalization", "GroupNormalization": return try alongChannels(constant(node, 2), node)
        case "LayerNormalization": return constant(node, 2)
        case "Gemm":
            let beta = Float(node.attributes["beta"]?.float ?? 1)
            return try constant(node, 2).map { try Maps.map($0.converted(to: .float32)) { $0 * beta } }
        case "BatchNormalization": return try alongChannels(effective(node), node)
        case "Add": return float(node, 1) ?? float(node, 0)
        case "Sub": return try float(node, 1).map { try Maps.map($0.converted(to: .float32)) { -$0 } } ?? float(node, 0)
        default: return nil
        }
    }

    /// `beta - mean gamma / sqrt(variance + eps)` (section 3 of the paper's supplement): what a batch normalisation adds.
    private func effective(_ node: Node) throws -> Tensor? {
        guard let gamma = try constant(node, 1)?.doubles(), let beta = try constant(node, 2)?.doubles(),
            let mean = try constant(node, 3)?.doubles(), let variance = try constant(node, 4)?.doubles(), beta.count == gamma.count,
            mean.count == gamma.count, variance.count == gamma.count
        else { return nil }
        let epsilon = node.attributes["epsilon"]?.float ?? 1e-5
        return try Tensor(gamma.indices.map { Float(beta[$0] - mean[$0] * gamma[$0] / sqrt(variance[$0] + epsilon)) })
    }

    /// One number per channel, in front of the spatial axes.
    private func alongChannels(_ bias: Tensor?, _ node: Node) throws -> Tensor? {
        guard let bias, bias.shape.count == 1, let value = node.outputs.first, let value, let rank = graph[value].type?.rank, rank >= 2
        else { return nil }
        return try bias.reshaped(bias.shape + [Int](repeating: 1, count: rank - 2))
    }

    private func float(_ node: Node, _ index: Int) -> Tensor? { constant(node, index).flatMap { $0.type.isFloat ? $0 : nil } }

    private func constant(_ node: Node, _ index: Int) -> Tensor? {
        guard index < node.inputs.count, let id = node.inputs[index] else { return nil }
        return graph[id].constant
    }
}

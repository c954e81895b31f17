internal import Glibc
internal import Tensors

extension Pass {
    /// Puts a BatchNormalization's scale and shift into the convolution or linear layer in front of it:
    /// `w' = w g / sqrt(v + e)`, `b' = (b - m) g / sqrt(v + e) + beta`. In double, then rounded once.
    static let foldBatchNorm = Pass("fold-batch-norm") { graph, context in
        let producers = graph.producers(), readers = graph.readers()
        var removed: Set<Int> = []
        for (index, node) in graph.nodes.enumerated()
        where node.op == "BatchNormalization" && node.outputs.dropFirst().allSatisfy({ $0 == nil }) {
            guard let input = node.inputs.first, let input, producers[input.index] >= 0, readers[input.index].count == 1,
                let output = node.outputs.first, let output,
                !context.pinned.contains(input), !graph.outputs.contains(input),
                let folded = try folded(graph.nodes[producers[input.index]], node, graph, context)
            else { continue }
            var layer = graph.nodes[producers[input.index]]
            let weight = graph.constant(folded.weight, "\(layer.name)/folded weight"),
                bias = graph.constant(folded.bias, "\(layer.name)/folded bias")
            layer.inputs = [layer.inputs[0], weight, bias]
            layer.outputs = [output]
            graph.nodes[producers[input.index]] = layer
            removed.insert(index)
        }
        guard !removed.isEmpty else { return false }
        graph.keepNodes { !removed.contains($0) }
        return true
    }

    /// New weight and bias of the layer; nil when the two do not fold.
    private static func folded(_ layer: Node, _ norm: Node, _ graph: Graph, _ context: PassContext) throws -> (
        weight: Tensor, bias: Tensor
    )? {
        guard ["Conv", "ConvTranspose", "Gemm"].contains(layer.op), norm.inputs.count == 5, norm.attributes["training_mode"]?.int ?? 0 == 0
        else { return nil }
        let parameters = (layer.inputs.dropFirst() + norm.inputs.dropFirst()).compactMap { $0 }
        guard parameters.allSatisfy({ graph[$0].constant != nil && !context.pinned.contains($0) }) else { return nil }
        func numbers(_ id: ValueID?) throws -> [Double]? { try id.flatMap { graph[$0].constant }?.doubles() }
        guard let weightID = layer.inputs[1], let weight = graph[weightID].constant, weight.type.isFloat,
            let gamma = try numbers(norm.inputs[1]), let beta = try numbers(norm.inputs[2]), let mean = try numbers(norm.inputs[3]),
            let variance = try numbers(norm.inputs[4]),
            let axis = channelAxis(layer), weight.shape.count > axis, gamma.count > 0
        else { return nil }
        let groups = layer.op == "ConvTranspose" ? layer.attributes["group"]?.int ?? 1 : 1
        let channels = gamma.count
        guard groups > 0, groups <= channels, weight.shape[axis] * groups == channels, weight.shape[0] % groups == 0,
            [beta.count, mean.count, variance.count].allSatisfy({ $0 == channels })
        else { return nil }
        let bias =
            try layer.inputs.count > 2
            ? numbers(layer.inputs[2]) ?? [Double](repeating: 0, count: channels) : [Double](repeating: 0, count: channels)
        guard bias.count == channels else { return nil }
        if layer.op == "Gemm", layer.attributes["alpha"]?.float ?? 1 != 1 || layer.attributes["beta"]?.float ?? 1 != 1 { return nil }
        let epsilon = norm.attributes["epsilon"]?.float ?? 1e-5
        let factor = zip(gamma, variance).map { $0 / sqrt($1 + epsilon) }
        let shift = (0..<channels).map { (bias[$0] - mean[$0]) * factor[$0] + beta[$0] }
        let scaled = try scale(weight, by: factor, axis: axis, groups: groups)
        return (scaled, try Tensor(shift).converted(to: weight.type))
    }

    /// Axis of the weight that counts output channels (per group, for ConvTranspose).
    private static func channelAxis(_ layer: Node) -> Int? {
        switch layer.op {
        case "Conv": 0
        case "ConvTranspose": 1
        default: layer.attributes["transB"]?.int ?? 0 == 1 ? 0 : 1
        }
    }

    private static func scale(_ weight: Tensor, by factor: [Double], axis: Int, groups: Int) throws -> Tensor {
        let inner = weight.shape.dropFirst(axis + 1).reduce(1, *), size = weight.shape[axis]
        // Rows of input channels of a ConvTranspose belong to groups, one after the other.
        let rowsPerGroup = max(1, weight.shape[0] / groups)
        var values = try weight.doubles()
        for index in values.indices {
            let group = axis == 1 && groups > 1 ? index / (size * inner) / rowsPerGroup : 0
            values[index] *= factor[group * size + index / inner % size]
        }
        return try Tensor(values, weight.shape).converted(to: weight.type)
    }
}

internal import Graphs
internal import Tensors

/// Reads off a graph what people otherwise have to tell a CAM method: the layer, its axes, the token grid.
struct Structure {
    let graph: Graph
    private let producers: [Int]

    init(_ graph: Graph) {
        self.graph = graph
        producers = graph.producers()
    }

    private func producer(_ id: ValueID) -> Node? { producers[id.index] < 0 ? nil : graph.nodes[producers[id.index]] }

    /// Axes beyond the batch that hold more than one element; unknown sizes count as more.
    private func extent(_ id: ValueID) -> Int {
        guard let dims = graph[id].type?.dims, graph[id].constant == nil else { return 0 }
        return dims.dropFirst().filter { $0.value != 1 }.count
    }

    // MARK: Where space ends

    /// The node that turns a map or tokens into one vector per image, nearest to the output; its input has space.
    func collapse(before output: ValueID) -> (node: Node, input: ValueID)? {
        var needed = [Bool](repeating: false, count: graph.values.count)
        needed[output.index] = true
        for node in graph.nodes.reversed() where node.outputs.contains(where: { $0.map { needed[$0.index] } ?? false }) {
            if let input = node.inputs.compactMap({ $0 }).first(where: { extent($0) >= 2 && isFloat($0) }) { return (node, input) }
            for input in node.inputs { if let input { needed[input.index] = true } }
        }
        return nil
    }

    /// The tokens that an attention pool gathers with a single query; nil where another node ends space.
    func pooledTokens(before output: ValueID) -> ValueID? {
        for node in ancestors(of: output) {
            if ["Conv", "ReduceMean", "GlobalAveragePool", "Gather", "Slice"].contains(node.op),
                let input = node.inputs.first, let input, (graph[input].type?.rank ?? 0) >= 3, extent(input) >= 2
            {
                return nil
            }
            guard node.op == "Softmax", let weights = node.outputs.first, let weights, let dims = graph[weights].type?.dims,
                dims.count >= 3,
                dims[dims.count - 2].value == 1, dims[dims.count - 1].value ?? 0 > 1, let scores = node.inputs.first, let scores
            else { continue }
            // The keys: the one projection behind the scores that has a token for each column.
            let count = dims[dims.count - 1]
            for projection in ancestors(of: scores) where ["MatMul", "Gemm"].contains(projection.op) {
                guard projection.inputs.count > 1, let matrix = projection.inputs[1], graph[matrix].constant != nil,
                    let tokens = projection.inputs[0], let shape = graph[tokens].type?.dims, shape.count == 3, shape[1] == count
                else { continue }
                return tokens
            }
            return nil
        }
        return nil
    }

    private func isFloat(_ id: ValueID) -> Bool { graph[id].type?.element.isFloat ?? true }

    /// The layer that class activation maps look at by default: what is pooled; for a network that reads one token, what
    /// enters its last attention block (in the last block's output the other tokens no longer reach the score), before or
    /// behind that block's normalisation.
    func defaultLayer(before output: ValueID, isNormalized: Bool = false) throws -> String {
        if let tokens = pooledTokens(before: output) { return graph[tokens].name }
        guard let found = collapse(before: output) else {
            throw Failure.unsupported(
                "no layer with spatial extent leads to '\(graph[output].name)'; give 'layer', or use a gradient method")
        }
        let isSelection = ["Gather", "Slice", "Split"].contains(found.node.op)
        return graph[isSelection ? try inputOfLastAttention(before: found.input, isNormalized) : found.input].name
    }

    /// What feeds the LayerNormalization in front of the last attention's Softmax, or what it gives.
    private func inputOfLastAttention(before value: ValueID, _ isNormalized: Bool) throws -> ValueID {
        guard let softmax = ancestors(of: value).first(where: { $0.op == "Softmax" || $0.op == "Attention" }),
            let scores = softmax.inputs.first, let scores,
            let norm = ancestors(of: scores).first(where: { $0.op == "LayerNormalization" }),
            let found = isNormalized ? norm.outputs.first : norm.inputs.first, let found
        else { return value }
        return found
    }

    /// Nodes that a value depends on, nearest (latest) first.
    func ancestors(of value: ValueID) -> [Node] {
        var needed = [Bool](repeating: false, count: graph.values.count)
        needed[value.index] = true
        return graph.nodes.reversed().filter { node in
            guard node.outputs.contains(where: { $0.map { needed[$0.index] } ?? false }) else { return false }
            for input in node.inputs { if let input { needed[input.index] = true } }
            return true
        }
    }

    // MARK: Axes

    /// True when the last axis holds the channels, false when the second does; nil when the graph does not tell. Looks at the
    /// operators next to the value, through those that keep the axes.
    func hasChannelsLast(_ name: String) -> Bool? {
        guard let start = graph.id(of: name) else { return nil }
        let readers = graph.readers()
        var seen: Set<ValueID> = [start]
        var queue = [start]
        var next = 0
        while next < queue.count, next < 64 {
            let value = queue[next]
            next += 1
            if let maker = producer(value) {
                if let answer = Structure.layout(made: maker) { return answer }
                if Structure.keepsAxes(maker.op) { visit(maker.inputs.first ?? nil, &seen, &queue) }
            }
            for index in readers[value.index] {
                let reader = graph.nodes[index]
                if let answer = layout(read: reader, value) { return answer }
                if Structure.keepsAxes(reader.op) { visit(reader.outputs.first ?? nil, &seen, &queue) }
            }
        }
        return nil
    }

    private func visit(_ id: ValueID?, _ seen: inout Set<ValueID>, _ queue: inout [ValueID]) {
        if let id, seen.insert(id).inserted { queue.append(id) }
    }

    private static let convolutional: Set<String> = [
        "Conv", "ConvTranspose", "BatchNormalization", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
        "InstanceNormalization", "GroupNormalization",
    ]

    private static func keepsAxes(_ op: String) -> Bool {
        [
            "Add", "Mul", "Sub", "Div", "Identity", "Relu", "Clip", "Gelu", "Sigmoid", "HardSwish", "HardSigmoid", "Silu", "Tanh", "Erf",
            "Elu", "LeakyRelu", "Mish", "Cast", "QuantizeLinear", "DequantizeLinear", "FakeQuantize",
        ].contains(op)
    }

    private static func layout(made node: Node) -> Bool? {
        if convolutional.contains(node.op) { return false }
        if ["LayerNormalization", "MatMul"].contains(node.op) { return true }
        return node.op == "Transpose" ? layout(transpose: node, isMade: true) : nil
    }

    private func layout(read node: Node, _ value: ValueID) -> Bool? {
        guard node.inputs.first == value else { return nil }
        if Structure.convolutional.contains(node.op) { return false }
        if node.op == "LayerNormalization" { return true }
        if node.op == "MatMul", node.inputs.count > 1, let weight = node.inputs[1], graph[weight].constant != nil { return true }
        if node.op == "ReduceMean", let rank = graph[value].type?.rank, rank == 4 {
            let axes =
                node.attributes["axes"]?.ints
                ?? (node.inputs.count > 1 ? node.inputs[1] : nil).flatMap { graph[$0].constant }.flatMap { try? $0.integers() }
            let positive = axes.map { Set($0.map { $0 < 0 ? $0 + rank : $0 }) }
            if positive == [2, 3] { return false }
            if positive == [1, 2] { return true }
        }
        return node.op == "Transpose" ? Structure.layout(transpose: node, isMade: false) : nil
    }

    private static func layout(transpose node: Node, isMade: Bool) -> Bool? {
        switch node.attributes["perm"]?.ints {
        case [0, 2, 3, 1]: isMade
        case [0, 3, 1, 2]: !isMade
        default: nil
        }
    }

    // MARK: Patches

    /// Height and width of the patch embedding whose positions number `tokens`: the latest convolution that fits.
    func patchGrid(of tokens: Int) -> (Int, Int)? {
        for node in graph.nodes.reversed() where node.op == "Conv" {
            guard let output = node.outputs.first, let output, let dims = graph[output].type?.dims, dims.count == 4,
                let height = dims[2].value, let width = dims[3].value, height * width == tokens, tokens > 1
            else { continue }
            return (height, width)
        }
        return nil
    }

    /// Whether so many tokens are a grid of patches behind a few prefix tokens.
    func hasPatches(among tokens: Int) -> Bool {
        (0...16).contains { $0 < tokens && patchGrid(of: tokens - $0) != nil }
    }

    // MARK: Global pooling and one linear layer

    /// What CAM needs: a map, its mean over space, and one linear layer (or none, when the map's channels are the classes).
    struct PooledHead {
        let map: ValueID
        /// nil: the channels are the classes.
        let weight: Tensor?
        /// Whether the weight is classes x channels (else channels x classes).
        let isTransposed: Bool
        let alpha: Double
    }

    func pooledHead(before output: ValueID) throws -> PooledHead {
        guard let found = collapse(before: output), isGlobalMean(found.node, found.input) else {
            throw Failure.unsupported(
                "CAM needs global average pooling followed by one linear layer\(collapse(before: output).map { "; \($0.node.label) ends the spatial part" } ?? ""); grad-cam works on any network"
            )
        }
        var linear: (weight: Tensor, isTransposed: Bool, alpha: Double)?
        for node in ancestors(of: output).reversed().drop(while: { $0.name != found.node.name }).dropFirst() {
            switch node.op {
            case "Gemm", "MatMul", "Conv":
                guard linear == nil, let weight = constant(node, 1), let matrix = matrix(weight) else { throw notLinear(node) }
                let isTransposed = node.op == "Conv" || node.attributes["transB"]?.int == 1
                linear = (matrix, isTransposed, node.op == "Gemm" ? node.attributes["alpha"]?.float ?? 1 : 1)
            case "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", "Shape", "Gather", "Concat", "Slice": break
            case "Add" where node.inputs.contains { $0.map { graph[$0].constant != nil } ?? false }: break
            default: throw notLinear(node)
            }
        }
        return PooledHead(map: found.input, weight: linear?.weight, isTransposed: linear?.isTransposed ?? true, alpha: linear?.alpha ?? 1)
    }

    private func notLinear(_ node: Node) -> Failure {
        Failure.unsupported(
            "CAM needs global average pooling followed by one linear layer; \(node.label) stands between; grad-cam works on any network")
    }

    private func isGlobalMean(_ node: Node, _ input: ValueID) -> Bool {
        switch node.op {
        case "GlobalAveragePool": return true
        case "ReduceMean":
            guard let rank = graph[input].type?.rank, rank >= 3 else { return false }
            let axes = node.attributes["axes"]?.ints ?? constant(node, 1).flatMap { try? $0.integers() } ?? []
            return Set(axes.map { $0 < 0 ? $0 + rank : $0 }) == Set(2..<rank)
        case "AveragePool":
            let dims = graph[input].type?.dims?.dropFirst(2).map(\.value) ?? []
            return node.attributes["kernel_shape"]?.ints.map { $0.map(Optional.some) == Array(dims) } ?? false
        default: return false
        }
    }

    private func constant(_ node: Node, _ index: Int) -> Tensor? {
        guard index < node.inputs.count, let id = node.inputs[index] else { return nil }
        return graph[id].constant
    }

    /// A weight as a matrix; a 1x1 convolution's has trailing axes of one.
    private func matrix(_ weight: Tensor) -> Tensor? {
        guard weight.shape.count >= 2, weight.shape.dropFirst(2).allSatisfy({ $0 == 1 }) else { return nil }
        return try? weight.reshaped(Array(weight.shape.prefix(2)))
    }
}

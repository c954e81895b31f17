internal import Tensors

/// Gives every node of a network its rule of relevance.
///
/// Linear layers have the rules of the parameters. Sums and means share relevance by contribution, as the epsilon rule
/// does; functions of one element pass it on; maxima and whatever moves elements pass it to where the elements came from.
struct RelevanceAssignment {
    let graph: Graph
    let parameters: Relevance
    /// By value: whether it changes with any input of the network.
    let active: [Bool]
    let producers: [Int]
    private let layers: [ValueID: LinearLayer]
    /// By value: whether a linear layer comes before it.
    private let isBehindLayer: [Bool]
    private let isNonNegative: [Bool]

    init(_ graph: Graph, _ parameters: Relevance) throws {
        self.graph = graph
        self.parameters = parameters
        active = graph.dependents(of: Set(graph.inputs))
        producers = graph.producers()
        let readers = graph.readers()
        var layers: [ValueID: LinearLayer] = [:]
        var behind = [Bool](repeating: false, count: graph.values.count)
        var nonNegative = graph.values.map { value in false }
        for node in graph.nodes {
            let layer = try LinearLayer(node, in: graph, readers: readers)
            if let layer, let output = node.outputs.first, let output { layers[output] = layer }
            let isBehind = layer != nil || node.inputs.contains { $0.map { behind[$0.index] } ?? false }
            for output in node.outputs { if let output { behind[output.index] = isBehind } }
            if let output = node.outputs.first, let output { nonNegative[output.index] = Sign.isNonNegative(node, nonNegative, graph) }
        }
        (self.layers, isBehindLayer, isNonNegative) = (layers, behind, nonNegative)
    }

    func rules(_ depends: [Bool], _ operators: OperatorSet) throws -> [ValueID: Operator.VJP] {
        try checkNames()
        let followers = Set(layers.values.flatMap(\.followers))
        let last = parameters.isContrastive ? lastLayer(depends) : nil
        var rules: [ValueID: Operator.VJP] = [:]
        for node in graph.nodes {
            guard let output = node.outputs.lazy.compactMap({ $0 }).first,
                node.outputs.contains(where: { $0.map { depends[$0.index] } ?? false })
            else { continue }
            if followers.contains(output) {
                rules[output] = RelevanceAssignment.pass(to: changing(node).first ?? 0)
            } else if let layer = layers[output] {
                let isFirst = !isBehindLayer[layer.input.index]
                rules[output] =
                    RelevanceLayer(
                        layer: layer, rule: rule(of: layer, isFirst: isFirst), parameters: parameters,
                        isNonNegative: isNonNegative[layer.input.index], isContrastive: output == last
                    ).vjp
            } else if let rule = other(node, operators) {
                rules[output] = rule
            }
        }
        return rules
    }

    private func rule(of layer: LinearLayer, isFirst: Bool) -> Relevance.Rule {
        for value in [layer.node.outputs.first ?? nil].compactMap({ $0 }) + layer.followers {
            if let named = parameters.named[graph[value].name] { return named }
        }
        if isFirst, let first = parameters.first { return first }
        return layer.kind == .convolution ? parameters.convolution : parameters.dense
    }

    /// Throws for a name that is of no linear layer.
    private func checkNames() throws {
        let known = Set(layers.flatMap { [$0.key] + $0.value.followers }.map { graph[$0].name })
        for name in parameters.named.keys.sorted() where !known.contains(name) {
            throw Failure.notFound("no linear layer computes '\(name)'; those that do: \(known.sorted().prefix(8).joined(separator: ", "))")
        }
    }

    /// First output of the linear layer nearest the score.
    private func lastLayer(_ depends: [Bool]) -> ValueID? {
        graph.nodes.reversed().lazy.compactMap { $0.outputs.first ?? nil }.first { layers[$0] != nil && depends[$0.index] }
    }

    /// Inputs that change with the network's.
    func changing(_ node: Node) -> [Int] { node.inputs.indices.filter { index in node.inputs[index].map { active[$0.index] } ?? false } }

    // MARK: Other operators

    static let sums: Set<String> = ["Add", "Sub", "Sum", "Mean"]
    /// Their derivative is the rule: elements are moved, repeated or chosen.
    static let movements: Set<String> = [
        "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Concat", "Split", "Slice", "Gather", "GatherElements",
        "GatherND", "Pad", "DepthToSpace", "SpaceToDepth", "Where", "MaxPool", "GlobalMaxPool", "MaxUnpool", "ReduceMax", "ReduceMin",
        "TopK", "Compress", "ScatterElements", "ScatterND", "CenterCropPad", "Trilu", "ReverseSequence", "Max", "Min", "Col2Im",
    ]
    private static let normalizations: Set<String> = [
        "BatchNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization", "LpNormalization", "LRN",
        "MeanVarianceNormalization",
    ]

    private func other(_ node: Node, _ operators: OperatorSet) -> Operator.VJP? {
        let changing = changing(node)
        if Pointwise.carriers.contains(node.op) || Pointwise.functions.contains(node.op) || Self.normalizations.contains(node.op) {
            return Self.pass(to: changing.first ?? 0)
        }
        switch node.op {
        case _ where Self.sums.contains(node.op):
            // A shift of the pixels before the first layer is no bias; and biases may be told to take no part.
            let output = node.outputs.first ?? nil
            let isShift = changing.count == 1 && (parameters.ignoresBias || !(output.map { isBehindLayer[$0.index] } ?? true))
            return isShift ? Self.pass(to: changing[0]) : shared(changing)
        case "Mul": return changing.count == 1 ? Self.pass(to: changing[0]) : product(node)
        case "Div": return Self.pass(to: changing.first ?? 0)
        case "MatMul", "Einsum": return matrixProduct(node, changing)
        case "Softmax": return parameters.attention == .conservative ? Self.nothing : softmax
        case "LayerNormalization": return layerNormalization
        default: return Self.movements.contains(node.op) ? nil : operators[node.op]?.vjp == nil ? nil : shared(changing)
        }
    }

    static let nothing: Operator.VJP = { _, node, _ in node.inputs.map { _ in nil } }

    /// All relevance to one input.
    static func pass(to index: Int) -> Operator.VJP {
        { g, node, arriving in
            guard let relevance = arriving.first ?? nil, let input = node.inputs.indices.contains(index) ? node.inputs[index] : nil else {
                return []
            }
            // Networks change their precision on the way, as quantised ones do.
            let isReal = g.graph[input].type?.element.isFloat ?? false
            let carried = try isReal ? g.cast(relevance, like: input) : relevance
            return node.inputs.indices.map { $0 == index ? carried : nil }
        }
    }

    /// By contribution to the first-order expansion, `x_i * d/dx_i (R / y)`: exact for sums, means and other linear operators, and
    /// with a half each for the factors of a product.
    func shared(_ changing: [Int], share: Double = 1) -> Operator.VJP {
        let stabilizer = parameters.stabilizer
        return { g, node, arriving in
            guard let vjp = g.operators[node.op]?.vjp else { throw Failure.unsupported("\(node.op) has no gradient") }
            var shares: [ValueID?] = []
            for (output, relevance) in zip(node.outputs, arriving) {
                guard let output, let relevance else { shares.append(nil); continue }
                shares.append(try g.div(relevance, g.stabilized(output, stabilizer)))
            }
            let slopes = try vjp(&g, node, shares)
            return try zip(node.inputs, slopes).enumerated().map { index, pair in
                guard changing.contains(index), let input = pair.0, let slope = pair.1 else { return nil }
                let part = try g.mul(input, slope)
                return share == 1 ? part : try g.mul(part, share)
            }
        }
    }
}

/// Which values cannot be negative.
private enum Sign {
    private static let makers: Set<String> = ["Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs", "Exp", "Sqrt", "Softplus"]
    private static let keepers: Set<String> = [
        "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "SumPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze",
        "Transpose",
        "Identity", "Slice", "Split", "Gather", "ReduceMean", "ReduceSum", "ReduceMax", "Expand", "Tile", "Dropout", "DepthToSpace",
    ]
    private static let joiners: Set<String> = ["Concat", "Add", "Mul", "Max", "Sum", "Mean"]

    static func isNonNegative(_ node: Node, _ known: [Bool], _ graph: Graph) -> Bool {
        if makers.contains(node.op) { return true }
        if keepers.contains(node.op) { return node.inputs.first.map { $0.map { known[$0.index] } ?? false } ?? false }
        if joiners.contains(node.op) { return node.inputs.allSatisfy { $0.map { known[$0.index] } ?? false } }
        guard node.op == "Clip" else { return false }
        let low = node.inputs.count > 1 ? node.inputs[1].flatMap { graph[$0].constant }.flatMap { try? $0.doubles().first } : nil
        return (low ?? node.attributes["min"]?.float ?? -1) >= 0
    }
}

internal import Tensors

extension Pass {
    /// Lets a convolution (or Gemm) add a residual and apply the activation that follows it while its result is in the
    /// cache. Runs after differentiation, so a value that the derivative reads has more than one reader and stays.
    static let fuseActivation = Pass("fuse-activation") { graph, context in
        var fusion = Fusion(graph, context)
        for index in graph.nodes.indices { fusion.absorb(into: index) }
        guard !fusion.removed.isEmpty else { return false }
        graph = fusion.graph
        graph.keepNodes { !fusion.removed.contains($0) }
        return true
    }
}

/// One sweep over the graph.
private struct Fusion {
    var graph: Graph
    let context: PassContext
    var removed: Set<Int> = []
    private let readers: [[Int]]

    init(_ graph: Graph, _ context: PassContext) {
        self.graph = graph
        self.context = context
        readers = graph.readers()
    }

    /// Takes the Add and the activation behind node `index` into it, where they are its only readers. A fused node stands
    /// where the last of them stood, since the residual may be computed in between.
    mutating func absorb(into index: Int) {
        guard ["Conv", "Gemm"].contains(graph.nodes[index].op), graph.nodes[index].attributes["activation"] == nil else { return }
        var node = graph.nodes[index]
        var last = index
        var absorbed: [Int] = []
        if node.op == "Conv", node.inputs.count < 4, let (next, residual) = residualAdd(after: node) {
            var candidate = node
            while candidate.inputs.count < 3 { candidate.inputs.append(nil) }
            candidate.inputs.append(residual)
            candidate.outputs = graph.nodes[next].outputs
            if context.isSupported(candidate, graph) {
                absorbed.append(last)
                (node, last) = (candidate, next)
            }
        }
        if let next = onlyReader(of: node), let activation = Fusion.activation(graph.nodes[next], graph) {
            var candidate = node
            candidate.attributes.merge(activation) { $1 }
            candidate.outputs = graph.nodes[next].outputs
            if context.isSupported(candidate, graph) {
                absorbed.append(last)
                (node, last) = (candidate, next)
            }
        }
        guard !absorbed.isEmpty else { return }
        removed.formUnion(absorbed)
        graph.nodes[last] = node
    }

    /// Index of the one node that reads the result, when nobody else sees it and it has not been taken by another branch.
    private func onlyReader(of node: Node) -> Int? {
        guard node.outputs.count == 1, let output = node.outputs[0], readers[output.index].count == 1,
            !context.pinned.contains(output), !graph.outputs.contains(output), !removed.contains(readers[output.index][0])
        else { return nil }
        return readers[output.index][0]
    }

    /// An Add of the result and another tensor of the same shape.
    private func residualAdd(after node: Node) -> (Int, ValueID)? {
        guard let next = onlyReader(of: node), graph.nodes[next].op == "Add", let output = node.outputs[0] else { return nil }
        let inputs = graph.nodes[next].inputs.compactMap { $0 }
        guard inputs.count == 2, inputs[0] != inputs[1] else { return nil }
        let other = inputs[0] == output ? inputs[1] : inputs[0]
        guard let shape = graph[output].type?.shape, graph[other].type?.shape == shape, graph[other].constant == nil else { return nil }
        return (next, other)
    }

    /// The node's activation as attributes of a fused one.
    private static func activation(_ node: Node, _ graph: Graph) -> [String: Attribute]? {
        func attributes(_ alpha: Double? = nil, _ beta: Double? = nil) -> [String: Attribute] {
            var result: [String: Attribute] = ["activation": .string(node.op)]
            if let alpha { result["activation_alpha"] = .float(alpha) }
            if let beta { result["activation_beta"] = .float(beta) }
            return result
        }
        switch node.op {
        case "Relu", "Sigmoid", "Silu", "HardSwish", "Tanh": return attributes()
        case "Gelu": return node.attributes["approximate"]?.string ?? "none" == "none" ? attributes() : nil
        case "LeakyRelu": return attributes(node.attributes["alpha"]?.float ?? 0.01)
        case "HardSigmoid": return attributes(node.attributes["alpha"]?.float ?? 0.2, node.attributes["beta"]?.float ?? 0.5)
        case "Clip":
            func bound(_ index: Int, _ name: String, _ value: Double) -> Double? {
                guard index < node.inputs.count, let id = node.inputs[index] else { return node.attributes[name]?.float ?? value }
                return graph[id].constant.flatMap { try? $0.doubles().first }
            }
            guard let low = bound(1, "min", -3.4028234663852886e38), let high = bound(2, "max", 3.4028234663852886e38) else { return nil }
            return attributes(low, high)
        default: return nil
        }
    }
}

internal import Tensors

/// Rules for what transformers and gates are made of (Achtibat et al. 2024, "AttnLRP: attention-aware layer-wise relevance
/// propagation for transformers", section 3.3).
extension RelevanceAssignment {
    /// Proposition 3.1: `R_i = x_i (R_i - y_i sum_j R_j)`. Scores that a mask set to minus infinity get nothing.
    var softmax: Operator.VJP {
        { g, node, arriving in
            guard let relevance = arriving.first ?? nil else { return [] }
            let x = try g.input(node, 0), y = try g.output(node)
            let total = try g.sum(relevance, [node.attributes["axis"]?.int ?? -1])
            let scores = try g.drop(x, where: g.isBelow(x, -1e30))
            return [try g.mul(scores, g.sub(relevance, g.mul(y, total)))]
        }
    }

    /// The deviation counts as a constant (proposition 3.4); what is left is linear and has the epsilon rule.
    var layerNormalization: Operator.VJP {
        let stabilizer = parameters.stabilizer, ignoresBias = parameters.ignoresBias
        return { g, node, arriving in
            guard let relevance = arriving.first ?? nil else { return [] }
            let x = try g.input(node, 0), scale = try g.input(node, 1), axes = try Normalization.axes(g, node, of: x)
            let centred = try g.sub(x, g.mean(x, axes))
            let deviation = try g.sqrt(g.add(g.mean(g.square(centred), axes), Normalization.epsilon(node)))
            let factor = try g.div(scale, deviation)
            let y = try ignoresBias ? g.mul(centred, factor) : g.output(node)
            let share = try g.mul(g.div(relevance, g.stabilized(y, stabilizer)), factor)
            return [try g.mul(x, g.sub(share, g.mean(share, axes)))] + node.inputs.dropFirst().map { _ in nil }
        }
    }

    /// Proposition 3.3: half to each factor, by contribution.
    func matrixProduct(_ node: Node, _ changing: [Int]) -> Operator.VJP {
        guard changing.count > 1 else { return shared(changing) }
        if parameters.attention == .conservative, let weights = changing.first(where: { isAttention(node.inputs[$0]) }) {
            return shared(changing.filter { $0 != weights })
        }
        return shared(changing, share: 1 / Double(changing.count))
    }

    /// Proposition 3.2, half to each factor; but a function that its exporter wrote as a product, as `x sigmoid(x)`, passes all on,
    /// and so may the signal of a gate.
    func product(_ node: Node) -> Operator.VJP {
        if let signal = selfGated(node) { return Self.pass(to: signal) }
        if parameters.products == .signal, let gate = node.inputs.indices.first(where: { isGate(node.inputs[$0]) }) {
            return Self.pass(to: gate == 0 ? 1 : 0)
        }
        return { g, node, arriving in
            guard let relevance = arriving.first ?? nil else { return [] }
            let half = try g.mul(relevance, 0.5)
            return [half, half]
        }
    }

    // MARK: Patterns

    private static let gates: Set<String> = ["Sigmoid", "HardSigmoid", "Softmax"]

    private func producer(_ id: ValueID?) -> Node? {
        guard let id, producers[id.index] >= 0 else { return nil }
        return graph.nodes[producers[id.index]]
    }

    private func isGate(_ id: ValueID?) -> Bool { producer(id).map { Self.gates.contains($0.op) } ?? false }

    /// Whether a value is made of a Softmax by masking, scaling or moving alone.
    private func isAttention(_ id: ValueID?) -> Bool {
        var value = id
        for _ in 0..<8 {
            guard let node = producer(value) else { return false }
            if node.op == "Softmax" { return true }
            guard
                ["Where", "Dropout", "Cast", "Identity", "Mul", "Transpose", "Reshape", "Expand", "Unsqueeze", "Squeeze"].contains(node.op),
                let next = changing(node).first
            else { return false }
            value = node.inputs[next]
        }
        return false
    }

    /// The factor that is the signal where the other one is a function of the same signal, element by element.
    private func selfGated(_ node: Node) -> Int? {
        guard node.inputs.count == 2, node.inputs[0] != node.inputs[1] else { return nil }
        let chains = node.inputs.map { chain($0) }
        for index in 0..<2 {
            guard let place = chains[index].firstIndex(where: { step in chains[1 - index].contains { $0.value == step.value } }) else {
                continue
            }
            if chains[index][..<place].allSatisfy(\.isScaling) { return index }
        }
        return nil
    }

    /// A value and what it was computed from, element by element; `isScaling`: by a factor alone.
    private func chain(_ id: ValueID?) -> [(value: ValueID, isScaling: Bool)] {
        var steps: [(value: ValueID, isScaling: Bool)] = []
        var next = id
        while let value = next, steps.count < 16 {
            let node = producer(value)
            let isPointwise = node.map { node in
                Pointwise.functions.contains(node.op) || Pointwise.carriers.contains(node.op) || Pointwise.arithmetic.contains(node.op)
            }
            let isScaling = node.map { ["Mul", "Div", "Neg", "Identity", "Cast"].contains($0.op) } ?? false
            steps.append((value, isScaling))
            guard let node, isPointwise ?? false, changing(node).count == 1, let only = changing(node).first else { break }
            next = node.inputs[only]
        }
        return steps
    }
}

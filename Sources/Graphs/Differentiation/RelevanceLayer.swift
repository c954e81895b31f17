internal import Tensors

/// How one linear layer hands its relevance down.
struct RelevanceLayer: Sendable {
    let layer: LinearLayer
    let rule: Relevance.Rule
    let parameters: Relevance
    /// Whether the layer's input has no negative elements, which halves the work of most rules.
    let isNonNegative: Bool
    /// Whether the rule is applied to the weight and its negative, and the second result subtracted.
    let isContrastive: Bool

    var vjp: Operator.VJP {
        { g, node, arriving in
            guard let relevance = arriving.first ?? nil else { return [] }
            var result = try send(&g, relevance, sign: 1)
            if isContrastive { result = try g.sub(result, send(&g, relevance, sign: -1)) }
            return [result]
        }
    }

    private func send(_ g: inout Gradients, _ relevance: ValueID, sign: Double) throws -> ValueID {
        let weight = try sign == 1 ? layer.weight() : layer.weight().map(Float.self) { -$0 }
        let shift = layer.shift.map { $0 * sign }
        switch rule {
        case .epsilon: return try epsilon(&g, relevance, weight)
        case .zPlus:
            return try signed(
                &g, relevance, up: part(weight) { max($0, 0) }, down: part(weight) { min($0, 0) }, shift: (shift.map { max($0, 0) }, nil))
        case .alphaBeta:
            let sides = (shift.map { max($0, 0) }, shift.map { min($0, 0) })
            return try signed(
                &g, relevance, up: part(weight) { max($0, 0) }, down: part(weight) { min($0, 0) }, shift: sides,
                factors: (parameters.alpha, 1 - parameters.alpha))
        case .gamma: return try gamma(&g, relevance, weight, shift)
        case .wSquare:
            return try uniform(&g, relevance, part(weight) { $0 * $0 }, layer.hasShift ? shift.map { $0 * $0 } : nil)
        case .flat: return try uniform(&g, relevance, part(weight) { _ in 1 }, nil)
        case .zBox: return try box(&g, relevance, weight)
        }
    }

    private func part(_ weight: Tensor, _ body: (Float) -> Float) throws -> Tensor {
        try weight.map(Float.self, body).converted(to: weight.type)
    }

    private func epsilon(_ g: inout Gradients, _ relevance: ValueID, _ weight: Tensor) throws -> ValueID {
        let z = try parameters.ignoresBias && layer.hasShift ? layer.apply(&g, layer.input, g.constant(weight)) : layer.output
        let share = try g.div(relevance, g.stabilized(z, parameters.epsilon))
        return try g.mul(layer.input, layer.transposed(&g, share, g.constant(weight)))
    }

    /// Contributions of two signs: those of `x+ up + x- down` with relevance over their sum, weighed by the first factor, and
    /// those of `x+ down + x- up` likewise, weighed by the second. `chosen` says which outputs take part in each.
    private func signed(
        _ g: inout Gradients, _ relevance: ValueID, up: Tensor, down: Tensor, shift: ([Double], [Double]?),
        factors: (Double, Double) = (1, 0), chosen: (ValueID, ValueID)? = nil
    ) throws -> ValueID {
        let up = g.constant(up), down = g.constant(down), x = layer.input
        let positive = isNonNegative ? x : try g.emit("Relu", [x])
        let negative = isNonNegative ? nil : try g.sub(x, positive)
        func share(_ a: ValueID, _ b: ValueID, _ shift: [Double]?, _ factor: Double, _ chosen: ValueID?) throws -> ValueID? {
            guard factor != 0 else { return nil }
            var sum = try layer.apply(&g, positive, a, shift: parameters.ignoresBias || !layer.hasShift ? nil : shift)
            if let negative { sum = try g.add(sum, layer.apply(&g, negative, b)) }
            var share = try g.div(relevance, g.stabilized(sum, parameters.stabilizer))
            if factor != 1 { share = try g.mul(share, factor) }
            return try chosen.map { try g.keep(share, where: $0) } ?? share
        }
        let first = try share(up, down, shift.0, factors.0, chosen?.0), second = try share(down, up, shift.1, factors.1, chosen?.1)
        func back(_ a: ValueID, _ b: ValueID, times x: ValueID) throws -> ValueID {
            let parts = try [(first, a), (second, b)].compactMap { share, weight in
                try share.map { try layer.transposed(&g, $0, weight) }
            }
            guard let only = parts.first else { return try g.mul(x, 0) }
            return try g.mul(x, parts.count > 1 ? g.add(only, parts[1]) : only)
        }
        let result = try back(up, down, times: positive)
        return try negative.map { try g.add(result, back(down, up, times: $0)) } ?? result
    }

    /// The rule for inputs of both signs (Andéol et al. 2021): outputs above zero favour what speaks for them, those below what
    /// speaks against.
    private func gamma(_ g: inout Gradients, _ relevance: ValueID, _ weight: Tensor, _ shift: [Double]) throws -> ValueID {
        let gamma = parameters.gamma, factor = Float(gamma)
        let up = try part(weight) { $0 + factor * max($0, 0) }, down = try part(weight) { $0 + factor * min($0, 0) }
        let sides = (shift.map { $0 + gamma * max($0, 0) }, shift.map { $0 + gamma * min($0, 0) })
        let z = try parameters.ignoresBias && layer.hasShift ? layer.apply(&g, layer.input, g.constant(weight)) : layer.output
        return try signed(
            &g, relevance, up: up, down: down, shift: sides, factors: (1, 1), chosen: (g.isAbove(z, 0), g.isBelow(z, 0)))
    }

    /// Shares that do not depend on the input.
    private func uniform(_ g: inout Gradients, _ relevance: ValueID, _ weight: Tensor, _ shift: [Double]?) throws -> ValueID {
        let weight = g.constant(weight), ones = try flatInput(&g, 1)
        let sum = try layer.apply(&g, ones, weight, shift: parameters.ignoresBias ? nil : shift)
        return try layer.transposed(&g, g.div(relevance, g.stabilized(sum, parameters.stabilizer)), weight)
    }

    /// A number in every place of the layer's input; not a constant, which would be computed while planning.
    private func flatInput(_ g: inout Gradients, _ number: Double) throws -> ValueID { try g.add(g.mul(layer.input, 0), number) }

    private func box(_ g: inout Gradients, _ relevance: ValueID, _ weight: Tensor) throws -> ValueID {
        let low = try bound(&g, parameters.low, "ReduceMin"), high = try bound(&g, parameters.high, "ReduceMax")
        let whole = g.constant(weight), up = g.constant(try part(weight) { max($0, 0) })
        let down = g.constant(try part(weight) { min($0, 0) })
        let parts = [(layer.input, whole), (low, up), (high, down)]
        var sum = try layer.apply(&g, layer.input, whole)
        for (x, w) in parts.dropFirst() { sum = try g.sub(sum, layer.apply(&g, x, w)) }
        let share = try g.div(relevance, g.stabilized(sum, parameters.stabilizer))
        let back = try parts.map { x, w in try g.mul(x, layer.transposed(&g, share, w)) }
        return try g.sub(g.sub(back[0], back[1]), back[2])
    }

    /// The lowest or highest input: given, per channel or as one number, or of each image's own elements.
    private func bound(_ g: inout Gradients, _ given: [Double]?, _ reduction: String) throws -> ValueID {
        let zero = try flatInput(&g, 0), rank = try g.rank(of: layer.input)
        guard let given else {
            let extreme = try g.emit(reduction, [layer.input, g.integers(Array(1..<max(rank, 1)))], ["keepdims": .int(1)])
            return try g.add(zero, extreme)
        }
        let axis = layer.kind == .convolution ? 1 : rank - 1, size = g.shape(of: layer.input).map { $0[axis] } ?? given.count
        guard given.count == 1 || given.count == size else {
            throw Failure.invalid("z-box has \(given.count) bounds, the input of \(layer.node.label) has \(size) channels")
        }
        var shape = [Int](repeating: 1, count: rank)
        shape[axis] = given.count
        let type = try g.type(of: layer.input).element
        return try g.add(zero, g.constant(try Tensor(given, shape).converted(to: type)))
    }
}

extension Gradients {
    /// A denominator moved away from zero by `epsilon`, with its own sign (that of zero is positive).
    mutating func stabilized(_ z: ValueID, _ epsilon: Double) throws -> ValueID {
        if epsilon == 0 { return try select(emit("Equal", [z, number(0, like: z)]), number(1, like: z), z) }
        return try add(z, select(isBelow(z, 0), number(-epsilon, like: z), number(epsilon, like: z)))
    }
}

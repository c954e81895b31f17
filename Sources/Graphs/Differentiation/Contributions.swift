internal import Tensors

/// Rules of DeepLIFT: what goes back are multipliers, by which the change of a value against its reference makes its contribution
/// to the change of the score (Shrikumar et al. 2017, "Learning important features through propagating activation differences",
/// section 3). Every rule keeps the sum of contributions, but for operators that say otherwise.
package enum Contributions: String, Sendable, CaseIterable {
    /// A function's multiplier is its slope between reference and value (section 3.5.2).
    case rescale
    /// Positive and negative changes apart, where a linear layer or a sum feeds the function (section 3.5.3).
    case revealCancel = "reveal-cancel"
    /// `reveal-cancel` behind dense layers, `rescale` elsewhere, which the authors' code takes by default for genomics.
    case genomics

    /// Below that a change counts as none, and the derivative stands for the slope (Captum's number).
    static let smallest = 1e-10
}

extension BackwardRules {
    package static func deepLift(_ rule: Contributions) -> BackwardRules {
        BackwardRules(name: "deep-lift/\(rule.rawValue)", isPaired: true) { graph, _, operators in
            var rules: [ValueID: Operator.VJP] = [:]
            for node in graph.nodes {
                guard let output = node.outputs.lazy.compactMap({ $0 }).first else { continue }
                rules[output] = Contributions.rule(of: node, operators)
            }
            if rule == .rescale { return rules }
            return try rules.merging(RevealCancel.rules(graph, denseAlone: rule == .genomics)) { $1 }
        }
    }
}

extension Contributions {
    /// Linear in everything that changes, whatever changes.
    private static let linear: Set<String> = RelevanceAssignment.sums.union([
        "BatchNormalization", "AveragePool", "GlobalAveragePool", "SumPool", "ReduceSum", "ReduceMean", "Resize", "CumSum",
    ]).union(Pointwise.carriers).union(RelevanceAssignment.movements).subtracting(["Where", "Max", "Min"]).subtracting(maxima)
    /// Linear in each of their inputs.
    private static let products: Set<String> = ["Mul", "MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum"]
    private static let maxima: Set<String> = ["MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Max", "Min"]

    fileprivate static func rule(of node: Node, _ operators: OperatorSet) -> Operator.VJP? {
        guard let vjp = operators[node.op]?.vjp, !linear.contains(node.op) else { return nil }
        return { g, node, arriving in
            let changing = node.inputs.filter { g.hasTwin($0) }.count
            switch node.op {
            case _ where products.contains(node.op):
                return try changing > 1 ? averaged(&g, node, arriving, vjp) : vjp(&g, node, arriving)
            case "Div": return try g.hasTwin(node.inputs[1]) ? quotient(&g, node, arriving) : vjp(&g, node, arriving)
            case _ where maxima.contains(node.op): return try crossed(&g, node, arriving, vjp)
            case "Softmax", "LogSoftmax": return try softmax(&g, node, arriving)
            case "LayerNormalization", "RMSNormalization":
                guard arriving.dropFirst().allSatisfy({ $0 == nil }) else { return try averaged(&g, node, arriving, vjp) }
                return try normalized(&g, node, arriving)
            case "InstanceNormalization", "GroupNormalization": return try grouped(&g, node, arriving)
            case _ where Pointwise.functions.contains(node.op): return try rescaled(&g, node, arriving, vjp)
            // A selection by the same condition, and whatever has no rule of its own.
            case "Where" where !g.hasTwin(node.inputs.first ?? nil): return try vjp(&g, node, arriving)
            default: return try averaged(&g, node, arriving, vjp)
            }
        }
    }

    /// The slope between reference and value; the derivative where they are the same.
    static func rescaled(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?], _ vjp: Operator.VJP) throws -> [ValueID?] {
        guard let signal = arriving.first ?? nil else { return [] }
        let changing = node.inputs.indices.filter { g.hasTwin(node.inputs[$0]) }, y = try g.output(node)
        guard changing.count == 1, let index = changing.first, let x = node.inputs[index], g.hasSameSizes(x, y) else {
            return try averaged(&g, node, arriving, vjp)
        }
        let slope = try vjp(&g, node, arriving)[index] ?? g.mul(signal, 0)
        let result = try ratio(&g, g.mul(signal, change(&g, y)), over: change(&g, x), else: slope)
        return node.inputs.indices.map { $0 == index ? result : nil }
    }

    /// What a value changed by against its reference.
    static func change(_ g: inout Gradients, _ id: ValueID) throws -> ValueID { try g.sub(id, g.twin(id)) }

    /// A quotient, or another value where the divisor is as good as zero.
    static func ratio(_ g: inout Gradients, _ a: ValueID, over b: ValueID, else other: ValueID) throws -> ValueID {
        try g.select(g.isBelow(g.emit("Abs", [b]), smallest), other, g.div(a, b))
    }

    /// The mean of the derivatives at value and reference: exact for products, as `dy = (b + b')/2 da + (a + a')/2 db`.
    private static func averaged(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?], _ vjp: Operator.VJP) throws -> [ValueID?] {
        let own = try vjp(&g, node, arriving), other = try vjp(&g, g.twin(of: node), arriving)
        return try zip(own, other).map { a, b in
            guard let a, let b else { return try (a ?? b).map { try g.mul($0, 0.5) } }
            return try g.mul(g.add(a, b), 0.5)
        }
    }

    /// `a / b` as the product of `a` and `1 / b`.
    private static func quotient(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let signal = arriving.first ?? nil else { return [] }
        let a = try g.input(node, 0), b = try g.input(node, 1), other = g.twin(b)
        let inverse = try g.add(g.emit("Reciprocal", [b]), g.emit("Reciprocal", [other]))
        let top = try g.hasTwin(a) || g.wants(node, 0) ? g.mul(g.mul(signal, inverse), 0.5) : nil
        let mean = try g.mul(g.add(a, g.twin(a)), -0.5)
        return [top, try g.div(g.div(g.mul(signal, mean), b), other)]
    }

    /// A maximum's change is split where the larger of both maxima lies: up to it it belongs to the element that wins now, the
    /// rest to the one that won for the reference.
    private static func crossed(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?], _ vjp: Operator.VJP) throws -> [ValueID?] {
        guard let signal = arriving.first ?? nil else { return [] }
        let y = try g.output(node), reference = g.twin(y)
        let extreme = try g.emit(node.op.hasSuffix("Min") ? "Min" : "Max", [y, reference])
        let own = try vjp(&g, node, [g.mul(signal, g.sub(extreme, reference))])
        let other = try vjp(&g, g.twin(of: node), [g.mul(signal, g.sub(y, extreme))])
        let slopes = try vjp(&g, node, arriving)
        return try node.inputs.indices.map { index in
            guard let x = node.inputs[index], g.hasTwin(x), let a = own[index], let b = other[index], let slope = slopes[index] else {
                return nil
            }
            // Several inputs may have been repeated to one shape.
            let whole = try g.sum(g.add(a, b), like: x)
            return try ratio(&g, whole, over: change(&g, x), else: g.sum(slope, like: x))
        }
    }
}

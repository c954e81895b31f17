internal import Tensors

/// Rectified gradients: a rectifier lets the signal pass where activation times signal is above a threshold
/// (Kim et al. 2019, "Why are saliency maps noisy? Cause of and solution to noisy saliency maps", section 4).
extension BackwardRules {
    /// The threshold of a rectifier.
    package enum Threshold: Sendable {
        /// The same number everywhere; 0 is guided backpropagation.
        case constant(Double)
        /// The percentile of the products of each image in that layer, the nearest rank as in the official code.
        case percentile(Double)
    }

    /// `isProportional`: max-pools share the signal by activation (section 4.3, the paper's proportional redistribution rule);
    /// `trimsBorder`: the outermost signal of padded convolutions is dropped, as in the official code.
    package static func rectGrad(
        _ threshold: Threshold, _ rectifiers: Rectifiers = .rectifiers, isProportional: Bool = false, trimsBorder: Bool = false
    ) -> BackwardRules {
        let base = overlay("rect-grad", rectifiers) { g, node, arriving, derivative in
            guard let signal = arriving.first ?? nil else { return [] }
            let activation = try g.output(node), product = try g.mul(activation, signal)
            let passing = try g.emit("Greater", [product, limit(&g, threshold, of: product)])
            let slopes = try node.op == "Relu" ? [signal] : derivative(&g, node, arriving)
            return try slopes.map { try $0.map { try g.keep($0, where: passing) } }
        }
        var rules = base.rules
        if isProportional { rules["MaxPool"] = proportional }
        if trimsBorder { rules["Conv"] = trimmed }
        return BackwardRules(name: "\(base.name)/\(threshold)/\(isProportional)/\(trimsBorder)", rules: rules)
    }

    private static func limit(_ g: inout Gradients, _ threshold: Threshold, of product: ValueID) throws -> ValueID {
        let percentile: Double
        switch threshold {
        case .constant(let number): return try g.number(number, like: product)
        case .percentile(let number): percentile = number
        }
        guard let shape = g.shape(of: product), shape.count > 1, let images = shape.first else {
            throw Failure.unsupported("percentiles of '\(g.graph[product].name)' need a shape that is known before the run")
        }
        let count = try Shape.count(Array(shape.dropFirst()))
        guard count > 0 else { return try g.number(0, like: product) }
        let rank = Int((Double(count - 1) * min(max(percentile, 0), 100) / 100).rounded(.toNearestOrEven))
        // From whichever end is nearer.
        let isLargest = rank >= count / 2, taken = isLargest ? count - rank : rank + 1
        let rows = try g.emit("Reshape", [product, g.integers([images, count])], ["allowzero": .int(1)])
        let attributes: [String: Attribute] = ["axis": .int(1), "largest": .int(isLargest ? 1 : 0)]
        let top = try g.emit("TopK", [rows, g.integers([taken])], attributes, outputs: 2)[0]
        let last = try g.emit("Slice", [top, g.integers([taken - 1]), g.integers([taken]), g.integers([1])])
        return try g.emit("Reshape", [last, g.integers([images] + shape.dropFirst().map { _ in 1 })])
    }

    /// `R_in = x * AveragePool^T(R / (AveragePool(x) + 1e-10))`.
    private static let proportional: Operator.VJP = { g, node, arriving in
        guard let signal = arriving.first ?? nil, let vjp = g.operators["AveragePool"]?.vjp else { return [] }
        let x = try g.input(node, 0), attributes = Pooling.windowAttributes(node)
        let mean = try g.emit("AveragePool", [x], attributes)
        let pool = Node(op: "AveragePool", name: node.name, inputs: [x], outputs: [mean], attributes: attributes)
        return try vjp(&g, pool, [g.div(signal, g.add(mean, 1e-10))]).map { try $0.map { try g.mul(x, $0) } }
    }

    private static let trimmed: Operator.VJP = { g, node, arriving in
        guard let signal = arriving.first ?? nil, let vjp = g.operators["Conv"]?.vjp else { return [] }
        let pads = node.attributes["pads"]?.ints ?? [], isPadded = pads.contains { $0 > 0 }
        guard let shape = g.shape(of: signal), shape.count == 4, shape[2] > 2, shape[3] > 2,
            isPadded || node.attributes["auto_pad"]?.string?.hasPrefix("SAME") ?? false
        else { return try vjp(&g, node, arriving) }
        let mask = try Tensor.make([1, 1, shape[2], shape[3]], Float.self) { out in
            for i in out.indices {
                let row = i / shape[3], column = i % shape[3]
                out[i] = row == 0 || column == 0 || row == shape[2] - 1 || column == shape[3] - 1 ? 0 : 1
            }
        }
        let inner = try g.mul(signal, g.constant(mask.converted(to: g.type(of: signal).element)))
        return try vjp(&g, node, [inner])
    }
}

internal import Tensors

/// DeepLIFT through Softmax and normalisations: as the elementary steps that they are made of, each with its exact rule.
extension Contributions {
    /// `y = exp(x - L)` with `L = log sum exp x`: slopes of exp and log, and the sum is linear.
    static func softmax(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let signal = arriving.first ?? nil else { return [] }
        let axis = [node.attributes["axis"]?.int ?? -1]
        // Scores that a mask set to minus infinity.
        let input = try g.input(node, 0), least = try g.number(-1e30, like: input)
        let x = try g.emit("Max", [input, least]), reference = try g.emit("Max", [g.twin(input), least])
        let own = try logarithm(&g, x, axis), other = try logarithm(&g, reference, axis)
        let dx = try g.sub(x, reference), dSum = try g.sub(own, other)
        let top = try g.emit("Max", [own, other])
        func powers(_ a: ValueID) throws -> ValueID { try g.exp(g.sub(a, top)) }
        let whole = try g.sub(powers(own), powers(other)), part = try powers(x)
        // d log(s) / ds between the two sums, of which the larger is 1.
        let isFlat = try g.isBelow(g.emit("Abs", [whole]), 1e-6)
        let slope = try g.select(isFlat, g.number(1, like: whole), g.div(dSum, whole))
        let weights = try g.mul(slope, ratio(&g, g.sub(part, powers(reference)), over: dx, else: part))
        var inner = signal
        if node.op == "Softmax" {
            let y = try g.output(node)
            inner = try g.mul(signal, ratio(&g, change(&g, y), over: g.sub(dx, dSum), else: y))
        }
        return [try g.sub(inner, g.mul(weights, g.sum(inner, axis)))]
    }

    /// The logarithm of a sum of exponentials along the axes.
    private static func logarithm(_ g: inout Gradients, _ x: ValueID, _ axes: [Int]) throws -> ValueID {
        let most = try g.emit("ReduceMax", [x, g.integers(axes)], ["keepdims": .int(1)])
        return try g.add(g.emit("Log", [g.sum(g.exp(g.sub(x, most)), axes)]), most)
    }

    static func normalized(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let signal = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0), axes = try Normalization.axes(g, node, of: x)
        let scaled = try g.mul(signal, g.input(node, 1))
        let result = try lines(
            &g, x, g.twin(x), scaled, axes, epsilon: Normalization.epsilon(node), isCentred: node.op == "LayerNormalization")
        return [result] + node.inputs.dropFirst().map { _ in nil }
    }

    /// Groups of channels as lines of their own.
    static func grouped(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let signal = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0), scale = try Normalization.alongChannels(&g, g.input(node, 1), x)
        // 0 copies a size: each channel of InstanceNormalization is its own group.
        let rows = try g.integers([0, node.op == "GroupNormalization" ? node.attributes["num_groups"]?.int ?? 1 : 0, -1])
        func reshaped(_ a: ValueID) throws -> ValueID { try g.emit("Reshape", [a, rows]) }
        let result = try lines(
            &g, reshaped(x), reshaped(g.twin(x)), reshaped(g.mul(signal, scale)), [2], epsilon: Normalization.epsilon(node),
            isCentred: true)
        return [try g.reshape(result, like: x), nil, nil]
    }

    /// `y = d q` with `d = x - mean x` and `q = 1 / sqrt(mean d^2 + epsilon)`: the product by its mean factors, the square by `d + d'`,
    /// and `q` by its slope `-(q q')^2 / (q + q')`.
    private static func lines(
        _ g: inout Gradients, _ x: ValueID, _ reference: ValueID, _ signal: ValueID, _ axes: [Int], epsilon: Double, isCentred: Bool
    ) throws -> ValueID {
        func centred(_ a: ValueID) throws -> ValueID { try isCentred ? g.sub(a, g.mean(a, axes)) : a }
        func inverse(_ d: ValueID) throws -> ValueID {
            try g.emit("Reciprocal", [g.sqrt(g.add(g.mean(g.square(d), axes), epsilon))])
        }
        let d = try centred(x), other = try centred(reference), q = try inverse(d), qOther = try inverse(other)
        let both = try g.add(d, other)
        let byInverse = try g.mul(g.sum(g.mul(signal, both), axes), 0.5)
        let bySquare = try g.neg(g.div(g.mul(byInverse, g.square(g.mul(q, qOther))), g.add(q, qOther)))
        // The mean of squares over n elements: each element's share is 1/n.
        let count = try g.sum(g.add(g.mul(x, 0), 1), axes)
        let byCentred = try g.add(g.mul(signal, g.mul(g.add(q, qOther), 0.5)), g.mul(both, g.div(bySquare, count)))
        return try isCentred ? g.sub(byCentred, g.mean(byCentred, axes)) : byCentred
    }
}

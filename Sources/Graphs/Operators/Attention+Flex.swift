internal import Tensors

/// ai.onnx.preview FlexAttention (1): attention whose scores and probabilities pass through graphs of the file's own.
extension Attention {
    static func lowerFlex(_ l: inout Lowerer, _ n: Node) throws {
        let q = try l.required(n, 0), k = try l.required(n, 1), v = try l.required(n, 2), element = try l.element(q)
        let repeats = try l.size(q, 1) / max(l.size(k, 1), 1)
        let scale = try n.attributes["scale"]?.float ?? 1 / Double(l.size(q, 3)).squareRoot()
        let keys = try l.transpose(repeated(&l, k, repeats), [0, 1, 3, 2])
        let precision = n.attributes["softmax_precision"]?.int.flatMap { ElementType(rawValue: Int32(clamping: $0)) }
        var scores = try l.emit("MatMul", [l.emit("Mul", [q, l.number(scale, like: q)]), keys])
        scores = try modified(&l, n, "score_mod", l.cast(scores, precision ?? element))
        let chances = try modified(&l, n, "prob_mod", l.emit("Softmax", [scores], ["axis": .int(-1)]))
        try l.emit("MatMul", [l.cast(chances, element), repeated(&l, v, repeats)], to: n.outputs)
    }

    /// The nodes of a graph in an attribute in place of the node; inputs behind the third are what the graphs capture.
    private static func modified(_ l: inout Lowerer, _ n: Node, _ name: String, _ x: ValueID) throws -> ValueID {
        guard let body = n.attributes[name]?.graph else { return x }
        try body.checkNesting()
        let output = l.graph.add("\(n.name)/\(name)")
        let nodes = try l.graph.adopt(body, inputs: [x] + n.inputs.dropFirst(3), outputs: [output], prefix: "\(n.name)/\(name)")
        for node in nodes { try l.add(node) }
        return output
    }
}

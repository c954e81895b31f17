internal import Tensors

/// SequenceMap (ONNX opset 17 and up). The node's inputs are a sequence, more sequences of the same length or tensors,
/// and what the body captures; the body's are one item of each sequence, and the same.
struct SequenceMapForm {
    let body: Graph
    let given: Int, captured: Int

    init(_ node: Node) throws {
        guard let body = node.attributes["body"]?.graph else { throw Failure.invalid("the body is missing") }
        self.body = body
        captured = node.attributes[Control.captured]?.int ?? 0
        given = node.inputs.count - captured
        guard captured >= 0, given >= 1, body.inputs.count == node.inputs.count else {
            throw Failure.invalid("the body has \(body.inputs.count - captured) inputs, the node \(max(0, given))")
        }
        guard node.outputs.count <= body.outputs.count else {
            throw Failure.invalid("the body has \(body.outputs.count) outputs, the node \(node.outputs.count)")
        }
    }
}

extension Control {
    static let sequenceMap = Operator(
        "SequenceMap", arity: 1...Int(Int32.max),
        infer: { c in
            let form = try SequenceMapForm(c.node)
            let first = try Sequences.sequenceType(c)
            let inputs = c.types.enumerated().map { index, type in
                index < form.given && type?.element == .sequence ? type?.items.first : type
            }
            let typed = try typed(form.body, inputs, .standard)
            return typed.outputs.map { .sequence(of: typed[$0].type, count: first.dims?.first ?? .unknown) }
        },
        compute: { c in
            let form = try SequenceMapForm(c.node)
            let interpreter = try Interpreter(form.body, operators: .standard)
            let inputs = try c.node.inputs.indices.map { try c.tensor($0) }
            let count = try inputs[0].sequence().count
            var results = [[Tensor]](repeating: [], count: form.body.outputs.count)
            for turn in 0..<count {
                try c.watch?.poll()
                let items = try inputs.enumerated().map { index, input in
                    guard index < form.given, input.type == .sequence else { return input }
                    let items = try input.sequence()
                    guard items.count == count else {
                        throw Failure.shape("the first sequence has \(count) items, input \(index) has \(items.count)")
                    }
                    return items[turn]
                }
                for (index, result) in try interpreter.run(items, watch: c.watch).enumerated() { results[index].append(result) }
            }
            return try results.map { try Tensor(sequence: $0) }
        }, isPure: false, takesContainers: true, noGradient: "what the sequence holds follows from data",
        samples: sequenceMapSamples)
}

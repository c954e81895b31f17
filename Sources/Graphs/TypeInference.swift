internal import Tensors

extension Graph {
    /// Bytes up to which a node of constants is computed when the graph is made; larger results stay nodes, so that a
    /// few numbers in a file cannot claim the machine's memory.
    private static let foldingLimit = 64 << 20

    /// Infers types and contents of what `node` computes, from its inputs. Failures name the node.
    package mutating func infer(_ node: Node, operators: OperatorSet, fold: Bool = true) throws {
        guard let op = operators[node.op] else {
            throw Failure.unsupported("\(node.label): operator \(node.op) is not supported")
        }
        do {
            try checkArity(node, op)
            let inference = Inference(
                node: node,
                types: node.inputs.map { $0.flatMap { self[$0].type } },
                constants: node.inputs.map { $0.flatMap { self[$0].constant } },
                symbolics: node.inputs.map { $0.flatMap { self[$0].symbolic } })
            try op.check(inference.types.lazy.map { $0?.element })
            do {
                let types = try op.infer(inference)
                for type in types { try type.checkSize() }
                for (output, type) in zip(node.outputs, types) { if let output { self[output].type = type } }
                if fold { try foldConstants(node, op, inference) }
            } catch is NotYetKnown {}
            if let first = node.outputs.first, let first, self[first].constant == nil {
                self[first].symbolic = op.symbolic?(inference)
                try adoptSymbolicContents(first)
            }
        } catch let failure as Failure {
            throw failure.at(node.label)
        }
    }

    private func checkArity(_ node: Node, _ op: Operator) throws {
        var given = node.inputs.count
        while given > 0, node.inputs[given - 1] == nil { given -= 1 }
        guard given <= op.arity.upperBound, given >= op.arity.lowerBound else {
            let expected = op.arity.count == 1 ? "\(op.arity.lowerBound)" : "\(op.arity.lowerBound) to \(op.arity.upperBound)"
            throw Failure.invalid("expected \(expected) inputs, found \(given)")
        }
    }

    private mutating func foldConstants(_ node: Node, _ op: Operator, _ inference: Inference) throws {
        // A body may have loops that take long, or never end.
        guard op.isPure, !node.attributes.values.contains(where: { $0.graph != nil }), node.outputs.contains(where: { $0 != nil }) else {
            return
        }
        for (input, constant) in zip(node.inputs, inference.constants) where input != nil && constant == nil { return }
        var bytes = 0
        for output in node.outputs {
            guard let output else { continue }
            guard let type = self[output].type, let shape = type.shape else { return }
            bytes += type.element.byteCount(try Shape.count(shape)) ?? Graph.foldingLimit
        }
        guard bytes < Graph.foldingLimit else { return }
        let results = try op.run(Call(node: node, inputs: inference.constants))
        for (output, result) in zip(node.outputs, results) {
            guard let output, result.footprint < Graph.foldingLimit else { continue }
            self[output].constant = result
            self[output].type = TensorType(of: result)
        }
    }

    /// Symbolic contents that turn out to be plain numbers become a constant.
    private mutating func adoptSymbolicContents(_ id: ValueID) throws {
        guard let contents = self[id].symbolic, let type = self[id].type else { return }
        guard type.element == .int64 || type.element == .int32 || type.element == .bool else { return }
        let numbers = contents.compactMap(\.value)
        guard numbers.count == contents.count, let shape = type.shape, try Shape.count(shape) == numbers.count else { return }
        self[id].constant = try Tensor(numbers.map { Int64($0) }, shape).converted(to: type.element)
    }

    /// Infers every node in order.
    package mutating func inferAll(operators: OperatorSet) throws {
        for node in nodes { try infer(node, operators: operators) }
    }
}

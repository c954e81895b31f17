internal import Tensors

extension Graph {
    /// Throws unless every value is computed once, before it is read, by operators that exist and take that many inputs.
    package func validate(operators: OperatorSet) throws {
        var isKnown = values.map { $0.constant != nil }
        for id in inputs { isKnown[id.index] = true }
        var producer = [Int](repeating: -1, count: values.count)
        for (index, node) in nodes.enumerated() {
            do {
                try validate(node, isKnown, operators)
                for output in node.outputs {
                    guard let output else { continue }
                    guard producer[output.index] < 0 else { throw Failure.invalid("computes '\(self[output].name)' again") }
                    producer[output.index] = index
                    isKnown[output.index] = true
                }
            } catch let failure as Failure {
                throw failure.at(node.label)
            }
        }
        for output in outputs where !isKnown[output.index] { throw Failure.invalid("output '\(self[output].name)' is not computed") }
    }

    private func validate(_ node: Node, _ isKnown: [Bool], _ operators: OperatorSet) throws {
        guard let op = operators[node.op] else { throw Failure.unsupported("operator \(node.op) is not supported") }
        let given = (node.inputs.lastIndex { $0 != nil } ?? -1) + 1
        guard op.arity.contains(given) else {
            throw Failure.invalid("found \(given) inputs, expected \(op.arity.lowerBound) to \(op.arity.upperBound)")
        }
        for input in node.inputs {
            if let input, !isKnown[input.index] { throw Failure.invalid("reads '\(self[input].name)' before it is computed") }
        }
    }
}

internal import Tensors

extension Graph {
    /// By value: whether the gradient of `output` reaches it, and every operator on the way has one.
    package func differentiable(from output: ValueID, operators: OperatorSet) -> [Bool] {
        var arrives = [Bool](repeating: false, count: values.count)
        var fails = arrives
        arrives[output.index] = isFloat(output)
        for node in nodes.reversed() {
            let reached = node.outputs.compactMap { $0 }.filter { arrives[$0.index] }
            guard !reached.isEmpty else { continue }
            let failed = operators[node.op]?.vjp == nil || reached.contains { fails[$0.index] }
            for input in node.inputs {
                guard let input, isFloat(input) else { continue }
                arrives[input.index] = true
                if failed { fails[input.index] = true }
            }
        }
        return arrives.indices.map { arrives[$0] && !fails[$0] }
    }

    private func isFloat(_ id: ValueID) -> Bool { self[id].type?.element.isFloat ?? true }
}

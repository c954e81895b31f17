internal import Tensors

/// Nodes that need whole values: computed for every patch, the patches in front of the value's own first axis.
extension PatchWalk {
    /// False: the node mixes what lies along the first axis, which here holds several patches.
    mutating func visitWhole(_ node: Node) throws -> Bool {
        guard node.outputs.allSatisfy({ $0.map { shape($0) != nil } ?? true }) else { return false }
        for input in node.inputs { if let input, isChanged(input), shape(input)?.isEmpty ?? true { return false } }
        let outputs: [ValueID]?
        switch node.op {
        case "Reshape", "Flatten", "Squeeze", "Unsqueeze": outputs = try reshapedWhole(node)
        case "Transpose": outputs = node.attributes["perm"]?.ints?.first == 0 ? try plain(node) : nil
        case "Gemm": outputs = node.attributes["transA"]?.int ?? 0 == 0 && !isChangedPast(node, 0) ? try plain(node) : nil
        case "MatMul": outputs = try product(node)
        case "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization",
            "InstanceNormalization", "GroupNormalization", "LRN", "DepthToSpace", "SpaceToDepth":
            outputs = isChangedPast(node, 0) ? nil : try plain(node)
        case "Softmax", "LogSoftmax", "LayerNormalization", "Concat", "Split":
            outputs = try axes(node).allSatisfy { $0 > 0 } ? plain(node, repeatsUnchanged: node.op == "Concat") : nil
        case "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2":
            let axes = try reducedAxes(node)
            outputs = axes.isEmpty || axes.contains(0) || isChangedPast(node, 0) ? nil : try plain(node)
        case "Slice", "Gather": outputs = try selected(node)
        default: outputs = PatchWalk.elementByElement.contains(node.op) ? try combined(node) : nil
        }
        guard let outputs, outputs.count == node.outputs.count else { return false }
        for (output, value) in zip(node.outputs, outputs) {
            guard let output, var expected = shape(output), !expected.isEmpty else { continue }
            expected[0] *= batch
            guard builder.shape(of: value) == expected else { return false }
            states[output] = .whole(value)
        }
        return true
    }

    private static let elementByElement: Set = [
        "Relu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu", "Selu", "Celu", "Softplus", "Softsign", "Gelu",
        "Silu", "Swish", "Mish", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg", "Identity", "PRelu", "Add", "Sub", "Mul", "Div",
        "Pow",
        "Max", "Min", "Sum", "Mean", "Cast", "Where",
    ]

    private func isChangedPast(_ node: Node, _ index: Int) -> Bool {
        node.inputs.enumerated().contains { $0.offset > index && ($0.element.map(isChanged) ?? false) }
    }

    /// The same node on whole values.
    private mutating func plain(_ node: Node, repeatsUnchanged: Bool = false) throws -> [ValueID] {
        var operands: [ValueID?] = []
        for input in node.inputs {
            guard let input else {
                operands.append(nil)
                continue
            }
            if let value = try whole(input) {
                operands.append(value)
            } else if repeatsUnchanged, let own = shape(input), own.first == 1 {
                operands.append(try builder.emit("Expand", [unchanged(input), builder.integers([batch] + own.dropFirst())]))
            } else if repeatsUnchanged {
                return []
            } else {
                operands.append(unchanged(input))
            }
        }
        return try builder.emit(node.op, operands, node.attributes, outputs: node.outputs.count)
    }

    private mutating func reshapedWhole(_ node: Node) throws -> [ValueID]? {
        guard let input = node.inputs.first, let input, let output = node.outputs.first, let output, var target = shape(output),
            !target.isEmpty,
            let value = try whole(input)
        else { return nil }
        target[0] *= batch
        return [try builder.emit("Reshape", [value, builder.integers(target)], ["allowzero": .int(1)])]
    }

    /// Element by element with what does not change: as it is where it is the same for every entry of the first axis.
    private mutating func combined(_ node: Node) throws -> [ValueID]? {
        guard let output = node.outputs.first, let output, let result = shape(output) else { return nil }
        for input in node.inputs {
            guard let input, let own = shape(input) else { continue }
            let reachesFirst = own.count == result.count && own[0] != 1
            if isChanged(input) ? own.count != result.count || own[0] != result[0] : reachesFirst { return nil }
        }
        return try plain(node)
    }

    private mutating func product(_ node: Node) throws -> [ValueID]? {
        guard node.inputs.count == 2, let a = node.inputs[0], let b = node.inputs[1], let left = shape(a), let right = shape(b) else {
            return nil
        }
        let isLeft = isChanged(a), isRight = isChanged(b)
        if isLeft, isRight { return left.count == right.count && left.count >= 3 && left[0] == right[0] ? try plain(node) : nil }
        guard isLeft, left.count >= 2, right.count < left.count || right[0] == 1 && right.count > 2 || right.count == 2 else { return nil }
        return try plain(node)
    }

    private mutating func selected(_ node: Node) throws -> [ValueID]? {
        guard !isChangedPast(node, 0), let input = node.inputs.first, let input, let rank = shape(input)?.count else { return nil }
        if node.op == "Gather" {
            let axis = node.attributes["axis"]?.int ?? 0
            return (axis < 0 ? axis + rank : axis) > 0 ? try plain(node) : nil
        }
        let given =
            node.attributes["axes"]?.ints
            ?? (node.inputs.count > 3 ? node.inputs[3] : nil).flatMap { original[$0].constant }.flatMap { try? $0.integers() }
        guard let given, given.allSatisfy({ ($0 < 0 ? $0 + rank : $0) > 0 }) else { return nil }
        return try plain(node)
    }

    private func axes(_ node: Node) -> [Int] {
        let rank = node.inputs.first.flatMap { $0 }.flatMap { shape($0) }?.count ?? 0
        let given = node.attributes["axis"]?.int ?? (node.op == "Split" || node.op == "Concat" ? 0 : -1)
        return [given < 0 ? given + rank : given]
    }

    private func reducedAxes(_ node: Node) throws -> [Int] {
        guard let input = node.inputs.first, let input, let rank = shape(input)?.count else { return [] }
        let given =
            node.attributes["axes"]?.ints
            ?? (node.inputs.count > 1 ? node.inputs[1] : nil).flatMap { original[$0].constant }.flatMap { try? $0.integers() }
        return (given ?? []).map { $0 < 0 ? $0 + rank : $0 }
    }
}

internal import Tensors

/// Nodes whose result at a position follows from a neighbourhood of it.
extension PatchWalk {
    /// Computes a node where patches reach it. False: it cannot be computed for a batch of patches.
    mutating func visit(_ node: Node) throws -> Bool {
        let inputs = node.inputs.compactMap { $0 }
        guard inputs.contains(where: isChanged) else { return true }
        guard !node.attributes.values.contains(where: { $0.graph != nil }) else { return false }
        builder.current = node.name
        if !inputs.contains(where: { if case .whole = states[$0] { true } else { false } }), try visitPatches(node) { return true }
        return try visitWhole(node)
    }

    /// False: the node needs whole values.
    private mutating func visitPatches(_ node: Node) throws -> Bool {
        guard node.outputs.count == 1, let output = node.outputs.first, let output, shape(output) != nil else { return false }
        let patch: Patch?
        switch node.op {
        case "Conv", "MaxPool", "AveragePool": patch = try windowed(node)
        case "Transpose": patch = try transposed(node)
        case "LayerNormalization", "Softmax", "LpNormalization": patch = try alongOtherAxes(node)
        case "ReduceMean", "ReduceSum", "ReduceMax": patch = try reduced(node)
        case "MatMul": patch = try multiplied(node)
        case "Concat": patch = try joined(node)
        default: patch = try PatchWalk.pointwise.contains(node.op) ? elementwise(node) : nil
        }
        guard let patch else { return false }
        states[output] = .patch(patch)
        if patch.isNearlyWhole { _ = try whole(output) }
        return true
    }

    private static let pointwise: Set = [
        "Relu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu", "Selu", "Celu", "Softplus", "Softsign", "Gelu",
        "Silu", "Swish", "Mish", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg", "Identity", "PRelu", "BatchNormalization", "Add",
        "Sub",
        "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean",
    ]

    private func patch(_ id: ValueID?) -> Patch? {
        guard let id, case .patch(let patch) = states[id] else { return nil }
        return patch
    }

    /// Convolutions and pools over the two axes of a patch, channels in front.
    private mutating func windowed(_ node: Node) throws -> Patch? {
        guard let input = node.inputs.first, let input, let patch = patch(input), patch.axes == [2, 3], let sizes = shape(input),
            sizes.count == 4,
            node.inputs.dropFirst().allSatisfy({ $0.map { !isChanged($0) } ?? true })
        else { return nil }
        let call = Call(node: node, inputs: [])
        let kernel = node.op == "Conv" ? node.inputs[1].flatMap { shape($0) }.map { $0.dropFirst(2).map(Optional.some) } : nil
        let axes = try WindowAttributes(call, rank: 2, kernel: kernel).axes([sizes[2], sizes[3]])
        if node.op == "AveragePool" {
            // Padding that does not count gives windows at the border another divisor.
            let isPlain = axes.allSatisfy { $0.begin == 0 && ($0.output - 1) * $0.stride + $0.extent <= $0.input }
            let isCounted = call.flag("count_include_pad") && !call.flag("ceil_mode")
            guard isPlain || isCounted else { return nil }
        }
        let rows = patch.rows.through(axes[0]), columns = patch.columns.through(axes[1])
        let readRows = rows.read(axes[0]), readColumns = columns.read(axes[1])
        let part = try window(
            of: input, patch, at: [readRows.starts, readColumns.starts], size: [readRows.size, readColumns.size],
            fill: node.op == "MaxPool" ? -.infinity : 0)
        var attributes = node.attributes.merging(axes.attributes) { $1 }
        attributes["pads"] = .ints([0, 0, 0, 0])
        attributes["auto_pad"] = nil
        attributes["ceil_mode"] = nil
        let others = node.inputs.dropFirst().map { $0.map { unchanged($0) } }
        return Patch(value: try builder.emit(node.op, [part] + others, attributes), rows: rows, columns: columns, axes: [2, 3])
    }

    /// Element by element, over one patch or several, and what does not change.
    private mutating func elementwise(_ node: Node) throws -> Patch? {
        guard let output = node.outputs.first, let output, let result = shape(output) else { return nil }
        let patches = node.inputs.compactMap { patch($0) }
        guard let first = patches.first, patches.allSatisfy({ $0.axes == first.axes }) else { return nil }
        // Patches along every axis of the result, not broadcast.
        for input in node.inputs { if let input, isChanged(input), shape(input) != result { return nil } }
        let rows = patches.dropFirst().reduce(first.rows) { $0.union($1.rows) }
        let columns = patches.dropFirst().reduce(first.columns) { $0.union($1.columns) }
        let common = Patch(value: first.value, rows: rows, columns: columns, axes: first.axes)
        var operands: [ValueID?] = []
        for input in node.inputs {
            guard let input else {
                operands.append(nil)
                continue
            }
            if let patch = patch(input) {
                operands.append(try widened(input, patch, rows, columns))
            } else if let operand = try unchangedOperand(input, of: result, like: common) {
                operands.append(operand)
            } else {
                return nil
            }
        }
        return Patch(value: try builder.emit(node.op, operands, node.attributes), rows: rows, columns: columns, axes: first.axes)
    }

    /// What is combined with a patch: as it is where it is the same at every position, else the part beside the patch.
    private mutating func unchangedOperand(_ id: ValueID, of result: [Int], like patch: Patch) throws -> ValueID? {
        guard let own = shape(id) else { return nil }
        let lead = result.count - own.count
        guard lead >= 0 else { return nil }
        let isConstant = patch.axes.allSatisfy { $0 < lead || own[$0 - lead] == 1 }
        if isConstant, lead > 0 || own[0] == 1 { return unchanged(id) }
        return own == result ? try window(ofUnchanged: id, like: patch) : nil
    }

    private mutating func transposed(_ node: Node) throws -> Patch? {
        guard let patch = patch(node.inputs.first ?? nil), let order = node.attributes["perm"]?.ints, order.first == 0 else { return nil }
        let axes = patch.axes.compactMap { axis in order.firstIndex(of: axis) }
        guard axes.count == 2, axes[1] == axes[0] + 1 else { return nil }
        return Patch(value: try builder.emit(node.op, [patch.value], node.attributes), rows: patch.rows, columns: patch.columns, axes: axes)
    }

    /// Normalisations along axes that are neither images nor positions.
    private mutating func alongOtherAxes(_ node: Node) throws -> Patch? {
        guard let input = node.inputs.first, let input, let patch = patch(input), let rank = shape(input)?.count,
            node.inputs.dropFirst().allSatisfy({ $0.map { !isChanged($0) } ?? true })
        else { return nil }
        let given = node.attributes["axis"]?.int ?? -1
        let axis = given < 0 ? given + rank : given
        let isClear = node.op == "LayerNormalization" ? axis > patch.axes[1] : axis > 0 && !patch.axes.contains(axis)
        guard isClear else { return nil }
        let others = node.inputs.dropFirst().map { $0.map { unchanged($0) } }
        return Patch(
            value: try builder.emit(node.op, [patch.value] + others, node.attributes), rows: patch.rows, columns: patch.columns,
            axes: patch.axes)
    }

    /// Reductions over channels that keep their axis.
    private mutating func reduced(_ node: Node) throws -> Patch? {
        guard let input = node.inputs.first, let input, let patch = patch(input), let rank = shape(input)?.count,
            node.attributes["keepdims"]?.int ?? 1 == 1
        else { return nil }
        let given =
            node.attributes["axes"]?.ints
            ?? (node.inputs.count > 1 ? node.inputs[1] : nil).flatMap { original[$0].constant }.flatMap { try? $0.integers() }
        let axes = (given ?? []).map { $0 < 0 ? $0 + rank : $0 }
        guard !axes.isEmpty, axes.allSatisfy({ $0 > 0 && !patch.axes.contains($0) }) else { return nil }
        let others = node.inputs.dropFirst().map { $0.map { unchanged($0) } }
        return Patch(
            value: try builder.emit(node.op, [patch.value] + others, node.attributes), rows: patch.rows, columns: patch.columns,
            axes: patch.axes)
    }

    /// Channels last times a matrix.
    private mutating func multiplied(_ node: Node) throws -> Patch? {
        guard node.inputs.count == 2, let input = node.inputs[0], let weight = node.inputs[1], let patch = patch(input), !isChanged(weight),
            let rank = shape(input)?.count, shape(weight)?.count == 2, patch.axes[1] < rank - 1
        else { return nil }
        return Patch(
            value: try builder.emit(node.op, [patch.value, unchanged(weight)]), rows: patch.rows, columns: patch.columns, axes: patch.axes)
    }

    /// Side by side along the channels.
    private mutating func joined(_ node: Node) throws -> Patch? {
        let patches = node.inputs.compactMap { patch($0) }
        guard let first = patches.first, patches.allSatisfy({ $0.axes == first.axes }), let output = node.outputs.first, let output,
            let rank = shape(output)?.count, let given = node.attributes["axis"]?.int
        else { return nil }
        let axis = given < 0 ? given + rank : given
        guard axis > 0, !first.axes.contains(axis) else { return nil }
        let rows = patches.dropFirst().reduce(first.rows) { $0.union($1.rows) }
        let columns = patches.dropFirst().reduce(first.columns) { $0.union($1.columns) }
        let common = Patch(value: first.value, rows: rows, columns: columns, axes: first.axes)
        var parts: [ValueID?] = []
        for input in node.inputs.compactMap({ $0 }) {
            parts.append(try patch(input).map { try widened(input, $0, rows, columns) } ?? window(ofUnchanged: input, like: common))
        }
        return Patch(value: try builder.emit(node.op, parts, node.attributes), rows: rows, columns: columns, axes: first.axes)
    }
}

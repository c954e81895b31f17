internal import Tensors

/// Broadcasting of two operands before opset 7: only the second one's axes were stretched, from attribute `axis` on (by
/// default to match the last axes), and only where attribute `broadcast` said so. PRelu's slopes lay along axis 1.
enum LegacyBroadcast {
    static let lowerings =
        ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"].map { op in
            Lowering(op, since: 1) { l, n in
                let axis = l.opset < 7 && n.attributes["broadcast"]?.int ?? 0 != 0 ? n.attributes["axis"]?.int : nil
                try lower(&l, n, axis: axis)
            }
        } + [Lowering("PRelu", since: 1) { l, n in try lower(&l, n, axis: l.opset < 7 ? 1 : nil) }]

    /// Puts axes of size 1 behind the second operand's, so that its first one lies at `axis`.
    private static func lower(_ l: inout Lowerer, _ n: Node, axis: Int?) throws {
        guard let axis, n.inputs.count == 2, let a = n.inputs[0], let b = n.inputs[1] else { return try l.add(n) }
        guard let rank = l.graph[a].type?.rank, let dims = l.graph[b].type?.dims else {
            throw Failure.unsupported("broadcasting from axis \(axis) on needs operands of known rank")
        }
        // One element fits anywhere; a slope may come shaped as one image already.
        if dims.allSatisfy({ $0.value == 1 }) || (n.op == "PRelu" && dims.count > 1) { return try l.add(n) }
        let first = axis < 0 ? axis + rank : axis
        let behind = rank - first - dims.count
        guard first >= 0, behind >= 0 else {
            throw Failure.shape("\(dims.count) axes from axis \(axis) on do not fit into \(rank)")
        }
        var node = n
        if behind > 0 {
            let places = l.constant(try Tensor((0..<behind).map { Int64(dims.count + $0) }))
            node.inputs[1] = try l.emit("Unsqueeze", [b, places])
        }
        node.attributes["axis"] = nil
        node.attributes["broadcast"] = nil
        try l.add(node)
    }
}

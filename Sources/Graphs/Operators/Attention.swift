internal import Tensors

/// ONNX Attention (opset 23 and up) and RotaryEmbedding (opset 23), as products, sums and a softmax, so that gradients
/// and relevance go through the same operators as in models that spell attention out.
enum Attention {
    static let lowerings = [
        Lowering("Attention", since: 23) { try lower(&$0, $1) },
        Lowering("RotaryEmbedding", since: 23) { try lowerRotary(&$0, $1) },
        Lowering("ai.onnx.preview:FlexAttention", since: 1) { try lowerFlex(&$0, $1) },
    ]

    /// softmax(scale Q K^T, capped, + bias) V for each head.
    private static func lower(_ l: inout Lowerer, _ n: Node) throws {
        let isFlat = try rank(l, required(n, 0)) == 3
        var q = try heads(&l, n, 0, isFlat ? n.attributes["q_num_heads"]?.int : nil)
        var k = try heads(&l, n, 1, isFlat ? n.attributes["kv_num_heads"]?.int : nil)
        var v = try heads(&l, n, 2, isFlat ? n.attributes["kv_num_heads"]?.int : nil)
        if let past = optional(n, 4) { k = try l.emit("Concat", [past, k], ["axis": .int(2)]) }
        if let past = optional(n, 5) { v = try l.emit("Concat", [past, v], ["axis": .int(2)]) }
        try pass(&l, k, to: n, 1)
        try pass(&l, v, to: n, 2)
        // The values may be of another type (T2 in ONNX); the answer is of the queries'.
        v = try l.cast(v, l.element(q))
        let bias = try AttentionBias.make(&l, n, q: q, k: k)
        let width = try size(l, q, 3)
        let scale = n.attributes["scale"]?.float ?? 1 / Double(width).squareRoot()
        q = try l.emit("Mul", [q, number(&l, scale, like: q)])
        let repeats = try size(l, q, 1) / max(size(l, k, 1), 1)
        k = try repeated(&l, k, repeats)
        v = try repeated(&l, v, repeats)
        let chances = try probabilities(&l, n, l.emit("MatMul", [q, l.emit("Transpose", [k], ["perm": .ints([0, 1, 3, 2])])]), bias)
        let output = n.outputs.first ?? nil
        guard isFlat else { return try l.emit("MatMul", [chances, v], to: [output]) }
        let y = try l.emit("Transpose", [l.emit("MatMul", [chances, v])], ["perm": .ints([0, 2, 1, 3])])
        try l.emit("Reshape", [y, vector(&l, [0, 0, -1])], to: [output])
    }

    /// Output 3 shows the scores at the stage that `qk_matmul_output_mode` names.
    private static func probabilities(_ l: inout Lowerer, _ n: Node, _ raw: ValueID, _ bias: AttentionBias?) throws -> ValueID {
        let cap = n.attributes["softcap"]?.float ?? 0
        var stages = [raw]
        if cap != 0 {
            let number = try number(&l, cap, like: raw)
            stages.append(try l.emit("Mul", [l.emit("Tanh", [l.emit("Div", [raw, number])]), number]))
        } else {
            stages.append(raw)
        }
        stages.append(try bias.map { try l.emit("Add", [stages[1], $0.bias]) } ?? stages[1])
        var scores = stages[2]
        // A query that may see no key gives zeros instead of 0 / 0.
        if let isSeeing = bias?.isSeeing { scores = try l.emit("Where", [isSeeing, scores, number(&l, 0, like: scores)]) }
        var chances = try l.emit("Softmax", [scores], ["axis": .int(-1)])
        if let isSeeing = bias?.isSeeing { chances = try l.emit("Where", [isSeeing, chances, number(&l, 0, like: chances)]) }
        stages.append(chances)
        let mode = n.attributes["qk_matmul_output_mode"]?.int ?? 0
        guard stages.indices.contains(mode) else { throw Failure.invalid("qk_matmul_output_mode is \(mode), expected 0 to 3") }
        try pass(&l, stages[mode], to: n, 3)
        return chances
    }

    // MARK: Parts

    /// Batch, heads, sequence, width.
    private static func heads(_ l: inout Lowerer, _ n: Node, _ index: Int, _ count: Int?) throws -> ValueID {
        let x = try required(n, index), found = try rank(l, x)
        guard found == 3 else {
            guard found == 4 else { throw Failure.shape("input \(index) has rank \(found), expected 3 or 4") }
            return x
        }
        guard let count, count > 0 else { throw Failure.invalid("the number of heads is missing") }
        return try l.emit("Transpose", [l.emit("Reshape", [x, vector(&l, [0, 0, count, -1])])], ["perm": .ints([0, 2, 1, 3])])
    }

    /// Each head `count` times in a row, for queries that share keys.
    static func repeated(_ l: inout Lowerer, _ x: ValueID, _ count: Int) throws -> ValueID {
        guard count > 1 else { return x }
        let (heads, overflow) = try size(l, x, 1).multipliedReportingOverflow(by: count)
        guard !overflow else { throw Failure.shape("too many heads") }
        let apart = try l.emit("Expand", [l.emit("Unsqueeze", [x, vector(&l, [2])]), vector(&l, [1, 1, count, 1, 1])])
        return try l.emit("Reshape", [apart, vector(&l, [0, heads, -1, size(l, x, 3)])])
    }

    private static func pass(_ l: inout Lowerer, _ x: ValueID, to n: Node, _ index: Int) throws {
        if index < n.outputs.count, let output = n.outputs[index] { try l.emit("Identity", [x], to: [output]) }
    }

    static func optional(_ n: Node, _ index: Int) -> ValueID? { index < n.inputs.count ? n.inputs[index] : nil }

    static func required(_ n: Node, _ index: Int) throws -> ValueID {
        guard let id = optional(n, index) else { throw Failure.invalid("input \(index) is missing") }
        return id
    }

    static func rank(_ l: Lowerer, _ x: ValueID) throws -> Int {
        guard let rank = l.graph[x].type?.rank else { throw Failure.unsupported("the rank of '\(l.graph[x].name)' follows only from data") }
        return rank
    }

    static func size(_ l: Lowerer, _ x: ValueID, _ axis: Int) throws -> Int {
        guard let dims = l.graph[x].type?.dims, axis < dims.count, let size = dims[axis].value else {
            throw Failure.unsupported("the size of axis \(axis) of '\(l.graph[x].name)' follows only from data")
        }
        return size
    }

    static func vector(_ l: inout Lowerer, _ numbers: [Int]) throws -> ValueID { l.constant(try Tensor(numbers.map { Int64($0) })) }

    /// A constant scalar of the element type of `x`.
    static func number(_ l: inout Lowerer, _ value: Double, like x: ValueID) throws -> ValueID {
        guard let type = l.graph[x].type else { throw Failure.unsupported("the type of '\(l.graph[x].name)' follows only from data") }
        return l.constant(try Tensor.scalar(value).converted(to: type.element))
    }
}

/// What is added to attention's scores: a mask, -infinity for keys that a query may not see.
struct AttentionBias {
    let bias: ValueID
    /// By query: whether it sees any key; nil when every query does.
    let isSeeing: ValueID?

    static func make(_ l: inout Lowerer, _ n: Node, q: ValueID, k: ValueID) throws -> AttentionBias? {
        var bias: ValueID?, allowed = try reach(&l, n, q: q, k: k)
        if let mask = Attention.optional(n, 3) {
            let padded = try padded(&l, mask, k)
            if l.graph[mask].type?.element == .bool {
                allowed = try allowed.map { try l.emit("And", [$0, padded]) } ?? padded
            } else {
                bias = padded
            }
        }
        if let allowed {
            let zero = try Attention.number(&l, 0, like: q), never = try Attention.number(&l, -.infinity, like: q)
            bias = try l.emit("Where", [allowed, bias ?? zero, never])
        }
        guard let bias else { return nil }
        let best = try l.emit("ReduceMax", [bias, Attention.vector(&l, [-1])])
        let isSeeing = try l.emit("Greater", [best, Attention.number(&l, -.infinity, like: q)])
        let seesAll = try l.graph[isSeeing].constant?.array(Truth.self).allSatisfy(\.isTrue) ?? false
        return AttentionBias(bias: bias, isSeeing: seesAll ? nil : isSeeing)
    }

    /// A mask that is shorter than the keys forbids the rest.
    private static func padded(_ l: inout Lowerer, _ mask: ValueID, _ k: ValueID) throws -> ValueID {
        guard let type = l.graph[mask].type, let dims = type.dims, let width = dims.last?.value, width > 1,
            let keys = l.graph[k].type?.dims?[2].value, keys > width
        else { return mask }
        let pads = [Int](repeating: 0, count: 2 * dims.count - 1) + [keys - width]
        let fill = try Tensor.scalar(type.element == .bool ? 0 : -Double.infinity).converted(to: type.element)
        return try l.emit("Pad", [mask, Attention.vector(&l, pads), l.constant(fill)])
    }

    /// Keys that causality, a window or the number of valid keys leave to each query; nil when all.
    private static func reach(_ l: inout Lowerer, _ n: Node, q: ValueID, k: ValueID) throws -> ValueID? {
        let isCausal = n.attributes["is_causal"]?.int ?? 0 != 0
        let left = n.attributes["left_window_size"]?.int ?? -1, right = n.attributes["right_window_size"]?.int ?? -1
        let keys = try positions(&l, k)
        var limits: [ValueID] = []
        var valid: ValueID?
        if let count = Attention.optional(n, 6) {
            let column = try l.emit("Reshape", [count, Attention.vector(&l, [-1, 1, 1, 1])])
            valid = column
            limits.append(try l.emit("Less", [keys, column]))
        }
        if isCausal || left >= 0 || right >= 0 {
            let place = try queries(&l, n, q: q, valid: valid)
            if isCausal { limits.append(try l.emit("LessOrEqual", [keys, place])) }
            if right >= 0 { limits.append(try l.emit("LessOrEqual", [keys, l.emit("Add", [place, Attention.vector(&l, [right])])])) }
            if left >= 0 { limits.append(try l.emit("GreaterOrEqual", [keys, l.emit("Sub", [place, Attention.vector(&l, [left])])])) }
        }
        guard var all = limits.first else { return nil }
        for limit in limits.dropFirst() { all = try l.emit("And", [all, limit]) }
        return all
    }

    /// Position of each query among the keys, as a column.
    private static func queries(_ l: inout Lowerer, _ n: Node, q: ValueID, valid: ValueID?) throws -> ValueID {
        let column = try l.emit("Unsqueeze", [positions(&l, q), Attention.vector(&l, [1])])
        if let past = Attention.optional(n, 4) { return try l.emit("Add", [column, length(&l, past)]) }
        guard let valid else { return column }
        return try l.emit("Add", [column, l.emit("Sub", [valid, length(&l, q)])])
    }

    private static func length(_ l: inout Lowerer, _ x: ValueID) throws -> ValueID {
        try l.emit("Shape", [x], ["start": .int(2), "end": .int(3)])
    }

    /// 0, 1, … along the sequence.
    private static func positions(_ l: inout Lowerer, _ x: ValueID) throws -> ValueID {
        let one = l.constant(try Tensor([Int64(1)]))
        let ones = try l.emit("Expand", [one, length(&l, x)])
        return try l.emit("CumSum", [ones, l.constant(Tensor([Int64(0)], []))], ["exclusive": .int(1)])
    }
}

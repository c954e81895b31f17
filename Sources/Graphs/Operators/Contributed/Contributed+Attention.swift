internal import Tensors

/// Attention of onnxruntime's transformer fusions, by way of ONNX's Attention.
extension Contributed {
    static let attentions = [
        Lowering(domain + "Attention", since: 1) { try attention(&$0, $1) },
        Lowering(domain + "MultiHeadAttention", since: 1) { try multiHead(&$0, $1) },
        Lowering(domain + "GroupQueryAttention", since: 1) { try groupQuery(&$0, $1) },
        Lowering(domain + "QAttention", since: 1) { try quantizedAttention(&$0, $1) },
        Lowering(domain + "RotaryEmbedding", since: 1) { try rotary(&$0, $1) },
    ]

    // MARK: Attention

    /// Projects to Q, K and V by one matrix.
    private static func attention(_ l: inout Lowerer, _ n: Node) throws {
        var projected = try l.emit("MatMul", [l.required(n, 0), l.required(n, 1)])
        if let bias = n.optional(2) { projected = try l.emit("Add", [projected, bias]) }
        try attend(&l, n, projected, mask: n.optional(3), past: n.optional(4), bias: n.optional(5))
    }

    private static func quantizedAttention(_ l: inout Lowerer, _ n: Node) throws {
        let x = LevelOperand(try l.required(n, 0), scale: try l.required(n, 3), zero: n.optional(6))
        let w = LevelOperand(try l.required(n, 1), scale: try l.required(n, 4), zero: n.optional(7))
        let sums = try l.cast(IntegerArithmetic.product(&l, x, w), l.element(x.required(\.scale)))
        let product = try l.emit("Mul", [sums, l.emit("Mul", [x.scale, w.scale])])
        let projected = try l.emit("Add", [product, l.required(n, 2)])
        try attend(&l, n, projected, mask: n.optional(5), past: n.optional(8), bias: nil)
    }

    private static func attend(_ l: inout Lowerer, _ n: Node, _ projected: ValueID, mask: ValueID?, past: ValueID?, bias: ValueID?) throws {
        guard n.attributes["do_rotary"]?.int ?? 0 == 0 else { throw Failure.unsupported("do_rotary; GroupQueryAttention has it") }
        guard n.attributes["past_present_share_buffer"]?.int ?? 0 == 0 else {
            throw Failure.unsupported("past_present_share_buffer: memory that a run writes into is not part of a graph")
        }
        let width = try l.size(projected, -1)
        let sizes = n.attributes["qkv_hidden_sizes"]?.ints ?? [width / 3, width / 3, width / 3]
        guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 && $0 <= width }), sizes.reduce(0, +) == width else {
            throw Failure.shape("qkv_hidden_sizes is \(sizes), the weight has \(width) columns")
        }
        let q = try l.slice(projected, axis: -1, from: 0, to: sizes[0])
        let k = try l.slice(projected, axis: -1, from: sizes[0], to: sizes[0] + sizes[1])
        let v = try l.slice(projected, axis: -1, from: sizes[0] + sizes[1], to: width)
        var part = Part(q: q, k: k, v: v)
        if let past {
            part.pastKey = try l.emit("Gather", [past, l.constant(Tensor.scalar(Int64(0)))])
            part.pastValue = try l.emit("Gather", [past, l.constant(Tensor.scalar(Int64(1)))])
        }
        part.bias = try scores(&l, n, part, mask: mask, bias: bias)
        guard let present = n.output(1) else { return try part.emit(&l, n, to: n.output(0)) }
        let key = l.inner("present_key"), value = l.inner("present_value")
        try part.emit(&l, n, to: n.output(0), key, value)
        let first = try l.vector([0])
        try l.emit("Concat", [l.emit("Unsqueeze", [key, first]), l.emit("Unsqueeze", [value, first])], to: [present], ["axis": .int(0)])
    }

    /// What ONNX's Attention is given.
    private struct Part {
        var q: ValueID, k: ValueID, v: ValueID
        var bias: ValueID?, pastKey: ValueID?, pastValue: ValueID?

        func emit(
            _ l: inout Lowerer, _ n: Node, to output: ValueID?, _ key: ValueID? = nil, _ value: ValueID? = nil, _ scores: ValueID? = nil
        )
            throws
        {
            var attributes: [String: Attribute] = [:]
            for name in ["scale", "softcap"] { attributes[name] = n.attributes[name].flatMap { $0.float == 0 ? nil : $0 } }
            attributes["q_num_heads"] = n.attributes["num_heads"]
            attributes["kv_num_heads"] = n.attributes["kv_num_heads"] ?? n.attributes["num_heads"]
            attributes["is_causal"] = n.attributes["unidirectional"] ?? n.attributes["causal"]
            if scores != nil { attributes["qk_matmul_output_mode"] = .int(3) }
            attributes["left_window_size"] = n.attributes["left_window_size"]
            try l.emit(onnx: "Attention", [q, k, v, bias, pastKey, pastValue], to: [output, key, value, scores], attributes)
        }
    }

    // MARK: MultiHeadAttention

    private static func multiHead(_ l: inout Lowerer, _ n: Node) throws {
        guard n.optional(8) == nil, n.optional(9) == nil else {
            throw Failure.unsupported("past_sequence_length and cache_indirection: memory that a run writes into is not part of a graph")
        }
        var part = try operands(&l, n)
        if let bias = n.optional(3) { try addBias(&l, bias, to: &part) }
        (part.pastKey, part.pastValue) = (n.optional(6), n.optional(7))
        part.bias = try scores(&l, n, part, mask: n.optional(4), bias: n.optional(5))
        try part.emit(&l, n, to: n.output(0), n.output(1), n.output(2), n.output(3))
    }

    /// Q, K and V, apart or packed between the heads and their width.
    private static func operands(_ l: inout Lowerer, _ n: Node) throws -> Part {
        let query = try l.required(n, 0)
        if let key = n.optional(1), let value = n.optional(2) { return Part(q: query, k: key, v: value) }
        func packed(_ l: inout Lowerer, _ x: ValueID, _ index: Int) throws -> ValueID {
            guard try l.rank(x) == 5 else { throw Failure.shape("packed heads have rank \(try l.rank(x)), expected 5") }
            let one = try l.emit("Gather", [x, l.constant(Tensor.scalar(Int64(index)))], ["axis": .int(3)])
            return try l.reshape(one, [0, 0, -1])
        }
        guard let key = n.optional(1) else {
            return Part(q: try packed(&l, query, 0), k: try packed(&l, query, 1), v: try packed(&l, query, 2))
        }
        return Part(q: query, k: try packed(&l, key, 0), v: try packed(&l, key, 1))
    }

    /// The bias of the projections before; keys and values that are cut into heads already have none.
    private static func addBias(_ l: inout Lowerer, _ bias: ValueID, to part: inout Part) throws {
        let total = try l.size(bias, 0), width = try l.size(part.q, -1)
        func added(_ l: inout Lowerer, _ x: ValueID, _ start: Int, _ end: Int) throws -> ValueID {
            try l.rank(x) == 3 ? l.emit("Add", [x, l.slice(bias, axis: 0, from: start, to: end)]) : x
        }
        part.q = try added(&l, part.q, 0, width)
        part.k = try added(&l, part.k, width, 2 * width)
        part.v = try added(&l, part.v, 2 * width, total)
    }

    // MARK: GroupQueryAttention

    private static func groupQuery(_ l: inout Lowerer, _ n: Node) throws {
        guard n.optional(11) == nil, n.attributes["smooth_softmax"]?.int ?? 0 == 0 else {
            throw Failure.unsupported("head_sink and smooth_softmax")
        }
        guard (12...15).allSatisfy({ n.optional($0) == nil }), n.attributes["sliding_window_cache"]?.int ?? 0 == 0 else {
            throw Failure.unsupported("quantised or windowed caches, and normalised queries")
        }
        guard let heads = n.attributes["num_heads"]?.int, let groups = n.attributes["kv_num_heads"]?.int, (1...1 << 20).contains(heads),
            (1...1 << 20).contains(groups)
        else {
            throw Failure.invalid("attributes 'num_heads' and 'kv_num_heads' are missing")
        }
        var part = Part(q: try l.required(n, 0), k: try l.required(n, 0), v: try l.required(n, 0))
        if let key = n.optional(1), let value = n.optional(2) {
            (part.k, part.v) = (key, value)
        } else {
            let width = try l.size(part.q, -1) / (heads + 2 * groups), packed = part.q
            part.q = try l.slice(packed, axis: -1, from: 0, to: heads * width)
            part.k = try l.slice(packed, axis: -1, from: heads * width, to: (heads + groups) * width)
            part.v = try l.slice(packed, axis: -1, from: (heads + groups) * width, to: (heads + 2 * groups) * width)
        }
        (part.pastKey, part.pastValue, part.bias) = (n.optional(3), n.optional(4), n.optional(10))
        var node = n
        if n.attributes["do_rotary"]?.int ?? 0 != 0 {
            let positions = try positions(&l, n, part)
            part.q = try turned(&l, n, part.q, positions, heads)
            part.k = try turned(&l, n, part.k, positions, groups)
        }
        node.attributes["causal"] = n.attributes["causal"] ?? .int(1)
        if let window = n.attributes["local_window_size"]?.int, window > 0 { node.attributes["left_window_size"] = .int(window - 1) }
        try part.emit(&l, node, to: n.output(0), n.output(1), n.output(2))
    }

    private static func turned(_ l: inout Lowerer, _ n: Node, _ x: ValueID, _ positions: ValueID, _ heads: Int) throws -> ValueID {
        try l.emit(
            onnx: "RotaryEmbedding", [x, l.required(n, 7), l.required(n, 8), positions],
            ["num_heads": .int(heads), "interleaved": n.attributes["rotary_interleaved"] ?? .int(0)])
    }

    /// Places of the new tokens, behind those of the cache.
    private static func positions(_ l: inout Lowerer, _ n: Node, _ part: Part) throws -> ValueID {
        if let given = n.optional(9) { return given }
        let length = try l.emit("Shape", [part.q], ["start": .int(1), "end": .int(2)])
        let batch = try l.emit("Shape", [part.q], ["start": .int(0), "end": .int(1)])
        let ones = try l.emit("Expand", [l.vector([1]), length])
        var places = try l.emit("CumSum", [ones, l.constant(Tensor.scalar(Int64(0)))], ["exclusive": .int(1)])
        if let past = part.pastKey { places = try l.emit("Add", [places, l.emit("Shape", [past], ["start": .int(2), "end": .int(3)])]) }
        return try l.emit("Expand", [l.reshape(places, [1, -1]), l.emit("Concat", [batch, length], ["axis": .int(0)])])
    }

    private static func rotary(_ l: inout Lowerer, _ n: Node) throws {
        let x = try l.required(n, 0), sequenceAxis = try l.rank(x) == 4 ? 2 : 1
        var positions = try l.required(n, 1)
        if try l.rank(positions) == 1 {
            // One position is where the sequence starts.
            let length = try l.emit("Shape", [x], ["start": .int(sequenceAxis), "end": .int(sequenceAxis + 1)])
            let batch = try l.emit("Shape", [x], ["start": .int(0), "end": .int(1)])
            let ones = try l.emit("Expand", [l.vector([1]), length])
            let places = try l.emit("CumSum", [ones, l.constant(Tensor.scalar(Int64(0)))], ["exclusive": .int(1)])
            let row = try l.reshape(l.emit("Add", [places, positions]), [1, -1])
            positions = try l.emit("Expand", [row, l.emit("Concat", [batch, length], ["axis": .int(0)])])
        }
        var attributes = n.attributes.filter { ["interleaved", "rotary_embedding_dim"].contains($0.key) }
        if try l.rank(x) == 3 {
            let width = try 2 * l.size(l.required(n, 2), -1), given = n.attributes["num_heads"]?.int ?? 0
            attributes["num_heads"] = .int(given > 0 ? given : try l.size(x, -1) / max(width, 1))
        }
        try l.emit(onnx: "RotaryEmbedding", [x, l.required(n, 2), l.required(n, 3), positions], to: n.outputs, attributes)
    }

    // MARK: What is added to the scores

    /// The attention bias, and `mask_filter_value` for keys that the mask leaves out.
    private static func scores(_ l: inout Lowerer, _ n: Node, _ part: Part, mask: ValueID?, bias: ValueID?) throws -> ValueID? {
        guard let mask else { return bias }
        let kept: ValueID
        switch try l.rank(mask) {
        case 1: kept = try lengths(&l, mask, part)
        case 2: kept = try l.emit("Unsqueeze", [l.cast(mask, .float32), l.vector([1, 2])])
        case 3: kept = try l.emit("Unsqueeze", [l.cast(mask, .float32), l.vector([1])])
        default: throw Failure.unsupported("a mask of rank \(try l.rank(mask))")
        }
        let filter = try l.number(n.attributes["mask_filter_value"]?.float ?? -10000, like: kept)
        let penalty = try l.emit("Mul", [l.emit("Sub", [l.number(1, like: kept), kept]), filter])
        let fitted = try l.cast(penalty, l.element(part.q))
        return try bias.map { try l.emit("Add", [$0, fitted]) } ?? fitted
    }

    /// 1 for the first keys of each text, as many as the mask says: as many numbers as texts.
    private static func lengths(_ l: inout Lowerer, _ mask: ValueID, _ part: Part) throws -> ValueID {
        if let count = l.graph[mask].type?.dims?[0].value, let batch = l.graph[part.q].type?.dims?[0].value, count != batch {
            throw Failure.unsupported("a mask of \(count) numbers for \(batch) texts; only lengths are supported")
        }
        let isApart = try l.rank(part.k) == 4
        var length = try l.emit("Shape", [part.k], ["start": .int(isApart ? 2 : 1), "end": .int(isApart ? 3 : 2)])
        if let past = part.pastKey { length = try l.emit("Add", [length, l.emit("Shape", [past], ["start": .int(2), "end": .int(3)])]) }
        let ones = try l.emit("Expand", [l.vector([1]), length])
        let places = try l.emit("CumSum", [ones, l.constant(Tensor.scalar(Int64(0)))], ["exclusive": .int(1)])
        let column = try l.reshape(l.cast(mask, .int64), [-1, 1, 1, 1])
        return try l.cast(l.emit("Less", [places, column]), .float32)
    }
}

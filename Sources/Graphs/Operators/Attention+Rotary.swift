internal import Tensors

extension Attention {
    /// Turns pairs of numbers by angles that grow with the position. Su et al., "RoFormer: enhanced transformer with
    /// rotary position embedding", 2021.
    static func lowerRotary(_ l: inout Lowerer, _ n: Node) throws {
        let input = try required(n, 0), isFlat = try rank(l, input) == 3
        var x = input
        if isFlat {
            guard let heads = n.attributes["num_heads"]?.int, heads > 0 else { throw Failure.invalid("num_heads is missing") }
            x = try l.emit("Reshape", [input, vector(&l, [0, 0, heads, -1])])
        }
        let width = try size(l, x, 3), given = n.attributes["rotary_embedding_dim"]?.int ?? 0
        let turned = given > 0 ? given : width
        guard turned <= width, turned % 2 == 0 else { throw Failure.shape("rotary_embedding_dim is \(turned), the head has \(width)") }
        // Heads lie on axis 1 of four axes, but behind the sequence in the flat form.
        let cosine = try angles(&l, n, 1, headAxis: isFlat ? 2 : 1), sine = try angles(&l, n, 2, headAxis: isFlat ? 2 : 1)
        let part = turned == width ? x : try slice(&l, x, from: 0, to: turned)
        var y = try turn(&l, part, turned, cosine, sine, isInterleaved: n.attributes["interleaved"]?.int ?? 0 != 0)
        if turned < width { y = try l.emit("Concat", [y, slice(&l, x, from: turned, to: width)], ["axis": .int(-1)]) }
        if isFlat {
            try l.emit("Reshape", [y, vector(&l, [0, 0, -1])], to: n.outputs)
        } else {
            try l.emit("Identity", [y], to: n.outputs)
        }
    }

    private static func angles(_ l: inout Lowerer, _ n: Node, _ index: Int, headAxis: Int) throws -> ValueID {
        var cache = try required(n, index)
        if let positions = optional(n, 3) { cache = try l.emit("Gather", [cache, positions], ["axis": .int(0)]) }
        return try l.emit("Unsqueeze", [cache, vector(&l, [headAxis])])
    }

    private static func slice(_ l: inout Lowerer, _ x: ValueID, from start: Int, to end: Int, step: Int = 1) throws -> ValueID {
        try l.emit("Slice", [x, vector(&l, [start]), vector(&l, [end]), vector(&l, [-1]), vector(&l, [step])])
    }

    private static func turn(
        _ l: inout Lowerer, _ x: ValueID, _ width: Int, _ cosine: ValueID, _ sine: ValueID, isInterleaved: Bool
    ) throws -> ValueID {
        let half = width / 2
        let a = isInterleaved ? try slice(&l, x, from: 0, to: width, step: 2) : try slice(&l, x, from: 0, to: half)
        let b = isInterleaved ? try slice(&l, x, from: 1, to: width, step: 2) : try slice(&l, x, from: half, to: width)
        let real = try l.emit("Sub", [l.emit("Mul", [a, cosine]), l.emit("Mul", [b, sine])])
        let imaginary = try l.emit("Add", [l.emit("Mul", [a, sine]), l.emit("Mul", [b, cosine])])
        guard isInterleaved else { return try l.emit("Concat", [real, imaginary], ["axis": .int(-1)]) }
        let last = try vector(&l, [-1])
        let pairs = try l.emit("Concat", [l.emit("Unsqueeze", [real, last]), l.emit("Unsqueeze", [imaginary, last])], ["axis": .int(-1)])
        return try l.emit("Reshape", [pairs, vector(&l, [0, 0, 0, -1])])
    }
}

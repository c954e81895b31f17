internal import Tensors

/// Normalisations with what onnxruntime fuses into them. Before ONNX had LayerNormalization (opset 17), onnxruntime put its
/// own under the same name into ONNX's domain, and SimplifiedLayerNormalization is there to this day.
extension Contributed {
    static let normalizations = [
        Lowering("LayerNormalization", since: 1) { try $0.add($1) },
        Lowering("SimplifiedLayerNormalization", since: 1) { l, n in
            try rootMeanSquare(&l, l.required(n, 0), l.required(n, 1), n, to: n.outputs, inverse: n.output(1))
        },
        Lowering(domain + "SkipLayerNormalization", since: 1) { l, n in
            let sum = try skipped(&l, n, bias: 4)
            try l.emit(
                "LayerNormalization", [sum, l.required(n, 2), n.optional(3)], to: [n.output(0), n.output(1), n.output(2)],
                ["axis": .int(-1), "epsilon": epsilon(n)])
        },
        Lowering(domain + "SkipSimplifiedLayerNormalization", since: 1) { l, n in
            let sum = try skipped(&l, n, bias: 3)
            try rootMeanSquare(&l, sum, l.required(n, 2), n, to: [n.output(0)], inverse: n.output(2))
        },
        Lowering(domain + "EmbedLayerNormalization", since: 1) { try embed(&$0, $1) },
        Lowering(domain + "GroupNorm", since: 1) { l, n in try groupNorm(&l, n, l.required(n, 0), to: n.output(0)) },
        Lowering(domain + "SkipGroupNorm", since: 1) { l, n in
            var sum = try l.emit("Add", [l.required(n, 0), l.required(n, 3)])
            if let bias = n.optional(4) { sum = try l.emit("Add", [sum, bias]) }
            if let output = n.output(1) { try l.emit("Identity", [sum], to: [output]) }
            try groupNorm(&l, n, sum, to: n.output(0))
        },
    ]

    private static func epsilon(_ n: Node) -> Attribute { n.attributes["epsilon"] ?? .float(1e-5) }

    /// input + skip + bias, which is also output 3.
    private static func skipped(_ l: inout Lowerer, _ n: Node, bias: Int) throws -> ValueID {
        let input = try l.required(n, 0)
        let first = try n.optional(bias).map { try l.emit("Add", [input, $0]) } ?? input
        guard let output = n.output(3) else { return try l.emit("Add", [first, l.required(n, 1)]) }
        try l.emit("Add", [first, l.required(n, 1)], to: [output])
        return output
    }

    private static func rootMeanSquare(
        _ l: inout Lowerer, _ x: ValueID, _ scale: ValueID, _ n: Node, to outputs: [ValueID?], inverse: ValueID?
    ) throws {
        let axis = n.attributes["axis"] ?? .int(-1)
        if let inverse {
            let place = try Shape.axis(axis.int ?? -1, rank: l.rank(x))
            let mean = try l.emit("ReduceMean", [l.emit("Mul", [x, x]), l.vector(Array(place..<l.rank(x)))])
            let root = try l.emit("Sqrt", [l.emit("Add", [mean, l.number(epsilon(n).float ?? 1e-5, like: x)])])
            try l.emit("Reciprocal", [root], to: [inverse])
        }
        try l.emit("RMSNormalization", [x, scale], to: [outputs.first ?? nil], ["axis": axis, "epsilon": epsilon(n)])
    }

    /// LayerNormalization(word + position + segment).
    private static func embed(_ l: inout Lowerer, _ n: Node) throws {
        let ids = try l.required(n, 0), places = try l.required(n, 3)
        var sum = try l.emit("Gather", [l.required(n, 2), ids])
        if let positions = n.optional(8) {
            sum = try l.emit("Add", [sum, l.emit("Gather", [places, positions])])
        } else {
            let length = try l.emit("Shape", [ids], ["start": .int(1), "end": .int(2)])
            sum = try l.emit("Add", [sum, l.emit("Slice", [places, l.vector([0]), length, l.vector([0])])])
        }
        if let segments = n.optional(1), let table = n.optional(4) {
            sum = try l.emit("Add", [sum, l.emit("Gather", [table, segments])])
        }
        if let output = n.output(2) { try l.emit("Identity", [sum], to: [output]) }
        try l.emit(
            "LayerNormalization", [sum, l.required(n, 5), l.required(n, 6)], to: [n.output(0)], ["axis": .int(-1), "epsilon": epsilon(n)])
        if let output = n.output(1) { try maskIndex(&l, n, ids, to: output) }
    }

    /// How many words of each text the mask leaves; 0 without a mask.
    private static func maskIndex(_ l: inout Lowerer, _ n: Node, _ ids: ValueID, to output: ValueID) throws {
        var mask = try l.cast(n.optional(7) ?? ids, .int64)
        if n.optional(7) == nil { mask = try l.emit("Sub", [mask, mask]) }
        let count = try l.emit("ReduceSum", [mask, l.vector([1])], ["keepdims": .int(0)])
        try l.emit("Cast", [count], to: [output], ["to": .int(Int(ElementType.int32.rawValue))])
    }

    private static func groupNorm(_ l: inout Lowerer, _ n: Node, _ x: ValueID, to output: ValueID?) throws {
        guard let groups = n.attributes["groups"]?.int else { throw Failure.invalid("attribute 'groups' is missing") }
        let isLast = n.attributes["channels_last"]?.int ?? 1 != 0, hasSilu = n.attributes["activation"]?.int ?? 0 == 1
        let rank = try l.rank(x)
        guard rank >= 3 else { throw Failure.shape("input has rank \(rank), expected at least 3") }
        let first = isLast ? try l.transpose(x, [0, rank - 1] + Array(1..<rank - 1)) : x
        var y = try l.emit(
            "GroupNormalization", [first, l.required(n, 1), l.required(n, 2)], ["num_groups": .int(groups), "epsilon": epsilon(n)])
        if hasSilu { y = try l.emit("Mul", [y, l.emit("Sigmoid", [y])]) }
        guard isLast else { return try l.emit("Identity", [y], to: [output]) }
        try l.emit("Transpose", [y], to: [output], ["perm": .ints([0] + Array(2..<rank) + [1])])
    }
}

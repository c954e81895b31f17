internal import Tensors

/// Operators on quantised numbers that onnxruntime defines besides ONNX's.
extension Contributed {
    /// Dequantise, compute, quantise: onnxruntime computes these through tables or floats of the same meaning.
    static let quantized = [
        Lowering(domain + "QLinearAdd", since: 1) { try add(&$0, $1) },
        Lowering(domain + "QLinearMul", since: 1) { try multiply(&$0, $1) },
        Lowering(domain + "QLinearSigmoid", since: 1) { l, n in try pointwise(&l, n, "Sigmoid", operands: 1) },
        Lowering(domain + "QLinearLeakyRelu", since: 1) { l, n in try pointwise(&l, n, "LeakyRelu", operands: 1) },
        Lowering(domain + "QLinearSoftmax", since: 1) { l, n in
            let opset = n.attributes["opset"]?.int ?? 13
            var own = n
            own.attributes["axis"] = n.attributes["axis"] ?? .int(opset < 13 ? 1 : -1)
            try pointwise(&l, own, "Softmax", operands: 1, opset: opset)
        },
        Lowering(domain + "QLinearReduceMean", since: 1) { l, n in try pointwise(&l, n, "ReduceMean", operands: 1, opset: 11) },
        Lowering(domain + "QLinearAveragePool", since: 1) { l, n in try pooled(&l, n, "AveragePool") },
        Lowering(domain + "QLinearGlobalAveragePool", since: 1) { l, n in try pooled(&l, n, "GlobalAveragePool") },
        Lowering(domain + "QLinearConcat", since: 1) { try concat(&$0, $1) },
        Lowering(domain + "QLinearWhere", since: 1) { l, n in
            let x = try LevelOperand(l.required(n, 1), scale: l.required(n, 2), zero: n.optional(3)).dequantized(&l)
            let y = try LevelOperand(l.required(n, 4), scale: l.required(n, 5), zero: n.optional(6)).dequantized(&l)
            try finish(&l, l.emit("Where", [l.required(n, 0), x, y]), n, 7)
        },
    ]

    // MARK: Sums and products

    /// a a_scale/c_scale + (b b_scale/c_scale + rest), rounded with the zero point in it, in the order of onnxruntime: halves are
    /// frequent, and other orders would round every other one of them the other way.
    private static func add(_ l: inout Lowerer, _ n: Node) throws {
        let ratioA = try l.emit("Div", [l.required(n, 1), l.required(n, 6)]),
            ratioB = try l.emit("Div", [l.required(n, 4), l.required(n, 6)])
        let a = try l.emit("Mul", [l.cast(l.required(n, 0), .float32), ratioA])
        let b = try l.emit("Mul", [l.cast(l.required(n, 3), .float32), ratioB])
        let zeroA = try l.emit("Mul", [ratioA, zero(&l, n, 2)]), zeroB = try l.emit("Mul", [ratioB, zero(&l, n, 5)])
        let rest = try l.emit("Sub", [zero(&l, n, 7), l.emit("Add", [zeroA, zeroB])])
        try roundLast(&l, n, l.emit("Add", [a, l.emit("Add", [b, rest])]))
    }

    /// (a - a_zero) (b - b_zero) · a_scale b_scale / c_scale + c_zero.
    private static func multiply(_ l: inout Lowerer, _ n: Node) throws {
        let a = try LevelOperand(l.required(n, 0), zero: n.optional(2)).real(&l, .float32, column: nil)
        let b = try LevelOperand(l.required(n, 3), zero: n.optional(5)).real(&l, .float32, column: nil)
        let scale = try l.emit("Div", [l.emit("Mul", [l.required(n, 1), l.required(n, 4)]), l.required(n, 6)])
        try roundLast(&l, n, l.emit("Add", [l.emit("Mul", [l.emit("Mul", [a, b]), scale]), zero(&l, n, 7)]))
    }

    private static func zero(_ l: inout Lowerer, _ n: Node, _ index: Int) throws -> ValueID {
        try n.optional(index).map { try l.cast($0, .float32) } ?? l.constant(Tensor.scalar(Float(0)))
    }

    /// Rounds and clips levels that have the zero point in them; scale and zero point of the result are inputs 6 and 7.
    private static func roundLast(_ l: inout Lowerer, _ n: Node, _ levels: ValueID) throws {
        let type = try n.optional(7).map { try l.element($0) } ?? l.element(l.required(n, 0))
        try l.emit(
            "QuantizeLinear", [levels, l.number(1, like: levels), nil, l.required(n, 6), n.optional(7)], to: n.outputs,
            ["output_dtype": .int(Int(type.rawValue))])
    }

    private static func finish(_ l: inout Lowerer, _ y: ValueID, _ n: Node, _ first: Int) throws {
        try IntegerArithmetic.quantize(&l, y, unit: false, .init(l, n, first, column: nil), to: n.outputs)
    }

    /// Inputs are triples of levels, scale and zero point, then scale and zero point of the result.
    private static func pointwise(_ l: inout Lowerer, _ n: Node, _ op: String, operands: Int, opset: Int = .max) throws {
        let own = n.attributes.filter { $0.key != "opset" }
        let inputs = try (0..<operands).map {
            try LevelOperand(l.required(n, 3 * $0), scale: l.required(n, 3 * $0 + 1), zero: n.optional(3 * $0 + 2)).dequantized(&l)
        }
        try finish(&l, l.emit(onnx: op, opset: opset, inputs, own), n, 3 * operands)
    }

    private static func pooled(_ l: inout Lowerer, _ n: Node, _ op: String) throws {
        var own = n
        own.attributes["channels_last"] = nil
        guard n.attributes["channels_last"]?.int ?? 0 != 0 else { return try pointwise(&l, own, op, operands: 1) }
        try inChannelsFirst(&l, own) { try pointwise(&$0, $1, op, operands: 1) }
    }

    private static func concat(_ l: inout Lowerer, _ n: Node) throws {
        let parts = try stride(from: 2, to: n.inputs.count, by: 3).map {
            try LevelOperand(l.required(n, $0), scale: l.required(n, $0 + 1), zero: n.optional($0 + 2)).dequantized(&l)
        }
        try finish(&l, l.emit("Concat", parts, ["axis": n.attributes["axis"] ?? .int(0)]), n, 0)
    }
}

// MARK: Products

extension Contributed {
    static let quantizedProducts = [
        Lowering(domain + "QLinearConv", since: 1) { l, n in
            var own = n
            own.attributes["channels_last"] = nil
            guard n.attributes["channels_last"]?.int ?? 0 != 0 else { return try IntegerArithmetic.lowerQLinearConv(&l, own) }
            try inChannelsFirst(&l, own) { try IntegerArithmetic.lowerQLinearConv(&$0, $1) }
        },
        Lowering(domain + "QGemm", since: 1) { try quantizedGemm(&$0, $1) },
        Lowering(domain + "MatMulIntegerToFloat", since: 1) { l, n in
            let a = LevelOperand(try l.required(n, 0), scale: try l.required(n, 2), zero: n.optional(4))
            let b = LevelOperand(try l.required(n, 1), scale: try l.required(n, 3), zero: n.optional(5))
            try realProduct(&l, a, b, bias: n.optional(6), to: n.outputs)
        },
        Lowering(domain + "DynamicQuantizeMatMul", since: 1) { l, n in
            let levels = l.inner("levels"), scale = l.inner("scale"), zero = l.inner("zero_point")
            try l.emit("DynamicQuantizeLinear", [l.required(n, 0)], to: [levels, scale, zero])
            let b = LevelOperand(try l.required(n, 1), scale: try l.required(n, 2), zero: n.optional(3))
            try realProduct(&l, LevelOperand(levels, scale: scale, zero: zero), b, bias: n.optional(4), to: n.outputs)
        },
        Lowering(domain + "MatMulInteger16", since: 1) { l, n in
            let a = LevelOperand(try l.required(n, 0), zero: nil), b = LevelOperand(try l.required(n, 1), zero: nil)
            try l.round(IntegerArithmetic.product(&l, a, b), to: n.outputs, .int32)
        },
    ]

    /// sums · a_scale b_scale + bias.
    private static func realProduct(_ l: inout Lowerer, _ a: LevelOperand, _ b: LevelOperand, bias: ValueID?, to outputs: [ValueID?]) throws
    {
        let rows = try l.column(a.required(\.scale), [-1, 1])
        let scale = try l.emit("Mul", [rows, b.scale])
        let sums = try l.cast(IntegerArithmetic.product(&l, a, b), l.element(scale))
        guard let bias else { return try l.emit("Mul", [sums, scale], to: outputs) }
        try l.emit("Add", [l.emit("Mul", [sums, scale]), bias], to: outputs)
    }

    /// alpha A' B' + C; C holds levels of the scale `alpha a_scale b_scale`.
    private static func quantizedGemm(_ l: inout Lowerer, _ n: Node) throws {
        let flipA = n.attributes["transA"]?.int ?? 0 != 0, flipB = n.attributes["transB"]?.int ?? 0 != 0
        let a = LevelOperand(try turned(&l, l.required(n, 0), flipA), scale: try l.required(n, 1), zero: n.optional(2))
        let b = LevelOperand(try turned(&l, l.required(n, 3), flipB), scale: try l.required(n, 4), zero: n.optional(5))
        var sums = try IntegerArithmetic.product(&l, a, b)
        if let c = n.optional(6) { sums = try l.emit("Add", [sums, l.cast(c, l.element(sums))]) }
        var scale = try l.emit("Mul", [a.scale, b.scale])
        if let alpha = n.attributes["alpha"]?.float, alpha != 1 { scale = try l.emit("Mul", [scale, l.number(alpha, like: scale)]) }
        guard n.optional(7) != nil else { return try l.emit("Mul", [l.cast(sums, l.element(scale)), scale], to: n.outputs) }
        try IntegerArithmetic.requantize(&l, sums, scale: scale, .init(l, n, 7, column: nil), to: n.outputs)
    }

    private static func turned(_ l: inout Lowerer, _ x: ValueID, _ isTurned: Bool) throws -> ValueID {
        isTurned ? try l.transpose(x, [1, 0]) : x
    }
}

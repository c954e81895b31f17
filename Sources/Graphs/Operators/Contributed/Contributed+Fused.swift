internal import Tensors

/// Products and convolutions with what onnxruntime fuses into them.
extension Contributed {
    static let fusedProducts = [
        Lowering(domain + "FusedConv", since: 1) { try fusedConv(&$0, $1) },
        Lowering(domain + "FusedGemm", since: 1) { try fusedGemm(&$0, $1) },
        Lowering(domain + "FusedMatMul", since: 1) { l, n in try fusedMatMul(&l, n, to: n.outputs) },
        Lowering(domain + "TransposeMatMul", since: 1) { l, n in try fusedMatMul(&l, n, to: n.outputs) },
        Lowering(domain + "FusedMatMulActivation", since: 1) { l, n in
            let product = l.inner("product")
            try fusedMatMul(&l, n, to: [product])
            try activate(&l, product, n, listed: nil, to: n.outputs)
        },
        Lowering(domain + "GemmFastGelu", since: 1) { l, n in
            var y = try l.emit("MatMul", [l.required(n, 0), l.required(n, 1)])
            if let bias = n.optional(2) { y = try l.emit("Add", [y, bias]) }
            try l.emit("Gelu", [y], to: n.outputs, ["approximate": .string("tanh")])
        },
        Lowering(domain + "ConvTransposeWithDynamicPads", since: 1) { l, n in
            var attributes = n.attributes
            if let pads = n.optional(2) {
                guard let known = try l.graph[pads].constant?.integers() else {
                    throw Failure.unsupported("pads that follow only from data")
                }
                attributes["pads"] = .ints(known)
            }
            try l.emit(onnx: "ConvTranspose", [l.required(n, 0), l.required(n, 1), n.optional(3)], to: n.outputs, attributes)
        },
    ]

    // MARK: Conv

    /// activation(Conv(X, W, B) + Z).
    static func fusedConv(_ l: inout Lowerer, _ n: Node) throws {
        let own = n.attributes.filter { !$0.key.hasPrefix("activation") }
        let y = try l.emit("Conv", [l.required(n, 0), l.required(n, 1), n.optional(2)], own)
        let sum = try n.optional(3).map { try l.emit("Add", [y, $0]) } ?? y
        try activate(&l, sum, n, listed: n.attributes["activation_params"]?.floats, to: n.outputs)
    }

    /// The attribute `activation`, with its numbers in a list or in attributes of their own.
    static func activate(_ l: inout Lowerer, _ x: ValueID, _ n: Node, listed: [Double]?, to outputs: [ValueID?]) throws {
        let name = n.attributes["activation"]?.string ?? ""
        let first = listed?.first ?? n.attributes["activation_alpha"]?.float
        let second = listed?.dropFirst().first ?? n.attributes["activation_beta"]?.float
        var attributes: [String: Attribute] = [:]
        switch name {
        case "": return try l.emit("Identity", [x], to: outputs)
        case "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Gelu": break
        case "LeakyRelu", "Elu", "ThresholdedRelu": attributes["alpha"] = first.map { .float($0) }
        case "HardSigmoid":
            attributes["alpha"] = first.map { .float($0) }
            attributes["beta"] = second.map { .float($0) }
        case "Clip":
            attributes["min"] = first.map { .float($0) }
            attributes["max"] = second.map { .float($0) }
        case "Softmax", "LogSoftmax": attributes["axis"] = n.attributes["activation_axis"] ?? .int(-1)
        default: throw Failure.unsupported("fused activation \(name)")
        }
        try l.emit(name, [x], to: outputs, attributes)
    }

    // MARK: Products of matrices

    private static func fusedGemm(_ l: inout Lowerer, _ n: Node) throws {
        let own = n.attributes.filter { !$0.key.hasPrefix("activation") }
        try activate(&l, l.emit("Gemm", n.inputs, own), n, listed: nil, to: n.outputs)
    }

    /// alpha A' B'; `transA` turns the last two axes, `transBatchA` moves the first axis behind the batch axes.
    private static func fusedMatMul(_ l: inout Lowerer, _ n: Node, to outputs: [ValueID?]) throws {
        let a = try turned(&l, l.required(n, 0), n, "A"), b = try turned(&l, l.required(n, 1), n, "B")
        let alpha = n.attributes["alpha"]?.float ?? 1
        guard alpha != 1 else { return try l.emit("MatMul", [a, b], to: outputs) }
        let product = try l.emit("MatMul", [a, b])
        try l.emit("Mul", [product, l.number(alpha, like: product)], to: outputs)
    }

    private static func turned(_ l: inout Lowerer, _ x: ValueID, _ n: Node, _ side: String) throws -> ValueID {
        let isTurned = n.attributes["trans" + side]?.int ?? 0 != 0, movesBatch = n.attributes["transBatch" + side]?.int ?? 0 != 0
        guard isTurned || movesBatch else { return x }
        let rank = try l.rank(x)
        guard rank > 1 else { return x }
        var order = Array(0..<rank)
        if movesBatch { order = Array(1..<rank - 1) + [0, rank - 1] }
        if isTurned { order.swapAt(rank - 1, rank - 2) }
        return try l.transpose(x, order)
    }
}

// MARK: Activations

extension Contributed {
    static let fusedActivations = [
        Lowering(domain + "Gelu", since: 1) { l, n in try l.emit("Gelu", n.inputs, to: n.outputs) },
        Lowering(domain + "BiasGelu", since: 1) { l, n in try biased(&l, n) { try $0.emit("Gelu", [$1], to: n.outputs) } },
        Lowering(domain + "FastGelu", since: 1) { l, n in
            try biased(&l, n) { try $0.emit("Gelu", [$1], to: n.outputs, ["approximate": .string("tanh")]) }
        },
        Lowering(domain + "QuickGelu", since: 1) { try quickGelu(&$0, $1) },
        Lowering(domain + "ScaledSiLU", since: 1) { l, n in
            let x = try l.required(n, 0), scale = n.optional(1)
            let gate = try l.emit("Sigmoid", [x])
            guard let scale else { return try l.emit("Mul", [x, gate], to: n.outputs) }
            try l.emit("Mul", [l.emit("Mul", [x, gate]), scale], to: n.outputs)
        },
        Lowering(domain + "BiasSplitGelu", since: 1) { l, n in
            let sum = try l.emit("Add", [l.required(n, 0), l.required(n, 1)])
            let half = try l.size(sum, -1) / 2
            let gate = try l.emit("Gelu", [l.slice(sum, axis: -1, from: half, to: 2 * half)])
            try l.emit("Mul", [l.slice(sum, axis: -1, from: 0, to: half), gate], to: n.outputs)
        },
        Lowering(domain + "BiasAdd", since: 1) { l, n in
            try l.emit("Add", [l.emit("Add", [l.required(n, 0), l.required(n, 1)]), l.required(n, 2)], to: n.outputs)
        },
        Lowering(domain + "BiasDropout", since: 1) { l, n in
            let sum = try l.emit("Add", [l.required(n, 0), l.required(n, 1)])
            let dropped = try n.optional(2).map { try l.emit("Add", [sum, $0]) } ?? sum
            try l.emit(onnx: "Dropout", [dropped], to: n.outputs)
        },
        Lowering(domain + "BiasSoftmax", since: 1) { l, n in
            // Before opset 13 everything from the axis on was one distribution.
            let sum = try l.emit("Add", [l.required(n, 0), l.required(n, 1)])
            let axis = n.attributes["axis"]?.int ?? 1, isLast = try axis == -1 || axis == l.rank(sum) - 1
            try l.emit(onnx: "Softmax", opset: isLast ? 13 : 11, [sum], to: n.outputs, ["axis": .int(axis)])
        },
        Lowering(domain + "ExpandDims", since: 1) { l, n in
            try l.emit("Unsqueeze", [l.required(n, 0), l.reshape(l.required(n, 1), [1])], to: n.outputs)
        },
        Lowering(domain + "Pad", since: 1) { l, n in
            try l.emit(onnx: "Pad", [l.required(n, 0), l.required(n, 1), n.optional(2)], to: n.outputs, n.attributes)
        },
    ]

    /// `body` of the first input plus the second, where that is given.
    private static func biased(_ l: inout Lowerer, _ n: Node, _ body: (inout Lowerer, ValueID) throws -> Void) throws {
        let x = try l.required(n, 0)
        try body(&l, n.optional(1).map { try l.emit("Add", [x, $0]) } ?? x)
    }

    /// x sigmoid(alpha x).
    private static func quickGelu(_ l: inout Lowerer, _ n: Node) throws {
        let x = try l.required(n, 0), alpha = n.attributes["alpha"]?.float ?? 1.702
        let scaled = alpha == 1 ? x : try l.emit("Mul", [x, l.number(alpha, like: x)])
        try l.emit("Mul", [x, l.emit("Sigmoid", [scaled])], to: n.outputs)
    }
}

// MARK: Channels last

extension Contributed {
    static let channelsLast = [
        Lowering(domain + "NhwcConv", since: 1) { l, n in try inChannelsFirst(&l, n) { try fusedConv(&$0, $1) } },
        Lowering(domain + "NhwcFusedConv", since: 1) { l, n in try inChannelsFirst(&l, n, also: [3]) { try fusedConv(&$0, $1) } },
        Lowering(domain + "NhwcMaxPool", since: 1) { l, n in
            try inChannelsFirst(&l, n) { try $0.emit(onnx: "MaxPool", $1.inputs, to: $1.outputs, $1.attributes) }
        },
    ]

    /// Lowers the node between two transpositions, of its first input (and others) and its first output.
    static func inChannelsFirst(
        _ l: inout Lowerer, _ n: Node, also others: [Int] = [], _ lower: (inout Lowerer, Node) throws -> Void
    ) throws {
        var inner = n
        let rank = try l.rank(l.required(n, 0))
        guard rank >= 3 else { throw Failure.shape("input has rank \(rank), expected at least 3") }
        for index in [0] + others where n.optional(index) != nil {
            inner.inputs[index] = try l.transpose(l.required(n, index), [0, rank - 1] + Array(1..<rank - 1))
        }
        let output = l.inner("channels-first")
        inner.outputs = [output]
        try lower(&l, inner)
        try l.emit("Transpose", [output], to: n.outputs, ["perm": .ints([0] + Array(2..<rank) + [1])])
    }
}

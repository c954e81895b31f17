internal import Tensors

/// Recurrent layers (ONNX LSTM, GRU and RNN 7 to 22) in every direction, with sequence lengths, peepholes, clipping and
/// both layouts.
///
///     LSTM  i, o, f = σ(x W + h R + p c + b)   c' = f c + i tanh(x W + h R + b)   h' = o tanh(c')
///     GRU   z, r = σ(x W + h R + b)   n = tanh(x W + (r h) R + b)   h' = (1 - z) n + z h
///     RNN   h' = tanh(x W + h R + b)
///
///     …Grad  (dY, dY_h, dY_c, then the layer's eight inputs) → gradients by X, W, R, B, initial_h, initial_c and P, by
///            running backwards through the recomputed states; those that the attribute `wanted` leaves out are scalar zeros
enum Recurrent {
    static let operators = family("LSTM", .lstm, lstmSamples) + family("GRU", .gru, gruSamples) + family("RNN", .rnn, rnnSamples)

    /// Positions of the layer's inputs that have gradients, in the order of the gradient's outputs.
    static let differentiable = [0, 1, 2, 3, 5, 6, 7]

    private static func family(_ name: String, _ kind: RecurrentKind, _ samples: [Sample]) -> [Operator] {
        [
            Operator(
                name, arity: 3...(kind == .lstm ? 8 : 6), infer: { try infer($0, kind) }, compute: { try RecurrentLayer($0, kind).run() },
                vjp: { try vjp(&$0, $1, $2, name + "Grad") }, samples: samples),
            Operator(
                name + "Grad", arity: 6...11, infer: inferGrad, compute: { try RecurrentLayer($0, kind, from: 3).gradients() },
                noGradient: "recurrent layers have first derivatives only", samples: samples.prefix(1).map { gradSample($0, kind) }),
        ]
    }

    private static func infer(_ c: Inference, _ kind: RecurrentKind) throws -> [TensorType] {
        let type = try c.type(0), x = try c.dims(0), r = try c.dims(2)
        guard x.count == 3, r.count == 3 else { throw Failure.shape("input has \(x.count) axes and R \(r.count), expected 3 each") }
        let hidden = c.ints("hidden_size") == nil ? c.node.attributes["hidden_size"]?.int.map { Dim($0) } ?? r[2] : r[2]
        let directions = Dim(c.string("direction", default: "forward") == "bidirectional" ? 2 : 1)
        let isBatchFirst = c.flag("layout")
        let batch = isBatchFirst ? x[0] : x[1], time = isBatchFirst ? x[1] : x[0]
        let state = TensorType(type.element, isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden])
        let all = TensorType(type.element, isBatchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden])
        return kind == .lstm ? [all, state, state] : [all, state]
    }

    // MARK: Gradient

    private static func inferGrad(_ c: Inference) throws -> [TensorType] {
        let type = try c.type(3), wanted = c.ints("wanted") ?? []
        return try differentiable.enumerated().map { index, input in
            guard index < wanted.count, wanted[index] != 0 else { return TensorType(type.element, []) }
            return try c.type(input + 3)
        }
    }

    private static func vjp(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?], _ name: String) throws -> [ValueID?] {
        let seeds = (arriving + [nil, nil, nil]).prefix(3), inputs = (node.inputs + [ValueID?](repeating: nil, count: 8)).prefix(8)
        var attributes = node.attributes
        let wanted = differentiable.map { g.wants(node, $0) }
        attributes["wanted"] = .ints(wanted.map { $0 ? 1 : 0 })
        let outputs = try g.emit(name, Array(seeds + inputs), attributes, outputs: differentiable.count)
        var result = [ValueID?](repeating: nil, count: 8)
        for (index, input) in differentiable.enumerated() where wanted[index] { result[input] = outputs[index] }
        return Array(result.prefix(node.inputs.count))
    }

    // MARK: Samples

    private static func hidden(_ size: Int, _ more: [String: Attribute] = [:]) -> [String: Attribute] {
        more.merging(["hidden_size": .int(size)]) { $1 }
    }

    private static let bidirectional: [String: Attribute] = ["direction": .string("bidirectional")]

    private static let lstmSamples = [
        Sample([.real(3, 2, 2), .real(1, 12, 2), .real(1, 12, 3), .real(1, 24)], hidden(3), outputs: 3),
        Sample(
            [
                .real(3, 2, 2), .real(2, 8, 2), .real(2, 8, 2), .real(2, 16), .integers([2], [3, 1]), .real(2, 2, 2), .real(2, 2, 2),
                .real(2, 6),
            ], hidden(2, bidirectional), outputs: 3),
        Sample(
            [.real(2, 3, 2), .real(1, 8, 2), .real(1, 8, 2), .absent, .absent, .real(2, 1, 2), .real(2, 1, 2), .real(1, 6)],
            hidden(2, ["layout": .int(1), "direction": .string("reverse"), "input_forget": .int(1), "clip": .float(0.6)]), outputs: 3),
        Sample(
            [.real(2, 1, 2), .real(1, 8, 2), .real(1, 8, 2)],
            hidden(2, ["activations": .strings(["HardSigmoid", "Softsign", "Elu"]), "activation_alpha": .floats([0.3, 0.7])]), outputs: 1),
    ]

    private static let gruSamples = [
        Sample([.real(3, 2, 2), .real(1, 9, 2), .real(1, 9, 3), .real(1, 18)], hidden(3, ["linear_before_reset": .int(1)]), outputs: 2),
        Sample(
            [.real(2, 3, 2), .real(1, 6, 2), .real(1, 6, 2), .real(1, 12), .integers([2], [1, 3]), .real(2, 1, 2)],
            hidden(2, ["layout": .int(1), "direction": .string("reverse")]), outputs: 2),
        Sample(
            [.real(3, 1, 2), .real(2, 6, 2), .real(2, 6, 2)],
            hidden(2, bidirectional.merging(["activations": .strings(["Sigmoid", "ScaledTanh", "Affine", "Softplus"])]) { $1 }), outputs: 2),
    ]

    private static let rnnSamples = [
        Sample([.real(3, 2, 2), .real(1, 3, 2), .real(1, 3, 3)], hidden(3), outputs: 2),
        Sample(
            [.real(4, 2, 2), .real(2, 2, 2), .real(2, 2, 2), .real(2, 4), .integers([2], [4, 0]), .real(2, 2, 2)],
            hidden(2, bidirectional.merging(["activations": .strings(["LeakyRelu", "ThresholdedRelu"])]) { $1 }), outputs: 2),
    ]

    /// The layer's sample with gradients that arrive in front.
    private static func gradSample(_ sample: Sample, _ kind: RecurrentKind) -> Sample {
        let seeds: [Sample.Input] = [.real(3, 1, 2, 3), .absent, kind == .lstm ? .real(1, 2, 3) : .absent]
        var attributes = sample.attributes
        attributes["wanted"] = .ints([1, 1, 1, sample.inputs.count > 3 ? 1 : 0, 0, 0, 0])
        return Sample(seeds + sample.inputs, attributes, outputs: differentiable.count)
    }
}

/// The recurrent layers of ONNX.
enum RecurrentKind {
    case lstm, gru, rnn

    /// Blocks of rows in the weights: i, o, f, c; z, r, h; i.
    var gates: Int {
        switch self {
        case .lstm: 4
        case .gru: 3
        case .rnn: 1
        }
    }

    /// Functions of one direction, by default.
    var activations: [String] {
        switch self {
        case .lstm: ["Sigmoid", "Tanh", "Tanh"]
        case .gru: ["Sigmoid", "Tanh"]
        case .rnn: ["Tanh"]
        }
    }
}

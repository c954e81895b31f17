internal import Glibc
internal import Tensors

/// Recurrent layers (ONNX LSTM, GRU and RNN 7 to 22) in every direction, with sequence lengths, peepholes, clipping and
/// both layouts.
///
///     LSTM  i, o, f = σ(x W + h R + p c + b)   c' = f c + i tanh(x W + h R + b)   h' = o tanh(c')
///     GRU   z, r = σ(x W + h R + b)   n = tanh(x W + (r h) R + b)   h' = (1 - z) n + z h
///     RNN   h' = tanh(x W + h R + b)
enum Recurrent {
    static let operators = [
        layer(
            "LSTM", gates: 4, arity: 3...8,
            samples: [
                Sample([.real(3, 2, 2), .real(1, 12, 2), .real(1, 12, 3), .real(1, 24)], ["hidden_size": .int(3)], outputs: 3),
                Sample(
                    [.real(3, 2, 2), .real(2, 8, 2), .real(2, 8, 2), .absent, .integers([2], [3, 1]), .absent, .absent, .real(2, 6)],
                    ["hidden_size": .int(2), "direction": .string("bidirectional")], outputs: 3),
            ]),
        layer(
            "GRU", gates: 3, arity: 3...6,
            samples: [
                Sample(
                    [.real(3, 2, 2), .real(1, 9, 2), .real(1, 9, 3), .real(1, 18)],
                    ["hidden_size": .int(3), "linear_before_reset": .int(1)], outputs: 2),
                Sample(
                    [.real(2, 3, 2), .real(1, 6, 2), .real(1, 6, 2)],
                    ["hidden_size": .int(2), "layout": .int(1), "direction": .string("reverse")], outputs: 2),
            ]),
        layer(
            "RNN", gates: 1, arity: 3...6,
            samples: [Sample([.real(3, 2, 2), .real(1, 3, 2), .real(1, 3, 3)], ["hidden_size": .int(3)], outputs: 2)]),
    ]

    private static func layer(_ name: String, gates: Int, arity: ClosedRange<Int>, samples: [Sample]) -> Operator {
        Operator(
            name, arity: arity, infer: { try infer($0, gates) }, compute: { try RecurrentLayer($0, gates: gates).run() },
            noGradient: "recurrent gradients are not available yet", samples: samples)
    }

    private static func infer(_ c: Inference, _ gates: Int) throws -> [TensorType] {
        let type = try c.type(0), x = try c.dims(0), r = try c.dims(2)
        guard x.count == 3, r.count == 3 else { throw Failure.shape("input has \(x.count) axes and R \(r.count), expected 3 each") }
        let hidden = c.ints("hidden_size") == nil ? c.node.attributes["hidden_size"]?.int.map { Dim($0) } ?? r[2] : r[2]
        let directions = Dim(c.string("direction", default: "forward") == "bidirectional" ? 2 : 1)
        let isBatchFirst = c.flag("layout")
        let batch = isBatchFirst ? x[0] : x[1], time = isBatchFirst ? x[1] : x[0]
        let state = TensorType(type.element, isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden])
        let all = TensorType(type.element, isBatchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden])
        return gates == 4 ? [all, state, state] : [all, state]
    }
}

/// One run of a recurrent layer, in double.
private struct RecurrentLayer {
    private let call: Call
    private let x: Tensor
    private let gates: Int, time: Int, batch: Int, width: Int, hidden: Int, directions: Int
    private let isBatchFirst: Bool
    private let input: [Double], w: [Double], r: [Double], bias: [Double], peepholes: [Double]?
    private let lengths: [Int]
    private let clip: Double
    private let activations: [RecurrentActivation]

    init(_ call: Call, gates: Int) throws {
        self.call = call
        self.gates = gates
        x = try call.tensor(0)
        let recurrence = try call.tensor(2), weight = try call.tensor(1)
        guard x.shape.count == 3, recurrence.shape.count == 3 else { throw Failure.shape("input and R must have 3 axes") }
        isBatchFirst = call.flag("layout")
        (time, batch, width) = isBatchFirst ? (x.shape[1], x.shape[0], x.shape[2]) : (x.shape[0], x.shape[1], x.shape[2])
        hidden = recurrence.shape[2]
        directions = call.string("direction", default: "forward") == "bidirectional" ? 2 : 1
        let rows = gates * hidden
        try RecurrentLayer.expect(weight, [directions, rows, width], "W")
        try RecurrentLayer.expect(recurrence, [directions, rows, hidden], "R")
        input = try Convolution.reals(x).array(Double.self)
        w = try Convolution.reals(weight).array(Double.self)
        r = try Convolution.reals(recurrence).array(Double.self)
        bias = try RecurrentLayer.optional(call, 3, [directions, 2 * rows], "B") ?? [Double](repeating: 0, count: directions * 2 * rows)
        peepholes = gates == 4 ? try RecurrentLayer.optional(call, 7, [directions, 3 * hidden], "P") : nil
        let time = time, lengths = try call.optional(4)?.integers() ?? [Int](repeating: time, count: batch)
        guard lengths.count == batch, lengths.allSatisfy({ (0...time).contains($0) }) else {
            throw Failure.shape("sequence_lens are \(lengths), expected \(batch) numbers in 0...\(time)")
        }
        self.lengths = lengths
        let limit = call.float("clip", default: 0)
        clip = limit > 0 ? limit : .infinity
        activations = try RecurrentActivation.list(call, gates: gates, directions: directions)
    }

    private static func expect(_ tensor: Tensor, _ shape: [Int], _ name: String) throws {
        guard tensor.shape == shape else { throw Failure.shape("\(name) is \(Shape.text(tensor.shape)), expected \(Shape.text(shape))") }
    }

    private static func optional(_ call: Call, _ index: Int, _ shape: [Int], _ name: String) throws -> [Double]? {
        guard let tensor = try call.optional(index) else { return nil }
        try expect(tensor, shape, name)
        return try Convolution.reals(tensor).array(Double.self)
    }

    /// Place of a state in its tensor.
    private func place(_ direction: Int, _ b: Int) -> Int { (isBatchFirst ? b * directions + direction : direction * batch + b) * hidden }

    func run() throws -> [Tensor] {
        let stateShape = isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden]
        let zeros = [Double](repeating: 0, count: directions * batch * hidden)
        var h = try RecurrentLayer.optional(call, 5, stateShape, "initial_h") ?? zeros
        var c = gates == 4 ? try RecurrentLayer.optional(call, 6, stateShape, "initial_c") ?? zeros : []
        var y = [Double](repeating: 0, count: time * directions * batch * hidden)
        for direction in 0..<directions {
            let isReverse = direction == 1 || call.string("direction", default: "forward") == "reverse"
            for b in 0..<batch {
                let at = place(direction, b)
                var state = Array(h[at..<at + hidden]), cell = gates == 4 ? Array(c[at..<at + hidden]) : []
                for step in 0..<lengths[b] {
                    let t = isReverse ? lengths[b] - 1 - step : step
                    advance(direction, (isBatchFirst ? b * time + t : t * batch + b) * width, &state, &cell)
                    let target =
                        isBatchFirst
                        ? ((b * time + t) * directions + direction) * hidden : ((t * directions + direction) * batch + b) * hidden
                    y.replaceSubrange(target..<target + hidden, with: state)
                }
                h.replaceSubrange(at..<at + hidden, with: state)
                if gates == 4 { c.replaceSubrange(at..<at + hidden, with: cell) }
            }
        }
        let all = isBatchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden]
        let results = [(y, all), (h, stateShape)] + (gates == 4 ? [(c, stateShape)] : [])
        return try results.map { try Tensor($0.0, $0.1).converted(to: x.type) }
    }

    /// Row `row` of W times the input at `at`, plus its bias.
    private func fromInput(_ direction: Int, _ row: Int, _ at: Int) -> Double {
        let start = (direction * gates * hidden + row) * width
        var sum = bias[direction * 2 * gates * hidden + row]
        for i in 0..<width { sum += w[start + i] * input[at + i] }
        return sum
    }

    /// Row `row` of R times the state, plus its bias.
    private func fromState(_ direction: Int, _ row: Int, _ state: [Double]) -> Double {
        let start = (direction * gates * hidden + row) * hidden
        var sum = bias[(direction * 2 + 1) * gates * hidden + row]
        for i in 0..<hidden { sum += r[start + i] * state[i] }
        return sum
    }

    private func activate(_ direction: Int, _ which: Int, _ value: Double) -> Double {
        activations[direction * (gates == 4 ? 3 : gates == 3 ? 2 : 1) + which].formula(min(max(value, -clip), clip))
    }

    private func advance(_ direction: Int, _ at: Int, _ state: inout [Double], _ cell: inout [Double]) {
        switch gates {
        case 4: advanceLSTM(direction, at, &state, &cell)
        case 3: advanceGRU(direction, at, &state)
        default:
            let old = state
            for j in 0..<hidden { state[j] = activate(direction, 0, fromInput(direction, j, at) + fromState(direction, j, old)) }
        }
    }

    private func advanceLSTM(_ direction: Int, _ at: Int, _ state: inout [Double], _ cell: inout [Double]) {
        let old = state
        func sum(_ gate: Int, _ j: Int) -> Double {
            fromInput(direction, gate * hidden + j, at) + fromState(direction, gate * hidden + j, old)
        }
        func peep(_ gate: Int, _ j: Int) -> Double { peepholes.map { $0[(direction * 3 + gate) * hidden + j] * cell[j] } ?? 0 }
        for j in 0..<hidden {
            let f = activate(direction, 0, sum(2, j) + peep(2, j))
            let i = call.flag("input_forget") ? 1 - f : activate(direction, 0, sum(0, j) + peep(0, j))
            cell[j] = f * cell[j] + i * activate(direction, 1, sum(3, j))
            let o = activate(direction, 0, sum(1, j) + peep(1, j))
            state[j] = o * activations[direction * 3 + 2].formula(cell[j])
        }
    }

    private func advanceGRU(_ direction: Int, _ at: Int, _ state: inout [Double]) {
        let old = state
        let resets = (0..<hidden).map {
            activate(direction, 0, fromInput(direction, hidden + $0, at) + fromState(direction, hidden + $0, old))
        }
        let isLinear = call.flag("linear_before_reset")
        let gated = isLinear ? old : zip(resets, old).map { $0 * $1 }
        for j in 0..<hidden {
            let z = activate(direction, 0, fromInput(direction, j, at) + fromState(direction, j, old))
            let recurrent = fromState(direction, 2 * hidden + j, gated)
            let n = activate(direction, 1, fromInput(direction, 2 * hidden + j, at) + (isLinear ? resets[j] * recurrent : recurrent))
            state[j] = (1 - z) * n + z * old[j]
        }
    }
}

/// A named function of a recurrent layer.
private struct RecurrentActivation {
    let formula: @Sendable (Double) -> Double

    /// Those of the node for every direction, with ONNX's defaults.
    static func list(_ call: Call, gates: Int, directions: Int) throws -> [RecurrentActivation] {
        let defaults = gates == 4 ? ["Sigmoid", "Tanh", "Tanh"] : gates == 3 ? ["Sigmoid", "Tanh"] : ["Tanh"]
        let all = Array(repeating: defaults, count: directions).flatMap { $0 }
        let names = call.node.attributes["activations"]?.strings.flatMap { $0.isEmpty ? nil : $0 } ?? all
        guard names.count == all.count else { throw Failure.invalid("there are \(names.count) activations, expected \(all.count)") }
        var alphas = (call.node.attributes["activation_alpha"]?.floats ?? [])[...]
        var betas = (call.node.attributes["activation_beta"]?.floats ?? [])[...]
        return try names.map { try RecurrentActivation($0.lowercased(), &alphas, &betas) }
    }

    /// Takes the numbers that the function needs from the front of the lists.
    private init(_ name: String, _ alphas: inout ArraySlice<Double>, _ betas: inout ArraySlice<Double>) throws {
        func alpha(_ value: Double) -> Double { alphas.popFirst() ?? value }
        func beta(_ value: Double) -> Double { betas.popFirst() ?? value }
        switch name {
        case "sigmoid": formula = { 1 / (1 + exp(-$0)) }
        case "tanh": formula = { tanh($0) }
        case "relu": formula = { max($0, 0) }
        case "softsign": formula = { $0 / (1 + $0.magnitude) }
        case "softplus": formula = { max($0, 0) + log1p(exp(-$0.magnitude)) }
        case "leakyrelu": let a = alpha(0.01); formula = { $0 < 0 ? a * $0 : $0 }
        case "thresholdedrelu": let a = alpha(1); formula = { $0 > a ? $0 : 0 }
        case "elu": let a = alpha(1); formula = { $0 < 0 ? a * expm1($0) : $0 }
        case "affine": let a = alpha(1), b = beta(0); formula = { a * $0 + b }
        case "scaledtanh": let a = alpha(1), b = beta(1); formula = { a * tanh(b * $0) }
        case "hardsigmoid": let a = alpha(0.2), b = beta(0.5); formula = { min(max(a * $0 + b, 0), 1) }
        default: throw Failure.unsupported("activation \(name)")
        }
    }
}

internal import Glibc
internal import Tensors

/// ONNX LinearAttention (27): a memory S of keys by values in place of a softmax.
///
///     S' = exp(g) S   u = v, or β (v - S'ᵀ k) in the delta forms   S ← S' + k uᵀ   o = scale Sᵀ q
///
///     LinearAttentionGrad  (dY, dS, then the six inputs) → gradients by the six inputs; scalar zeros for absent ones
///
/// Schlag et al., "Linear transformers are secretly fast weight programmers", 2021; Yang et al., "Gated delta networks", 2025.
enum LinearAttention {
    static let operators = [
        Operator(
            "LinearAttention", arity: 3...6, infer: infer, compute: { try LinearAttentionRun($0, from: 0).forward() }, vjp: vjp,
            samples: samples),
        Operator(
            "LinearAttentionGrad", arity: 5...8, infer: inferGrad, compute: { try LinearAttentionRun($0, from: 2).backward() },
            noGradient: "linear attention has first derivatives only",
            samples: [Sample([.real(1, 3, 4), .absent] + samples[0].inputs, samples[0].attributes, outputs: 6)]),
    ]

    private static func infer(_ c: Inference) throws -> [TensorType] {
        let type = try c.type(0), q = try c.dims(0), k = try c.dims(1), v = try c.dims(2)
        guard q.count == 3, k.count == 3, v.count == 3 else { throw Failure.shape("query, key and value should have 3 axes") }
        let (queries, heads) = try LinearAttentionRun.heads(c)
        let depth = k[2].value.map { Dim($0 / heads) } ?? .unknown, width = v[2].value.map { Dim($0 / heads) } ?? .unknown
        let state = c.has(3) ? try c.type(3).element : type.element
        return [TensorType(type.element, [q[0], q[1], width * Dim(queries)]), TensorType(state, [q[0], Dim(heads), depth, width])]
    }

    private static func inferGrad(_ c: Inference) throws -> [TensorType] {
        try (2..<8).map { c.has($0) ? try c.type($0) : TensorType(try c.type(2).element, []) }
    }

    private static func vjp(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        let inputs = (node.inputs + [ValueID?](repeating: nil, count: 6)).prefix(6), seeds = (arriving + [nil]).prefix(2)
        let outputs = try g.emit("LinearAttentionGrad", Array(seeds + inputs), node.attributes, outputs: 6)
        return node.inputs.indices.map { node.inputs[$0] == nil ? nil : outputs[$0] }
    }

    private static func attributes(_ queries: Int, _ heads: Int, _ rule: String) -> [String: Attribute] {
        ["q_num_heads": .int(queries), "kv_num_heads": .int(heads), "update_rule": .string(rule)]
    }

    private static let samples = [
        Sample([.real(1, 3, 4), .real(1, 3, 4), .real(1, 3, 4)], attributes(2, 2, "linear"), outputs: 2),
        Sample(
            [.real(2, 3, 8), .real(2, 3, 4), .real(2, 3, 6), .real(2, 2, 2, 3), .real(2, 3, 4)], attributes(4, 2, "gated"), outputs: 2),
        Sample(
            [.real(2, 3, 4), .real(2, 3, 4), .real(2, 3, 6), .absent, .absent, .positive(2, 3, 1)], attributes(2, 2, "delta"), outputs: 2),
        Sample(
            [.real(1, 4, 4), .real(1, 4, 4), .real(1, 4, 2), .real(1, 2, 2, 1), .real(1, 4, 2), .positive(1, 4, 2)],
            attributes(2, 2, "gated_delta").merging(["scale": .float(0.8)]) { $1 }, outputs: 2),
    ]
}

/// One run, in double, forwards or backwards.
private struct LinearAttentionRun {
    private let call: Call
    private let first: Int
    private let batch: Int, time: Int, queries: Int, heads: Int, depth: Int, width: Int
    private let scale: Double
    private let q: [Double], k: [Double], v: [Double]
    private let past: [Double]?, decay: [Double]?, beta: [Double]?
    /// Entries of the decay and of the update rate for each step.
    private let decayWidth: Int, betaWidth: Int
    private let isDelta: Bool

    /// Heads of the queries, and of keys and values.
    static func heads(_ c: some NodeReader) throws -> (queries: Int, heads: Int) {
        let queries = c.int("q_num_heads", default: 0), heads = c.int("kv_num_heads", default: 0)
        guard queries > 0, heads > 0, queries % heads == 0 else {
            throw Failure.invalid("q_num_heads is \(queries) and kv_num_heads \(heads), expected a multiple")
        }
        return (queries, heads)
    }

    init(_ call: Call, from first: Int) throws {
        self.call = call
        self.first = first
        (queries, heads) = try LinearAttentionRun.heads(call)
        let q = try call.tensor(first), k = try call.tensor(first + 1), v = try call.tensor(first + 2)
        guard q.shape.count == 3, k.shape.count == 3, v.shape.count == 3, k.shape[2] % heads == 0, v.shape[2] % heads == 0 else {
            throw Failure.shape("query, key and value should have 3 axes, the last a multiple of \(heads) heads")
        }
        (batch, time, depth, width) = (q.shape[0], q.shape[1], k.shape[2] / heads, v.shape[2] / heads)
        let rule = call.string("update_rule", default: "gated_delta")
        guard ["linear", "gated", "delta", "gated_delta"].contains(rule) else { throw Failure.invalid("update_rule is \(rule)") }
        isDelta = rule.hasSuffix("delta")
        let isGated = rule.hasPrefix("gated"), decay = try call.optional(first + 4), beta = try call.optional(first + 5)
        guard isGated == (decay != nil), isDelta == (beta != nil) else {
            throw Failure.invalid("update_rule \(rule) \(isGated ? "needs" : "has no") decay and \(isDelta ? "needs" : "has no") beta")
        }
        (decayWidth, betaWidth) = (decay?.shape.last ?? 0, beta?.shape.last ?? 0)
        let expected = [
            (q, [batch, time, queries * depth]), (k, [batch, time, heads * depth]), (v, [batch, time, heads * width]),
            (try call.optional(first + 3), [batch, heads, depth, width]), (decay, [batch, time, decayWidth]),
            (beta, [batch, time, betaWidth]),
        ]
        for (tensor, shape) in expected where tensor.map({ $0.shape != shape }) ?? false {
            throw Failure.shape("an input is \(Shape.text(tensor?.shape ?? [])), expected \(Shape.text(shape))")
        }
        guard decay == nil || decayWidth == heads || decayWidth == heads * depth, beta == nil || betaWidth == heads || betaWidth == 1 else {
            throw Failure.shape("decay has \(decayWidth) and beta \(betaWidth) entries for \(heads) heads of \(depth)")
        }
        let given = call.float("scale", default: 0)
        scale = given == 0 ? 1 / Double(max(depth, 1)).squareRoot() : given
        func numbers(_ tensor: Tensor) throws -> [Double] { try Convolution.reals(tensor).array(Double.self) }
        (self.q, self.k, self.v) = (try numbers(q), try numbers(k), try numbers(v))
        (past, self.decay, self.beta) = (try call.optional(first + 3).map(numbers), try decay.map(numbers), try beta.map(numbers))
    }

    // MARK: Places

    private func row(_ b: Int, _ t: Int) -> Int { b * time + t }
    private func key(_ b: Int, _ t: Int, _ h: Int) -> Int { (row(b, t) * heads + h) * depth }
    private func value(_ b: Int, _ t: Int, _ h: Int) -> Int { (row(b, t) * heads + h) * width }
    private func rate(_ b: Int, _ t: Int, _ h: Int) -> Int { row(b, t) * betaWidth + (betaWidth == 1 ? 0 : h) }
    private func gate(_ b: Int, _ t: Int, _ h: Int, _ d: Int) -> Int {
        row(b, t) * decayWidth + (decayWidth == heads * depth ? h * depth + d : h)
    }
    private var stateCount: Int { depth * width }

    // MARK: Forwards

    /// The memory after a step, the decayed one before it was written to, and what was written.
    private func advance(_ state: [Double], _ b: Int, _ t: Int, _ h: Int) -> (state: [Double], decayed: [Double], written: [Double]) {
        var decayed = state
        if let decay {
            for d in 0..<depth {
                let factor = exp(decay[gate(b, t, h, d)])
                for m in 0..<width { decayed[d * width + m] *= factor }
            }
        }
        let k0 = key(b, t, h), v0 = value(b, t, h)
        var written = Array(v[v0..<v0 + width])
        if isDelta, let beta {
            for d in 0..<depth { for m in 0..<width { written[m] -= decayed[d * width + m] * k[k0 + d] } }
            for m in 0..<width { written[m] *= beta[rate(b, t, h)] }
        }
        var next = decayed
        for d in 0..<depth { for m in 0..<width { next[d * width + m] += k[k0 + d] * written[m] } }
        return (next, decayed, written)
    }

    private func initial(_ b: Int, _ h: Int) -> [Double] {
        let start = (b * heads + h) * stateCount
        return past.map { Array($0[start..<start + stateCount]) } ?? [Double](repeating: 0, count: stateCount)
    }

    func forward() throws -> [Tensor] {
        let group = queries / heads
        var y = [Double](repeating: 0, count: try Shape.count([batch, time, queries * width])), last: [Double] = []
        for b in 0..<batch {
            for h in 0..<heads {
                var state = initial(b, h)
                for t in 0..<time {
                    state = advance(state, b, t, h).state
                    for query in (h * group)..<((h + 1) * group) {
                        let from = (row(b, t) * queries + query) * depth, to = (row(b, t) * queries + query) * width
                        for d in 0..<depth { for m in 0..<width { y[to + m] += scale * q[from + d] * state[d * width + m] } }
                    }
                }
                last += state
            }
        }
        let element = try call.tensor(first).type, memory = try call.optional(first + 3)?.type ?? element
        return [
            try Tensor(y, [batch, time, queries * width]).converted(to: element),
            try Tensor(last, [batch, heads, depth, width]).converted(to: memory),
        ]
    }

    // MARK: Backwards

    func backward() throws -> [Tensor] {
        func seed(_ index: Int, _ shape: [Int]) throws -> [Double]? {
            guard let tensor = try call.optional(index) else { return nil }
            guard tensor.shape == shape else {
                throw Failure.shape("gradient is \(Shape.text(tensor.shape)), expected \(Shape.text(shape))")
            }
            return try Convolution.reals(tensor).array(Double.self)
        }
        let dy = try seed(0, [batch, time, queries * width]), last = try seed(1, [batch, heads, depth, width])
        _ = try Shape.count([time, depth, width])
        var sums = [q, k, v, past ?? [0], decay ?? [0], beta ?? [0]].map { [Double](repeating: 0, count: $0.count) }
        for b in 0..<batch {
            for h in 0..<heads {
                let start = (b * heads + h) * stateCount
                var signal = last.map { Array($0[start..<start + stateCount]) } ?? [Double](repeating: 0, count: stateCount)
                var states = [initial(b, h)]
                for t in 0..<time { states.append(advance(states[t], b, t, h).state) }
                for t in (0..<time).reversed() {
                    if let dy { read(dy, states[t + 1], b, t, h, &signal, &sums[0]) }
                    retreat(states[t], b, t, h, &signal, &sums)
                }
                if past != nil { sums[3].replaceSubrange(start..<start + stateCount, with: signal) }
            }
        }
        return try sums.enumerated().map { index, numbers in
            let like = try call.optional(first + index)
            return try Tensor(numbers, like?.shape ?? []).converted(to: like?.type ?? call.tensor(first).type)
        }
    }

    /// Back through the output of a step.
    private func read(
        _ dy: [Double], _ state: [Double], _ b: Int, _ t: Int, _ h: Int, _ signal: inout [Double], _ dq: inout [Double]
    ) {
        let group = queries / heads
        for query in (h * group)..<((h + 1) * group) {
            let from = (row(b, t) * queries + query) * depth, to = (row(b, t) * queries + query) * width
            for d in 0..<depth {
                for m in 0..<width {
                    dq[from + d] += scale * dy[to + m] * state[d * width + m]
                    signal[d * width + m] += scale * q[from + d] * dy[to + m]
                }
            }
        }
    }

    /// Back through the update of a step, from the memory before it.
    private func retreat(_ old: [Double], _ b: Int, _ t: Int, _ h: Int, _ signal: inout [Double], _ sums: inout [[Double]]) {
        let (_, decayed, written) = advance(old, b, t, h), k0 = key(b, t, h), v0 = value(b, t, h)
        var byWritten = [Double](repeating: 0, count: width)
        for d in 0..<depth {
            for m in 0..<width {
                sums[1][k0 + d] += signal[d * width + m] * written[m]
                byWritten[m] += signal[d * width + m] * k[k0 + d]
            }
        }
        if isDelta, let beta {
            let factor = beta[rate(b, t, h)]
            for m in 0..<width {
                var error = v[v0 + m]
                for d in 0..<depth { error -= decayed[d * width + m] * k[k0 + d] }
                sums[5][rate(b, t, h)] += byWritten[m] * error
                byWritten[m] *= factor
            }
            for d in 0..<depth {
                for m in 0..<width {
                    sums[1][k0 + d] -= decayed[d * width + m] * byWritten[m]
                    signal[d * width + m] -= k[k0 + d] * byWritten[m]
                }
            }
        }
        for m in 0..<width { sums[2][v0 + m] += byWritten[m] }
        guard let decay else { return }
        for d in 0..<depth {
            let at = gate(b, t, h, d), factor = exp(decay[at])
            for m in 0..<width {
                sums[4][at] += signal[d * width + m] * decayed[d * width + m]
                signal[d * width + m] *= factor
            }
        }
    }
}

internal import Tensors

/// What one step of a layer computed, and what it was given.
struct RecurrentStep {
    let input: [Double], oldState: [Double], oldMemory: [Double]
    /// What the gates' functions saw, and what they gave, gate by gate.
    let sums: [Double], gates: [Double]
    /// The share of the old state in a GRU's candidate, before the reset gate (`linear_before_reset`).
    let candidate: [Double]
    let state: [Double], memory: [Double]
}

/// Gradients on their way back through a step.
struct RecurrentSignal {
    var state: [Double], memory: [Double]
    var input: [Double] = []
}

/// Gradients by the weights of one direction, summed over steps.
struct RecurrentSums {
    var w: [Double], r: [Double], bias: [Double], peepholes: [Double]
    /// False when nobody asks for those of the matrices.
    let byWeights: Bool

    init(_ cell: RecurrentCell, byWeights: Bool) {
        self.byWeights = byWeights
        let rows = cell.rows
        w = [Double](repeating: 0, count: rows * cell.width)
        r = [Double](repeating: 0, count: rows * cell.hidden)
        bias = [Double](repeating: 0, count: 2 * rows)
        peepholes = [Double](repeating: 0, count: 3 * cell.hidden)
    }
}

/// The weights of one direction, and a step forwards and back.
struct RecurrentCell {
    let kind: RecurrentKind
    let width: Int, hidden: Int
    private let w: [Double], r: [Double], bias: [Double]?, peepholes: [Double]?
    private let activations: [RecurrentActivation]
    private let isLinear: Bool, isCoupled: Bool

    var rows: Int { kind.gates * hidden }

    init(
        _ kind: RecurrentKind, width: Int, hidden: Int, w: [Double], r: [Double], bias: [Double]?, peepholes: [Double]?,
        activations: [RecurrentActivation], isLinear: Bool, isCoupled: Bool
    ) {
        self.kind = kind
        self.width = width
        self.hidden = hidden
        self.w = w
        self.r = r
        self.bias = bias
        self.peepholes = peepholes
        self.activations = activations
        self.isLinear = isLinear
        self.isCoupled = isCoupled
    }

    // MARK: Products

    /// Adds rows of a matrix times a vector.
    private func add(_ matrix: [Double], _ rows: Range<Int>, _ vector: [Double], to sums: inout [Double]) {
        let count = vector.count
        matrix.withUnsafeBufferPointer { matrix in
            vector.withUnsafeBufferPointer { vector in
                for row in rows {
                    // Four sums at a time: one alone would wait for itself.
                    let start = row * count
                    var parts = SIMD4<Double>.zero, i = 0
                    while i + 4 <= count {
                        let a = SIMD4(matrix[start + i], matrix[start + i + 1], matrix[start + i + 2], matrix[start + i + 3])
                        parts += a * SIMD4(vector[i], vector[i + 1], vector[i + 2], vector[i + 3])
                        i += 4
                    }
                    var sum = parts.sum()
                    while i < count { sum += matrix[start + i] * vector[i]; i += 1 }
                    sums[row] += sum
                }
            }
        }
    }

    /// Adds the transposed rows of a matrix times a vector that has an entry for every row.
    private func addTransposed(_ matrix: [Double], _ rows: Range<Int>, _ vector: [Double], to sums: inout [Double]) {
        let count = sums.count
        matrix.withUnsafeBufferPointer { matrix in
            sums.withUnsafeMutableBufferPointer { sums in
                for row in rows where vector[row] != 0 {
                    let factor = vector[row]
                    for i in 0..<count { sums[i] += matrix[row * count + i] * factor }
                }
            }
        }
    }

    /// Adds the outer product of `column`, which has an entry for every row, and `row`.
    private func addOuter(_ column: [Double], _ rows: Range<Int>, _ row: [Double], to sums: inout [Double]) {
        let count = row.count
        sums.withUnsafeMutableBufferPointer { sums in
            for i in rows where column[i] != 0 { for j in 0..<count { sums[i * count + j] += column[i] * row[j] } }
        }
    }

    /// Rows of the gates `first` up to `last`.
    private func rows(_ first: Int, _ last: Int) -> Range<Int> { (first * hidden)..<(last * hidden) }

    private func fromInput(_ x: [Double]) -> [Double] {
        var sums = bias.map { Array($0[..<rows]) } ?? [Double](repeating: 0, count: rows)
        add(w, 0..<rows, x, to: &sums)
        return sums
    }

    // MARK: Forwards

    func advance(_ x: ArraySlice<Double>, _ h: [Double], _ c: [Double]) -> RecurrentStep {
        switch kind {
        case .lstm: advanceLSTM(Array(x), h, c)
        case .gru: advanceGRU(Array(x), h)
        case .rnn: advanceRNN(Array(x), h)
        }
    }

    private func advanceRNN(_ x: [Double], _ h: [Double]) -> RecurrentStep {
        var sums = fromInput(x)
        addState(h, 0..<rows, to: &sums)
        let gates = sums.map { activations[0].value($0) }
        return RecurrentStep(
            input: x, oldState: h, oldMemory: [], sums: sums, gates: gates, candidate: [], state: gates, memory: [])
    }

    /// Adds rows of R times a state, and their bias.
    private func addState(_ h: [Double], _ rows: Range<Int>, to sums: inout [Double]) {
        if let bias { for row in rows { sums[row] += bias[self.rows + row] } }
        add(r, rows, h, to: &sums)
    }

    private func advanceLSTM(_ x: [Double], _ h: [Double], _ c: [Double]) -> RecurrentStep {
        let n = hidden
        var sums = fromInput(x), gates = [Double](repeating: 0, count: rows)
        addState(h, 0..<rows, to: &sums)
        if let p = peepholes { for j in 0..<n { sums[j] += p[j] * c[j]; sums[2 * n + j] += p[2 * n + j] * c[j] } }
        var state = h, memory = c
        for j in 0..<n {
            gates[j] = activations[0].value(sums[j])
            gates[2 * n + j] = isCoupled ? 1 - gates[j] : activations[0].value(sums[2 * n + j])
            gates[3 * n + j] = activations[1].value(sums[3 * n + j])
            memory[j] = gates[2 * n + j] * c[j] + gates[j] * gates[3 * n + j]
            if let p = peepholes { sums[n + j] += p[n + j] * memory[j] }
            gates[n + j] = activations[0].value(sums[n + j])
            state[j] = gates[n + j] * activations[2].value(memory[j])
        }
        return RecurrentStep(
            input: x, oldState: h, oldMemory: c, sums: sums, gates: gates, candidate: [], state: state, memory: memory)
    }

    private func advanceGRU(_ x: [Double], _ h: [Double]) -> RecurrentStep {
        let n = hidden
        var sums = fromInput(x), gates = [Double](repeating: 0, count: rows), recurrent = gates
        addState(h, rows(0, 2), to: &sums)
        for j in 0..<2 * n { gates[j] = activations[0].value(sums[j]) }
        addState(isLinear ? h : (0..<n).map { gates[n + $0] * h[$0] }, rows(2, 3), to: &recurrent)
        var state = h
        for j in 0..<n {
            sums[2 * n + j] += isLinear ? gates[n + j] * recurrent[2 * n + j] : recurrent[2 * n + j]
            gates[2 * n + j] = activations[1].value(sums[2 * n + j])
            state[j] = (1 - gates[j]) * gates[2 * n + j] + gates[j] * h[j]
        }
        return RecurrentStep(
            input: x, oldState: h, oldMemory: [], sums: sums, gates: gates, candidate: Array(recurrent[rows(2, 3)]), state: state,
            memory: [])
    }

    // MARK: Backwards

    /// The gradients of a step's inputs from those of its results; adds those of the weights to `sums`.
    func retreat(_ step: RecurrentStep, _ back: RecurrentSignal, _ sums: inout RecurrentSums) -> RecurrentSignal {
        switch kind {
        case .lstm: retreatLSTM(step, back, &sums)
        case .gru: retreatGRU(step, back, &sums)
        case .rnn: retreatRNN(step, back, &sums)
        }
    }

    /// What is common to all kinds: `d` are the gradients of the gates' sums by the input, `dr` by the state's share, which the
    /// rows `direct` of R make of the old state.
    private func finish(
        _ step: RecurrentStep, _ d: [Double], _ dr: [Double], direct: Range<Int>, _ signal: RecurrentSignal, _ sums: inout RecurrentSums
    ) -> RecurrentSignal {
        var result = signal
        result.input = [Double](repeating: 0, count: width)
        addTransposed(w, 0..<rows, d, to: &result.input)
        addTransposed(r, direct, dr, to: &result.state)
        for i in 0..<rows { sums.bias[i] += d[i]; sums.bias[rows + i] += dr[i] }
        if sums.byWeights {
            addOuter(d, 0..<rows, step.input, to: &sums.w)
            addOuter(dr, direct, step.oldState, to: &sums.r)
        }
        return result
    }

    private func retreatRNN(_ step: RecurrentStep, _ back: RecurrentSignal, _ sums: inout RecurrentSums) -> RecurrentSignal {
        let d = (0..<hidden).map { back.state[$0] * activations[0].slope(step.sums[$0]) }
        let zeros = [Double](repeating: 0, count: hidden)
        return finish(step, d, d, direct: 0..<rows, RecurrentSignal(state: zeros, memory: zeros), &sums)
    }

    private func retreatLSTM(_ step: RecurrentStep, _ back: RecurrentSignal, _ sums: inout RecurrentSums) -> RecurrentSignal {
        let n = hidden, gates = step.gates
        var d = [Double](repeating: 0, count: rows)
        var signal = RecurrentSignal(state: [Double](repeating: 0, count: n), memory: [Double](repeating: 0, count: n))
        for j in 0..<n {
            let (i, o, f, g) = (gates[j], gates[n + j], gates[2 * n + j], gates[3 * n + j])
            let shown = activations[2].value(step.memory[j])
            d[n + j] = back.state[j] * shown * activations[0].slope(step.sums[n + j])
            var dc = back.memory[j] + back.state[j] * o * activations[2].slope(step.memory[j])
            if let p = peepholes { dc += d[n + j] * p[n + j] }
            let byForget = dc * step.oldMemory[j], byInput = dc * g - (isCoupled ? byForget : 0)
            d[j] = byInput * activations[0].slope(step.sums[j])
            d[2 * n + j] = isCoupled ? 0 : byForget * activations[0].slope(step.sums[2 * n + j])
            d[3 * n + j] = dc * i * activations[1].slope(step.sums[3 * n + j])
            signal.memory[j] = dc * f
            if let p = peepholes {
                signal.memory[j] += d[j] * p[j] + d[2 * n + j] * p[2 * n + j]
                sums.peepholes[j] += d[j] * step.oldMemory[j]
                sums.peepholes[n + j] += d[n + j] * step.memory[j]
                sums.peepholes[2 * n + j] += d[2 * n + j] * step.oldMemory[j]
            }
        }
        return finish(step, d, d, direct: 0..<rows, signal, &sums)
    }

    private func retreatGRU(_ step: RecurrentStep, _ back: RecurrentSignal, _ sums: inout RecurrentSums) -> RecurrentSignal {
        let n = hidden, gates = step.gates, h = step.oldState
        var d = [Double](repeating: 0, count: rows), byReset = [Double](repeating: 0, count: n)
        let zeros = byReset
        var signal = RecurrentSignal(state: zeros, memory: zeros)
        for j in 0..<n {
            d[j] = back.state[j] * (h[j] - gates[2 * n + j]) * activations[0].slope(step.sums[j])
            d[2 * n + j] = back.state[j] * (1 - gates[j]) * activations[1].slope(step.sums[2 * n + j])
            signal.state[j] = back.state[j] * gates[j]
        }
        var dr = d
        if isLinear {
            for j in 0..<n {
                byReset[j] = d[2 * n + j] * step.candidate[j]
                dr[2 * n + j] = d[2 * n + j] * gates[n + j]
            }
        } else {
            // The candidate's rows of R see the old state behind the reset gate.
            var gated = zeros
            addTransposed(r, rows(2, 3), d, to: &gated)
            for j in 0..<n { byReset[j] = gated[j] * h[j]; signal.state[j] += gated[j] * gates[n + j] }
            if sums.byWeights { addOuter(d, rows(2, 3), (0..<n).map { gates[n + $0] * h[$0] }, to: &sums.r) }
        }
        for j in 0..<n { d[n + j] = byReset[j] * activations[0].slope(step.sums[n + j]); dr[n + j] = d[n + j] }
        return finish(step, d, dr, direct: isLinear ? rows(0, 3) : rows(0, 2), signal, &sums)
    }
}

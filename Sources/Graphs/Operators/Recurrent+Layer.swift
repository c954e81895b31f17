internal import Tensors

/// One run of a recurrent layer, in double, forwards or backwards.
struct RecurrentLayer {
    private let call: Call, kind: RecurrentKind
    /// Position of X among the inputs.
    private let first: Int
    private let element: ElementType
    private let time: Int, batch: Int, width: Int, hidden: Int, directions: Int
    private let isBatchFirst: Bool
    private let input: [Double]
    private let cells: [RecurrentCell]
    private let lengths: [Int]

    init(_ call: Call, _ kind: RecurrentKind, from first: Int = 0) throws {
        self.call = call
        self.kind = kind
        self.first = first
        let x = try call.tensor(first), recurrence = try call.tensor(first + 2), weight = try call.tensor(first + 1)
        guard x.shape.count == 3, recurrence.shape.count == 3 else { throw Failure.shape("input and R must have 3 axes") }
        element = x.type
        isBatchFirst = call.flag("layout")
        (time, batch, width) = isBatchFirst ? (x.shape[1], x.shape[0], x.shape[2]) : (x.shape[0], x.shape[1], x.shape[2])
        hidden = recurrence.shape[2]
        let direction = call.string("direction", default: "forward")
        guard ["forward", "reverse", "bidirectional"].contains(direction) else {
            throw Failure.invalid("direction is \(direction), expected forward, reverse or bidirectional")
        }
        directions = direction == "bidirectional" ? 2 : 1
        let rows = kind.gates * hidden
        try RecurrentLayer.expect(weight, [directions, rows, width], "W")
        try RecurrentLayer.expect(recurrence, [directions, rows, hidden], "R")
        input = try Convolution.reals(x).array(Double.self)
        let time = time, lengths = try call.optional(first + 4)?.integers() ?? [Int](repeating: time, count: batch)
        guard lengths.count == batch, lengths.allSatisfy({ (0...time).contains($0) }) else {
            throw Failure.shape("sequence_lens are \(lengths), expected \(batch) numbers in 0...\(time)")
        }
        self.lengths = lengths
        let w = try Convolution.reals(weight).array(Double.self), r = try Convolution.reals(recurrence).array(Double.self)
        let bias = try RecurrentLayer.optional(call, first + 3, [directions, 2 * rows], "B")
        let peepholes = kind == .lstm ? try RecurrentLayer.optional(call, first + 7, [directions, 3 * hidden], "P") : nil
        let clip = call.float("clip", default: 0), count = kind.activations.count, (width, hidden) = (width, hidden)
        let activations = try RecurrentActivation.list(call, kind, directions: directions, clip: clip > 0 ? clip : .infinity)
        cells = (0..<directions).map { d in
            func part(_ numbers: [Double], _ size: Int) -> [Double] { Array(numbers[(d * size)..<((d + 1) * size)]) }
            return RecurrentCell(
                kind, width: width, hidden: hidden, w: part(w, rows * width), r: part(r, rows * hidden),
                bias: bias.map { part($0, 2 * rows) }, peepholes: peepholes.map { part($0, 3 * hidden) },
                activations: Array(activations[(d * count)..<((d + 1) * count)]), isLinear: call.flag("linear_before_reset"),
                isCoupled: call.flag("input_forget"))
        }
    }

    private static func expect(_ tensor: Tensor, _ shape: [Int], _ name: String) throws {
        guard tensor.shape == shape else { throw Failure.shape("\(name) is \(Shape.text(tensor.shape)), expected \(Shape.text(shape))") }
    }

    private static func optional(_ call: Call, _ index: Int, _ shape: [Int], _ name: String) throws -> [Double]? {
        guard let tensor = try call.optional(index) else { return nil }
        try expect(tensor, shape, name)
        return try Convolution.reals(tensor).array(Double.self)
    }

    // MARK: Places

    private var stateShape: [Int] { isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden] }
    private var allShape: [Int] { isBatchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden] }

    /// Where the state of a sequence begins in its tensor.
    private func place(_ d: Int, _ b: Int) -> Range<Int> {
        let start = (isBatchFirst ? b * directions + d : d * batch + b) * hidden
        return start..<start + hidden
    }

    /// Where a state begins among all of them.
    private func place(_ d: Int, _ b: Int, _ t: Int) -> Range<Int> {
        let start = (isBatchFirst ? (b * time + t) * directions + d : (t * directions + d) * batch + b) * hidden
        return start..<start + hidden
    }

    /// Where the input of a step begins.
    private func source(_ b: Int, _ t: Int) -> Range<Int> {
        let start = (isBatchFirst ? b * time + t : t * batch + b) * width
        return start..<start + width
    }

    private func isReverse(_ d: Int) -> Bool { d == 1 || call.string("direction", default: "forward") == "reverse" }

    /// The steps of a sequence in the order in which the layer sees them.
    private func steps(_ d: Int, _ b: Int) -> [Int] { isReverse(d) ? (0..<lengths[b]).reversed() : Array(0..<lengths[b]) }

    private func initial(_ index: Int, _ name: String) throws -> [Double] {
        let zeros = [Double](repeating: 0, count: try Shape.count(stateShape))
        return try RecurrentLayer.optional(call, first + index, stateShape, name) ?? zeros
    }

    // MARK: Forwards

    func run() throws -> [Tensor] {
        var h = try initial(5, "initial_h"), c = kind == .lstm ? try initial(6, "initial_c") : []
        var y = [Double](repeating: 0, count: try Shape.count(allShape))
        for (d, cell) in cells.enumerated() {
            for b in 0..<batch {
                var state = Array(h[place(d, b)]), memory = kind == .lstm ? Array(c[place(d, b)]) : []
                for t in steps(d, b) {
                    let step = cell.advance(input[source(b, t)], state, memory)
                    (state, memory) = (step.state, step.memory)
                    y.replaceSubrange(place(d, b, t), with: state)
                }
                h.replaceSubrange(place(d, b), with: state)
                if kind == .lstm { c.replaceSubrange(place(d, b), with: memory) }
            }
        }
        let results = [(y, allShape), (h, stateShape)] + (kind == .lstm ? [(c, stateShape)] : [])
        return try results.map { try Tensor($0.0, $0.1).converted(to: element) }
    }

    // MARK: Backwards

    func gradients() throws -> [Tensor] {
        let wanted = call.ints("wanted") ?? []
        let dy = try RecurrentLayer.optional(call, 0, allShape, "dY")
        let arriving = try [1, 2].map { try RecurrentLayer.optional(call, $0, stateShape, "the gradient of a last state") }
        let h = try initial(5, "initial_h"), c = kind == .lstm ? try initial(6, "initial_c") : []
        var dx = [Double](repeating: 0, count: input.count), dh = [Double](repeating: 0, count: h.count), dc = dh
        var sums: [RecurrentSums] = []
        for (d, cell) in cells.enumerated() {
            var sum = RecurrentSums(cell, byWeights: wanted.dropFirst().prefix(2).contains(1))
            for b in 0..<batch {
                let at = place(d, b), order = steps(d, b)
                var trace: [RecurrentStep] = []
                for t in order {
                    let memory = trace.last?.memory ?? (kind == .lstm ? Array(c[at]) : [])
                    trace.append(cell.advance(input[source(b, t)], trace.last?.state ?? Array(h[at]), memory))
                }
                var back = RecurrentSignal(
                    state: arriving[0].map { Array($0[at]) } ?? [Double](repeating: 0, count: hidden),
                    memory: arriving[1].map { Array($0[at]) } ?? [Double](repeating: 0, count: hidden))
                for (t, step) in zip(order, trace).reversed() {
                    if let dy { for (i, place) in place(d, b, t).enumerated() { back.state[i] += dy[place] } }
                    back = cell.retreat(step, back, &sum)
                    for (i, place) in source(b, t).enumerated() { dx[place] += back.input[i] }
                }
                dh.replaceSubrange(at, with: back.state)
                dc.replaceSubrange(at, with: back.memory)
            }
            sums.append(sum)
        }
        let values = [dx, sums.flatMap(\.w), sums.flatMap(\.r), sums.flatMap(\.bias), dh, dc, sums.flatMap(\.peepholes)]
        return try values.enumerated().map { index, numbers in
            guard index < wanted.count, wanted[index] != 0, let like = call.constant(first + Recurrent.differentiable[index]) else {
                return try Tensor.scalar(0.0).converted(to: element)
            }
            return try Tensor(numbers, like.shape).converted(to: element)
        }
    }
}

internal import Tensors

/// Scan (ONNX opset 8 and up). The node's inputs are the initial states, the tensors that are scanned, and what the body
/// captures; the body's are the states, one element of each scanned tensor, and the same.
struct ScanForm {
    let body: Graph
    /// How many states, scanned inputs, captured values and collected outputs there are.
    let states: Int, scanned: Int, captured: Int, collected: Int
    private let node: Node
    /// As at opset 8: a first axis of sequences that are scanned one by one, lengths as the first input.
    let isBatched: Bool

    init(_ node: Node) throws {
        self.node = node
        guard let body = node.attributes["body"]?.graph else { throw Failure.invalid("the body is missing") }
        self.body = body
        isBatched = node.attributes[Control.batched] != nil
        captured = node.attributes[Control.captured]?.int ?? 0
        scanned = node.attributes["num_scan_inputs"]?.int ?? 0
        let given = node.inputs.count - captured - (isBatched ? 1 : 0)
        guard captured >= 0, scanned >= 1, scanned <= given else {
            throw Failure.invalid("num_scan_inputs is \(scanned), expected 1 to \(max(0, given))")
        }
        states = given - scanned
        guard body.inputs.count == given + captured else {
            throw Failure.invalid("the body has \(body.inputs.count - captured) inputs, expected \(given): states and scanned elements")
        }
        collected = body.outputs.count - states
        guard collected >= 0, node.outputs.count <= states + collected else {
            throw Failure.invalid("the body has \(body.outputs.count) outputs, expected at least \(max(states, node.outputs.count))")
        }
    }

    /// Index of the first state among the node's inputs.
    var firstState: Int { isBatched ? 1 : 0 }

    private func entry(_ name: String, _ index: Int, of count: Int) throws -> Int {
        guard let list = node.attributes[name]?.ints, !list.isEmpty else { return 0 }
        guard list.count == count else { throw Failure.invalid("\(name) has \(list.count) entries, expected \(count)") }
        return list[index]
    }

    /// The axis along which an input is scanned.
    func inputAxis(_ index: Int, rank: Int) throws -> Int {
        guard rank > 0 else { throw Failure.shape("scanned input \(index) is a scalar") }
        return isBatched ? 0 : try Shape.axis(entry("scan_input_axes", index, of: scanned), rank: rank)
    }

    func inputIsReversed(_ index: Int) throws -> Bool {
        try entry(isBatched ? "directions" : "scan_input_directions", index, of: scanned) != 0
    }

    /// The axis along which an output is collected; `rank`: of the output.
    func outputAxis(_ index: Int, rank: Int) throws -> Int {
        isBatched ? 0 : try Shape.axis(entry("scan_output_axes", index, of: collected), rank: rank)
    }

    func outputIsReversed(_ index: Int) throws -> Bool {
        isBatched ? false : try entry("scan_output_directions", index, of: collected) != 0
    }
}

extension Control {
    /// Marks a Scan of opset 8.
    static let batched = "batched"

    static let scan = Operator(
        "Scan", arity: 1...Int(Int32.max), infer: { try scanTypes($0) }, compute: { try runScan($0) }, isPure: false,
        takesContainers: true, noGradient: "how many turns it takes follows from data, or they are too many to unroll",
        samples: scanSamples)

    private static func runScan(_ c: Call) throws -> [Tensor] {
        let form = try ScanForm(c.node)
        let interpreter = try Interpreter(form.body, operators: .standard)
        let states = try (0..<form.states).map { try c.tensor(form.firstState + $0) }
        let scanned = try (0..<form.scanned).map { try c.tensor(form.firstState + form.states + $0) }
        let captured = try (c.node.inputs.count - form.captured..<c.node.inputs.count).map { try c.tensor($0) }
        if form.isBatched { return try runBatch(c, form, interpreter, states, scanned, captured) }
        return try run(form, interpreter, states, scanned, captured, c.watch)
    }

    /// One sequence from its first element to its last; or the first `length`.
    private static func run(
        _ form: ScanForm, _ interpreter: Interpreter, _ initial: [Tensor], _ scanned: [Tensor], _ captured: [Tensor], _ watch: Watch?,
        length: Int? = nil
    ) throws -> [Tensor] {
        var sequences: [Tensor] = [], turns: Int?
        for (index, x) in scanned.enumerated() {
            let axis = try form.inputAxis(index, rank: x.shape.count), size = length ?? x.shape[axis]
            guard turns ?? size == size else { throw Failure.shape("scanned inputs have \(turns ?? 0) and \(size) elements") }
            turns = size
            sequences.append(try x.transposed([axis] + x.shape.indices.filter { $0 != axis }).contiguous())
        }
        var states = initial
        var stacks = (0..<form.collected).map { _ in Stack(watch: watch) }
        defer { for stack in stacks { stack.letGo() } }
        let count = turns ?? 0
        for turn in 0..<count {
            try watch?.poll()
            let elements = try sequences.enumerated().map { index, x in
                let place = try form.inputIsReversed(index) ? count - 1 - turn : turn
                return try x.sliced(0, place..<place + 1).reshaped(Array(x.shape.dropFirst()))
            }
            let results = try interpreter.run(states + elements + captured, watch: watch)
            states = Array(results.prefix(form.states))
            for index in stacks.indices { try stacks[index].append(results[form.states + index]) }
        }
        let types =
            try count > 0
            ? [TensorType?](repeating: nil, count: stacks.count)
            : settled(
                form.body, [], states.map { TensorType(of: $0) },
                sequences.map { TensorType($0.type, shape: Array($0.shape.dropFirst())) } + captured.map { TensorType(of: $0) },
                firstOutput: 0
            ).dropFirst(form.states).map { $0 }
        return try states
            + zip(stacks, types).enumerated().map { index, entry in
                let rank = (entry.0.rank ?? entry.1?.rank ?? 0) + 1
                return try entry.0.stacked(
                    emptyType: entry.1, axis: form.outputAxis(index, rank: rank), isReversed: form.outputIsReversed(index))
            }
    }

    /// Opset 8: sequence after sequence. What is collected of shorter ones ends in zeros.
    private static func runBatch(
        _ c: Call, _ form: ScanForm, _ interpreter: Interpreter, _ states: [Tensor], _ scanned: [Tensor], _ captured: [Tensor]
    ) throws -> [Tensor] {
        guard let batch = scanned.first?.shape.first, let longest = scanned.first?.shape.dropFirst().first,
            scanned.allSatisfy({ $0.shape.count >= 2 && $0.shape[0] == batch && $0.shape[1] == longest }),
            states.allSatisfy({ $0.shape.first == batch })
        else { throw Failure.shape("states and scanned inputs do not have the same batch of sequences") }
        let lengths = try c.has(0) ? c.tensor(0).integers() : [Int](repeating: longest, count: batch)
        guard lengths.count == batch, lengths.allSatisfy({ (0...longest).contains($0) }) else {
            throw Failure.invalid("sequence lengths \(lengths) do not fit \(batch) sequences of \(longest) elements")
        }
        var stacks = (0..<form.states + form.collected).map { _ in Stack(watch: c.watch) }
        defer { for stack in stacks { stack.letGo() } }
        func entry(_ x: Tensor, _ index: Int) throws -> Tensor { try x.sliced(0, index..<index + 1).reshaped(Array(x.shape.dropFirst())) }
        for index in 0..<batch {
            let results = try run(
                form, interpreter, states.map { try entry($0, index) }, scanned.map { try entry($0, index) }, captured, c.watch,
                length: lengths[index])
            for (at, result) in results.enumerated() {
                try stacks[at].append(at < form.states ? result : result.padded(to: longest))
            }
        }
        return try zip(stacks, form.body.outputs).enumerated().map { at, entry in
            var type = form.body[entry.1].type
            if at >= form.states { type = type.map { TensorType($0.element, $0.dims.map { [Dim(longest)] + $0 }) } }
            return try entry.0.stacked(emptyType: type)
        }
    }

    // MARK: Types

    private static func scanTypes(_ c: Inference) throws -> [TensorType] {
        let form = try ScanForm(c.node)
        let drop = { (type: TensorType?, axis: Int) -> TensorType? in
            guard let type, var dims = type.dims, dims.indices.contains(axis) else { return type.map { TensorType($0.element, nil) } }
            dims.remove(at: axis)
            return TensorType(type.element, dims)
        }
        let first = form.firstState
        var states = Array(c.types[first..<first + form.states])
        var scanned = Array(c.types[(first + form.states)..<(first + form.states + form.scanned)])
        var batch: Dim = .unknown
        if form.isBatched {
            batch = scanned.first??.dims?.first ?? .unknown
            states = states.map { drop($0, 0) }
            scanned = scanned.map { drop($0, 0) }
        }
        var turns: Dim = .unknown
        let elements = try scanned.enumerated().map { index, type in
            guard let rank = type?.rank else { return drop(type, 0) }
            let axis = try form.inputAxis(index, rank: rank)
            if turns.value == nil, let size = type?.dims?[axis] { turns = size }
            return drop(type, axis)
        }
        let captured = Array(c.types.suffix(form.captured))
        let outputs = try settled(form.body, [], states, elements + captured, firstOutput: 0)
        return try outputs.enumerated().map { index, type in
            guard let type else { throw NotYetKnown() }
            guard var dims = type.dims else { return TensorType(type.element, nil) }
            if index >= form.states {
                dims.insert(turns, at: try form.outputAxis(index - form.states, rank: dims.count + 1))
            }
            return TensorType(type.element, form.isBatched ? [batch] + dims : dims)
        }
    }
}

extension Stack {
    /// Axes of one item; nil when there is none.
    var rank: Int? { items.first?.shape.count }
}

extension Tensor {
    /// With zeros behind the last entry of the first axis, up to `length` entries.
    fileprivate func padded(to length: Int) throws -> Tensor {
        guard let size = shape.first, size < length else { return self }
        let longer = [length] + shape.dropFirst()
        if type == .string {
            let missing = try Shape.count(longer) - count
            return try Tensor(strings: storage.strings + [String](repeating: "", count: missing), longer)
        }
        let result = try Tensor.zeros(type, longer)
        Elements.copy(try contiguous(), from: 0, to: result, at: 0, count: count)
        return result
    }
}

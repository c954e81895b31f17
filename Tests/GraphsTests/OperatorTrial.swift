import Graphs
import Tensors

/// Words for a test that found something wrong.
struct Mismatch: Error, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = text }
}

/// How much a graph under test knows of the sizes of its real inputs.
enum Sizes: Sendable { case known, shared, distinct }

/// One operator on one sample, as a graph whose real inputs are fed.
struct Trial {
    let op: Operator
    let sample: Sample
    let label: String
    private(set) var graph = Graph()
    private(set) var node: Node
    /// The inputs that can be differentiated, and their elements in double.
    private(set) var reals: [ValueID] = []
    private(set) var feeds: [ValueID: Tensor] = [:]
    /// Numbers for the symbols that stand for sizes.
    private(set) var symbols: [String: Int] = [:]
    private let element: ElementType

    init(_ op: Operator, sample index: Int, element: ElementType = .float64, sizes: Sizes = .known, operators: OperatorSet = .standard)
        throws
    {
        self.op = op
        sample = op.samples[index]
        label = "\(op.name) sample \(index)"
        self.element = element
        node = Node(op: op.name, name: op.name, inputs: [], outputs: [], attributes: sample.attributes)
        for (position, input) in sample.inputs.enumerated() {
            node.inputs.append(try add(input, position, sizes, seed: UInt64(index * 16 + position)))
        }
        node.outputs = (0..<sample.outputs).map { graph.add("y\($0)") }
        graph.nodes = [node]
        try graph.infer(node, operators: operators)
    }

    /// One of ONNX's operators as the graph that it becomes.
    init(lowering name: String, opset: Int, _ sample: Sample, element: ElementType = .float64, sizes: Sizes = .known) throws {
        // What stands for the operator has a gradient, as its parts should.
        guard let op = OperatorSet.standard["Identity"] else { throw Mismatch("there is no Identity") }
        self.op = op
        self.sample = sample
        self.element = element
        label = name
        node = Node(op: name, name: name, inputs: [], outputs: [], attributes: sample.attributes)
        for (position, input) in sample.inputs.enumerated() { node.inputs.append(try add(input, position, sizes, seed: UInt64(position))) }
        node.outputs = (0..<sample.outputs).map { graph.add("y\($0)") }
        var lowerer = Lowerer(operators: .standard)
        lowerer.graph = graph
        try lowerer.lower(node, opset: opset)
        graph = lowerer.graph
    }

    private mutating func add(_ input: Sample.Input, _ position: Int, _ sizes: Sizes, seed: UInt64) throws -> ValueID? {
        switch input {
        case .absent: return nil
        case .integers(let shape, let numbers):
            return graph.constant(try Tensor(numbers.map { Int64($0) }, shape), "x\(position)")
        case .truths(let shape, let truths):
            return graph.constant(try Tensor(truths.map { Truth($0) }, shape), "x\(position)")
        case .strings(let shape, let texts): return graph.constant(try Tensor(strings: texts, shape), "x\(position)")
        case .constants(let shape, let numbers): return graph.constant(try Tensor(numbers, shape).converted(to: element), "x\(position)")
        case .sequence, .optional, .map: return graph.constant(try constant(input, seed: seed), "x\(position)")
        case .values(let shape, let numbers): return try feed(Tensor(numbers, shape), position, sizes)
        case .uniform(let shape, let range): return try feed(uniform(shape, range, seed: seed), position, sizes)
        }
    }

    /// A container, and what is in it.
    private func constant(_ input: Sample.Input, seed: UInt64) throws -> Tensor {
        switch input {
        case .absent: throw Mismatch("a container cannot hold what is absent")
        case .strings(let shape, let texts): try Tensor(strings: texts, shape)
        case .constants(let shape, let numbers): try Tensor(numbers, shape).converted(to: element)
        case .integers(let shape, let numbers): try Tensor(numbers.map { Int64($0) }, shape)
        case .truths(let shape, let truths): try Tensor(truths.map { Truth($0) }, shape)
        case .values(let shape, let numbers): try Tensor(numbers, shape).converted(to: element)
        case .uniform(let shape, let range): try uniform(shape, range, seed: seed).converted(to: element)
        case .sequence(let items): try Tensor(sequence: items.enumerated().map { try constant($1, seed: seed + UInt64($0)) })
        case .map(let keys, let values): try Tensor(keys: constant(keys, seed: seed), values: constant(values, seed: seed))
        case .optional(let items): try Tensor(optional: items.first.map { try constant($0, seed: seed) })
        }
    }

    private mutating func feed(_ tensor: Tensor, _ position: Int, _ sizes: Sizes) throws -> ValueID {
        let dims = tensor.shape.enumerated().map { axis, size -> Dim in
            if sizes == .known || size <= 1 { return Dim(size) }
            let symbol = sizes == .shared ? "s\(size)" : "x\(position)a\(axis)"
            symbols[symbol] = size
            return .symbol(symbol)
        }
        let id = graph.add("x\(position)", type: TensorType(element, dims))
        graph.inputs.append(id)
        reals.append(id)
        feeds[id] = try tensor.converted(to: element)
        return id
    }

    /// The computed values.
    var outputs: [ValueID] { node.outputs.compactMap { $0 } }

    func run() throws -> [Tensor] { try evaluate(graph, feeds: feeds, outputs: outputs) }
}

/// Seeded random reals.
func uniform(_ shape: [Int], _ range: ClosedRange<Double>, seed: UInt64) throws -> Tensor {
    let random = Random(seed: 20240229, stream: seed)
    let count = try Shape.count(shape)
    return try Tensor((0..<count).map { range.lowerBound + (range.upperBound - range.lowerBound) * random.uniform(UInt64($0)) }, shape)
}

/// Runs a graph by its reference kernels. Every result must be of the type that inference promised.
func evaluate(
    _ graph: Graph, feeds: [ValueID: Tensor], outputs: [ValueID], symbols: [String: Int] = [:], operators: OperatorSet = .standard
) throws -> [Tensor] {
    var computed = feeds
    func tensor(_ id: ValueID) -> Tensor? { computed[id] ?? graph[id].constant }
    for node in graph.nodes {
        guard let op = operators[node.op] else { throw Mismatch("no operator \(node.op)") }
        let inputs = try node.inputs.map { input in
            try input.map { id in
                guard let tensor = tensor(id) else { throw Mismatch("\(node.label) reads '\(graph[id].name)', which is not computed") }
                return tensor
            }
        }
        let results = try op.compute(Call(node: node, inputs: inputs))
        guard results.count >= node.outputs.count else {
            throw Mismatch("\(node.label) computes \(results.count) outputs of \(node.outputs.count)")
        }
        for (output, result) in zip(node.outputs, results) {
            guard let output else { continue }
            if let type = graph[output].type {
                try check(type, result, symbols: symbols, place: "\(node.label) output '\(graph[output].name)'")
            }
            computed[output] = result
        }
    }
    return try outputs.map { id in
        guard let result = tensor(id) else { throw Mismatch("'\(graph[id].name)' is not computed") }
        return result
    }
}

/// Throws unless the tensor is of the type, as far as that is known.
func check(_ type: TensorType, _ tensor: Tensor, symbols: [String: Int], place: String) throws {
    let text = "\(place): inferred \(type), computed \(tensor.type) \(Shape.text(tensor.shape))"
    guard type.element == tensor.type else { throw Mismatch(text) }
    guard let dims = type.dims else { return }
    guard dims.count == tensor.shape.count else { throw Mismatch(text) }
    for (dim, size) in zip(dims, tensor.shape) {
        if let expected = dim.substituting(symbols).value, expected != size { throw Mismatch(text) }
    }
}

/// A trial whose outputs are projected on random numbers, differentiated once or twice.
struct Slope {
    let trial: Trial
    private(set) var graph: Graph
    private(set) var feeds: [ValueID: Tensor]
    /// What the projected function is differentiated by, and the gradients (zero where missing).
    private(set) var wrt: [ValueID]
    private(set) var gradients: [ValueID: ValueID]
    /// The function: sum of products of each value with its seed.
    private(set) var function: [(value: ValueID, seed: ValueID)]
    private let element: ElementType

    /// First order, by all real inputs or by one. nil when nothing is differentiable.
    init?(_ trial: Trial, by index: Int? = nil, element: ElementType = .float64, operators: OperatorSet = .standard) throws {
        let results = try trial.run()
        let targets = zip(trial.outputs, results).filter { $0.1.type.isFloat && trial.graph[$0.0].constant == nil }
        guard trial.op.vjp != nil, !targets.isEmpty, !trial.reals.isEmpty else { return nil }
        self.trial = trial
        self.element = element
        graph = trial.graph
        feeds = trial.feeds
        wrt = index.map { [trial.reals[$0]] } ?? trial.reals
        gradients = [:]
        function = []
        try differentiate(targets.map { ($0.0, $0.1.shape) }, order: 1, operators: operators)
    }

    /// The gradient of a first-order slope, by its inputs and by the gradient that arrives.
    init?(second first: Slope, operators: OperatorSet = .standard) throws {
        self = first
        let values = first.wrt.compactMap { first.gradients[$0] }
        guard !values.isEmpty else { return nil }
        let shapes = try evaluate(first.graph, feeds: first.feeds, outputs: values, symbols: first.trial.symbols, operators: operators).map(
            \.shape)
        wrt = first.wrt + first.function.map(\.seed)
        try differentiate(Array(zip(values, shapes)), order: 2, operators: operators)
    }

    private mutating func differentiate(_ targets: [(ValueID, [Int])], order: Int, operators: OperatorSet) throws {
        function = []
        for (index, (value, shape)) in targets.enumerated() {
            let dims = graph[value].type?.dims ?? shape.map { Dim($0) }
            let seed = graph.add("seed\(order).\(index)", type: TensorType(element, dims))
            feeds[seed] = try uniform(shape, 0.4...1.3, seed: UInt64(1000 * order + index)).converted(to: element)
            function.append((value, seed))
        }
        let derivative = try graph.differentiated(
            seeds: function.map { (value: $0.value, gradient: $0.seed) }, wrt: wrt, operators: operators)
        graph = derivative.graph
        gradients = derivative.gradients
    }

    /// The gradient by each value of `wrt`, by its rules.
    func analytic(operators: OperatorSet = .standard) throws -> [Tensor] {
        let present = wrt.compactMap { gradients[$0] }
        let computed = try evaluate(graph, feeds: feeds, outputs: present, symbols: trial.symbols, operators: operators)
        let byValue = Dictionary(zip(present, computed), uniquingKeysWith: { first, _ in first })
        return try wrt.map { id in
            let shape = feeds[id]?.shape ?? []
            guard let gradient = gradients[id], let result = byValue[gradient] else { return try Tensor.zeros(element, shape) }
            guard result.shape == shape else {
                throw Mismatch("gradient of '\(graph[id].name)' is \(Shape.text(result.shape)), expected \(Shape.text(shape))")
            }
            return result
        }
    }

    private func value(_ feeds: [ValueID: Tensor], operators: OperatorSet) throws -> Double {
        let results = try evaluate(graph, feeds: feeds, outputs: function.map(\.value), operators: operators)
        var total = 0.0
        for (result, (_, seed)) in zip(results, function) {
            for (y, r) in zip(try result.doubles(), try feeds[seed]?.doubles() ?? []) { total += y * r }
        }
        return total
    }

    /// Central difference of the function by element `index` of `id`.
    func numeric(_ id: ValueID, _ index: Int, step: Double = 1e-5, operators: OperatorSet = .standard) throws -> Double {
        guard let tensor = feeds[id] else { return 0 }
        func moved(_ by: Double) throws -> Double {
            var numbers = try tensor.doubles()
            numbers[index] += by
            var feeds = feeds
            feeds[id] = try Tensor(numbers, tensor.shape)
            return try value(feeds, operators: operators)
        }
        return try (moved(step) - moved(-step)) / (2 * step)
    }

    /// Compares rules with differences at up to `limit` elements of each value.
    func compare(limit: Int = 24, tolerance: Double = 1e-6, operators: OperatorSet = .standard) throws {
        for (id, gradient) in zip(wrt, try analytic(operators: operators)) {
            let numbers = try gradient.doubles()
            let scale = max(1, numbers.map(\.magnitude).max() ?? 1)
            for index in stride(from: 0, to: numbers.count, by: max(1, (numbers.count + limit - 1) / limit)) {
                let expected = try numeric(id, index, operators: operators)
                if !((numbers[index] - expected).magnitude <= tolerance * scale) {
                    throw Mismatch(
                        "\(trial.label): gradient of '\(graph[id].name)'[\(index)] is \(numbers[index]), differences give \(expected)")
                }
            }
        }
    }
}

/// Throws unless two tensors agree within a tolerance relative to their largest element.
func compare(_ a: Tensor, _ b: Tensor, tolerance: Double, place: String) throws {
    if b.type.isContainer {
        guard a.type == b.type, a.count == b.count else {
            throw Mismatch("\(place): \(a.kind) of \(a.count), expected \(b.kind) of \(b.count)")
        }
        for (x, y) in zip(a.storage.items, b.storage.items) { try compare(x, y, tolerance: tolerance, place: place) }
        return
    }
    guard a.shape == b.shape else { throw Mismatch("\(place): shapes \(Shape.text(a.shape)) and \(Shape.text(b.shape)) differ") }
    if b.type == .string {
        guard try a.strings() == b.strings() else { throw Mismatch("\(place): \(try a.strings()) instead of \(try b.strings())") }
        return
    }
    let x = try a.doubles(), y = try b.doubles()
    let scale = max(1, y.filter(\.isFinite).map(\.magnitude).max() ?? 1)
    for (index, (p, q)) in zip(x, y).enumerated() where p != q && !(p.isNaN && q.isNaN) {
        if !((p - q).magnitude <= tolerance * scale) { throw Mismatch("\(place): element \(index) is \(p), expected \(q)") }
    }
}

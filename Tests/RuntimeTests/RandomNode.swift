import Graphs
import Runtime
import Tensors

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, good enough to choose test cases.
struct Dice: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 ^ 0x2545_F491_4F6C_DD1D }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    mutating func one(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
    mutating func pick<T>(_ from: [T]) -> T { from[Int.random(in: 0..<from.count, using: &self)] }
}

/// One node with inputs, attributes and shapes that a file could hold, mostly senseless ones. It starts from a sample
/// of the operator, so that much of the operator is reached before something is found wrong.
struct RandomNode {
    let op: Operator
    private(set) var inputs: [Tensor?] = []
    private(set) var attributes: [String: Attribute] = [:]
    private(set) var outputs = 1
    private var dice: Dice

    /// `pool`: attributes of every operator's samples, to be mixed in.
    init(_ op: Operator, seed: UInt64, pool: [(String, Attribute)]) throws {
        self.op = op
        dice = Dice(seed)
        let sample = op.samples.isEmpty || dice.one(in: 6) ? nil : dice.pick(op.samples)
        if let sample {
            for input in sample.inputs { inputs.append(try tensor(input)) }
            attributes = sample.attributes
            outputs = sample.outputs
        } else {
            for _ in 0..<Int.random(in: op.arity.lowerBound...min(op.arity.upperBound, op.arity.lowerBound + 3), using: &dice) {
                inputs.append(try anything())
            }
            outputs = Int.random(in: 1...3, using: &dice)
        }
        for _ in 0..<dice.pick([0, 1, 1, 2, 2, 3, 4]) { try mutate(pool) }
    }

    private mutating func mutate(_ pool: [(String, Attribute)]) throws {
        let at = inputs.isEmpty ? 0 : Int.random(in: 0..<inputs.count, using: &dice)
        switch Int.random(in: 0..<12, using: &dice) {
        case 0: if !inputs.isEmpty { inputs[at] = try anything() }
        case 1: if !inputs.isEmpty { inputs[at] = dice.one(in: 3) ? nil : try inputs[at].map { try resized($0) } }
        case 2, 3: if !inputs.isEmpty { inputs[at] = try inputs[at].map { try resized($0) } }
        case 4: if !inputs.isEmpty { inputs[at] = try inputs[at].map { try retyped($0) } }
        case 5: if inputs.count < op.arity.upperBound { inputs.append(try anything()) } else { _ = inputs.popLast() }
        case 6: outputs = Int.random(in: 1...5, using: &dice)
        case 7: if !pool.isEmpty { let (name, value) = dice.pick(pool); attributes[name] = changed(value) }
        case 8: if let name = attributes.keys.sorted().randomElement(using: &dice) { attributes[name] = nil }
        default:
            if let name = attributes.keys.sorted().randomElement(using: &dice), let value = attributes[name] {
                attributes[name] = changed(value)
            } else if let index = inputs.indices.filter({ inputs[$0]?.type.isInteger ?? false }).randomElement(using: &dice) {
                inputs[index] = try inputs[index].map { try numbers($0.shape, $0.type) }
            }
        }
    }

    private static let integers = [
        0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 10, 11, 16, -1, -1, -2, -3, -4, -5, 100, 1000, 65536, 1 << 31, -1 << 31, 1 << 32, 1 << 40,
        1 << 52, 1 << 62,
        .max, .min, .max - 1, .min + 1, Int(Int32.max),
    ]
    private static let reals: [Double] = [0, 1, -1, 0.5, 2, 3, 1e-30, 1e30, -1e30, 1e300, .infinity, -.infinity, .nan, 1e-5, 1.7]
    private static let words = [
        "", "a", "linear", "nearest", "cubic", "max", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "reflect", "edge", "wrap", "constant",
        "add", "mul", "mean", "i,i->", "...ij,...jk->...ik", "ii", "ij,->", "reverse", "bidirectional", "Tanh", "half_pixel", "asymmetric",
        "align_corners", "tf_crop_and_resize", "floor", "ceil", "CRD", "DCR", "stretch", "not_smaller", "not_larger",
    ]

    /// A small size most of the time.
    private mutating func size() -> Int { dice.pick([0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 8, 9]) }

    private mutating func shape() -> [Int] { (0..<dice.pick([0, 1, 1, 2, 2, 3, 4, 4, 5, 6])).map { _ in size() } }

    private mutating func number() -> Int { dice.one(in: 3) ? dice.pick(RandomNode.integers) : Int.random(in: -4...6, using: &dice) }

    private mutating func tensor(_ input: Sample.Input) throws -> Tensor? {
        switch input {
        case .absent: return nil
        case .uniform(let shape, let range):
            let values = (0..<shape.reduce(1, *)).map { _ in Double.random(in: range, using: &dice) }
            return try Tensor(values, shape).converted(to: dice.one(in: 8) ? .float64 : .float32)
        case .values(let shape, let numbers), .constants(let shape, let numbers): return try Tensor(numbers, shape).converted(to: .float32)
        case .integers(let shape, let numbers): return try Tensor(numbers.map { Int64($0) }, shape)
        case .truths(let shape, let truths): return try Tensor(truths.map { Truth($0) }, shape)
        case .strings(let shape, let texts): return try Tensor(strings: texts, shape)
        case .sequence(let items): return try Tensor(sequence: items.compactMap { try tensor($0)?.converted(to: .float32) })
        case .map(let keys, let values):
            guard let keys = try tensor(keys), let values = try tensor(values) else { return nil }
            return try Tensor(keys: keys, values: values)
        case .optional(let items): return try Tensor(optional: items.first.flatMap { try tensor($0) })
        }
    }

    private mutating func anything() throws -> Tensor {
        if dice.one(in: 16) { return try container() }
        return try numbers(
            shape(),
            dice.pick([
                .float32, .float32, .float32, .int64, .int64, .int32, .bool, .float64, .uint8, .int8, .uint64, .int16, .string, .uint16,
                .uint32,
            ]))
    }

    private mutating func container() throws -> Tensor {
        let items = try (0..<size()).map { _ in try numbers(shape(), .float32) }
        switch Int.random(in: 0..<4, using: &dice) {
        case 0: return try Tensor(optional: items.first)
        case 1: return try Tensor(keys: Tensor(items.indices.map { Int64($0) }), values: Tensor(sequence: items))
        default: return try Tensor(sequence: items)
        }
    }

    private mutating func numbers(_ shape: [Int], _ type: ElementType) throws -> Tensor {
        let count = try Shape.count(shape)
        if type == .string { return try Tensor(strings: (0..<count).map { "\($0 % 3)" }, shape) }
        if type.isFloat {
            let values = (0..<count).map { _ in dice.one(in: 40) ? dice.pick(RandomNode.reals) : Double.random(in: -2...2, using: &dice) }
            return try Tensor(values, shape).converted(to: type)
        }
        return try Tensor((0..<count).map { _ in Int64(number()) }, shape).converted(to: type)
    }

    private mutating func resized(_ x: Tensor) throws -> Tensor {
        if x.type.isContainer { return try container() }
        var shape = x.shape
        switch Int.random(in: 0..<5, using: &dice) {
        case 0: shape.insert(size(), at: Int.random(in: 0...shape.count, using: &dice))
        case 1: if !shape.isEmpty { shape.remove(at: Int.random(in: 0..<shape.count, using: &dice)) }
        default: if !shape.isEmpty { shape[Int.random(in: 0..<shape.count, using: &dice)] = size() }
        }
        return try Shape.count(shape) > 100_000 ? x : numbers(shape, x.type)
    }

    private mutating func retyped(_ x: Tensor) throws -> Tensor {
        let type: ElementType = dice.pick([.float32, .float64, .int64, .int32, .bool, .uint8, .int8, .uint64, .uint32, .int16, .uint16])
        return x.type == .string || x.type.isContainer ? try numbers(x.shape, type) : try x.converted(to: type)
    }

    private mutating func changed(_ value: Attribute) -> Attribute {
        if dice.one(in: 12) {
            return dice.pick([
                .int(number()), .float(dice.pick(RandomNode.reals)), .string(dice.pick(RandomNode.words)), .ints([]), .ints([number()]),
                .floats([]), .strings([]), .ints([number(), number()]),
            ])
        }
        switch value {
        case .int: return .int(number())
        case .float: return .float(dice.pick(RandomNode.reals))
        case .string: return .string(dice.pick(RandomNode.words))
        case .ints(var list):
            if dice.one(in: 4) { list.append(number()) } else if dice.one(in: 4) { _ = list.popLast() }
            if !list.isEmpty { list[Int.random(in: 0..<list.count, using: &dice)] = number() }
            return .ints(list)
        case .floats(var list):
            if dice.one(in: 4) { list.append(1) } else if dice.one(in: 4) { _ = list.popLast() }
            if !list.isEmpty { list[Int.random(in: 0..<list.count, using: &dice)] = dice.pick(RandomNode.reals) }
            return .floats(list)
        case .strings(var list):
            if dice.one(in: 3) { list.append("x") } else { _ = list.popLast() }
            if !list.isEmpty, dice.one(in: 2) { list[0] = dice.pick(RandomNode.words) }
            return .strings(list)
        case .tensor(let tensor):
            if dice.one(in: 2), let other = try? resized(tensor) { return .tensor(other) }
            return (try? numbers(tensor.shape, tensor.type)).map { .tensor($0) } ?? value
        case .graph, .prepared: return value
        }
    }

    // MARK: What is done with it

    /// How much the graph knows of the inputs.
    enum Knowledge: CaseIterable { case contents, sizes, ranks, nothing }

    /// The node in a graph of its own, its inputs fed or constant.
    func graph(_ knowledge: Knowledge) -> (graph: Graph, node: Node, feeds: [String: Tensor]) {
        var graph = Graph(), feeds: [String: Tensor] = [:]
        var node = Node(op: op.name, name: "node", inputs: [], outputs: [], attributes: attributes)
        for (index, tensor) in inputs.enumerated() {
            guard let tensor else { node.inputs.append(nil); continue }
            // Parameters (shapes, axes, indices) are constants in nearly every file.
            let isConstant = knowledge == .contents || (knowledge == .sizes && !tensor.type.isFloat && tensor.type != .bool)
            if isConstant { node.inputs.append(graph.constant(tensor, "x\(index)")); continue }
            let type: TensorType? =
                switch knowledge {
                case .contents, .sizes: TensorType(tensor.type, shape: tensor.shape)
                case .ranks: TensorType(tensor.type, tensor.shape.enumerated().map { $1 == 1 ? 1 : .symbol("x\(index)a\($0)") })
                case .nothing: nil
                }
            let id = graph.add("x\(index)", type: type)
            graph.inputs.append(id)
            feeds["x\(index)"] = tensor
            node.inputs.append(id)
        }
        node.outputs = (0..<outputs).map { graph.add("y\($0)") }
        graph.nodes = [node]
        graph.outputs = node.outputs.compactMap { $0 }
        return (graph, node, feeds)
    }

    /// Infers, computes and differentiates. Errors are what most cases end in; the text names what contradicts itself.
    func complaints() -> [String] {
        for knowledge in [Knowledge.contents, .ranks, .nothing] {
            var (graph, node, _) = graph(knowledge)
            try? graph.infer(node, operators: .standard)
            if knowledge != .contents { differentiate(graph, node) }
        }
        let results = try? op.compute(Call(node: graph(.contents).node, inputs: inputs.map { try $0?.widened() }))
        var (graph, node, _) = graph(.sizes)
        guard (try? graph.infer(node, operators: .standard, fold: false)) != nil else { return [] }
        differentiate(graph, node)
        guard let results else { return [] }
        return zip(node.outputs, results).compactMap { id, result in
            guard let id, let type = graph[id].type else { return nil }
            let fits =
                type.element == result.type
                && (type.dims.map {
                    $0.count == result.shape.count && zip($0, result.shape).allSatisfy { $0.value == nil || $0.value == $1 }
                } ?? true)
            return fits ? nil : "\(self): inferred \(type), computed \(result.type) \(Shape.text(result.shape))"
        }
    }

    private func differentiate(_ graph: Graph, _ node: Node) {
        guard op.vjp != nil else { return }
        var graph = graph
        var seeds: [(value: ValueID, gradient: ValueID)] = []
        for (index, output) in node.outputs.enumerated() {
            guard let output, graph[output].type?.element.isFloat ?? true else { continue }
            seeds.append((output, graph.add("seed\(index)", type: graph[output].type)))
        }
        let wrt = graph.inputs.filter { graph[$0].type?.element.isFloat ?? true }
        guard let derivative = try? graph.differentiated(seeds: seeds, wrt: wrt, operators: .standard) else { return }
        var values: [ValueID: Tensor] = [:]
        for (id, tensor) in zip(node.inputs, inputs) { if let id, let tensor { values[id] = tensor } }
        for seed in seeds {
            guard let shape = derivative.graph[seed.gradient].type?.shape, let element = derivative.graph[seed.gradient].type?.element,
                let count = try? Shape.count(shape), count < 1 << 20
            else { return }
            values[seed.gradient] = try? Tensor([Double](repeating: 1, count: count), shape).converted(to: element)
        }
        for node in derivative.graph.nodes {
            guard let op = OperatorSet.standard[node.op] else { return }
            let given = node.inputs.map { $0.flatMap { values[$0] ?? derivative.graph[$0].constant } }
            if zip(node.inputs, given).contains(where: { $0.0 != nil && $0.1 == nil }) { return }
            guard let results = try? op.compute(Call(node: node, inputs: given)) else { return }
            for (id, result) in zip(node.outputs, results) { if let id { values[id] = result } }
        }
    }
}

extension RandomNode: CustomStringConvertible {
    var description: String {
        let types = inputs.map {
            $0.map { x in
                "\(x.type) [\(x.shape.map(String.init).joined(separator: ","))]"
                    + (x.type.isInteger && x.count <= 8 ? "\((try? x.integers()) ?? [])" : "")
            } ?? "-"
        }
        let settings = attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)".prefix(200) }
        return "\(op.name)(\(types.joined(separator: ", "))) {\(settings.joined(separator: " "))} -> \(outputs)"
    }
}

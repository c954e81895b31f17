internal import Tensors

extension Graph {
    /// Puts the turns of loops in the loops' place where their number is fixed, and what sequences hold where it is read,
    /// inferring every node anew. The nodes of turn 3 of `loop` are named `loop/3/…`: ordinary nodes, that backends run,
    /// derivatives pass and hooks find. A loop of too many turns stays. `kept`: values that may still be replaced.
    /// `limit`: nodes that all turns together may become. Returns true when something changed.
    @discardableResult package mutating func unroll(
        operators: OperatorSet, kept: Set<ValueID> = [], limit: Int = Unroller.plainLimit
    ) throws -> Bool {
        var unroller = Unroller(self, operators: operators, kept: kept, limit: limit)
        for node in nodes { try unroller.add(node) }
        self = unroller.graph
        return unroller.hasChanged
    }

    /// True when there is something that `unroll` may change.
    package var hasControlFlow: Bool { nodes.contains { Unroller.operators.contains($0.op) } }
}

/// Copies a graph's nodes one by one, in other words where that makes them plainer.
package struct Unroller {
    /// Operators that it may replace, or must know to replace others.
    static let operators: Set<String> = [
        "If", "Loop", "Scan", "SequenceMap", "SequenceAt", "SequenceInsert", "SequenceErase", "SplitToSequence", "ConcatFromSequence",
        "Optional", "OptionalGetElement",
    ]
    /// Nodes that are soon planned, and run faster than turn by turn on the reference kernels.
    package static let plainLimit = 1 << 12
    /// For derivatives, which need the turns as nodes.
    package static let derivativeLimit = 1 << 15

    var graph: Graph
    let operators: OperatorSet
    /// What a sequence or an optional holds, where that is known.
    var lists: [ValueID: [ValueID]] = [:]
    var hasChanged = false
    /// Values that may still be replaced, and what is computed from them: their elements are not to be relied on.
    private var free: Set<ValueID>
    private var left: Int
    /// Nodes that may still be tried, those of attempts that failed included: many hopeless loops must not take long.
    private var tries: Int
    /// Loops around the node that is being added.
    private var depth = 0

    /// A loop stays as it is; so do those around it when there is no more room.
    struct Refusal: Error { var isFinal = false }

    init(_ graph: Graph, operators: OperatorSet, kept: Set<ValueID>, limit: Int) {
        left = limit
        tries = 4 * limit
        self.graph = graph
        self.graph.nodes = []
        self.operators = operators
        free = kept.filter { graph[$0].constant != nil }
    }

    /// Adds the node, or what takes its place.
    mutating func add(_ node: Node) throws {
        if Unroller.operators.contains(node.op), try replace(node) { hasChanged = true; return }
        if depth > 0 {
            guard left > 0, tries > 0 else { throw Refusal(isFinal: true) }
            left -= 1
            tries -= 1
        }
        try graph.infer(node, operators: operators)
        note(node)
        if !free.isEmpty, node.inputs.contains(where: { $0.map(free.contains) ?? false }) { free.formUnion(node.outputs.compactMap { $0 }) }
        graph.nodes.append(node)
    }

    /// Elements that are the same in every run.
    func known(_ id: ValueID) -> Tensor? { free.contains(id) ? nil : graph[id].constant }

    /// Nodes that turns may still become.
    func hasRoom(for nodes: Int, times turns: Int) -> Bool { turns <= min(left, tries) / max(nodes, 1) }

    private mutating func replace(_ node: Node) throws -> Bool {
        switch node.op {
        case "If":
            guard let id = node.inputs.first, let id, let condition = known(id) else { return false }
            for inner in try Control.inlined(node, condition, in: &graph) { try add(inner) }
            return true
        case "Loop": return try attempt { try $0.unrollLoop(node) }
        case "Scan": return try attempt { try $0.unrollScan(node) }
        case "SequenceMap": return try attempt { try $0.unrollSequenceMap(node) }
        default: return try readSequence(node)
        }
    }

    /// Tries to unroll; all is as before when that fails. What the loop's own kernel will say is better than what is found
    /// here, and only needed if it is ever run.
    private mutating func attempt(_ body: (inout Unroller) throws -> Void) throws -> Bool {
        let before = self
        // Both hold the graph's values, which are copied when the first one is added.
        tries -= graph.values.count / 16
        depth += 1
        do {
            try body(&self)
        } catch {
            let tries = tries
            self = before
            self.tries = tries
            if depth > 0, let refusal = error as? Refusal, refusal.isFinal { throw refusal }
            return false
        }
        depth -= 1
        return true
    }

    // MARK: Building

    /// Adds a node for `node` with one new output, named after a turn.
    mutating func emit(_ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:], for node: Node, _ place: String = "")
        throws -> ValueID
    {
        let output = graph.add("\(node.name)/\(place.isEmpty ? op : place)")
        try emit(op, inputs, to: [output], attributes, for: node)
        return output
    }

    /// Adds a node in the place of `node`, whose name it has.
    mutating func emit(_ op: String, _ inputs: [ValueID?], to outputs: [ValueID?], _ attributes: [String: Attribute] = [:], for node: Node)
        throws
    {
        try add(
            Node(
                op: op, name: node.name, inputs: inputs, outputs: outputs, attributes: attributes, origin: node.origin, module: node.module)
        )
    }

    mutating func constant(_ tensor: Tensor, _ name: String) -> ValueID { graph.constant(tensor, name) }

    /// Constants for the axes or sizes of an operator.
    mutating func integers(_ values: [Int], for node: Node) throws -> ValueID {
        constant(try Tensor(values.map { Int64($0) }), "\(node.name)/constant")
    }

    /// The values joined along a new axis, to `output`.
    mutating func stack(_ parts: [ValueID], axis: Int, to output: ValueID, for node: Node) throws {
        let axes = try integers([axis], for: node)
        if parts.count == 1 { return try emit("Unsqueeze", [parts[0], axes], to: [output], for: node) }
        let all = try parts.map { try emit("Unsqueeze", [$0, axes], for: node) }
        try emit("Concat", all, to: [output], ["axis": .int(axis)], for: node)
    }

    /// The entries of a value along an axis, without that axis.
    mutating func entries(_ value: ValueID, axis: Int, count: Int, for node: Node) throws -> [ValueID] {
        guard count > 0 else { return [] }
        let parts = try split(value, axis: axis, sizes: [Int](repeating: 1, count: count), for: node)
        let axes = try integers([axis], for: node)
        return try parts.map { try emit("Squeeze", [$0, axes], for: node) }
    }

    /// Parts of a value along an axis.
    mutating func split(_ value: ValueID, axis: Int, sizes: [Int], for node: Node) throws -> [ValueID] {
        if sizes.count == 1 { return [value] }
        let parts = sizes.indices.map { _ in graph.add("\(node.name)/part") }
        try emit("Split", [value, integers(sizes, for: node)], to: parts, ["axis": .int(axis)], for: node)
        return parts
    }

    /// One turn of a body: its nodes are added, its outputs given back.
    mutating func turn(_ body: Graph, _ index: Int, inputs: [ValueID], for node: Node, _ constants: inout [ValueID: ValueID]) throws
        -> [ValueID]
    {
        let (nodes, outputs) = graph.instantiate(body, inputs: inputs, prefix: "\(node.name)/\(index)", constants: &constants)
        for node in nodes { try add(node) }
        return outputs
    }
}

extension Graph {
    /// The nodes of `inner` as nodes of this graph, not yet among its nodes, and what stands for its outputs. New values have
    /// `prefix` before their names. `constants`: copies of constants, made once for all turns.
    mutating func instantiate(_ inner: Graph, inputs: [ValueID], prefix: String, constants: inout [ValueID: ValueID]) -> (
        nodes: [Node], outputs: [ValueID]
    ) {
        var map: [ValueID: ValueID] = [:]
        for (own, outer) in zip(inner.inputs, inputs) { map[own] = outer }
        func outer(_ id: ValueID, _ graph: inout Graph, _ constants: inout [ValueID: ValueID]) -> ValueID {
            if let known = map[id] ?? constants[id] { return known }
            let value = inner[id]
            if let own = graph.capturedConstant(value) { return own }
            let copy = graph.add("\(prefix)/\(value.name)", constant: value.constant)
            if value.constant == nil { map[id] = copy } else { constants[id] = copy }
            return copy
        }
        var nodes: [Node] = []
        for node in inner.nodes {
            var copy = node
            copy.name = "\(prefix)/\(node.name)"
            copy.inputs = node.inputs.map { $0.map { outer($0, &self, &constants) } }
            copy.outputs = node.outputs.map { $0.map { outer($0, &self, &constants) } }
            nodes.append(copy)
        }
        return (nodes, inner.outputs.map { outer($0, &self, &constants) })
    }
}

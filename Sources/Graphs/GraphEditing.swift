internal import Tensors

/// Who computes and who reads each value, for passes that look for patterns; valid until the graph changes.
struct Usage {
    /// Index of the node that computes a value; -1 for none.
    let producers: [Int]
    /// The last node that reads a value; the only one where it has one reader.
    private let lastReaders: [Int]
    private let counts: [Int]

    /// Values of `kept`, and outputs of the graph, have readers outside of it.
    init(_ graph: Graph, kept: Set<ValueID>) {
        var last = [Int](repeating: -1, count: graph.values.count), counts = [Int](repeating: 0, count: graph.values.count)
        for (index, node) in graph.nodes.enumerated() {
            for input in node.inputs {
                guard let at = input?.index, last[at] != index else { continue }
                last[at] = index
                counts[at] += 1
            }
        }
        for id in graph.outputs + kept { counts[id.index] += graph.nodes.count + 1 }
        producers = graph.producers()
        lastReaders = last
        self.counts = counts
    }

    /// Index of the node that computes a value.
    func producer(_ id: ValueID?) -> Int? {
        guard let id, producers[id.index] >= 0 else { return nil }
        return producers[id.index]
    }

    /// How many nodes read a value; more than there are when somebody outside needs it.
    func readerCount(_ id: ValueID) -> Int { counts[id.index] }

    /// Index of the one node that reads a value which nobody else needs.
    func reader(_ id: ValueID?) -> Int? {
        guard let id, counts[id.index] == 1 else { return nil }
        return lastReaders[id.index]
    }
}

extension Graph {
    /// The nodes of `inner` as nodes of this graph, not yet among its nodes: they read `inputs` for the inputs of
    /// `inner` and write `outputs` for its outputs. New values have `prefix` before their names.
    mutating func adopt(_ inner: Graph, inputs: [ValueID?], outputs: [ValueID?], prefix: String) throws -> [Node] {
        guard inputs.count == inner.inputs.count, outputs.count <= inner.outputs.count else {
            throw Failure.invalid(
                "a branch of \(inner.inputs.count) inputs and \(inner.outputs.count) outputs cannot stand for \(inputs.count) and \(outputs.count)"
            )
        }
        var map: [ValueID: ValueID?] = [:]
        for (own, outer) in zip(inner.inputs, inputs) { map[own] = outer }
        var copies: [(from: ValueID, to: ValueID)] = []
        let producers = inner.producers()
        for (own, outer) in zip(inner.outputs, outputs) {
            guard let outer else { continue }
            // An output that the branch does not compute, or gives twice, is copied.
            if map[own] == nil, producers[own.index] >= 0 { map[own] = outer } else { copies.append((own, outer)) }
        }
        var nodes: [Node] = []
        for node in inner.nodes {
            var copy = node
            copy.name = "\(prefix)/\(node.name)"
            copy.inputs = node.inputs.map { $0.flatMap { adopt($0, of: inner, &map, prefix) } }
            copy.outputs = node.outputs.map { $0.flatMap { adopt($0, of: inner, &map, prefix) } }
            nodes.append(copy)
        }
        for (from, to) in copies {
            nodes.append(Node(op: "Identity", name: self[to].name, inputs: [adopt(from, of: inner, &map, prefix)], outputs: [to]))
        }
        return nodes
    }

    private mutating func adopt(_ id: ValueID, of inner: Graph, _ map: inout [ValueID: ValueID?], _ prefix: String) -> ValueID? {
        if let known = map[id] { return known }
        let value = inner[id]
        if let own = capturedConstant(value) { return own }
        let copy = add("\(prefix)/\(value.name)", type: value.type, constant: value.constant)
        map[id] = .some(copy)
        return copy
    }

    /// This graph's own value that a constant of an inner graph is a copy of: a weight that a body captures stays one weight.
    func capturedConstant(_ inner: Value) -> ValueID? {
        guard let constant = inner.constant, let id = id(of: inner.name), let own = self[id].constant,
            own.storage === constant.storage, own.shape == constant.shape, own.offset == constant.offset
        else { return nil }
        return id
    }

    /// The node in whose inner graphs the constant `id` has copies, which do not change with it.
    package func holder(ofCopies id: ValueID) -> Node? {
        guard let constant = self[id].constant else { return nil }
        func isHeld(_ graph: Graph) -> Bool {
            if let own = graph.id(of: self[id].name), graph[own].constant?.storage === constant.storage { return true }
            return graph.nodes.contains { $0.attributes.values.contains { $0.graph.map(isHeld) ?? false } }
        }
        return nodes.first { $0.attributes.values.contains { $0.graph.map(isHeld) ?? false } }
    }

    /// Only the nodes that `isKept` says yes to, by index.
    mutating func keepNodes(_ isKept: (Int) -> Bool) {
        nodes = nodes.indices.filter(isKept).map { nodes[$0] }
    }

    /// Only the nodes that `roots` depend on. Returns true when there were others.
    @discardableResult package mutating func keepNodes(neededFor roots: [ValueID]) -> Bool {
        var needed = [Bool](repeating: false, count: values.count)
        for root in roots { needed[root.index] = true }
        var kept: [Node] = []
        for node in nodes.reversed() where node.outputs.contains(where: { $0.map { needed[$0.index] } ?? false }) {
            for input in node.inputs { if let input { needed[input.index] = true } }
            kept.append(node)
        }
        guard kept.count < nodes.count else { return false }
        nodes = kept.reversed()
        return true
    }

    /// By value: index of the last node that reads it (of the one that makes it when nobody does); `Int.max` for outputs
    /// of the graph and constants, which stay.
    package func lastUses() -> [Int] {
        var last = [Int](repeating: -1, count: values.count)
        for (index, node) in nodes.enumerated() {
            for id in node.inputs + node.outputs { if let id { last[id.index] = index } }
        }
        for output in outputs { last[output.index] = .max }
        for index in values.indices where values[index].constant != nil { last[index] = .max }
        return last
    }

    /// The same graph without values that nobody computes, reads or keeps, and where each value went. Lets go of the
    /// memory of constants that passes have replaced.
    package func compacted(keeping kept: Set<ValueID>) -> (graph: Graph, ids: [ValueID: ValueID]) {
        var isUsed = [Bool](repeating: false, count: values.count)
        for id in inputs + outputs + kept { isUsed[id.index] = true }
        for node in nodes { for id in node.inputs + node.outputs { if let id { isUsed[id.index] = true } } }
        var result = Graph(), ids: [ValueID: ValueID] = [:]
        for (index, value) in values.enumerated() where isUsed[index] {
            let id = result.add(value.name, type: value.type, constant: value.constant)
            result[id].symbolic = value.symbolic
            ids[ValueID(at: index)] = id
        }
        result.inputs = inputs.compactMap { ids[$0] }
        result.outputs = outputs.compactMap { ids[$0] }
        result.nodes = nodes.map { node in
            var node = node
            node.inputs = node.inputs.map { $0.flatMap { ids[$0] } }
            node.outputs = node.outputs.map { $0.flatMap { ids[$0] } }
            return node
        }
        return (result, ids)
    }
}

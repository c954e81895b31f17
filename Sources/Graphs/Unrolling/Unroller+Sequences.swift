internal import Tensors

/// Sequences and optionals whose items are known values of the graph.
extension Unroller {
    /// Remembers what a sequence holds.
    mutating func note(_ node: Node) {
        guard let output = node.outputs.first, let output else { return }
        switch node.op {
        case "SequenceConstruct": lists[output] = node.inputs.compactMap { $0 }
        case "SequenceEmpty": lists[output] = []
        case "Identity": lists[output] = list(node)
        case "Optional": lists[output] = node.inputs.compactMap { $0 }
        case "SequenceInsert":
            guard var items = list(node), node.inputs.count > 1, let item = node.inputs[1],
                let place = place(node, 2, count: items.count, isInsert: true)
            else { return }
            items.insert(item, at: place)
            lists[output] = items
        case "SequenceErase":
            guard var items = list(node), !items.isEmpty, let place = place(node, 1, count: items.count) else { return }
            items.remove(at: place)
            lists[output] = items
        default: break
        }
    }

    private func list(_ node: Node) -> [ValueID]? { node.inputs.first.flatMap { $0 }.flatMap { lists[$0] } }

    /// A constant place in a sequence; the last one where none is given.
    private func place(_ node: Node, _ index: Int, count: Int, isInsert: Bool = false) -> Int? {
        guard index < node.inputs.count, let id = node.inputs[index] else { return isInsert ? count : count - 1 }
        return known(id).flatMap { try? Sequences.place($0, count: count, isInsert: isInsert) }
    }

    /// Reads the items themselves where a node reads a sequence of known items.
    mutating func readSequence(_ node: Node) throws -> Bool {
        guard let output = node.outputs.first, let output else { return false }
        switch node.op {
        case "SequenceAt":
            guard let items = list(node), node.inputs.count > 1, node.inputs[1] != nil, let place = place(node, 1, count: items.count)
            else {
                return false
            }
            try emit("Identity", [items[place]], to: [output], for: node)
        case "OptionalGetElement":
            guard let first = node.inputs.first, let first, graph[first].type?.element == .optional, let item = lists[first]?.first else {
                return false
            }
            try emit("Identity", [item], to: [output], for: node)
        case "ConcatFromSequence":
            guard let items = list(node), !items.isEmpty else { return false }
            return try join(node, items, to: output)
        case "SplitToSequence": return try split(node, to: output)
        default: return false
        }
        return true
    }

    private func reader(_ node: Node) -> Inference {
        Inference(
            node: node, types: node.inputs.map { $0.flatMap { graph[$0].type } }, constants: node.inputs.map { $0.flatMap { known($0) } },
            symbolics: node.inputs.map { _ in nil })
    }

    private mutating func join(_ node: Node, _ items: [ValueID], to output: ValueID) throws -> Bool {
        guard let rank = graph[items[0]].type?.rank, let axis = try? Sequences.axis(reader(node), rank: rank) else { return false }
        if reader(node).flag("new_axis") {
            try stack(items, axis: axis, to: output, for: node)
        } else {
            try emit("Concat", items, to: [output], ["axis": .int(axis)], for: node)
        }
        return true
    }

    private mutating func split(_ node: Node, to output: ValueID) throws -> Bool {
        let c = reader(node)
        guard let x = node.inputs.first, let x, let dims = graph[x].type?.dims,
            let axis = try? Shape.axis(c.int("axis", default: 0), rank: dims.count), dims.indices.contains(axis),
            let size = dims[axis].value,
            hasRoom(for: 2, times: size), let sizes = try? Sequences.parts(c, size: size), !sizes.isEmpty
        else { return false }
        let parts =
            Sequences.isSqueezed(c)
            ? try entries(x, axis: axis, count: size, for: node) : try split(x, axis: axis, sizes: sizes, for: node)
        try emit("SequenceConstruct", parts, to: [output], for: node)
        return true
    }
}

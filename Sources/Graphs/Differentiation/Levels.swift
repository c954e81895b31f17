internal import Tensors

/// Integers that stand for real numbers: the levels of a scale, as quantised networks pass them from node to node. A
/// gradient by levels is a real tensor, and goes straight through the rounding that made them (Bengio, Léonard, Courville,
/// "Estimating or propagating gradients through stochastic neurons", 2013).
enum Levels {
    /// Operators whose first output holds levels when it is of integers.
    static let sources: Set<String> = ["QuantizeLinear", "DynamicQuantizeLinear"]

    /// Operators that pass levels on as what they are, and the inputs that may hold them.
    private static let carrying: [String: ClosedRange<Int>] = {
        let first = [
            "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Split", "Slice", "Pad", "Gather",
            "GatherElements", "GatherND", "DepthToSpace", "SpaceToDepth", "CenterCropPad", "MaxPool", "Resize", "Upsample", "ReduceMax",
            "ReduceMin", "Cast", "Clip", "Relu", "Trilu", "ReduceSum", "ReverseSequence",
        ]
        let all = ["Concat", "Max", "Min", "Add", "Sub", "Mul", "Sum"]
        return Dictionary(uniqueKeysWithValues: first.map { ($0, 0...0) } + all.map { ($0, 0...Int.max) } + [("Where", 1...2)])
    }()

    /// True for each value that holds levels; empty when there is none.
    static func marked(in graph: Graph) -> [Bool] {
        guard graph.nodes.contains(where: { sources.contains($0.op) }) else { return [] }
        var marks = [Bool](repeating: false, count: graph.values.count)
        func isInteger(_ id: ValueID) -> Bool { graph[id].type?.element.isInteger ?? false }
        for node in graph.nodes {
            if sources.contains(node.op) {
                if let output = node.outputs.first, let output, isInteger(output) { marks[output.index] = true }
            } else if let places = carrying[node.op],
                let source = node.inputs.enumerated().first(where: { places.contains($0) && ($1.map { marks[$0.index] } ?? false) })?.1
            {
                // Cast may widen them; positions that MaxPool also gives are of another type.
                for output in node.outputs {
                    guard let output, isInteger(output) else { continue }
                    marks[output.index] = node.op == "Cast" || graph[output].type?.element == graph[source].type?.element
                }
            }
        }
        return marks
    }

    /// The node over real numbers that has the same derivative, for a node that passes levels on; nil for others.
    static func real(_ node: Node, _ marks: [Bool], in g: inout Gradients) throws -> Node? {
        guard !marks.isEmpty, let places = carrying[node.op] else { return nil }
        func isMarked(_ id: ValueID?) -> Bool { id.map { $0.index < marks.count && marks[$0.index] } ?? false }
        guard node.inputs.enumerated().contains(where: { places.contains($0) && isMarked($1) }) else { return nil }
        var result = node
        for (index, input) in node.inputs.enumerated() where places.contains(index) { result.inputs[index] = try real(input, in: &g) }
        for (index, output) in node.outputs.enumerated() where isMarked(output) { result.outputs[index] = try real(output, in: &g) }
        // Limits of Clip and the fill of Pad are of the input's type.
        if node.op == "Clip" {
            for index in node.inputs.indices.dropFirst() { result.inputs[index] = try real(node.inputs[index], in: &g) }
        }
        if node.op == "Pad", node.inputs.count > 2 { result.inputs[2] = try real(node.inputs[2], in: &g) }
        return result
    }

    /// What turns levels into the real numbers that they stand for.
    struct Scale {
        let scale: ValueID, zero: ValueID?
        /// Axis and blocks, where there are several scales.
        var attributes: [String: Attribute] = [:]
    }

    /// Of a value that holds levels: the scale that it was quantised with, here or before it was passed on. nil where the
    /// graph does not tell.
    static func scale(of id: ValueID, in graph: Graph) -> Scale? {
        let producers = graph.producers()
        var value = id
        while producers[value.index] >= 0 {
            let node = graph.nodes[producers[value.index]]
            if let scale = scale(of: node) {
                guard value == id || graph[scale.scale].type?.shape?.allSatisfy({ $0 == 1 }) ?? false else { return nil }
                return scale
            }
            guard let places = carrying[node.op], let input = node.inputs.enumerated().first(where: { places.contains($0.0) })?.1 else {
                return nil
            }
            value = input
        }
        return nil
    }

    private static func scale(of node: Node) -> Scale? {
        switch node.op {
        case "QuantizeLinear":
            guard let scale = node.optional(3) ?? node.optional(1) else { return nil }
            let attributes = node.attributes.filter { ["axis", "block_size"].contains($0.key) }
            return Scale(scale: scale, zero: node.optional(4) ?? node.optional(2), attributes: attributes)
        case "DynamicQuantizeLinear": return node.output(1).map { Scale(scale: $0, zero: node.output(2)) }
        default: return nil
        }
    }

    private static func real(_ id: ValueID?, in g: inout Gradients) throws -> ValueID? {
        guard let id, let type = g.graph[id].type, type.element.isInteger else { return id }
        let result = try g.emit("Cast", [id], ["to": .int(Int(ElementType.float32.rawValue))])
        g.depend(result, like: id)
        if let twin = g.twins[id] { g.twins[result] = try g.emit("Cast", [twin], ["to": .int(Int(ElementType.float32.rawValue))]) }
        return result
    }
}

extension Gradients {
    /// The real numbers that the levels `value` stand for; the value itself where it holds no levels.
    package mutating func dequantized(_ value: ValueID) throws -> ValueID {
        guard let type = graph[value].type, type.element.isInteger, let found = Levels.scale(of: value, in: graph) else { return value }
        current = graph[value].name
        return try emit("DequantizeLinear", [value, found.scale, found.zero], found.attributes)
    }

    /// The gradient by the real numbers that the levels `value` stand for, from the gradient by the levels; the same for other
    /// values.
    package mutating func byReal(_ gradient: ValueID, of value: ValueID) throws -> ValueID {
        guard let type = graph[value].type, type.element.isInteger, let found = Levels.scale(of: value, in: graph) else { return gradient }
        current = graph[value].name
        return try emit("DequantizeLinear", [gradient, emit("Reciprocal", [found.scale])], found.attributes)
    }

    /// True for a value whose gradient exists: real numbers, or levels that stand for some.
    package static func isDifferentiable(_ value: ValueID, in graph: Graph) -> Bool {
        guard let element = graph[value].type?.element, !element.isFloat else { return true }
        let marks = Levels.marked(in: graph)
        return value.index < marks.count && marks[value.index] && Levels.scale(of: value, in: graph) != nil
    }

    /// Says of a value that the walk made in place of another that it carries a gradient where the other does.
    mutating func depend(_ value: ValueID, like other: ValueID) {
        guard !depends.isEmpty else { return }
        let carries = other.index < depends.count && depends[other.index]
        if depends.count <= value.index { depends += [Bool](repeating: false, count: value.index + 1 - depends.count) }
        depends[value.index] = carries
    }
}

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

    private static func real(_ id: ValueID?, in g: inout Gradients) throws -> ValueID? {
        guard let id, let type = g.graph[id].type, type.element.isInteger else { return id }
        let result = try g.emit("Cast", [id], ["to": .int(Int(ElementType.float32.rawValue))])
        g.depend(result, like: id)
        return result
    }
}

extension Gradients {
    /// Says of a value that the walk made in place of another that it carries a gradient where the other does.
    mutating func depend(_ value: ValueID, like other: ValueID) {
        guard !depends.isEmpty else { return }
        let carries = other.index < depends.count && depends[other.index]
        if depends.count <= value.index { depends += [Bool](repeating: false, count: value.index + 1 - depends.count) }
        depends[value.index] = carries
    }
}

internal import Tensors

/// Small bodies for the generic tests.
extension Control {
    /// A graph of binary nodes: `nodes` names an operator, its two inputs and its output, by the values' names.
    private static func body(_ inputs: [String], _ nodes: [(op: String, inputs: [String], output: String)], _ outputs: [String]) -> Graph {
        var graph = Graph()
        graph.inputs = inputs.map { graph.add($0) }
        for node in nodes {
            let read = node.inputs.map { graph.id(of: $0) }
            graph.nodes.append(Node(op: node.op, name: node.output, inputs: read, outputs: [graph.add(node.output)]))
        }
        graph.outputs = outputs.compactMap { graph.id(of: $0) }
        return graph
    }

    static var loopSamples: [Sample] {
        let graph = body(["i", "go", "v", "k"], [("Mul", ["v", "k"], "next"), ("Add", ["v", "k"], "seen")], ["go", "next", "seen"])
        let attributes: [String: Attribute] = ["body": .graph(graph), captured: .int(1)]
        return [0, 1, 3].map { Sample([.integers([], [$0]), .truths([], [true]), .real(2, 3), .real(2, 3)], attributes, outputs: 2) } + [
            Sample([.integers([1], [2]), .absent, .real(2), .real(2)], attributes),
            Sample([.integers([], [5]), .truths([], [false]), .real(2), .real(2)], attributes, outputs: 2),
        ]
    }

    static var scanSamples: [Sample] {
        let graph = body(["s", "x"], [("Add", ["s", "x"], "next"), ("Mul", ["s", "x"], "seen")], ["next", "seen"])
        let plain: [String: Attribute] = ["body": .graph(graph), "num_scan_inputs": .int(1)]
        var turned = plain
        for (name, value) in [
            ("scan_input_axes", -1), ("scan_output_axes", 1), ("scan_input_directions", 1), ("scan_output_directions", 1),
        ] {
            turned[name] = .ints([value])
        }
        var batch = plain
        batch[batched] = .int(1)
        return [
            Sample([.real(3), .real(4, 3)], plain, outputs: 2), Sample([.real(3), .real(3, 4)], turned, outputs: 2),
            Sample([.real(3), .real(0, 3)], plain, outputs: 1),
            Sample([.absent, .real(2, 3), .real(2, 4, 3)], batch, outputs: 2),
            Sample([.integers([2], [1, 4]), .real(2, 3), .real(2, 4, 3)], batch, outputs: 2),
        ]
    }

    static var sequenceMapSamples: [Sample] {
        let graph = body(["x", "y"], [("Add", ["x", "y"], "sum"), ("Mul", ["x", "y"], "product")], ["sum", "product"])
        let pair: Sample.Input = .sequence([.real(2, 3), .real(2, 3)])
        return [
            Sample([pair, .real(3)], ["body": .graph(graph)], outputs: 2), Sample([pair, pair], ["body": .graph(graph)]),
            Sample([.sequence([]), .real(3)], ["body": .graph(graph)], outputs: 2),
        ]
    }
}

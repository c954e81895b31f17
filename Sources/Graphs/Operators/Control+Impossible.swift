internal import Tensors

/// A branch whose sizes contradict each other. Exporters write such branches for sizes that never come (Squeeze if an axis
/// is 1, Identity if not), so that they must not keep a model from running; taken, they fail in words.
extension Control {
    static let impossible = Operator(
        "Impossible", arity: 0...0, infer: { _ in throw NotYetKnown() },
        compute: { throw Failure.shape($0.string("message", default: "the sizes contradict each other")) }, isPure: false,
        noGradient: "it has no result")
}

extension Graph {
    /// A graph of so many inputs and outputs that fails when it runs.
    static func impossible(inputs: Int, outputs: Int, _ message: String) -> Graph {
        var graph = Graph()
        graph.inputs = (0..<inputs).map { graph.add("input \($0)") }
        graph.outputs = (0..<outputs).map { graph.add("output \($0)") }
        graph.nodes = [
            Node(op: "Impossible", name: "branch", inputs: [], outputs: graph.outputs, attributes: ["message": .string(message)])
        ]
        return graph
    }

    /// True for such a graph.
    var isImpossible: Bool { nodes.contains { $0.op == "Impossible" } }
}

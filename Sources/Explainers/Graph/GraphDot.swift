/// An attention graph in Graphviz' language.
struct GraphDot {
    let found: SAGFindings
    let title: String

    func text() -> String {
        let nodes = found.graph.nodes.indices.map { index -> String in
            let node = found.graph.nodes[index]
            let patches = node.set.patches.map { "P\($0)" }.joined(separator: " ")
            let shade = GraphDot.shade(found.scores.relative(node.set))
            return
                "  n\(index) [label=\"\(patches)\\n\(GraphSheet.percent(found.scores.relative(node.set)))\", fillcolor=\"\(shade)\", penwidth=\(node.isRoot ? 3 : 1)];"
        }
        let edges = found.graph.edges.map { edge -> String in
            let from = found.graph.nodes[edge.from].set, to = found.graph.nodes[edge.to].set
            let drop = found.scores.relative(from) - found.scores.relative(to)
            return "  n\(edge.from) -> n\(edge.to) [label=\"-P\(edge.removed)\", penwidth=\(GraphSheet.width(drop))];"
        }
        let head = [
            "digraph sag {", "  label=\"\(GraphDot.quoted(title))\\n\(found.logic)\";", "  node [shape=box, style=filled];",
        ]
        return (head + nodes + edges + ["}", ""]).joined(separator: "\n")
    }

    /// As in the released code: above 0.9, above 0.5, the rest.
    private static func shade(_ relative: Double) -> String { relative > 0.9 ? "snow1" : relative > 0.5 ? "snow3" : "snow4" }

    private static func quoted(_ text: String) -> String {
        text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined().replacing("\n", with: " ")
    }
}

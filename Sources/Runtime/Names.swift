internal import Graphs
internal import Tensors

/// Finds values by the names that people use: the value's own, its node's, or the module path the exporter recorded.
package struct Names: Sendable {
    private let exact: [String: String]
    private let modules: [String: String]

    init(_ graph: Graph) {
        var exact: [String: String] = [:]
        var modules: [String: String] = [:]
        var last: Node?
        for node in graph.nodes {
            // What one node of the file became lies one behind the other; the last computes its result.
            let isContinued = last?.name == node.name && last?.origin == node.origin && !node.origin.isEmpty
            last = node
            guard let first = node.outputs.first, let first else { continue }
            let value = graph[first].name
            if exact[node.name] == nil || isContinued { exact[node.name] = value }
            // The last node of a module computes what the module returns; so does the last of everything inside it.
            var path = Substring(node.module)
            while !path.isEmpty {
                modules[String(path)] = value
                path = path.lastIndex(of: ".").map { path[..<$0] } ?? ""
            }
        }
        for value in graph.values { exact[value.name] = value.name }
        self.exact = exact
        self.modules = modules
    }

    /// The value's name for a value, node or module name.
    package func resolve(_ name: String) throws -> String {
        if let found = exact[name] ?? modules[name] { return found }
        throw Failure.notFound(
            "the model has no value, node or module '\(name)'\(Suggestion.text(for: name, among: Array(modules.keys) + Array(exact.keys)))")
    }
}

package import Graphs
internal import Tensors

/// Finds values by the names that people use: the value's own, its node's, or the path of a module.
package struct Names: Sendable {
    private let graph: Graph
    private let exact: [String: String]
    package let modules: ModuleTree

    init(_ graph: Graph) {
        var exact: [String: String] = [:]
        var last: Node?
        for node in graph.nodes {
            // What one node of the file became lies one behind the other; the last computes its result.
            let isContinued = last?.name == node.name && last?.origin == node.origin && !node.origin.isEmpty
            last = node
            guard let first = node.outputs.first, let first else { continue }
            if exact[node.name] == nil || isContinued { exact[node.name] = graph[first].name }
        }
        for value in graph.values { exact[value.name] = value.name }
        self.graph = graph
        self.exact = exact
        modules = ModuleTree(graph)
    }

    /// The value's name for a value, node or module name; modules may be written with slashes too.
    package func resolve(_ name: String) throws -> String {
        if let found = exact[name] ?? module(name) ?? module(String(name.map { $0 == "/" ? "." : $0 })) { return found }
        throw Failure.notFound("the model has no value, node or module '\(name)'\(hint(name))")
    }

    private func module(_ path: String) -> String? { path.isEmpty ? nil : modules[path]?.value.map { graph[$0].name } }

    /// What became of the module, where an exporter put it into another one; else the nearest names.
    private func hint(_ name: String) -> String {
        if let reader = graph.reader(ofWeightsOf: name), !reader.module.isEmpty {
            return "; its weights are part of \(reader.label), which the exporter counts to '\(reader.module)'"
        }
        return Suggestion.text(for: name, among: modules.modules.dropFirst().map(\.path) + exact.keys)
    }
}

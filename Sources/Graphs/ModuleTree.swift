internal import Tensors

/// The network's modules as its author wrote them: a tree made of the paths that nodes carry.
package struct ModuleTree: Sendable {
    package struct Module: Sendable {
        /// `layer4.1.conv2`; empty for the whole network.
        package let path: String
        /// Class that the exporter recorded, else the operator of an only node; may be empty.
        package fileprivate(set) var kind: String
        package let parent: Int?
        /// Indices of its nodes, those of inner modules included.
        package fileprivate(set) var nodes: [Int] = []
        /// What it returns; nil when it has no node.
        package fileprivate(set) var value: ValueID?
    }

    /// Depth first, each module before those inside it; the first is the whole network.
    package let modules: [Module]
    private let indices: [String: Int]

    package init(_ graph: Graph) {
        var builder = Builder(graph)
        builder.addNodes()
        builder.findValues()
        builder.findKinds()
        modules = builder.inOrder()
        indices = Dictionary(uniqueKeysWithValues: modules.enumerated().map { ($0.element.path, $0.offset) })
    }

    /// The module of that path.
    package subscript(_ path: String) -> Module? { indices[path].map { modules[$0] } }
}

extension Graph {
    /// The node that reads a weight of a module: normalisations are often folded into convolutions by exporters.
    package func reader(ofWeightsOf module: String) -> Node? {
        nodes.first { node in
            node.inputs.contains { $0.map { self[$0].constant != nil && ModulePath.owner(ofWeight: self[$0].name) == module } ?? false }
        }
    }
}

private struct Builder {
    let graph: Graph
    /// In order of first appearance.
    var modules: [ModuleTree.Module]
    var children: [[Int]] = [[]]
    var indices: [String: Int] = ["": 0]
    /// Module of each node.
    var owners: [Int] = []

    init(_ graph: Graph) {
        self.graph = graph
        modules = [.init(path: "", kind: graph.classes[""] ?? "", parent: nil)]
    }

    mutating func addNodes() {
        for (index, node) in graph.nodes.enumerated() {
            let owner = module(node.module)
            owners.append(owner)
            walk(from: owner) { modules, at in modules[at].nodes.append(index) }
        }
    }

    /// Visits a module and those around it.
    private mutating func walk(from start: Int, _ body: (inout [ModuleTree.Module], Int) -> Void) {
        var at: Int? = start
        while let current = at {
            body(&modules, current)
            at = modules[current].parent
        }
    }

    /// Index of the module of that path; it and those around it are added where they are new.
    private mutating func module(_ path: String) -> Int {
        if let known = indices[path] { return known }
        var at = 0
        var end = path.startIndex
        while end < path.endIndex {
            end = path[end...].dropFirst().firstIndex(of: ".") ?? path.endIndex
            let prefix = String(path[..<end])
            if let known = indices[prefix] { at = known; continue }
            modules.append(.init(path: prefix, kind: graph.classes[prefix] ?? "", parent: at))
            children.append([])
            children[at].append(modules.count - 1)
            indices[prefix] = modules.count - 1
            at = modules.count - 1
        }
        return at
    }

    /// A module returns the last of its values that is read outside it, numbers before shapes.
    mutating func findValues() {
        var isFloat = [Bool](repeating: false, count: modules.count)
        let readers = graph.readers()
        let outputs = Set(graph.outputs)
        for (index, node) in graph.nodes.enumerated() {
            for output in node.outputs {
                guard let output else { continue }
                let floating = graph[output].type?.element.isFloat ?? true
                let leaves = exits(of: owners[index], readers: readers[output.index], isOutput: outputs.contains(output))
                for module in leaves where floating || !isFloat[module] {
                    modules[module].value = output
                    isFloat[module] = floating
                }
            }
        }
        // What nobody reads: the last node's.
        for index in modules.indices where modules[index].value == nil {
            modules[index].value = modules[index].nodes.last.flatMap { graph.nodes[$0].outputs.first ?? nil }
        }
        // The network returns its first output.
        if let output = graph.outputs.first { modules[0].value = output }
    }

    /// The module and those around it that a value leaves.
    private func exits(of owner: Int, readers: [Int], isOutput: Bool) -> [Int] {
        var result: [Int] = []
        var at = owner
        while at != 0 {
            let path = modules[at].path
            let leaves = isOutput || readers.contains { !isInside(graph.nodes[$0].module, path) }
            if leaves { result.append(at) }
            at = modules[at].parent ?? 0
        }
        return result
    }

    private func isInside(_ path: String, _ outer: String) -> Bool {
        guard path.hasPrefix(outer) else { return false }
        return path.utf8.count == outer.utf8.count
            || path.utf8[path.utf8.index(path.utf8.startIndex, offsetBy: outer.utf8.count)] == UInt8(ascii: ".")
    }

    mutating func findKinds() {
        for index in modules.indices where modules[index].kind.isEmpty && index > 0 {
            let origins = Set(modules[index].nodes.map { graph.nodes[$0].origin })
            if origins.count == 1, Set(modules[index].nodes.map { graph.nodes[$0].name }).count == 1 {
                modules[index].kind = origins.first ?? ""
            }
        }
    }

    /// Depth first.
    func inOrder() -> [ModuleTree.Module] {
        var result: [ModuleTree.Module] = []
        var stack: [(module: Int, parent: Int?)] = [(0, nil)]
        while let (index, parent) = stack.popLast() {
            let module = modules[index]
            var copy = ModuleTree.Module(path: module.path, kind: module.kind, parent: parent)
            copy.nodes = module.nodes
            copy.value = module.value
            result.append(copy)
            for child in children[index].reversed() { stack.append((child, result.count - 1)) }
        }
        return result
    }
}

internal import Tensors

/// Which names a graph defines and reads, and the order of its nodes.
extension OnnxGraph {
    /// Names of the values that this graph itself defines.
    func definedNames() -> Set<String> {
        var names = Set(inputs.map(\.name))
        names.formUnion(initializers.lazy.map(\.name))
        names.formUnion(sparseInitializers.lazy.map(\.name))
        for node in nodes { names.formUnion(node.outputs) }
        names.remove("")
        return names
    }

    /// Names of the values of this graph and of those inside.
    func allNames() -> Set<String> {
        nodes.lazy.flatMap(\.attributes).flatMap(\.graphs).reduce(into: definedNames()) { $0.formUnion($1.allNames()) }
    }

    /// Names that the graph reads from the graphs around it, in order of first use.
    func freeNames() -> [String] {
        var seen = definedNames()
        var result: [String] = []
        for name in nodes.lazy.flatMap({ $0.reads() }) where seen.insert(name).inserted { result.append(name) }
        for output in outputs where !output.name.isEmpty && seen.insert(output.name).inserted { result.append(output.name) }
        return result
    }
}

extension OnnxNode {
    /// Graphs in the attributes, by the attributes' names.
    var bodies: [OnnxGraph] { attributes.sorted { $0.name < $1.name }.flatMap(\.graphs) }

    /// Names that the node needs: its inputs, and what the graphs in its attributes read from outside.
    func reads() -> [String] {
        let inputs = inputs.filter { !$0.isEmpty }
        return attributes.contains { !$0.graphs.isEmpty } ? inputs + captures() : inputs
    }

    /// What the graphs in the attributes read from outside, in order of first use.
    func captures() -> [String] {
        var seen: Set<String> = []
        return bodies.flatMap { $0.freeNames() }.filter { seen.insert($0).inserted }
    }
}

/// Orders nodes so that each comes after those that compute what it needs; keeps the file's order where that holds.
struct TopologicalOrder {
    private let nodes: [OnnxNode]
    private let needs: [[Int]]
    private enum Mark { case new, open, done }

    /// The sorted nodes. Throws when nodes need each other.
    static func sort(_ nodes: [OnnxNode]) throws -> [OnnxNode] {
        let order = TopologicalOrder(nodes)
        if order.isSorted { return nodes }
        return try order.walk().map { nodes[$0] }
    }

    private init(_ nodes: [OnnxNode]) {
        self.nodes = nodes
        var producers: [String: Int] = [:]
        for (index, node) in nodes.enumerated() { for output in node.outputs where !output.isEmpty { producers[output] = index } }
        needs = nodes.map { node in node.reads().compactMap { producers[$0] } }
    }

    private var isSorted: Bool { needs.enumerated().allSatisfy { index, needs in needs.allSatisfy { $0 < index } } }

    /// Depth first with a stack of its own: chains of nodes are long.
    private func walk() throws -> [Int] {
        var marks = [Mark](repeating: .new, count: nodes.count)
        var order: [Int] = []
        for root in nodes.indices where marks[root] == .new {
            var path = [(node: root, next: 0)]
            marks[root] = .open
            while let (node, next) = path.last {
                if next == needs[node].count {
                    marks[node] = .done
                    order.append(node)
                    path.removeLast()
                    continue
                }
                path[path.count - 1].next += 1
                let need = needs[node][next]
                if marks[need] == .open { throw cycle(path.map(\.node), from: need) }
                if marks[need] == .new {
                    marks[need] = .open
                    path.append((need, 0))
                }
            }
        }
        return order
    }

    private func cycle(_ path: [Int], from start: Int) -> Failure {
        let members = path.drop { $0 != start }.map { nodes[$0].label }
        let shown = members.prefix(8).joined(separator: ", ") + (members.count > 8 ? ", …" : "")
        return .parse("nodes form a cycle: \(shown) (\(members.count) in all)")
    }
}

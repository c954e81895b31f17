package import Graphs
internal import Tensors

/// What can be told of a model's nodes without running it: for the sizes of the file, a symbolic first axis of an input
/// being 1.
package struct Introspection: Sendable {
    package struct NodeFacts: Sendable {
        /// Elements of weights that no earlier node reads.
        package var parameters = 0
        /// nil: not known.
        package var flops: Int?
        /// Backend that runs the node at these sizes; empty: none, or not known.
        package var backend = ""
    }

    /// By node of `Model.graph`.
    package let nodes: [NodeFacts]
    /// By value: whether the first output has a gradient with respect to it.
    package let isDifferentiable: [Bool]
    package let modules: ModuleTree

    init(_ graph: Graph, modules: ModuleTree, backends: [Backend], operators: OperatorSet) {
        let sized = Introspection.sized(graph, operators)
        let parameters = Introspection.parameters(graph)
        nodes = graph.nodes.indices.map { index in
            let node = sized.nodes[index]
            return NodeFacts(
                parameters: parameters[index], flops: Flops.count(node, in: sized), backend: Introspection.backend(node, sized, backends))
        }
        isDifferentiable =
            graph.outputs.first.map { graph.differentiable(from: $0, operators: operators) }
            ?? [Bool](repeating: false, count: graph.values.count)
        self.modules = modules
    }

    /// Sums over nodes.
    package func total(_ indices: [Int]) -> NodeFacts {
        indices.reduce(into: NodeFacts(flops: 0)) { sum, index in
            sum.parameters += nodes[index].parameters
            sum.flops = sum.flops.flatMap { sum in nodes[index].flops.flatMap { sum.addingReportingOverflow($0).overflow ? nil : sum + $0 }
            }
        }
    }

    /// The graph with symbolic first axes of the inputs set to 1 and everything that follows from that; as it is where that fails.
    private static func sized(_ graph: Graph, _ operators: OperatorSet) -> Graph {
        var sized = graph
        if graph.setBatch(1, of: &sized) {
            do { try sized.inferAll(operators: operators) } catch { sized = graph }
        }
        // Backends see explicit padding only.
        let context = PassContext(operators: operators, pinned: Set(graph.outputs))
        var padded = sized
        if (try? Pass.explicitPads.apply(&padded, context)) != nil, padded.nodes.count == sized.nodes.count { return padded }
        return sized
    }

    private static func parameters(_ graph: Graph) -> [Int] {
        var seen = [Bool](repeating: false, count: graph.values.count)
        let made = graph.producers()
        return graph.nodes.map { node in
            node.inputs.reduce(0) { sum, input in
                guard let input, made[input.index] < 0, !seen[input.index], let weight = graph[input].constant, weight.isParameter else {
                    return sum
                }
                seen[input.index] = true
                return sum + weight.count
            }
        }
    }

    private static func backend(_ node: Node, _ graph: Graph, _ backends: [Backend]) -> String {
        if Plan.isView(node.op) || node.outputs.allSatisfy({ $0.map { graph[$0].constant != nil } ?? true }) { return "" }
        guard let program = Program(node, in: graph) else { return "" }
        return backends.first { $0.supports(program) }?.name ?? ""
    }
}

extension Tensor {
    /// What training sets: numbers, but neither single ones (the bounds of a Clip) nor sizes and positions.
    fileprivate var isParameter: Bool {
        !shape.isEmpty && (type.isFloat || [.int8, .uint8, .int4, .uint4, .int2, .uint2].contains(type))
    }
}

extension Graph {
    /// Gives the symbol of each input's first axis the size `count` in `sized`, a copy of this graph, and forgets what nodes
    /// computed from it. False when there is none.
    fileprivate func setBatch(_ count: Int, of sized: inout Graph) -> Bool {
        let symbols = Set(inputs.compactMap { self[$0].type?.dims?.first }.filter(\.isSymbolic))
        guard !symbols.isEmpty else { return false }
        for input in inputs {
            sized[input].type?.dims = self[input].type?.dims?.map { symbols.contains($0) ? Dim(count) : $0 }
        }
        for node in nodes {
            for output in node.outputs { if let output { sized[output].type = nil; sized[output].symbolic = nil } }
        }
        return true
    }
}

internal import Tensors

extension Pass {
    /// `(x - E x) / sqrt(E (x - E x)² + ε) · scale + bias`, as exporters below opset 17 write it, as one
    /// LayerNormalization.
    static let recognizeLayerNorm = Pass("recognize-layer-norm") { graph, context in
        let search = LayerNormSearch(graph, context)
        var found: [Int: LayerNormSearch.Match] = [:]
        for (index, node) in graph.nodes.enumerated() where node.op == "Div" {
            if let match = search.match(dividing: index) { found[match.last] = match }
        }
        guard !found.isEmpty else { return false }
        var removed: Set<Int> = []
        for match in found.values {
            guard let node = try match.node(&graph), context.isSupported(node, graph) else { continue }
            graph.nodes[match.last] = node
            removed.formUnion(match.absorbed)
        }
        graph.keepNodes { !removed.contains($0) }
        return !removed.isEmpty
    }
}

private struct LayerNormSearch {
    private let graph: Graph
    private let usage: Usage

    init(_ graph: Graph, _ context: PassContext) {
        self.graph = graph
        usage = Usage(graph, kept: context.pinned)
    }

    struct Match {
        let x: ValueID
        let first: Int
        let epsilon: Double
        /// Scale and bias; nil where the pattern ends before.
        var scale: ValueID?
        var bias: ValueID?
        /// Node that computes the result, and the others.
        var last: Int
        var absorbed: [Int]

        /// The node that does all of it.
        func node(_ graph: inout Graph) throws -> Node? {
            let end = graph.nodes[last]
            guard let type = graph[x].type, let dims = type.dims, first < dims.count else { return nil }
            var scale = scale
            if scale == nil {
                guard let size = dims.last?.value, first == dims.count - 1 else { return nil }
                let ones = try Tensor([Double](repeating: 1, count: size)).converted(to: type.element)
                scale = graph.constant(ones, "\(end.name)/scale")
            }
            return Node(
                op: "LayerNormalization", name: end.name, inputs: [x, scale] + (bias.map { [$0] } ?? []), outputs: end.outputs,
                attributes: ["axis": .int(first), "epsilon": .float(epsilon)], module: end.module)
        }
    }

    /// The pattern around the division `index`.
    func match(dividing index: Int) -> Match? {
        let division = graph.nodes[index]
        guard division.inputs.count == 2, let centred = division.inputs[0],
            let root = node(division.inputs[1], "Sqrt"), let sum = node(graph.nodes[root].inputs.first ?? nil, "Add"),
            let (variance, epsilon) = constantOperand(sum), let mean = node(variance, "ReduceMean"),
            let square = squareOf(centred, graph.nodes[mean].inputs.first ?? nil),
            let difference = usage.producer(centred), graph.nodes[difference].op == "Sub",
            let x = graph.nodes[difference].inputs.first ?? nil,
            graph.nodes[difference].inputs.count == 2, let average = node(graph.nodes[difference].inputs[1], "ReduceMean"),
            graph.nodes[average].inputs.first == x, let first = firstAxis(average, x), firstAxis(mean, x) == first,
            readers(centred, are: [square, index])
        else { return nil }
        let absorbed = [root, sum, mean, square, difference, average]
        return withScaleAndBias(Match(x: x, first: first, epsilon: epsilon, last: index, absorbed: absorbed))
    }

    /// The node of that type that computes a value which only the pattern reads.
    private func node(_ id: ValueID?, _ op: String) -> Int? {
        guard let producer = usage.producer(id), graph.nodes[producer].op == op, usage.reader(id) != nil else { return nil }
        return producer
    }

    /// The other operand and the number, where one operand is a number.
    private func constantOperand(_ index: Int) -> (ValueID, Double)? {
        let inputs = graph.nodes[index].inputs
        guard inputs.count == 2, let a = inputs[0], let b = inputs[1] else { return nil }
        if let number = number(b) { return (a, number) }
        return number(a).map { (b, $0) }
    }

    private func number(_ id: ValueID) -> Double? {
        guard let tensor = graph[id].constant, tensor.count == 1, tensor.type.isFloat else { return nil }
        return try? tensor.doubles().first
    }

    /// The node that squares `base`: Pow by 2 or Mul with itself.
    private func squareOf(_ base: ValueID, _ id: ValueID?) -> Int? {
        guard let producer = usage.producer(id), usage.reader(id) != nil else { return nil }
        let node = graph.nodes[producer]
        guard node.inputs.count == 2, node.inputs[0] == base, let second = node.inputs[1] else { return nil }
        let isSquare = node.op == "Mul" ? second == base : node.op == "Pow" && (try? graph[second].constant?.doubles()) == [2]
        return isSquare ? producer : nil
    }

    /// First of the axes that a ReduceMean averages, when they are the last ones and stay as 1.
    private func firstAxis(_ index: Int, _ x: ValueID) -> Int? {
        let node = graph.nodes[index]
        guard let rank = graph[x].type?.rank, node.attributes["keepdims"]?.int ?? 1 == 1 else { return nil }
        let call = Call(node: node, inputs: node.inputs.map { $0.flatMap { graph[$0].constant } })
        guard let axes = (try? call.ints(1, or: "axes")) ?? nil, !axes.isEmpty else { return nil }
        let places = axes.map { $0 < 0 ? $0 + rank : $0 }.sorted()
        return places == Array(rank - places.count..<rank) ? places[0] : nil
    }

    /// True when nobody but these nodes needs the value.
    private func readers(_ id: ValueID, are nodes: [Int]) -> Bool { usage.readerCount(id) == nodes.count }

    /// The Mul and the Add behind the division, where they are by one vector over the averaged axes.
    private func withScaleAndBias(_ match: Match) -> Match {
        var match = match
        guard let mul = usage.reader(graph.nodes[match.last].outputs[0]), graph.nodes[mul].op == "Mul",
            let scale = vector(mul, graph.nodes[match.last].outputs[0], match)
        else { return match }
        match.absorbed.append(match.last)
        (match.scale, match.last) = (scale, mul)
        guard let add = usage.reader(graph.nodes[mul].outputs[0]), graph.nodes[add].op == "Add",
            let bias = vector(add, graph.nodes[mul].outputs[0], match)
        else { return match }
        match.absorbed.append(mul)
        (match.bias, match.last) = (bias, add)
        return match
    }

    /// The other operand, when it has exactly the averaged axes.
    private func vector(_ index: Int, _ id: ValueID?, _ match: Match) -> ValueID? {
        let inputs = graph.nodes[index].inputs
        guard inputs.count == 2, let dims = graph[match.x].type?.dims, let other = inputs[0] == id ? inputs[1] : inputs[0], other != id
        else { return nil }
        guard graph[other].type?.dims == Array(dims[match.first...]) else { return nil }
        return other
    }
}

internal import Tensors

extension Pass {
    /// Writes an Einsum of two tensors, whose letters are all kept or contracted, as Transpose, Reshape and MatMul, which
    /// backends run fast. Needs known shapes.
    static let einsumToMatMul = Pass("einsum-to-matmul") { graph, context in
        guard graph.nodes.contains(where: { $0.op == "Einsum" }) else { return false }
        var nodes: [Node] = []
        var changed = false
        for node in graph.nodes {
            if let product = Contraction(node, graph) {
                nodes += try product.nodes(&graph, context.operators)
                changed = true
            } else {
                nodes.append(node)
            }
        }
        graph.nodes = nodes
        return changed
    }
}

/// `batch, rows, inner` times `batch, inner, columns`, with several axes in each place.
private struct Contraction {
    private let node: Node
    private let left: (id: ValueID, letters: [Character])
    private let right: (id: ValueID, letters: [Character])
    private let result: [Character]
    private let sizes: [Character: Int]
    private let batch: [Character]
    private let rows: [Character]
    private let inner: [Character]
    private let columns: [Character]

    init?(_ node: Node, _ graph: Graph) {
        guard node.op == "Einsum", node.inputs.count == 2, let a = node.inputs[0], let b = node.inputs[1],
            let equation = node.attributes["equation"]?.string.map({ $0.filter { $0 != " " } }), !equation.contains("."),
            let arrow = equation.firstIndex(of: ">"), let shapeA = graph[a].type?.shape, let shapeB = graph[b].type?.shape
        else { return nil }
        let operands = equation[..<arrow].dropLast().split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
        result = Array(equation[equation.index(after: arrow)...])
        guard operands.count == 2, operands[0].count == shapeA.count, operands[1].count == shapeB.count,
            ([result] + operands).allSatisfy({ Set($0).count == $0.count })
        else { return nil }
        let inA = Set(operands[0]), inB = Set(operands[1]), kept = Set(result)
        // A letter of one operand alone that the result drops is a sum, not a product.
        guard inA.subtracting(inB).isSubset(of: kept), inB.subtracting(inA).isSubset(of: kept), kept.isSubset(of: inA.union(inB)) else {
            return nil
        }
        var sizes: [Character: Int] = [:]
        for (letter, size) in Array(zip(operands[0], shapeA)) + Array(zip(operands[1], shapeB)) {
            guard size > 0, sizes[letter] == nil || sizes[letter] == size else { return nil }
            sizes[letter] = size
        }
        self.node = node
        self.sizes = sizes
        left = (a, operands[0])
        right = (b, operands[1])
        batch = operands[0].filter { inB.contains($0) && kept.contains($0) }
        rows = operands[0].filter { !inB.contains($0) }
        inner = operands[0].filter { inB.contains($0) && !kept.contains($0) }
        columns = operands[1].filter { !inA.contains($0) }
    }

    func nodes(_ graph: inout Graph, _ operators: OperatorSet) throws -> [Node] {
        var made: [Node] = []
        func emit(_ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:], to output: ValueID? = nil) throws -> ValueID
        {
            let output = output ?? graph.add("\(node.name)/\(op)")
            let next = Node(
                op: op, name: node.name, inputs: inputs, outputs: [output], attributes: attributes, origin: node.origin, module: node.module
            )
            try graph.infer(next, operators: operators)
            made.append(next)
            return output
        }
        func reshaped(_ value: ValueID, _ shape: [Int], to output: ValueID? = nil) throws -> ValueID {
            let sizes = graph.constant(try Tensor(shape.map { Int64($0) }), "\(node.name)/shape")
            return try emit("Reshape", [value, sizes], ["allowzero": .int(1)], to: output)
        }
        func matrix(_ operand: (id: ValueID, letters: [Character]), _ groups: [[Character]]) throws -> ValueID {
            let order = groups.joined().compactMap { operand.letters.firstIndex(of: $0) }
            let turned = order == Array(order.indices) ? operand.id : try emit("Transpose", [operand.id], ["perm": .ints(order)])
            return try reshaped(turned, groups.map(count))
        }
        let product = try emit("MatMul", [try matrix(left, [batch, rows, inner]), try matrix(right, [batch, inner, columns])])
        let letters = batch + rows + columns
        let output = node.outputs.first.flatMap { $0 }
        if letters == result {
            _ = try reshaped(product, letters.map { sizes[$0] ?? 1 }, to: output)
        } else {
            let whole = try reshaped(product, letters.map { sizes[$0] ?? 1 })
            _ = try emit("Transpose", [whole], ["perm": .ints(result.compactMap { letters.firstIndex(of: $0) })], to: output)
        }
        return made
    }

    private func count(_ letters: [Character]) -> Int { letters.reduce(1) { $0 * (sizes[$1] ?? 1) } }
}

internal import Tensors

/// DeepLIFT's RevealCancel: behind a linear layer or a sum, a function sees what pushes it up and what pushes it down apart,
/// so that two inputs whose changes cancel each other both count (Shrikumar et al. 2017, sections 3.5.1 and 3.5.3).
///
/// The function hands its multiplier on as it is, and the layer before it does the work, which alone knows both parts.
enum RevealCancel {
    static func rules(_ graph: Graph, denseAlone: Bool) throws -> [ValueID: Operator.VJP] {
        let producers = graph.producers(), readers = graph.readers()
        var layers: [ValueID: LinearLayer] = [:]
        for node in graph.nodes {
            if let layer = try LinearLayer(node, in: graph, readers: readers) { layers[layer.output] = layer }
        }
        let active = graph.dependents(of: Set(graph.inputs))
        var rules: [ValueID: Operator.VJP] = [:]
        for node in graph.nodes where Pointwise.functions.contains(node.op) {
            guard let x = node.inputs.first, let x, let y = node.outputs.first, let y, readers[x.index].count == 1,
                !graph.outputs.contains(x), node.inputs.dropFirst().allSatisfy({ $0.map { !active[$0.index] } ?? true })
            else { continue }
            if let layer = layers[x], let made = layer.node.outputs.first, let made {
                guard layer.kind == .dense || !denseAlone else { continue }
                rules[made] = behind(layer, node)
                for follower in layer.followers { rules[follower] = passed }
            } else if !denseAlone, producers[x.index] >= 0, graph.nodes[producers[x.index]].op == "Add" {
                rules[x] = sum(node)
            } else {
                continue
            }
            rules[y] = RelevanceAssignment.pass(to: 0)
        }
        return rules
    }

    /// To the one input that changes.
    private static let passed: Operator.VJP = { g, node, arriving in
        node.inputs.map { g.hasTwin($0) ? arriving.first ?? nil : nil }
    }

    private static func behind(_ layer: LinearLayer, _ function: Node) -> Operator.VJP {
        { g, _, arriving in
            guard let signal = arriving.first ?? nil else { return [] }
            let weight = try layer.weight()
            let up = g.constant(try weight.map(Float.self) { max($0, 0) }.converted(to: weight.type))
            let down = g.constant(try weight.map(Float.self) { min($0, 0) }.converted(to: weight.type))
            let dx = try Contributions.change(&g, layer.input), more = try g.emit("Relu", [dx]), less = try g.sub(dx, more)
            let rise = try g.add(layer.apply(&g, more, up), layer.apply(&g, less, down))
            let fall = try g.add(layer.apply(&g, more, down), layer.apply(&g, less, up))
            let (risen, fallen) = try multipliers(&g, function, signal, rise, fall)
            func back(_ a: ValueID, _ b: ValueID) throws -> ValueID {
                try g.add(layer.transposed(&g, risen, a), layer.transposed(&g, fallen, b))
            }
            return [try chosen(&g, dx, back(up, down), back(down, up))]
        }
    }

    /// A sum is a linear layer with weights of 1.
    private static func sum(_ function: Node) -> Operator.VJP {
        { g, node, arriving in
            guard let signal = arriving.first ?? nil else { return [] }
            let changes = try node.inputs.map { try $0.flatMap { g.hasTwin($0) ? try Contributions.change(&g, $0) : nil } }
            var rise: ValueID?, fall: ValueID?
            for change in changes.compactMap({ $0 }) {
                let more = try g.emit("Relu", [change]), less = try g.sub(change, more)
                rise = try rise.map { try g.add($0, more) } ?? more
                fall = try fall.map { try g.add($0, less) } ?? less
            }
            guard let rise, let fall else { return node.inputs.map { _ in nil } }
            let (risen, fallen) = try multipliers(&g, function, signal, rise, fall)
            return try changes.map { try $0.map { try chosen(&g, $0, risen, fallen) } }
        }
    }

    /// The multiplier of an input by the sign of its change; the mean of both where there is none.
    private static func chosen(_ g: inout Gradients, _ change: ValueID, _ up: ValueID, _ down: ValueID) throws -> ValueID {
        let still = try g.mul(g.add(up, down), 0.5)
        return try g.select(g.isAbove(change, 0), up, g.select(g.isBelow(change, 0), down, still))
    }

    /// Multipliers of the part that rises and of the part that falls, each the mean of what it adds before and after the other.
    private static func multipliers(_ g: inout Gradients, _ function: Node, _ signal: ValueID, _ rise: ValueID, _ fall: ValueID) throws
        -> (ValueID, ValueID)
    {
        guard let vjp = g.operators[function.op]?.vjp else { throw Failure.unsupported("\(function.op) has no gradient") }
        let x = try g.input(function, 0), y = try g.output(function), reference = g.twin(x), start = g.twin(y)
        func value(_ at: ValueID) throws -> ValueID {
            try g.emit(function.op, [at] + function.inputs.dropFirst(), function.attributes)
        }
        let risen = try value(g.add(reference, rise)), fallen = try value(g.add(reference, fall))
        let upward = try g.mul(g.add(g.sub(risen, start), g.sub(y, fallen)), 0.5)
        let downward = try g.mul(g.add(g.sub(fallen, start), g.sub(y, risen)), 0.5)
        let slope = try Contributions.rescaled(&g, function, [signal], vjp)[0] ?? g.mul(signal, 0)
        return (
            try Contributions.ratio(&g, g.mul(signal, upward), over: rise, else: slope),
            try Contributions.ratio(&g, g.mul(signal, downward), over: fall, else: slope)
        )
    }
}

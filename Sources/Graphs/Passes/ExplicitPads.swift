internal import Tensors

extension Pass {
    /// Writes `kernel_shape`, `strides`, `dilations`, `pads` (and `group`, `output_padding`) out in full on
    /// convolutions and pools, and takes `auto_pad` and `output_shape` away, wherever the sizes that they depend on are
    /// known. Backends see explicit padding only.
    package static let explicitPads = Pass("explicit-pads") { graph, _ in
        var changed = false
        for index in graph.nodes.indices {
            let node = graph.nodes[index]
            guard let attributes = try ExplicitPads.attributes(node, graph) else { continue }
            graph.nodes[index].attributes = attributes
            changed = true
        }
        return changed
    }
}

private enum ExplicitPads {
    private static let names: Set = ["kernel_shape", "strides", "dilations", "pads"]

    /// The node's attributes in full; nil when they are so already or depend on sizes that are not known.
    static func attributes(_ node: Node, _ graph: Graph) throws -> [String: Attribute]? {
        let isDone =
            names.allSatisfy { node.attributes[$0] != nil } && node.attributes["auto_pad"] == nil && node.attributes["output_shape"] == nil
        if isDone { return nil }
        do {
            guard let explicit = try windows(node, graph) else { return nil }
            return node.attributes.filter { $0.key != "auto_pad" && $0.key != "output_shape" }.merging(explicit) { $1 }
        } catch is NotYetKnown {
            return nil
        } catch let failure as Failure {
            throw failure.at(node.label)
        }
    }

    private static func windows(_ node: Node, _ graph: Graph) throws -> [String: Attribute]? {
        switch node.op {
        case "Conv": return try convolution(node, input: dims(node, 0, graph), weight: dims(node, 1, graph))
        case "ConvGradInput": return try convolution(node, input: asked(node, "input_shape"), weight: dims(node, 1, graph))
        case "ConvGradWeight": return try convolution(node, input: dims(node, 0, graph), weight: asked(node, "weight_shape"))
        case "ConvTranspose": return try transposed(node, input: dims(node, 0, graph), weight: dims(node, 1, graph))
        case "MaxPool", "AveragePool", "SumPool", "MaxPoolPick": return try pool(node, dims(node, 0, graph))
        case "MaxPoolGrad": return try pool(node, dims(node, 1, graph))
        case "AveragePoolGrad", "SumPoolGrad": return try pool(node, asked(node, "input_shape"))
        default: return nil
        }
    }

    private static func dims(_ node: Node, _ input: Int, _ graph: Graph) -> [Dim]? {
        input < node.inputs.count ? node.inputs[input].flatMap { graph[$0].type?.dims } : nil
    }

    private static func asked(_ node: Node, _ name: String) -> [Dim]? { node.attributes[name]?.ints?.map { Dim($0) } }

    /// The attributes in full. Explicit padding does not depend on the input's size.
    private static func resolved(_ attributes: WindowAttributes, _ sizes: [Dim]) throws -> [String: Attribute] {
        guard let kernel = attributes.kernel else { throw NotYetKnown() }
        if attributes.padding == .explicit || attributes.padding == .valid {
            return [
                "kernel_shape": .ints(kernel), "strides": .ints(attributes.strides), "dilations": .ints(attributes.dilations),
                "pads": .ints(attributes.begins + attributes.ends),
            ]
        }
        return try attributes.axes(known(sizes)).attributes
    }

    private static func known(_ dims: [Dim]) throws -> [Int] {
        let sizes = dims.compactMap(\.value)
        guard sizes.count == dims.count else { throw NotYetKnown() }
        return sizes
    }

    private static func convolution(_ node: Node, input: [Dim]?, weight: [Dim]?) throws -> [String: Attribute]? {
        guard let input, let weight, input.count == weight.count, input.count >= 3 else { return nil }
        let call = Call(node: node, inputs: [])
        let attributes = try WindowAttributes(call, rank: input.count - 2, kernel: weight.dropFirst(2).map(\.value))
        let group: [String: Attribute] = ["group": .int(try Convolution.groups(call))]
        return try resolved(attributes, Array(input[2...])).merging(group) { $1 }
    }

    private static func transposed(_ node: Node, input: [Dim]?, weight: [Dim]?) throws -> [String: Attribute]? {
        guard let input, let weight, input.count == weight.count, input.count >= 3 else { return nil }
        let call = Call(node: node, inputs: [])
        let attributes = try WindowAttributes(call, rank: input.count - 2, kernel: weight.dropFirst(2).map(\.value))
        let (padding, size) = try Convolution.transposedExtras(call, rank: attributes.rank)
        var result: [String: Attribute] = ["group": .int(try Convolution.groups(call)), "output_padding": .ints(padding)]
        if attributes.padding == .explicit || attributes.padding == .valid, size.allSatisfy({ $0 == nil }) {
            return try result.merging(resolved(attributes, [])) { $1 }
        }
        let axes = try known(Array(input[2...])).enumerated().map {
            try attributes.transposed($0.offset, input: $0.element, outputPadding: padding[$0.offset], size: size[$0.offset])
        }
        // What is asked for beyond the windows' reach stays empty at the end, which is what output_padding means.
        let rest = axes.map { $0.input - ($0.stride * ($0.output - 1) + $0.extent - $0.begin - $0.end) }
        result["output_padding"] = .ints(rest.map { max(0, $0) })
        return result.merging(axes.attributes) { $1 }
    }

    private static func pool(_ node: Node, _ input: [Dim]?) throws -> [String: Attribute]? {
        // A gradient of a global pool has no window of its own.
        guard let input, input.count >= 3, node.attributes["kernel_shape"] != nil else { return nil }
        return try resolved(WindowAttributes(Call(node: node, inputs: []), rank: input.count - 2), Array(input[2...]))
    }
}

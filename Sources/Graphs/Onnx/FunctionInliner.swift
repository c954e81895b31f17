internal import Tensors

/// Puts the nodes of a model's own functions in the place of the nodes that call them.
struct FunctionInliner {
    private struct Key: Hashable {
        let domain: String, name: String, overload: String
    }

    /// Calls within calls; recursion, which ONNX forbids, ends here.
    private static let depthLimit = 32
    /// Nodes that calls may add: a few functions that call each other twice could fill any memory.
    private static let nodeLimit = 1_000_000

    private var functions: [Key: OnnxFunction] = [:]
    private var taken: Set<String> = []
    private var count = 0

    /// The model's graph without calls of functions.
    static func inline(_ model: OnnxModel) throws -> OnnxGraph {
        if model.functions.isEmpty { return model.graph }
        var inliner = FunctionInliner()
        for function in model.functions {
            let key = Key(domain: function.domain, name: function.name, overload: function.overload)
            guard inliner.functions.updateValue(function, forKey: key) == nil else {
                let overload = function.overload.isEmpty ? "" : " overload '\(function.overload)'"
                throw Failure.parse("function '\(function.domain):\(function.name)'\(overload) is defined twice")
            }
        }
        inliner.taken = model.graph.allNames()
        var graph = model.graph
        graph.nodes = try inliner.expand(graph.nodes, depth: 0)
        return graph
    }

    private mutating func expand(_ nodes: [OnnxNode], depth: Int) throws -> [OnnxNode] {
        var result: [OnnxNode] = []
        result.reserveCapacity(nodes.count)
        for node in nodes {
            // ONNX prints the operator with its domain; functions are found by the two apart.
            let name = node.domain.isEmpty ? node.op : String(node.op.dropFirst(node.domain.count + 1))
            if let function = functions[Key(domain: node.domain, name: name, overload: node.overload)] {
                guard depth < Self.depthLimit else {
                    throw Failure.parse("\(node.label): calls of functions nest deeper than \(Self.depthLimit); is one recursive?")
                }
                result += try expand(body(of: function, for: node), depth: depth + 1)
            } else {
                count += 1
                guard depth == 0 || count <= Self.nodeLimit else {
                    throw Failure.parse("\(node.label): functions expand to more than \(Self.nodeLimit) nodes")
                }
                result.append(try expandGraphs(of: node, depth: depth))
            }
        }
        return result
    }

    private mutating func expandGraphs(of node: OnnxNode, depth: Int) throws -> OnnxNode {
        guard node.attributes.contains(where: { !$0.graphs.isEmpty }) else { return node }
        var node = node
        for index in node.attributes.indices {
            node.attributes[index].value = try node.attributes[index].value.mapGraphs { graph in
                var graph = graph
                graph.nodes = try expand(graph.nodes, depth: depth)
                return graph
            }
        }
        return node
    }

    /// The function's nodes with the call's values, attributes and name in them.
    private mutating func body(of function: OnnxFunction, for call: OnnxNode) throws -> [OnnxNode] {
        try checkCounts(function, call)
        var names: [String: String] = [:]
        for (index, input) in function.inputs.enumerated() { names[input] = index < call.inputs.count ? call.inputs[index] : "" }
        var copies: [OnnxNode] = []
        for (index, output) in function.outputs.enumerated() {
            let actual = index < call.outputs.count ? call.outputs[index] : ""
            if let input = names[output] {
                if !actual.isEmpty { copies.append(identity(input, actual, call)) }
            } else {
                names[output] = actual.isEmpty ? unique("\(call.displayName)/\(output)") : actual
            }
        }
        try nameInnerValues(of: function, for: call, &names)
        let attributes = Dictionary((function.defaults + call.attributes).map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        return try copies
            + function.nodes.map { inner in
                var node = try instantiate(inner, names, attributes, call)
                node.name = "\(call.displayName)/\(inner.displayName)"
                node.module = call.module.isEmpty ? inner.module : call.module
                node.classes = call.classes.isEmpty ? inner.classes : call.classes
                return node
            }
    }

    private func checkCounts(_ function: OnnxFunction, _ call: OnnxNode) throws {
        guard call.inputs.count <= function.inputs.count else {
            throw Failure.parse("\(call.label): the function takes \(function.inputs.count) inputs, found \(call.inputs.count)")
        }
        guard call.outputs.count <= function.outputs.count else {
            throw Failure.parse("\(call.label): the function has \(function.outputs.count) outputs, found \(call.outputs.count)")
        }
    }

    /// Gives every value that the function computes a name outside; each must be computed once, and each output at all.
    private mutating func nameInnerValues(of function: OnnxFunction, for call: OnnxNode, _ names: inout [String: String]) throws {
        var computed = Set(function.inputs)
        for output in function.nodes.lazy.flatMap(\.outputs) where !output.isEmpty {
            guard computed.insert(output).inserted else {
                throw Failure.parse("\(call.label): value '\(output)' of the function is computed twice")
            }
            if names[output] == nil { names[output] = unique("\(call.displayName)/\(output)") }
        }
        if let missing = function.outputs.first(where: { !computed.contains($0) }) {
            throw Failure.parse("\(call.label): no node of the function computes its output '\(missing)'")
        }
    }

    private func identity(_ input: String, _ output: String, _ call: OnnxNode) -> OnnxNode {
        OnnxNode(
            name: output, op: "Identity", domain: "", overload: "", opset: 13, inputs: [input], outputs: [output], attributes: [],
            module: call.module)
    }

    private mutating func unique(_ name: String) -> String {
        var unique = name
        var copies = 1
        while !taken.insert(unique).inserted { copies += 1; unique = "\(name)#\(copies)" }
        return unique
    }

    /// One inner node with outer names; in graphs inside, names that are defined there mostly stay.
    private func instantiate(
        _ inner: OnnxNode, _ names: [String: String], _ values: [String: OnnxAttribute], _ call: OnnxNode
    ) throws -> OnnxNode {
        func outer(_ name: String) throws -> String {
            if name.isEmpty { return name }
            guard let outer = names[name] else {
                throw Failure.parse("\(call.label): \(inner.label) of the function reads '\(name)', which nothing computes")
            }
            return outer
        }
        var node = inner
        node.inputs = try inner.inputs.map(outer)
        node.outputs = inner.outputs.map { names[$0] ?? $0 }
        node.attributes = inner.attributes.compactMap { resolve($0, names, values) }
        return node
    }

    /// An attribute that refers to one of the function that is not given is left out: the operator's own default holds.
    private func resolve(_ attribute: OnnxAttribute, _ names: [String: String], _ values: [String: OnnxAttribute]) -> OnnxAttribute? {
        if !attribute.reference.isEmpty {
            guard let given = values[attribute.reference] else { return nil }
            return OnnxAttribute(name: attribute.name, reference: given.reference, value: given.value)
        }
        var result = attribute
        result.value = attribute.value.mapGraphs { rename($0, names, values) }
        return result
    }

    private func fresh(_ name: String, _ others: Set<String>) -> String {
        var copies = 2
        while others.contains("\(name)#\(copies)") || taken.contains("\(name)#\(copies)") { copies += 1 }
        return "\(name)#\(copies)"
    }

    private func rename(_ graph: OnnxGraph, _ names: [String: String], _ values: [String: OnnxAttribute]) -> OnnxGraph {
        var graph = graph
        var visible = names
        // What the graph defines stays, unless it would hide a value of the caller that the graph may read.
        let outer = Set(names.values), defined = graph.definedNames()
        for name in defined { visible[name] = outer.contains(name) ? fresh(name, outer.union(defined)) : nil }
        for index in graph.inputs.indices { graph.inputs[index].name = visible[graph.inputs[index].name] ?? graph.inputs[index].name }
        for index in graph.initializers.indices {
            graph.initializers[index].name = visible[graph.initializers[index].name] ?? graph.initializers[index].name
        }
        for index in graph.nodes.indices {
            graph.nodes[index].inputs = graph.nodes[index].inputs.map { visible[$0] ?? $0 }
            graph.nodes[index].outputs = graph.nodes[index].outputs.map { visible[$0] ?? $0 }
            graph.nodes[index].attributes = graph.nodes[index].attributes.compactMap { resolve($0, visible, values) }
        }
        for index in graph.outputs.indices { graph.outputs[index].name = visible[graph.outputs[index].name] ?? graph.outputs[index].name }
        return graph
    }
}

extension OnnxAttribute.Value {
    /// The value with each graph in it replaced.
    func mapGraphs(_ body: (OnnxGraph) throws -> OnnxGraph) rethrows -> OnnxAttribute.Value {
        switch self {
        case .graph(let graph): .graph(try body(graph))
        case .graphs(let graphs): .graphs(try graphs.map(body))
        default: self
        }
    }
}

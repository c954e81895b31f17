package import Tensors

/// How one ONNX operator, at the opsets from `since` on, becomes core operators. Operators without a lowering are
/// core operators of the same name, attributes and inputs (the readers in `NodeReader` accept what opsets moved from
/// attributes to inputs).
package struct Lowering: Sendable {
    package typealias Rule = @Sendable (inout Lowerer, Node) throws -> Void

    package let op: String
    package let since: Int
    package let apply: Rule

    /// `op` is ONNX's name, with `domain:` in front outside the default domain.
    package init(_ op: String, since: Int, _ apply: @escaping Rule) {
        self.op = op
        self.since = since
        self.apply = apply
    }
}

/// Adds core nodes to a graph for one ONNX node after another, inferring types as it goes.
package struct Lowerer {
    package var graph: Graph
    package let operators: OperatorSet
    /// Opset of the node being lowered.
    package var opset: Int
    /// The ONNX node being lowered; its name, origin and module go to every node made for it.
    private var current: Node

    package init(operators: OperatorSet) {
        graph = Graph()
        self.operators = operators
        opset = 0
        current = Node(op: "", name: "", inputs: [], outputs: [])
    }

    /// Lowers one node whose op is ONNX's name.
    package mutating func lower(_ node: Node, opset: Int) throws {
        current = node
        self.opset = opset
        if let lowering = operators.lowering(node.op, opset: opset) {
            do { try lowering.apply(&self, node) } catch let failure as Failure { throw failure.at(node.label) }
        } else {
            try add(node)
        }
    }

    /// Adds a finished core node.
    package mutating func add(_ node: Node) throws {
        try graph.infer(node, operators: operators)
        graph.nodes.append(node)
    }

    /// Adds a core node that computes the given outputs (those of the ONNX node for the last one).
    package mutating func emit(_ op: String, _ inputs: [ValueID?], to outputs: [ValueID?], _ attributes: [String: Attribute] = [:]) throws {
        try add(
            Node(
                op: op, name: current.name, inputs: inputs, outputs: outputs, attributes: attributes, origin: current.origin,
                module: current.module))
    }

    /// Adds a core node with one new inner output.
    package mutating func emit(_ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:]) throws -> ValueID {
        let output = graph.add("\(current.name)/\(op)")
        try emit(op, inputs, to: [output], attributes)
        return output
    }

    /// Adds what ONNX's operator becomes at an opset (by default the newest), in place of the node being lowered.
    package mutating func emit(
        onnx op: String, opset: Int = .max, _ inputs: [ValueID?], to outputs: [ValueID?], _ attributes: [String: Attribute] = [:]
    ) throws {
        let node = Node(
            op: op, name: current.name, inputs: inputs, outputs: outputs, attributes: attributes, origin: current.origin,
            module: current.module)
        guard let lowering = operators.lowering(op, opset: opset) else { return try add(node) }
        try lowering.apply(&self, node)
    }

    /// The same with one new inner output.
    package mutating func emit(onnx op: String, opset: Int = .max, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:]) throws
        -> ValueID
    {
        let output = graph.add("\(current.name)/\(op)")
        try emit(onnx: op, opset: opset, inputs, to: [output], attributes)
        return output
    }

    /// A new value, to be computed by what is emitted next.
    package mutating func inner(_ name: String) -> ValueID { graph.add("\(current.name)/\(name)") }

    package mutating func constant(_ tensor: Tensor) -> ValueID { graph.constant(tensor, "\(current.name)/constant") }
}

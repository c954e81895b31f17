package import Tensors

/// Builds the nodes of a derivative. Its verbs are ordinary operators, so that a derivative can be differentiated again.
package struct Gradients {
    package var graph: Graph
    package let operators: OperatorSet
    /// Node whose rule is running; names the nodes that it adds.
    var current = ""
    /// By value: true where the walk carries a gradient on; empty for everywhere.
    var depends: [Bool] = []
    /// Set by rules that pass a gradient straight through a rounding.
    var isStraightThrough = false
    /// By value: what a second run computes in its place, see `addTwins`.
    package var twins: [ValueID: ValueID] = [:]

    package init(graph: Graph, operators: OperatorSet) {
        self.graph = graph
        self.operators = operators
    }

    // MARK: Emitting

    /// Adds a node and returns its outputs.
    package mutating func emit(_ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:], outputs: Int) throws
        -> [ValueID]
    {
        let name = "\(current)/\(op)"
        let results = (0..<outputs).map { _ in graph.add(name) }
        let node = Node(op: op, name: graph[results[0]].name, inputs: inputs, outputs: results, attributes: attributes)
        try graph.infer(node, operators: operators)
        // A node of constants has been computed already.
        if results.contains(where: { graph[$0].constant == nil }) { graph.nodes.append(node) }
        return results
    }

    /// Adds a node with one output.
    package mutating func emit(_ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:]) throws -> ValueID {
        try emit(op, inputs, attributes, outputs: 1)[0]
    }

    package mutating func constant(_ tensor: Tensor) -> ValueID { graph.constant(tensor, "\(current)/constant") }

    /// A constant vector of integers (axes, shapes, indices).
    package mutating func integers(_ values: [Int]) throws -> ValueID {
        constant(try Tensor(values.map { Int64($0) }, [values.count]))
    }

    /// A constant scalar of the same element type as `value`.
    package mutating func number(_ number: Double, like value: ValueID) throws -> ValueID {
        constant(try Tensor.scalar(number).converted(to: type(of: value).element))
    }

    // MARK: Asking

    /// False when nobody asks for the gradient of that input, so that a rule need not build it.
    package func wants(_ node: Node, _ index: Int) -> Bool {
        guard index < node.inputs.count, let id = node.inputs[index] else { return false }
        return depends.isEmpty || (id.index < depends.count && depends[id.index])
    }

    package func type(of value: ValueID) throws -> TensorType {
        guard let type = graph[value].type else { throw Failure.unsupported("the type of '\(graph[value].name)' follows only from data") }
        return type
    }

    package func rank(of value: ValueID) throws -> Int {
        guard let rank = try type(of: value).rank else {
            throw Failure.unsupported("the rank of '\(graph[value].name)' follows only from data")
        }
        return rank
    }

    /// The shape, when every size is known.
    package func shape(of value: ValueID) -> [Int]? { graph[value].type?.shape }

    /// True when both have the same sizes, as numbers or as the same symbols.
    func hasSameSizes(_ a: ValueID, _ b: ValueID) -> Bool {
        guard let x = graph[a].type?.dims, let y = graph[b].type?.dims else { return false }
        return x == y && !x.contains { $0.isUnknown }
    }

    /// The required input of a node.
    package func input(_ node: Node, _ index: Int) throws -> ValueID {
        guard index < node.inputs.count, let id = node.inputs[index] else { throw Failure.invalid("input \(index) is missing") }
        return id
    }

    /// The required output of a node; adds it when the file left it out is not possible, so it throws.
    package func output(_ node: Node, _ index: Int = 0) throws -> ValueID {
        guard index < node.outputs.count, let id = node.outputs[index] else { throw Failure.invalid("output \(index) is missing") }
        return id
    }

    /// Elements of a constant input; nil when absent.
    package func constantInput(_ node: Node, _ index: Int) -> Tensor? {
        guard index < node.inputs.count, let id = node.inputs[index] else { return nil }
        return graph[id].constant
    }

    // MARK: Arithmetic

    package mutating func add(_ a: ValueID, _ b: ValueID) throws -> ValueID { try emit("Add", [a, b]) }
    package mutating func sub(_ a: ValueID, _ b: ValueID) throws -> ValueID { try emit("Sub", [a, b]) }
    package mutating func mul(_ a: ValueID, _ b: ValueID) throws -> ValueID { try emit("Mul", [a, b]) }
    package mutating func div(_ a: ValueID, _ b: ValueID) throws -> ValueID { try emit("Div", [a, b]) }
    package mutating func neg(_ a: ValueID) throws -> ValueID { try emit("Neg", [a]) }
    package mutating func mul(_ a: ValueID, _ b: Double) throws -> ValueID { try mul(a, number(b, like: a)) }
    package mutating func add(_ a: ValueID, _ b: Double) throws -> ValueID { try add(a, number(b, like: a)) }
    /// `a` where the condition holds, 0 elsewhere.
    package mutating func keep(_ a: ValueID, where condition: ValueID) throws -> ValueID {
        try emit("Where", [condition, a, number(0, like: a)])
    }

    /// Sum over axes (all when nil).
    package mutating func sum(_ a: ValueID, _ axes: [Int]?, keepdims: Bool = true) throws -> ValueID {
        if let axes, axes.isEmpty { return a }
        return try emit("ReduceSum", [a, axes.map { try integers($0) }], ["keepdims": .int(keepdims ? 1 : 0)])
    }

    package mutating func transpose(_ a: ValueID, _ order: [Int]) throws -> ValueID { try emit("Transpose", [a], ["perm": .ints(order)]) }

    // MARK: Shape of another value

    /// Sums away what broadcasting added, so that `a` has the shape of `other`.
    package mutating func sum(_ a: ValueID, like other: ValueID) throws -> ValueID {
        if hasSameSizes(a, other) { return a }
        guard let from = shape(of: a), let to = shape(of: other) else { return try emit("SumLike", [a, other]) }
        if from == to { return a }
        let lead = from.count - to.count
        guard lead >= 0 else { return try expand(a, like: other) }
        let axes = from.indices.filter { $0 < lead || (to[$0 - lead] == 1 && from[$0] != 1) }
        let summed = try sum(a, axes, keepdims: true)
        return shape(of: summed) == to ? summed : try reshape(summed, like: other)
    }

    /// Repeats `a` along its axes of size 1 to the shape of `other`.
    package mutating func expand(_ a: ValueID, like other: ValueID) throws -> ValueID {
        if hasSameSizes(a, other) { return a }
        if let from = shape(of: a), let to = shape(of: other) {
            return from == to ? a : try emit("Expand", [a, integers(to)])
        }
        return try emit("Expand", [a, emit("Shape", [other])])
    }

    /// The elements of `a` under the shape of `other`.
    package mutating func reshape(_ a: ValueID, like other: ValueID) throws -> ValueID {
        if hasSameSizes(a, other) { return a }
        if let from = shape(of: a), let to = shape(of: other) {
            // A size of 0 in Reshape's input means "copy" unless allowzero says otherwise.
            return from == to ? a : try emit("Reshape", [a, integers(to)], ["allowzero": .int(1)])
        }
        return try emit("Reshape", [a, emit("Shape", [other])], ["allowzero": .int(1)])
    }
}

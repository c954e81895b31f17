package import Tensors

/// Names a value of one graph.
package struct ValueID: Hashable, Sendable {
    package let index: Int
    init(_ index: Int) { self.index = index }
    /// The value at a position of `Graph.values`.
    package init(at index: Int) { self.index = index }
}

/// What flows between nodes: computed, fed, or constant.
package struct Value: Sendable {
    /// ONNX's name; unique in its graph.
    package let name: String
    /// nil: nothing is known.
    package var type: TensorType?
    /// Its elements, when they are known before a run: initialisers and what follows from them alone.
    package var constant: Tensor?
    /// Its elements as expressions, for integer vectors made from shapes.
    package var symbolic: [Dim]?
}

/// One application of an operator.
package struct Node: Sendable {
    /// Core operator; ONNX's name for most.
    package var op: String
    /// ONNX's node name, or the name of the first output where the file gives none.
    package var name: String
    /// nil: an optional input that is left out.
    package var inputs: [ValueID?]
    package var outputs: [ValueID?]
    package var attributes: [String: Attribute]
    /// ONNX operator type it was lowered from; empty for nodes that Pellucid adds.
    package var origin: String
    /// Module path that the exporter recorded; may be empty.
    package var module: String

    package init(
        op: String, name: String, inputs: [ValueID?], outputs: [ValueID?], attributes: [String: Attribute] = [:],
        origin: String = "", module: String = ""
    ) {
        self.op = op
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.attributes = attributes
        self.origin = origin
        self.module = module
    }

    /// `Conv 'conv1'`, for messages.
    package var label: String { "\(origin.isEmpty ? op : origin) '\(name)'" }
}

/// A function of tensors in single-assignment form: every value is computed by one node, before it is read.
package struct Graph: Sendable {
    package private(set) var values: [Value] = []
    package var nodes: [Node] = []
    package var inputs: [ValueID] = []
    package var outputs: [ValueID] = []
    /// Classes of modules, by path, where the exporter recorded them.
    package var classes: [String: String] = [:]
    private var ids: [String: ValueID] = [:]
    /// Last number given behind a name that is taken.
    private var copies: [String: Int] = [:]

    package init() {}

    package subscript(_ id: ValueID) -> Value {
        get { values[id.index] }
        set { values[id.index] = newValue }
    }

    /// The value of that exact name.
    package func id(of name: String) -> ValueID? { ids[name] }

    /// A new value. A name that is taken gets a number behind it.
    package mutating func add(_ name: String, type: TensorType? = nil, constant: Tensor? = nil) -> ValueID {
        var unique = name
        while ids[unique] != nil {
            copies[name, default: 1] += 1
            unique = "\(name)#\(copies[name, default: 1])"
        }
        let id = ValueID(values.count)
        let known = constant.map { TensorType(of: $0) } ?? type
        values.append(Value(name: unique, type: known, constant: constant))
        ids[unique] = id
        return id
    }

    package mutating func constant(_ tensor: Tensor, _ name: String) -> ValueID { add(name, constant: tensor) }

    /// Index of the node that computes each value, by value; -1 for inputs and constants.
    package func producers() -> [Int] {
        var result = [Int](repeating: -1, count: values.count)
        for (index, node) in nodes.enumerated() {
            for output in node.outputs { if let output { result[output.index] = index } }
        }
        return result
    }

    /// Indices of the nodes that read each value, by value.
    package func readers() -> [[Int]] {
        var result = [[Int]](repeating: [], count: values.count)
        for (index, node) in nodes.enumerated() {
            for input in Set(node.inputs.compactMap { $0 }) { result[input.index].append(index) }
        }
        return result
    }

    /// Reads `new` wherever `old` was read, outputs of the graph included.
    package mutating func replace(_ replacements: [ValueID: ValueID]) {
        guard !replacements.isEmpty else { return }
        func final(_ id: ValueID) -> ValueID {
            var id = id
            while let next = replacements[id] { id = next }
            return id
        }
        for index in nodes.indices { nodes[index].inputs = nodes[index].inputs.map { $0.map(final) } }
        outputs = outputs.map(final)
    }
}

package import Tensors

/// Reads a node's attributes, and the inputs that newer opsets use in their place.
package protocol NodeReader {
    var node: Node { get }
    /// Elements of an input where they are known; nil when absent or not known yet.
    func constant(_ index: Int) -> Tensor?
}

extension NodeReader {
    /// True when the optional input is given.
    package func has(_ index: Int) -> Bool { index < node.inputs.count && node.inputs[index] != nil }

    package func int(_ name: String, default value: Int) -> Int { node.attributes[name]?.int ?? value }
    package func float(_ name: String, default value: Double) -> Double { node.attributes[name]?.float ?? value }
    package func string(_ name: String, default value: String) -> String { node.attributes[name]?.string ?? value }
    package func ints(_ name: String) -> [Int]? { node.attributes[name]?.ints }
    package func flag(_ name: String, default value: Bool = false) -> Bool { int(name, default: value ? 1 : 0) != 0 }

    /// Integers given as input `index` in newer opsets and as an attribute in older ones; nil when neither is given.
    /// Throws `NotYetKnown` when they will be computed by the graph.
    package func ints(_ index: Int, or name: String) throws -> [Int]? {
        guard has(index) else { return ints(name) ?? node.attributes[name]?.int.map { [$0] } }
        guard let tensor = constant(index) else { throw NotYetKnown() }
        return try tensor.integers()
    }

    /// The same for one number.
    package func number(_ index: Int, or name: String) throws -> Double? {
        guard has(index) else { return node.attributes[name]?.float }
        guard let tensor = constant(index) else { throw NotYetKnown() }
        return try tensor.doubles().first
    }
}

/// Thrown by inference when something follows only from data.
package struct NotYetKnown: Error { package init() {} }

/// What a shape rule sees: types of the inputs, and contents where they are known.
package struct Inference: NodeReader {
    package let node: Node
    package let types: [TensorType?]
    package let constants: [Tensor?]
    package let symbolics: [[Dim]?]

    package init(node: Node, types: [TensorType?], constants: [Tensor?], symbolics: [[Dim]?]) {
        self.node = node
        self.types = types
        self.constants = constants
        self.symbolics = symbolics
    }

    package func constant(_ index: Int) -> Tensor? { index < constants.count ? constants[index] : nil }

    /// Type of a required input.
    package func type(_ index: Int) throws -> TensorType {
        guard has(index) else { throw Failure.invalid("input \(index) is missing") }
        guard let type = types[index] else { throw NotYetKnown() }
        return type
    }

    /// Sizes of a required input.
    package func dims(_ index: Int) throws -> [Dim] {
        guard let dims = try type(index).dims else { throw NotYetKnown() }
        return dims
    }

    /// Elements of an integer input as expressions.
    package func symbols(_ index: Int) -> [Dim]? {
        guard has(index) else { return nil }
        if let tensor = constants[index] { return (try? tensor.integers())?.map { Dim($0) } }
        return symbolics[index]
    }
}

/// What a kernel sees: the node and its inputs.
package struct Call: NodeReader {
    package let node: Node
    package let inputs: [Tensor?]
    /// Asked between the parts of long work; nil where nobody waits.
    package let watch: Watch?

    package init(node: Node, inputs: [Tensor?], watch: Watch? = nil) {
        self.node = node
        self.inputs = inputs
        self.watch = watch
    }

    package func constant(_ index: Int) -> Tensor? { index < inputs.count ? inputs[index] : nil }

    /// A required input, row-major.
    package func tensor(_ index: Int) throws -> Tensor {
        guard let tensor = constant(index) else { throw Failure.invalid("input \(index) is missing") }
        return try tensor.contiguous()
    }

    /// An optional input, row-major.
    package func optional(_ index: Int) throws -> Tensor? { try constant(index)?.contiguous() }
}

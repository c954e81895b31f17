internal import Tensors

/// Shorthand that lowerings share.
extension Lowerer {
    /// An input that the operator must have.
    func required(_ node: Node, _ index: Int) throws -> ValueID {
        guard let id = optional(node, index) else { throw Failure.invalid("input \(index) is missing") }
        return id
    }

    /// An input that may be left out.
    func optional(_ node: Node, _ index: Int) -> ValueID? { index < node.inputs.count ? node.inputs[index] : nil }

    /// The output, where somebody asks for it.
    func output(_ node: Node, _ index: Int) -> ValueID? { index < node.outputs.count ? node.outputs[index] : nil }

    func rank(of value: ValueID) throws -> Int {
        guard let rank = graph[value].type?.rank else {
            throw Failure.unsupported("the rank of '\(graph[value].name)' follows only from data")
        }
        return rank
    }

    func element(of value: ValueID) throws -> ElementType {
        guard let type = graph[value].type else { throw Failure.unsupported("the type of '\(graph[value].name)' follows only from data") }
        return type.element
    }

    /// Size of an axis as a number.
    func size(of value: ValueID, _ axis: Int) throws -> Int {
        guard let dims = graph[value].type?.dims, dims.indices.contains(axis), let size = dims[axis].value else {
            throw Failure.unsupported("the size of axis \(axis) of '\(graph[value].name)' follows only from data")
        }
        return size
    }

    /// A constant vector of integers.
    mutating func vector(_ numbers: [Int]) throws -> ValueID { constant(try Tensor(numbers.map { Int64($0) })) }

    /// A constant scalar of the element type of `like`.
    mutating func number(_ value: Double, like: ValueID) throws -> ValueID {
        constant(try Tensor.scalar(value).converted(to: element(of: like)))
    }

    /// The sizes of axes `range` of a value, as integers.
    mutating func sizes(of value: ValueID, from start: Int, to end: Int? = nil) throws -> ValueID {
        var attributes: [String: Attribute] = ["start": .int(start)]
        if let end { attributes["end"] = .int(end) }
        return try emit("Shape", [value], attributes)
    }

    /// Vectors one after the other.
    mutating func join(_ parts: [ValueID]) throws -> ValueID { try emit("Concat", parts, ["axis": .int(0)]) }

    /// 0, 1, … below a number that is a vector of one integer.
    mutating func counting(to limit: ValueID) throws -> ValueID {
        let zero = constant(try Tensor.scalar(Int64(0))), one = constant(try Tensor.scalar(Int64(1)))
        return try emit("Range", [zero, emit("Squeeze", [limit, vector([0])]), one])
    }

    mutating func unsqueeze(_ value: ValueID, _ axes: [Int]) throws -> ValueID { try emit("Unsqueeze", [value, vector(axes)]) }
}

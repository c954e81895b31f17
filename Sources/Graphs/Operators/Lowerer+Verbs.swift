internal import Tensors

/// Shorthand that lowerings share.
extension Lowerer {
    /// The input, which must be given.
    func required(_ n: Node, _ index: Int) throws -> ValueID {
        guard let id = n.optional(index) else { throw Failure.invalid("input \(index) is missing") }
        return id
    }

    func rank(_ x: ValueID) throws -> Int {
        guard let rank = graph[x].type?.rank else { throw Failure.unsupported("the rank of '\(graph[x].name)' follows only from data") }
        return rank
    }

    func size(_ x: ValueID, _ axis: Int) throws -> Int {
        guard let dims = graph[x].type?.dims, case let place = axis < 0 ? axis + dims.count : axis, dims.indices.contains(place),
            let size = dims[place].value
        else { throw Failure.unsupported("the size of axis \(axis) of '\(graph[x].name)' follows only from data") }
        return size
    }

    func element(_ x: ValueID) throws -> ElementType {
        guard let type = graph[x].type else { throw Failure.unsupported("the type of '\(graph[x].name)' follows only from data") }
        return type.element
    }

    /// True for a value of one element.
    func isSingle(_ x: ValueID) -> Bool { graph[x].type?.shape?.allSatisfy { $0 == 1 } ?? false }

    /// A constant vector of integers.
    mutating func vector(_ numbers: [Int]) throws -> ValueID { constant(try Tensor(numbers.map { Int64($0) })) }

    /// A constant scalar of the element type of `x`.
    mutating func number(_ value: Double, like x: ValueID) throws -> ValueID {
        constant(try Tensor.scalar(value).converted(to: element(x)))
    }

    /// `x` in another element type.
    mutating func cast(_ x: ValueID, _ type: ElementType) throws -> ValueID {
        graph[x].type?.element == type ? x : try emit("Cast", [x], ["to": .int(Int(type.rawValue))])
    }

    mutating func reshape(_ x: ValueID, _ shape: [Int]) throws -> ValueID { try emit("Reshape", [x, vector(shape)]) }

    mutating func transpose(_ x: ValueID, _ order: [Int]) throws -> ValueID { try emit("Transpose", [x], ["perm": .ints(order)]) }

    /// Entries `start` to `end` along an axis.
    mutating func slice(_ x: ValueID, axis: Int, from start: Int, to end: Int) throws -> ValueID {
        try emit("Slice", [x, vector([start]), vector([end]), vector([axis])])
    }

    /// One number under the shape of a scalar.
    mutating func scalar(_ x: ValueID) throws -> ValueID { graph[x].type?.rank == 0 ? x : try reshape(x, []) }

    /// A list of numbers under another shape, so that it broadcasts along its axis; anything else as it is.
    mutating func column(_ x: ValueID, _ shape: [Int]) throws -> ValueID {
        graph[x].type?.rank == 1 && !isSingle(x) ? try reshape(x, shape) : x
    }

    /// The sizes of axes `start` to `end` of a value, as integers.
    mutating func sizes(of x: ValueID, from start: Int, to end: Int? = nil) throws -> ValueID {
        var attributes: [String: Attribute] = ["start": .int(start)]
        if let end { attributes["end"] = .int(end) }
        return try emit("Shape", [x], attributes)
    }

    /// Vectors one after the other.
    mutating func join(_ parts: [ValueID]) throws -> ValueID { try emit("Concat", parts, ["axis": .int(0)]) }

    /// 0, 1, … below a limit that is a vector of one integer.
    mutating func counting(to limit: ValueID) throws -> ValueID {
        let zero = constant(try Tensor.scalar(Int64(0))), one = constant(try Tensor.scalar(Int64(1)))
        return try emit("Range", [zero, emit("Squeeze", [limit, vector([0])]), one])
    }

    mutating func unsqueeze(_ x: ValueID, _ axes: [Int]) throws -> ValueID { try emit("Unsqueeze", [x, vector(axes)]) }

    /// Whole numbers as integers.
    mutating func round(_ x: ValueID, to outputs: [ValueID?], _ type: ElementType) throws {
        let one = try number(1, like: x)
        try emit("QuantizeLinear", [x, one], to: outputs, ["output_dtype": .int(Int(type.rawValue))])
    }
}

extension Node {
    /// An input that may be left out.
    func optional(_ index: Int) -> ValueID? { index < inputs.count ? inputs[index] : nil }

    /// An output, where somebody asks for it.
    func output(_ index: Int) -> ValueID? { index < outputs.count ? outputs[index] : nil }
}

internal import Tensors

/// Shorthand that rules share: comparisons with numbers, choices, axes.
extension Gradients {
    mutating func square(_ a: ValueID) throws -> ValueID { try mul(a, a) }

    /// `number - a`.
    mutating func sub(_ number: Double, _ a: ValueID) throws -> ValueID { try sub(self.number(number, like: a), a) }

    mutating func sqrt(_ a: ValueID) throws -> ValueID { try emit("Sqrt", [a]) }
    mutating func exp(_ a: ValueID) throws -> ValueID { try emit("Exp", [a]) }

    /// True where `a > number`.
    mutating func isAbove(_ a: ValueID, _ number: Double) throws -> ValueID { try emit("Greater", [a, self.number(number, like: a)]) }

    /// True where `a < number`.
    mutating func isBelow(_ a: ValueID, _ number: Double) throws -> ValueID { try emit("Less", [a, self.number(number, like: a)]) }

    /// `a` where the condition holds, `b` elsewhere.
    mutating func select(_ condition: ValueID, _ a: ValueID, _ b: ValueID) throws -> ValueID { try emit("Where", [condition, a, b]) }

    /// 0 where the condition holds, `a` elsewhere.
    mutating func drop(_ a: ValueID, where condition: ValueID) throws -> ValueID {
        try select(condition, number(0, like: a), a)
    }

    /// `a` in the element type of `other`.
    mutating func cast(_ a: ValueID, like other: ValueID) throws -> ValueID {
        let target = try type(of: other).element
        if try type(of: a).element == target { return a }
        return try emit("Cast", [a], ["to": .int(Int(target.rawValue))])
    }

    /// Mean over axes.
    mutating func mean(_ a: ValueID, _ axes: [Int]) throws -> ValueID {
        try emit("ReduceMean", [a, integers(axes)], ["keepdims": .int(1)])
    }

    /// Axes of size 1 at the given places of the result.
    mutating func unsqueeze(_ a: ValueID, _ axes: [Int]) throws -> ValueID {
        axes.isEmpty ? a : try emit("Unsqueeze", [a, integers(axes)])
    }

    /// Without the given axes of size 1.
    mutating func squeeze(_ a: ValueID, _ axes: [Int]) throws -> ValueID {
        axes.isEmpty ? a : try emit("Squeeze", [a, integers(axes)])
    }

    /// The last two axes swapped.
    mutating func transposeMatrix(_ a: ValueID) throws -> ValueID {
        let rank = try rank(of: a)
        guard rank >= 2 else { throw Failure.shape("expected a matrix, found rank \(rank)") }
        return try transpose(a, Array(0..<rank - 2) + [rank - 1, rank - 2])
    }

    /// Ones of `a`'s type and of its sizes from `axis` on.
    mutating func ones(like a: ValueID, from axis: Int) throws -> ValueID {
        let one = try number(1, like: a)
        guard let dims = try type(of: a).dims, axis <= dims.count else {
            return try emit("Expand", [one, emit("Shape", [a], ["start": .int(axis)])])
        }
        if let shape = TensorType(.float32, Array(dims[axis...])).shape { return try emit("Expand", [one, integers(shape)]) }
        return try emit("Expand", [one, emit("Shape", [a], ["start": .int(axis)])])
    }
}

/// Rules for one output.
enum Rule {
    /// The rule of an operator with one differentiable input, its first.
    static func first(_ rule: @escaping @Sendable (inout Gradients, Node, ValueID) throws -> ValueID) -> Operator.VJP {
        { g, n, dy in
            guard let arriving = dy.first ?? nil else { return [nil] }
            return [try rule(&g, n, arriving)]
        }
    }

    /// The rule of an operator with several differentiable inputs and one output.
    static func all(_ rule: @escaping @Sendable (inout Gradients, Node, ValueID) throws -> [ValueID?]) -> Operator.VJP {
        { g, n, dy in
            guard let arriving = dy.first ?? nil else { return n.inputs.map { _ in nil } }
            return try rule(&g, n, arriving)
        }
    }

    /// The rule of a function that is constant almost everywhere.
    static let zero: Operator.VJP = { _, n, _ in n.inputs.map { _ in nil } }
}

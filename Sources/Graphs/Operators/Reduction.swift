internal import Glibc
internal import Tensors

/// Reductions along axes (ONNX ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceL1, ReduceL2,
/// ReduceSumSquare, ReduceLogSum, ReduceLogSumExp, ArgMax, ArgMin; axes as attribute or input; opset 7 and up), and
/// SumLike, which the derivative uses to undo broadcasting.
enum Reduction {
    static let operators =
        sums + norms + logarithms + extremes + [argument("ArgMax", isLargest: true), argument("ArgMin", isLargest: false), sumLike]

    /// A line of elements to one number.
    typealias Real = @Sendable (UnsafeBufferPointer<Double>) -> Double
    typealias Integer = @Sendable (UnsafeBufferPointer<Int64>) -> Int64
    /// From a node and the gradient that arrives, with the reduced axes at size 1.
    typealias Slope = @Sendable (inout Gradients, Node, Reduced) throws -> ValueID

    /// What a rule needs: input, result and gradient, the latter two with the reduced axes at size 1.
    struct Reduced {
        let x: ValueID, y: ValueID, dy: ValueID
        let axes: [Int]?
    }

    private static let sums = [
        reduce("ReduceSum", total, { $0.reduce(0, &+) }) { g, n, r in try g.expand(r.dy, like: r.x) },
        reduce("ReduceMean", { total($0) / Double($0.count) }, { $0.isEmpty ? 0 : $0.reduce(0, &+) / Int64($0.count) }, slope: mean),
        reduce("ReduceProd", { $0.reduce(1, *) }, { $0.reduce(1, &*) }, slope: product),
    ]

    private static let norms = [
        reduce("ReduceL1", { $0.reduce(0) { $0 + $1.magnitude } }, { $0.reduce(0) { $0 &+ ($1 < 0 ? 0 &- $1 : $1) } }) { g, n, r in
            try g.mul(r.dy, g.emit("Sign", [r.x]))
        },
        reduce("ReduceL2", { sqrt(squares($0)) }) { g, n, r in
            // The slope at the origin is taken as 0.
            let isZero = try g.emit("Equal", [r.y, g.number(0, like: r.y)])
            return try g.mul(r.x, g.div(g.drop(r.dy, where: isZero), g.select(isZero, g.number(1, like: r.y), r.y)))
        },
        reduce("ReduceSumSquare", squares, { $0.reduce(0) { $0 &+ $1 &* $1 } }) { g, n, r in try g.mul(r.x, g.mul(r.dy, 2)) },
    ]

    private static let logarithms = [
        reduce("ReduceLogSum", { log(total($0)) }, from: 0.4...1.5) { g, n, r in
            try g.expand(g.div(r.dy, g.exp(r.y)), like: r.x)
        },
        reduce("ReduceLogSumExp", logSumExp) { g, n, r in try g.mul(r.dy, g.exp(g.sub(r.x, r.y))) },
    ]

    private static let extremes = [
        reduce("ReduceMax", { $0.reduce(-.infinity, larger) }, { $0.max() ?? .min }, slope: extreme),
        reduce("ReduceMin", { $0.reduce(.infinity, smaller) }, { $0.min() ?? .max }, slope: extreme),
    ]

    private static func larger(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : a > b ? a : b }
    private static func smaller(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : a < b ? a : b }

    private static let total: Real = { $0.reduce(0, +) }
    private static let squares: Real = { $0.reduce(0) { $0 + $1 * $1 } }
    private static let logSumExp: Real = { line in
        let top = line.max() ?? -.infinity
        return top.isFinite ? top + log(line.reduce(0) { $0 + exp($1 - top) }) : top
    }

    // MARK: Operators

    private static func reduce(
        _ name: String, _ real: @escaping Real, _ integer: Integer? = nil, from range: ClosedRange<Double> = -1...1, slope: @escaping Slope
    ) -> Operator {
        let input = Sample.Input.uniform([2, 3, 4], range)
        return Operator(
            name, arity: 1...2, infer: { [TensorType(try $0.type(0).element, try dims($0))] },
            compute: { [try compute($0, real, integer)] },
            vjp: Rule.all { g, n, dy in [try slope(&g, n, reduced(&g, n, dy)), nil] },
            symbolic: ShapeArithmetic.rules[name],
            samples: [
                Sample([input, .integers([2], [0, -1])]), Sample([input], ["axes": .ints([1]), "keepdims": .int(0)]),
                Sample([input], ["keepdims": .int(0)]), Sample([input, .integers([1], [-2])], ["keepdims": .int(0)]),
                Sample([.uniform([2, 3], range)], ["noop_with_empty_axes": .int(1)]),
            ])
    }

    /// The axes to reduce; nil for all.
    static func axes(_ c: some NodeReader) throws -> [Int]? {
        let axes = try c.ints(1, or: "axes") ?? []
        return axes.isEmpty ? (c.flag("noop_with_empty_axes") ? [] : nil) : axes
    }

    /// By axis: true when it is reduced.
    private static func isReduced(_ axes: [Int]?, rank: Int) throws -> [Bool] {
        guard let axes else { return [Bool](repeating: true, count: rank) }
        var result = [Bool](repeating: false, count: rank)
        for axis in axes {
            let axis = try Shape.axis(axis, rank: rank)
            if axis < rank { result[axis] = true }
        }
        return result
    }

    private static func dims(_ c: Inference) throws -> [Dim]? {
        let keeps = c.flag("keepdims", default: true)
        guard let axes = try axes(c) else {
            return keeps ? try c.dims(0).map { _ in Dim(1) } : []
        }
        let dims = try c.dims(0), isReduced = try isReduced(axes, rank: dims.count)
        return zip(dims, isReduced).compactMap { $1 ? (keeps ? Dim(1) : nil) : $0 }
    }

    private static func compute(_ c: Call, _ real: Real, _ integer: Integer?) throws -> Tensor {
        let x = try c.tensor(0)
        let isReduced = try isReduced(axes(c), rank: x.shape.count)
        let keeps = c.flag("keepdims", default: true)
        let shape = zip(x.shape, isReduced).compactMap { $1 ? (keeps ? 1 : nil) : $0 }
        let order = x.shape.indices.filter { !isReduced[$0] } + x.shape.indices.filter { isReduced[$0] }
        let length = zip(x.shape, isReduced).reduce(1) { $1.1 ? $0 * $1.0 : $0 }
        if length == 0, !x.type.isFloat {
            // Infinity becomes the largest or smallest number of the type.
            let empty = try Tensor.make(shape, Double.self) { y in for i in y.indices { y[i] = real(.init(start: nil, count: 0)) } }
            return try empty.converted(to: x.type == .bool ? .uint8 : x.type).converted(to: x.type)
        }
        if let integer, !x.type.isFloat {
            return try lines(x.converted(to: .int64).transposed(order), length, shape, integer).converted(to: x.type)
        }
        return try lines(x.converted(to: .float64).transposed(order), length, shape, real).converted(to: x.type)
    }

    private static func lines<T: Element>(_ x: Tensor, _ length: Int, _ shape: [Int], _ body: (UnsafeBufferPointer<T>) -> T) throws
        -> Tensor
    {
        try x.read(T.self) { x in
            try Tensor.make(shape, T.self) { y in
                for i in y.indices { y[i] = body(UnsafeBufferPointer(rebasing: x[i * length..<(i + 1) * length])) }
            }
        }
    }

    // MARK: Gradients

    private static func reduced(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> Reduced {
        let x = try g.input(n, 0), y = try g.output(n)
        var axes = n.attributes["axes"]?.ints ?? []
        if n.inputs.count > 1, let given = n.inputs[1] {
            guard let constant = g.graph[given].constant else { throw Failure.unsupported("the axes follow only from data") }
            axes = try constant.integers()
        }
        if axes.isEmpty {
            // A scalar broadcasts as it is.
            return Reduced(x: x, y: y, dy: dy, axes: n.attributes["noop_with_empty_axes"]?.int == 1 ? [] : nil)
        }
        guard n.attributes["keepdims"]?.int == 0 else { return Reduced(x: x, y: y, dy: dy, axes: axes) }
        return Reduced(x: x, y: try g.unsqueeze(y, axes), dy: try g.unsqueeze(dy, axes), axes: axes)
    }

    @Sendable private static func mean(_ g: inout Gradients, _ n: Node, _ r: Reduced) throws -> ValueID {
        if let from = g.shape(of: r.x), let to = g.shape(of: r.y) {
            let count = try Double(Shape.count(from)) / Double(max(Shape.count(to), 1))
            return try g.expand(g.mul(r.dy, 1 / count), like: r.x)
        }
        let share = try g.div(g.cast(g.emit("Size", [r.y]), like: r.dy), g.cast(g.emit("Size", [r.x]), like: r.dy))
        return try g.expand(g.mul(r.dy, share), like: r.x)
    }

    /// The product of the others, also where one number is 0.
    @Sendable private static func product(_ g: inout Gradients, _ n: Node, _ r: Reduced) throws -> ValueID {
        let isZero = try g.emit("Equal", [r.x, g.number(0, like: r.x)])
        let one = try g.number(1, like: r.x)
        let safe = try g.select(isZero, one, r.x)
        let axes = try r.axes.map { try g.integers($0) }
        let keep: [String: Attribute] = ["keepdims": .int(1), "noop_with_empty_axes": .int(r.axes?.isEmpty == true ? 1 : 0)]
        let others = try g.div(g.emit("ReduceProd", [safe, axes], keep), safe)
        let zeros = try g.emit("ReduceSum", [g.cast(isZero, like: r.x), axes], keep)
        // Another zero makes the product of the others 0.
        let isOnly = try g.emit("Equal", [zeros, g.cast(isZero, like: r.x)])
        return try g.mul(r.dy, g.keep(others, where: isOnly))
    }

    /// Equal extremes share the gradient evenly.
    @Sendable private static func extreme(_ g: inout Gradients, _ n: Node, _ r: Reduced) throws -> ValueID {
        let isChosen = try g.cast(g.emit("Equal", [r.x, r.y]), like: r.x)
        if r.axes?.isEmpty == true { return try g.mul(r.dy, isChosen) }
        return try g.mul(isChosen, g.div(r.dy, g.sum(isChosen, r.axes)))
    }
}

internal import Tensors

/// Contents of short integer vectors as expressions of symbols, so that the shape arithmetic that exporters write into
/// graphs (Shape, Gather, Concat, Reshape, …) becomes numbers or symbols when a graph is made.
///
/// Operators: Shape (opset 1; `start` and `end` from 15), Size (opset 1).
enum ShapeArithmetic {
    typealias Rule = @Sendable (Inference) -> [Dim]?

    /// Longest vector that is followed; shapes and lists of axes are short.
    static let limit = 256

    /// Contents of the first output, for operators of any family.
    static let rules: [String: Rule] = [
        "Identity": { $0.contents(0) },
        "Reshape": { $0.contents(0) },
        "Flatten": { $0.contents(0) },
        "Squeeze": { $0.contents(0) },
        "Unsqueeze": { $0.contents(0) },
        "Cast": cast,
        "Shape": { c in (try? c.dims(0)).map { Array($0[shapeRange(c, rank: $0.count)]) } },
        "Size": { c in (try? c.dims(0)).map { [$0.reduce(1, *)] } },
        "Add": binary(+),
        "Sub": binary(-),
        "Mul": binary(*),
        "Div": binary(quotient),
        "Mod": binary { a, b in numbers(a, b) { x, y in remainder(x, y) } },
        "Min": binary { a, b in smaller(a, b) },
        "Max": binary { a, b in larger(a, b) },
        "Neg": { c in c.contents(0)?.map { Dim(0) - $0 } },
        "Abs": { c in c.contents(0)?.map { $0.isNonNegative ? $0 : .unknown } },
        "Not": { c in c.contents(0)?.map { d in d.value.map { Dim($0 == 0 ? 1 : 0) } ?? .unknown } },
        "Equal": binary(equal),
        "Greater": binary { a, b in truth(a - b) { $0 > 0 } },
        "GreaterOrEqual": binary { a, b in truth(a - b) { $0 >= 0 } },
        "Less": binary { a, b in truth(a - b) { $0 < 0 } },
        "LessOrEqual": binary { a, b in truth(a - b) { $0 <= 0 } },
        "Where": select,
        "Gather": gather,
        "Slice": slice,
        "Concat": concat,
        "ConstantOfShape": fill,
        "Expand": expand,
        "ReduceProd": { c in reduce(c, *) },
        "ReduceSum": { c in reduce(c, +) },
    ]

    static let operators = [
        Operator(
            "Shape", arity: 1...1,
            infer: { c in
                guard c.has(0) else { throw Failure.invalid("input 0 is missing") }
                let count = (try? c.dims(0)).map { shapeRange(c, rank: $0.count).count }
                return [TensorType(.int64, [count.map { Dim($0) } ?? .unknown])]
            },
            compute: { c in
                guard let x = c.constant(0) else { throw Failure.invalid("input 0 is missing") }
                return [try Tensor(x.shape[shapeRange(c, rank: x.shape.count)].map { Int64($0) })]
            }, noGradient: "a shape does not change with the values",
            samples: [Sample([.real(2, 3, 4)]), Sample([.real(2, 3, 4)], ["start": .int(-2), "end": .int(9)])]),
        Operator(
            "Size", arity: 1...1, infer: { _ in [TensorType(.int64, [])] },
            compute: { c in
                guard let x = c.constant(0) else { throw Failure.invalid("input 0 is missing") }
                return [try Tensor.scalar(Int64(x.count))]
            }, noGradient: "a size does not change with the values", samples: [Sample([.real(2, 3, 4)])]),
    ]

    static let lowerings: [Lowering] = []

    /// The axes that `Shape` reports, clamped as ONNX says.
    private static func shapeRange(_ c: any NodeReader, rank: Int) -> Range<Int> {
        let clamp = { (i: Int) in min(max(i < 0 ? i + rank : i, 0), rank) }
        let start = clamp(c.int("start", default: 0)), end = clamp(c.int("end", default: rank))
        return start..<max(start, end)
    }

    // MARK: Element by element

    private static func binary(_ body: @escaping @Sendable (Dim, Dim) -> Dim) -> Rule {
        { c in
            guard c.node.inputs.count == 2, let a = c.contents(0), let b = c.contents(1) else { return nil }
            if a.count == 1 { return b.map { body(a[0], $0) } }
            if b.count == 1 { return a.map { body($0, b[0]) } }
            guard a.count == b.count, c.types[0]?.dims == c.types[1]?.dims else { return nil }
            return zip(a, b).map(body)
        }
    }

    private static func numbers(_ a: Dim, _ b: Dim, _ body: (Int, Int) -> Int?) -> Dim {
        guard let x = a.value, let y = b.value, let result = body(x, y) else { return .unknown }
        return Dim(result)
    }

    private static func remainder(_ x: Int, _ y: Int) -> Int? {
        let (rest, overflow) = x.remainderReportingOverflow(dividingBy: y)
        if overflow { return nil }
        // Mod with integers has the sign of the divisor; `fmod` on integers is left to the kernel.
        return x < 0 || y < 0 ? nil : rest
    }

    private static func quotient(_ a: Dim, _ b: Dim) -> Dim {
        guard a.value != nil, b.value != nil else { return a.divided(by: b) }
        return numbers(a, b) { x, y in
            let (result, overflow) = x.dividedReportingOverflow(by: y)
            return overflow ? nil : result
        }
    }

    private static func smaller(_ a: Dim, _ b: Dim) -> Dim {
        if a == b { return a }
        return (a - b).value.map { $0 < 0 ? a : b } ?? .unknown
    }

    private static func larger(_ a: Dim, _ b: Dim) -> Dim {
        if a == b { return a }
        if let difference = (a - b).value { return difference > 0 ? a : b }
        if a.isNonNegative, b.value.map({ $0 <= 0 }) ?? false { return a }
        return b.isNonNegative && a.value.map { $0 <= 0 } ?? false ? b : .unknown
    }

    private static func truth(_ difference: Dim, _ body: (Int) -> Bool) -> Dim {
        difference.value.map { Dim(body($0) ? 1 : 0) } ?? .unknown
    }

    private static func equal(_ a: Dim, _ b: Dim) -> Dim {
        if let difference = (a - b).value { return Dim(difference == 0 ? 1 : 0) }
        // Sizes are never negative, so that a symbol cannot be the -1 of "keep this size".
        let isNegative = { (d: Dim) in d.value.map { $0 < 0 } ?? false }
        return (a.isNonNegative && isNegative(b)) || (b.isNonNegative && isNegative(a)) ? 0 : .unknown
    }

    private static func cast(_ c: Inference) -> [Dim]? {
        guard let contents = c.contents(0) else { return nil }
        switch ElementType(rawValue: Int32(truncatingIfNeeded: c.int("to", default: 0))) {
        case .int64, .int32: return contents
        case .bool: return contents.map { d in d.value.map { Dim($0 == 0 ? 0 : 1) } ?? .unknown }
        default: return nil
        }
    }

    private static func select(_ c: Inference) -> [Dim]? {
        guard let condition = c.contents(0), let a = c.contents(1), let b = c.contents(2) else { return nil }
        let count = max(condition.count, a.count, b.count)
        let isVector = { (i: Int) in (c.types[i]?.rank ?? 2) < 2 }
        guard [condition, a, b].allSatisfy({ $0.count == count || $0.count == 1 }), isVector(0), isVector(1), isVector(2) else {
            return nil
        }
        let at = { (v: [Dim], i: Int) in v[v.count == 1 ? 0 : i] }
        return (0..<count).map { i in
            let x = at(a, i), y = at(b, i)
            return at(condition, i).value.map { $0 == 0 ? y : x } ?? (x == y ? x : .unknown)
        }
    }

    // MARK: Parts and wholes

    private static func gather(_ c: Inference) -> [Dim]? {
        guard let data = c.contents(0), c.types[0]?.rank == 1, let indices = c.contents(1) else { return nil }
        var result: [Dim] = []
        for index in indices {
            guard let index = index.value else { result.append(.unknown); continue }
            let place = index < 0 ? index + data.count : index
            guard data.indices.contains(place) else { return nil }
            result.append(data[place])
        }
        return result
    }

    private static func slice(_ c: Inference) -> [Dim]? {
        guard let data = c.contents(0), c.types[0]?.rank == 1, let parameters = try? SliceParameters(c, rank: 1),
            let part = try? parameters.parts(of: [data.count]).first
        else { return nil }
        return (0..<part.count).map { data[part.start + $0 * part.step] }
    }

    private static func concat(_ c: Inference) -> [Dim]? {
        var result: [Dim] = []
        for index in c.node.inputs.indices {
            guard let part = c.contents(index), c.types[index]?.rank == 1 else { return nil }
            result += part
        }
        return result.count <= limit ? result : nil
    }

    private static func fill(_ c: Inference) -> [Dim]? {
        guard let sizes = c.contents(0) else { return nil }
        let shape = sizes.compactMap(\.value)
        guard shape.count == sizes.count, let count = try? Shape.count(shape), count <= limit else { return nil }
        let value = c.node.attributes["value"]?.tensor
        guard let value, value.type == .int64 || value.type == .int32 || value.type == .bool else { return nil }
        return (try? value.integers())?.first.map { [Dim](repeating: Dim($0), count: count) }
    }

    private static func expand(_ c: Inference) -> [Dim]? {
        guard let data = c.contents(0), let sizes = c.contents(1) else { return nil }
        let shape = sizes.compactMap(\.value)
        guard data.count == 1, shape.count == sizes.count, let count = try? Shape.count(shape), count <= limit else { return nil }
        return [Dim](repeating: data[0], count: count)
    }

    private static func reduce(_ c: Inference, _ body: (Dim, Dim) -> Dim) -> [Dim]? {
        guard let data = c.contents(0), c.types[0]?.rank == 1, let first = data.first else { return nil }
        guard !c.flag("noop_with_empty_axes") else { return nil }
        return [data.dropFirst().reduce(first, body)]
    }
}

extension Inference {
    /// Elements of a short integer or boolean input as expressions; nil for anything else.
    func contents(_ index: Int) -> [Dim]? {
        guard has(index), let type = types[index] else { return nil }
        guard type.element == .int64 || type.element == .int32 || type.element == .bool else { return nil }
        if let tensor = constants[index], tensor.count > ShapeArithmetic.limit { return nil }
        return symbols(index)
    }
}

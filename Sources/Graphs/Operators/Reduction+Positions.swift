internal import Tensors

extension Reduction {
    /// Where the largest or smallest element lies along `axis`; the first of equals, or the last with
    /// `select_last_index` (opset 12).
    static func argument(_ name: String, isLargest: Bool) -> Operator {
        Operator(
            name, arity: 1...1,
            infer: { c in
                var dims = try c.dims(0)
                let axis = try Shape.axis(c.int("axis", default: 0), rank: dims.count)
                guard axis < dims.count else { return TensorType.list(.int64, dims) }
                if c.flag("keepdims", default: true) { dims[axis] = 1 } else { dims.remove(at: axis) }
                return TensorType.list(.int64, dims)
            },
            compute: { [try positions($0, isLargest)] }, noGradient: "its result is a position",
            samples: [
                Sample([.real(2, 3, 4)], ["axis": .int(-1)]), Sample([.real(2, 3, 4)], ["axis": .int(1), "keepdims": .int(0)]),
                Sample([.integers([2, 3], [5, 5, 1, 0, 2, 2])], ["axis": .int(1), "select_last_index": .int(1)]),
                // Neighbours that are the same in double.
                Sample([.integers([2], [1 << 60, (1 << 60) + 1])]),
            ])
    }

    private static func positions(_ c: Call, _ isLargest: Bool) throws -> Tensor {
        let x = try c.tensor(0)
        switch x.type {
        case .uint64: return try positions(c, x, UInt64.self) { isLargest ? $0 > $1 : $0 < $1 }
        case _ where x.type.isInteger: return try positions(c, x.converted(to: .int64), Int64.self) { isLargest ? $0 > $1 : $0 < $1 }
        default:
            // NaN counts as the best, as in NumPy.
            return try positions(c, x.converted(to: .float64), Double.self) {
                (isLargest ? $0 > $1 : $0 < $1) || ($0.isNaN && !$1.isNaN)
            }
        }
    }

    private static func positions<T: Element & Equatable>(_ c: Call, _ x: Tensor, _: T.Type, _ isBetter: (T, T) -> Bool) throws -> Tensor {
        let axis = try Shape.axis(c.int("axis", default: 0), rank: x.shape.count)
        let rows = Rows(x.shape, axis: axis), takesLast = c.flag("select_last_index")
        guard rows.length > 0 else { throw Failure.shape("axis \(axis) of \(Shape.text(x.shape)) has no elements") }
        var shape = x.shape
        if axis < shape.count { if c.flag("keepdims", default: true) { shape[axis] = 1 } else { shape.remove(at: axis) } }
        return try x.read(T.self) { x in
            try Tensor.make(shape, Int64.self) { y in
                var line = 0
                rows.forEach { start in
                    var best = 0
                    for k in 1..<max(rows.length, 1) {
                        let now = x[start + k * rows.step], top = x[start + best * rows.step]
                        if isBetter(now, top) || (takesLast && now == top) { best = k }
                    }
                    y[line] = Int64(best)
                    line += 1
                }
            }
        }
    }

    /// SumLike(x, like): x summed to the shape of `like`, which undoes broadcasting; axes of size 1 are repeated where
    /// `like` is larger, so that it is its own transpose.
    static let sumLike = Operator(
        "SumLike", arity: 2...2,
        infer: { c in [TensorType(try c.type(0).element, try c.type(1).dims)] },
        compute: { c in
            guard let like = c.constant(1) else { throw Failure.invalid("input 1 is missing") }
            return [try summed(c.tensor(0), to: like.shape)]
        },
        vjp: Rule.all { g, n, dy in [try g.sum(dy, like: g.input(n, 0)), nil] },
        samples: [
            Sample([.real(2, 3, 4), .real(3, 1)]), Sample([.real(2, 3), .real(2, 3)]), Sample([.real(2, 3), .real()]),
            Sample([.real(3), .real(2, 3)]),
        ])

    private static func summed(_ x: Tensor, to shape: [Int]) throws -> Tensor {
        let rank = max(x.shape.count, shape.count)
        let from = [Int](repeating: 1, count: rank - x.shape.count) + x.shape
        let to = [Int](repeating: 1, count: rank - shape.count) + shape
        guard zip(from, to).allSatisfy({ $0 == $1 || $0 == 1 || $1 == 1 }) else {
            throw Failure.shape("cannot sum \(Shape.text(x.shape)) to \(Shape.text(shape))")
        }
        let kept = zip(from, to).map { $1 == 1 ? 1 : $0 }
        let wide = try x.converted(to: .float64)
        let small = try Tensor.zeros(.float64, kept)
        let places = try Tensor((0..<small.count).map { Int64($0) }, kept).broadcast(to: from)
        try wide.read(Double.self) { source in
            try places.read(Int64.self) { places in
                try small.write(Double.self) { sums in for i in source.indices { sums[Int(places[i])] += source[i] } }
            }
        }
        return try small.broadcast(to: to).contiguous().reshaped(shape).converted(to: x.type)
    }
}

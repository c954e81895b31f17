internal import Tensors

/// Operators that move elements without changing them.
///
/// ONNX: Reshape (5 … 25), Flatten, Squeeze, Unsqueeze (axes as attribute or input), Transpose, Expand, Tile, Trilu,
/// EyeLike, ReverseSequence; in `Movement+Parts.swift` Concat, Split, Slice, Pad, CenterCropPad.
enum Movement {
    static let operators = reshapes + repeats + matrices + parts + pads
    static let lowerings: [Lowering] = []

    // MARK: The same elements under another shape

    private static let reshapes = [
        Operator(
            "Reshape", arity: 1...2, infer: reshapeTypes,
            compute: { c in
                let x = try c.tensor(0)
                guard let target = try c.ints(1, or: "shape") else { throw Failure.invalid("the shape is missing") }
                let dims = try reshaped(x.shape.map { Dim($0) }, target.map { Dim($0) }, allowZero: c.flag("allowzero"))
                return [try x.reshaped(try sizes(dims))]
            }, vjp: reshapeBack,
            samples: [
                Sample([.real(2, 3, 4), .integers([2], [0, -1])]), Sample([.real(2, 3, 4), .integers([3], [4, 3, 2])]),
                Sample([.real(2, 6), .integers([4], [2, -1, 1, 3])]),
                Sample([.real(0, 3), .integers([2], [3, 0])], ["allowzero": .int(1)]),
            ]),
        Operator(
            "Flatten", arity: 1...1,
            infer: { c in
                let dims = try c.dims(0), axis = try flattenAxis(c, rank: dims.count)
                return [TensorType(try c.type(0).element, [dims[..<axis].reduce(1, *), dims[axis...].reduce(1, *)])]
            },
            compute: { c in
                let x = try c.tensor(0), axis = try flattenAxis(c, rank: x.shape.count)
                return [try x.reshaped([try Shape.count(Array(x.shape[..<axis])), try Shape.count(Array(x.shape[axis...]))])]
            }, vjp: reshapeBack,
            samples: [Sample([.real(2, 3, 4)]), Sample([.real(2, 3, 4)], ["axis": .int(-1)]), Sample([.real(2, 3)], ["axis": .int(0)])]),
        Operator(
            "Squeeze", arity: 1...2,
            infer: { c in
                let element = try c.type(0).element, dims = try c.dims(0)
                guard let axes = try c.ints(1, or: "axes") else {
                    // A symbol may turn out to be 1, and then the rank is another.
                    guard dims.allSatisfy({ $0.value != nil }) else { return [TensorType(element, nil)] }
                    return [TensorType(element, dims.filter { $0.value != 1 })]
                }
                return [TensorType(element, try squeezed(dims, axes))]
            },
            compute: { c in
                let x = try c.tensor(0), dims = x.shape.map { Dim($0) }
                let axes = try c.ints(1, or: "axes") ?? x.shape.indices.filter { x.shape[$0] == 1 }
                return [try x.reshaped(try sizes(squeezed(dims, axes)))]
            }, vjp: reshapeBack,
            samples: [
                Sample([.real(2, 1, 3, 1)]), Sample([.real(2, 1, 3, 1), .integers([1], [-3])]), Sample([.real(1, 2)], ["axes": .ints([0])]),
            ]),
        Operator(
            "Unsqueeze", arity: 1...2,
            infer: { c in
                guard let axes = try c.ints(1, or: "axes") else { throw Failure.invalid("the axes are missing") }
                return [TensorType(try c.type(0).element, try unsqueezed(try c.dims(0), axes))]
            },
            compute: { c in
                let x = try c.tensor(0)
                guard let axes = try c.ints(1, or: "axes") else { throw Failure.invalid("the axes are missing") }
                return [try x.reshaped(try sizes(unsqueezed(x.shape.map { Dim($0) }, axes)))]
            }, vjp: reshapeBack,
            samples: [Sample([.real(2, 3), .integers([2], [0, -1])]), Sample([.real(2, 3)], ["axes": .ints([1])])]),
        Operator(
            "Transpose", arity: 1...1,
            infer: { c in
                let dims = try c.dims(0)
                return [TensorType(try c.type(0).element, try order(c, rank: dims.count).map { dims[$0] })]
            },
            compute: { c in
                guard let x = c.constant(0) else { throw Failure.invalid("input 0 is missing") }
                return [try x.transposed(order(c, rank: x.shape.count)).contiguous()]
            },
            vjp: { g, n, dy in
                guard let dy = dy[0] else { return [nil] }
                let rank = try g.rank(of: dy), order = n.attributes["perm"]?.ints ?? (0..<rank).reversed()
                return [try g.transpose(dy, order.indices.sorted { order[$0] < order[$1] })]
            },
            samples: [Sample([.real(2, 3, 4)]), Sample([.real(2, 3, 4)], ["perm": .ints([1, 2, 0])]), Sample([.real()])]),
    ]

    private static let reshapeBack: Operator.VJP = { g, n, dy in
        let x = try g.input(n, 0)
        return [try dy[0].map { try g.reshape($0, like: x) }] + n.inputs.dropFirst().map { _ in nil }
    }

    private static let reshapeTypes: Operator.ShapeRule = { c in
        let type = try c.type(0)
        guard let target = c.has(1) ? c.contents(1) : c.ints("shape")?.map({ Dim($0) }) else {
            guard c.has(1) else { throw Failure.invalid("the shape is missing") }
            let rank = c.types[1]?.shape?.first
            return [TensorType(type.element, rank.flatMap { $0 <= 64 ? [Dim](repeating: .unknown, count: $0) : nil })]
        }
        // Without the input's sizes only those that the target names are known.
        let dims = type.dims ?? [Dim](repeating: .unknown, count: target.count)
        return [TensorType(type.element, try reshaped(dims, target, allowZero: c.flag("allowzero")))]
    }

    /// Reshape's sizes: 0 copies a size (unless `allowZero`), one -1 takes what is left.
    static func reshaped(_ dims: [Dim], _ target: [Dim], allowZero: Bool) throws -> [Dim] {
        var result = target, rest = dims.map(Optional.some)
        var free: Int?
        for (axis, size) in target.enumerated() {
            if size.value == 0, !allowZero {
                guard axis < dims.count else { throw Failure.shape("shape \(text(target)) copies axis \(axis) of \(text(dims))") }
                result[axis] = dims[axis]
                rest[axis] = nil
            } else if size.value == -1 {
                guard free == nil else { throw Failure.shape("shape \(text(target)) has more than one -1") }
                free = axis
            } else if let value = size.value, value < 0 {
                throw Failure.shape("shape \(text(target)) has a negative size")
            }
        }
        let given = result.indices.filter { $0 != free && !(target[$0].value == 0 && !allowZero) }.map { result[$0] }
        let total = rest.compactMap { $0 }.reduce(1, *), known = given.reduce(1, *)
        let mismatch = Failure.shape("cannot reshape \(text(dims)) to \(text(target))")
        guard let free else {
            if let difference = (total - known).value, difference != 0 { throw mismatch }
            return result
        }
        if let known = known.value, let total = total.value {
            guard known != 0 ? total % known == 0 : total == 0 else { throw mismatch }
            result[free] = known == 0 ? 0 : Dim(total / known)
        } else {
            result[free] = total.divided(by: known)
        }
        return result
    }

    private static func flattenAxis(_ c: any NodeReader, rank: Int) throws -> Int {
        let axis = c.int("axis", default: 1)
        guard axis >= -rank, axis <= rank else { throw Failure.shape("axis \(axis) is outside a tensor of rank \(rank)") }
        return axis < 0 ? axis + rank : axis
    }

    private static func squeezed(_ dims: [Dim], _ axes: [Int]) throws -> [Dim] {
        let removed = Set(try axes.map { try Shape.axis($0, rank: dims.count) })
        for axis in removed where axis < dims.count {
            if let size = dims[axis].value, size != 1 { throw Failure.shape("axis \(axis) of \(text(dims)) has size \(size), expected 1") }
        }
        return dims.indices.filter { !removed.contains($0) }.map { dims[$0] }
    }

    private static func unsqueezed(_ dims: [Dim], _ axes: [Int]) throws -> [Dim] {
        guard axes.count <= 64 else { throw Failure.shape("\(axes.count) new axes") }
        let rank = dims.count + axes.count
        let added = Set(try axes.map { try Shape.axis($0, rank: rank) })
        guard added.count == axes.count else { throw Failure.shape("axes \(axes) name one axis twice") }
        var rest = dims[...]
        return (0..<rank).map { added.contains($0) ? 1 : rest.removeFirst() }
    }

    private static func order(_ c: any NodeReader, rank: Int) throws -> [Int] {
        let order = c.ints("perm") ?? (0..<rank).reversed()
        guard order.sorted() == Array(0..<rank) else { throw Failure.shape("perm \(order) is not a permutation of \(rank) axes") }
        return order
    }

    // MARK: Repetition

    private static let repeats = [
        Operator(
            "Expand", arity: 2...2,
            infer: { c in
                let type = try c.type(0)
                guard let target = c.contents(1) else {
                    guard let rank = c.types[1]?.shape?.first, rank <= 64 else { return [TensorType(type.element, nil)] }
                    let target = [Dim](repeating: .unknown, count: rank)
                    return [TensorType(type.element, try type.dims.map { try Elementwise.broadcast($0, target) })]
                }
                return [TensorType(type.element, try type.dims.map { try Elementwise.broadcast($0, target) })]
            },
            compute: { c in
                let x = try c.tensor(0), target = try c.tensor(1).integers()
                guard let shape = Shape.broadcast(x.shape, target) else {
                    throw Failure.shape("shapes \(Shape.text(x.shape)) and \(Shape.text(target)) do not broadcast")
                }
                return [try x.broadcast(to: shape).contiguous()]
            },
            vjp: { g, n, dy in [dy[0], nil] },
            samples: [
                Sample([.real(3, 1), .integers([3], [2, 1, 4])]), Sample([.real(3), .integers([1], [1])]),
                Sample([.real(), .integers([2], [2, 3])]),
            ]),
        Operator(
            "Tile", arity: 2...2,
            infer: { c in
                let type = try c.type(0), dims = try c.dims(0)
                guard let repeats = c.contents(1) else { return [TensorType(type.element, dims.map { _ in .unknown })] }
                return [TensorType(type.element, try tiled(dims, repeats))]
            },
            compute: { c in
                let x = try c.tensor(0), repeats = try c.tensor(1).integers()
                let shape = try sizes(try tiled(x.shape.map { Dim($0) }, repeats.map { Dim($0) }))
                let pairs = zip(repeats, x.shape).flatMap { [$0, $1] }, strides = x.strides.flatMap { [0, $0] }
                return [try Tensor(x.type, pairs, strides: strides, offset: x.offset, storage: x.storage).contiguous().reshaped(shape)]
            }, vjp: tileBack,
            samples: [Sample([.real(2, 3), .integers([2], [2, 3])]), Sample([.real(2, 3), .integers([2], [1, 0])])]),
    ]

    private static func tiled(_ dims: [Dim], _ repeats: [Dim]) throws -> [Dim] {
        guard repeats.count == dims.count else { throw Failure.shape("\(repeats.count) repeats for \(text(dims))") }
        if let bad = repeats.compactMap(\.value).first(where: { $0 < 0 }) { throw Failure.shape("a repeat of \(bad)") }
        return zip(dims, repeats).map { $0 * $1 }
    }

    /// Sees the result as `[repeats₀, d₀, repeats₁, d₁, …]` and sums over the repeats.
    private static let tileBack: Operator.VJP = { g, n, dy in
        guard let dy = dy[0] else { return [nil, nil] }
        let rank = try g.rank(of: dy), column = try g.integers([1])
        let sizes = try g.emit("Unsqueeze", [g.shapeVector(of: g.input(n, 0)), column])
        let repeats = try g.emit("Unsqueeze", [g.emit("Cast", [g.input(n, 1)], ["to": .int(Int(ElementType.int64.rawValue))]), column])
        let pairs = try g.emit("Concat", [repeats, sizes], ["axis": .int(1)])
        let flat = try g.emit("Reshape", [pairs, g.integers([2 * rank])])
        let split = try g.emit("Reshape", [dy, flat], ["allowzero": .int(1)])
        return [try g.sum(split, (0..<rank).map { 2 * $0 }, keepdims: false), nil]
    }

    // MARK: Matrices and sequences

    private static let matrices = [
        Operator(
            "Trilu", arity: 1...2, infer: { [try $0.type(0)] },
            compute: { c in
                let x = try c.tensor(0), k = try c.ints(1, or: "k")?.first ?? 0
                return [try triangle(x, upper: c.flag("upper", default: true), diagonal: k)]
            },
            vjp: { g, n, dy in [try dy[0].map { try g.emit("Trilu", [$0] + n.inputs.dropFirst(), n.attributes) }, nil] },
            samples: [
                Sample([.real(2, 3, 4)]), Sample([.real(4, 3), .integers([], [-1])], ["upper": .int(0)]),
                Sample([.real(3, 3), .integers([], [9])]),
            ]),
        Operator(
            "EyeLike", arity: 1...1,
            infer: { c in
                let dims = try c.dims(0)
                guard dims.count == 2 else { throw Failure.shape("expected a matrix, found \(text(dims))") }
                return [TensorType(try elementType(c, "dtype") ?? c.type(0).element, dims)]
            },
            compute: { c in
                let x = try c.tensor(0)
                guard x.shape.count == 2 else { throw Failure.shape("expected a matrix, found \(Shape.text(x.shape))") }
                let k = c.int("k", default: 0), columns = x.shape[1]
                let eye = try Tensor.make(x.shape, Float.self) { y in
                    for i in y.indices {
                        let (row, overflow) = (i / columns).addingReportingOverflow(k)
                        y[i] = !overflow && row == i % columns ? 1 : 0
                    }
                }
                return [try eye.converted(to: try elementType(c, "dtype") ?? x.type)]
            },
            vjp: { g, n, dy in [nil] }, samples: [Sample([.real(3, 4)], ["k": .int(1)]), Sample([.real(3, 2)], ["k": .int(-1)])]),
        Operator(
            "ReverseSequence", arity: 2...2, infer: { [try $0.type(0)] }, compute: { [try reversed($0)] },
            vjp: { g, n, dy in [try dy[0].map { try g.emit("ReverseSequence", [$0, g.input(n, 1)], n.attributes) }, nil] },
            samples: [
                Sample([.real(4, 3, 2), .integers([3], [2, 4, 1])]),
                Sample([.real(3, 4), .integers([3], [1, 3, 4])], ["batch_axis": .int(0), "time_axis": .int(1)]),
            ]),
    ]

    /// Copies one triangle of each matrix and leaves zeros in the other.
    private static func triangle(_ x: Tensor, upper: Bool, diagonal: Int) throws -> Tensor {
        guard x.shape.count >= 2 else { throw Failure.shape("expected matrices, found \(Shape.text(x.shape))") }
        let rows = x.shape[x.shape.count - 2], columns = x.shape[x.shape.count - 1]
        let result = try Tensor.zeros(x.type, x.shape)
        // Diagonals beyond the corners act as the corners.
        let shift = min(max(diagonal, -rows - 1), columns + 1)
        for row in 0..<(columns == 0 ? 0 : x.count / columns) {
            let edge = row % rows + shift
            let kept = upper ? min(max(edge, 0), columns)..<columns : 0..<min(max(edge + 1, 0), columns)
            Elements.copy(x, from: row * columns + kept.lowerBound, to: result, at: row * columns + kept.lowerBound, count: kept.count)
        }
        return result
    }

    private static func reversed(_ c: Call) throws -> Tensor {
        let x = try c.tensor(0), lengths = try c.tensor(1).integers(), rank = x.shape.count
        let time = try Shape.axis(c.int("time_axis", default: 0), rank: rank),
            batch = try Shape.axis(c.int("batch_axis", default: 1), rank: rank)
        guard rank >= 2, time != batch, lengths.count == x.shape[batch] else {
            throw Failure.shape("\(lengths.count) lengths for batch axis \(batch) and time axis \(time) of \(Shape.text(x.shape))")
        }
        let order = [time, batch] + x.shape.indices.filter { $0 != time && $0 != batch }
        let source = try x.transposed(order).contiguous(), result = try Tensor.empty(x.type, source.shape)
        let steps = x.shape[time], batches = x.shape[batch], block = try Shape.count(Array(source.shape[2...]))
        for (b, length) in lengths.enumerated() {
            guard length >= 0, length <= steps else { throw Failure.shape("length \(length) in a sequence of \(steps)") }
            for t in 0..<steps {
                let from = t < length ? length - 1 - t : t
                Elements.copy(source, from: (from * batches + b) * block, to: result, at: (t * batches + b) * block, count: block)
            }
        }
        return try result.transposed(order.indices.sorted { order[$0] < order[$1] }).contiguous()
    }

    // MARK: Shared

    /// `2x3xN`, for messages.
    static func text(_ dims: [Dim]) -> String { dims.isEmpty ? "scalar" : dims.map(\.description).joined(separator: "x") }

    /// All sizes as numbers; kernels have nothing else.
    static func sizes(_ dims: [Dim]) throws -> [Int] {
        let result = dims.compactMap(\.value)
        guard result.count == dims.count else { throw Failure.shape("shape \(text(dims)) is not known") }
        return result
    }

    /// The element type that an attribute names by ONNX's number.
    static func elementType(_ c: any NodeReader, _ name: String) throws -> ElementType? {
        guard let number = c.node.attributes[name]?.int else { return nil }
        guard let type = Int32(exactly: number).flatMap(ElementType.init(rawValue:)) else {
            throw Failure.invalid("\(name) \(number) is not an element type")
        }
        return type
    }
}

extension Gradients {
    /// The shape of `value` (of its axes `range`) as a vector; a constant where it is known.
    mutating func shapeVector(of value: ValueID, _ range: Range<Int>? = nil) throws -> ValueID {
        try emit("Shape", [value], range.map { ["start": .int($0.lowerBound), "end": .int($0.upperBound)] } ?? [:])
    }

    /// Zeros of the shape and element type of `value`.
    mutating func zeros(like value: ValueID) throws -> ValueID {
        let zero = try Tensor([0.0]).converted(to: try type(of: value).element)
        return try emit("ConstantOfShape", [shapeVector(of: value)], ["value": .tensor(zero)])
    }
}

internal import Tensors

/// Joining and cutting: Concat (opset 4), Split (sizes as attribute or input, `num_outputs` from 18), Slice (1, 10),
/// and SliceGrad, the transpose of Slice.
extension Movement {
    static let parts = [
        Operator(
            "Concat", arity: 1...Int(Int32.max), infer: concatTypes,
            compute: { c in
                let parts = try c.node.inputs.indices.map { try c.tensor($0) }
                return [try concatenated(parts, axis: try Shape.axis(c.int("axis", default: 1), rank: parts[0].shape.count))]
            }, vjp: concatBack,
            samples: [
                Sample([.real(2, 3), .real(2, 1)], ["axis": .int(1)]), Sample([.real(1, 2), .real(3, 2), .real(0, 2)], ["axis": .int(-2)]),
                Sample([.real(2)], ["axis": .int(0)]),
            ]),
        Operator(
            "Split", arity: 1...2, infer: splitTypes,
            compute: { c in
                let x = try c.tensor(0), axis = try Shape.axis(c.int("axis", default: 0), rank: x.shape.count)
                guard axis < x.shape.count else { throw Failure.shape("cannot split a scalar") }
                var start = 0
                return try splitSizes(c, Dim(x.shape[axis])).map { size in
                    let size = size.value ?? 0
                    defer { start += size }
                    return try x.sliced(axis, start..<start + size).contiguous()
                }
            }, vjp: splitBack,
            samples: [
                Sample([.real(2, 6)], ["axis": .int(1)], outputs: 3), Sample([.real(5, 2), .integers([2], [1, 4])], outputs: 2),
                Sample([.real(7)], ["axis": .int(-1), "num_outputs": .int(3)], outputs: 3),
                Sample([.real(3)], ["split": .ints([0, 3])], outputs: 2),
            ]),
        Operator(
            "Slice", arity: 1...5,
            infer: { c in
                let type = try c.type(0)
                guard let dims = type.dims else { return [type] }
                do { return [TensorType(type.element, try SliceParameters(c, rank: dims.count).sizes(of: dims))] } catch is NotYetKnown {
                    return [TensorType(type.element, dims.map { _ in .unknown })]
                }
            },
            compute: { c in
                let x = try c.tensor(0)
                return [try strided(x, SliceParameters(c, rank: x.shape.count).parts(of: x.shape)).contiguous()]
            }, vjp: sliceBack, samples: sliceSamples),
        Operator(
            "SliceGrad", arity: 4...6, infer: { c in [try likeShapeVector(c, 1)] },
            compute: { c in
                let dy = try c.tensor(0), shape = try c.tensor(1).integers()
                _ = try Shape.count(shape)
                let maps = try SliceParameters(c, rank: shape.count, first: 2).parts(of: shape).map(\.indices)
                return [try accumulated(dy, into: shape, maps)]
            },
            vjp: { g, n, dy in [try dy[0].map { try g.emit("Slice", [$0] + n.inputs[2...]) }] + n.inputs.dropFirst().map { _ in nil } },
            samples: [
                Sample([
                    .real(2, 2), .integers([2], [2, 5]), .integers([1], [-1]), .integers([1], [-9]), .integers([1], [1]),
                    .integers([1], [-3]),
                ])
            ]),
    ]

    // MARK: Concat

    private static let concatTypes: Operator.ShapeRule = { c in
        let type = try c.type(0)
        var result = try c.dims(0)
        guard !result.isEmpty else { throw Failure.shape("cannot join scalars") }
        let axis = try Shape.axis(c.int("axis", default: 1), rank: result.count)
        for index in c.node.inputs.indices.dropFirst() {
            let next = try c.dims(index), element = try c.type(index).element
            guard element == type.element else { throw Failure.shape("input 0 is \(type.element), input \(index) is \(element)") }
            guard next.count == result.count else { throw Failure.shape("inputs \(text(result)) and \(text(next)) have different ranks") }
            for a in result.indices where a != axis {
                guard let size = same(result[a], next[a]) else {
                    throw Failure.shape("inputs \(text(result)) and \(text(next)) differ along axis \(a), only axis \(axis) may differ")
                }
                result[a] = size
            }
            result[axis] = result[axis] + next[axis]
        }
        return [TensorType(type.element, result)]
    }

    /// What is known of two sizes that must be equal; nil when they cannot be.
    static func same(_ a: Dim, _ b: Dim) -> Dim? {
        if a == b || b.isUnknown { return a }
        if a.isUnknown { return b }
        if let difference = (a - b).value, difference != 0 { return nil }
        return b.value != nil ? b : a
    }

    private static func concatenated(_ parts: [Tensor], axis: Int) throws -> Tensor {
        guard let first = parts.first, axis < first.shape.count else { throw Failure.shape("cannot join scalars") }
        var shape = first.shape
        for part in parts.dropFirst() {
            guard part.type == first.type, part.shape.count == shape.count,
                shape.indices.allSatisfy({ $0 == axis || shape[$0] == part.shape[$0] })
            else { throw Failure.shape("cannot join \(Shape.text(first.shape)) and \(Shape.text(part.shape)) along axis \(axis)") }
            shape[axis] += part.shape[axis]
        }
        let result = try Tensor.empty(first.type, shape)
        let outer = try Shape.count(Array(shape[..<axis])), row = try Shape.count(Array(shape[axis...]))
        var place = 0
        for part in parts {
            let block = try Shape.count(Array(part.shape[axis...]))
            for i in 0..<outer { Elements.copy(part, from: i * block, to: result, at: i * row + place, count: block) }
            place += block
        }
        return result
    }

    /// Each input's gradient is its part of the output's.
    private static let concatBack: Operator.VJP = { g, n, dy in
        guard let dy = dy[0] else { return n.inputs.map { _ in nil } }
        let rank = try g.rank(of: dy), axis = try Shape.axis(n.attributes["axis"]?.int ?? 1, rank: rank)
        let axes = try g.integers([axis])
        var start = try g.integers([0])
        return try n.inputs.indices.map { index in
            let input = try g.input(n, index)
            let end = try g.emit("Add", [start, g.shapeVector(of: input, axis..<axis + 1)])
            defer { start = end }
            guard g.graph[input].type?.element.isFloat ?? true, g.graph[input].constant == nil else { return nil }
            return try g.emit("Slice", [dy, start, end, axes])
        }
    }

    // MARK: Split

    private static let splitTypes: Operator.ShapeRule = { c in
        let type = try c.type(0), dims = try c.dims(0), axis = try Shape.axis(c.int("axis", default: 0), rank: dims.count)
        guard axis < dims.count else { throw Failure.shape("cannot split a scalar") }
        let sizes: [Dim]
        do { sizes = try splitSizes(c, dims[axis]) } catch is NotYetKnown { sizes = c.node.outputs.map { _ in .unknown } }
        return sizes.map { size in
            var part = dims
            part[axis] = size
            return TensorType(type.element, part)
        }
    }

    /// Sizes of the outputs along the axis that is split, whose size is `total`.
    static func splitSizes(_ c: any NodeReader, _ total: Dim) throws -> [Dim] {
        let outputs = c.node.outputs.count
        if let sizes = try c.ints(1, or: "split") {
            guard sizes.count >= outputs, sizes.allSatisfy({ $0 >= 0 && $0 < 1 << 48 }) else {
                throw Failure.shape("sizes \(sizes) for \(outputs) outputs")
            }
            let sum = sizes.reduce(0, +)
            if let total = total.value, total != sum { throw Failure.shape("sizes \(sizes) add up to \(sum), expected \(total)") }
            return sizes.map { Dim($0) }
        }
        let parts = c.int("num_outputs", default: outputs)
        guard parts >= outputs, parts > 0, parts <= 1 << 20 else { throw Failure.invalid("\(parts) parts for \(outputs) outputs") }
        guard let total = total.value else { return [Dim](repeating: total.divided(by: Dim(parts)), count: parts) }
        guard total % parts == 0 || c.node.attributes["num_outputs"] != nil else {
            throw Failure.shape("cannot split \(total) into \(parts) equal parts")
        }
        let size = (total + parts - 1) / parts
        return (0..<parts).map { Dim(min(size, max(total - $0 * size, 0))) }
    }

    /// The gradients of the parts side by side; zeros for the parts that nobody used.
    private static let splitBack: Operator.VJP = { g, n, dy in
        let x = try g.input(n, 0), axis = n.attributes["axis"]?.int ?? 0
        guard dy.contains(where: { $0 != nil }) else { return n.inputs.map { _ in nil } }
        var parts: [ValueID] = []
        for (index, gradient) in dy.enumerated() {
            if let gradient { parts.append(gradient); continue }
            if let output = n.outputs[index] { parts.append(try g.zeros(like: output)); continue }
            guard var shape = g.shape(of: x) else { throw Failure.unsupported("an unnamed output of unknown size") }
            let place = try Shape.axis(axis, rank: shape.count)
            guard place < shape.count else { throw Failure.shape("cannot split a scalar") }
            let call = Call(node: n, inputs: n.inputs.indices.map { $0 == 0 ? nil : g.constantInput(n, $0) })
            shape[place] = try splitSizes(call, Dim(shape[place]))[index].value ?? 0
            let zero = try Tensor([0.0]).converted(to: try g.type(of: x).element)
            parts.append(try g.emit("ConstantOfShape", [g.integers(shape)], ["value": .tensor(zero)]))
        }
        let joined = try parts.count == 1 ? parts[0] : g.emit("Concat", parts, ["axis": .int(axis)])
        return [joined] + n.inputs.dropFirst().map { _ in nil }
    }

    // MARK: Slice

    /// A view of the parts of each axis.
    private static func strided(_ x: Tensor, _ parts: [SliceParameters.Part]) throws -> Tensor {
        let shape = parts.map(\.count)
        guard !shape.contains(0) else { return try Tensor.empty(x.type, shape) }
        var offset = x.offset
        for (part, stride) in zip(parts, x.strides) { offset += part.start * stride }
        return try Tensor(x.type, shape, strides: zip(parts, x.strides).map { $0.step * $1 }, offset: offset, storage: x.storage)
    }

    /// The transpose of a gather by maps, in the gradient's own type.
    static func accumulated(_ dy: Tensor, into shape: [Int], _ maps: [[Int]]) throws -> Tensor {
        switch dy.type {
        case .float32: try Elements.accumulated(dy, into: shape, maps, Float.self)
        case .float64: try Elements.accumulated(dy, into: shape, maps, Double.self)
        default: throw Failure.unsupported("a gradient of \(dy.type)")
        }
    }

    /// Type of a gradient whose shape is given as a vector by input `index`.
    static func likeShapeVector(_ c: Inference, _ index: Int) throws -> TensorType {
        let element = try c.type(0).element
        if let sizes = c.contents(index) { return TensorType(element, sizes) }
        let rank = c.types[index]?.shape?.first
        return TensorType(element, rank.flatMap { $0 <= 64 ? [Dim](repeating: .unknown, count: $0) : nil })
    }

    /// A Pad where every step is 1 and all sizes are known, so that a backend needs nothing more; SliceGrad otherwise.
    private static let sliceBack: Operator.VJP = { g, n, dy in
        let none = [ValueID?](repeating: nil, count: n.inputs.count - 1)
        guard let dy = dy[0] else { return [nil] + none }
        let x = try g.input(n, 0)
        let call = Call(node: n, inputs: n.inputs.indices.map { $0 == 0 ? nil : g.constantInput(n, $0) })
        let given = { (i: Int) in i >= n.inputs.count || n.inputs[i] == nil || call.constant(i) != nil }
        if let shape = g.shape(of: x), (1...4).allSatisfy(given) {
            let parameters = try SliceParameters(call, rank: shape.count)
            if parameters.isRange {
                let parts = try parameters.parts(of: shape)
                let after = zip(parts, shape).map { $1 - $0.start - $0.count }
                return [try g.emit("Pad", [dy, g.integers(parts.map(\.start) + after)])] + none
            }
        }
        let vector = { (g: inout Gradients, index: Int, name: String) -> ValueID? in
            if index < n.inputs.count, let id = n.inputs[index] { return id }
            return try n.attributes[name]?.ints.map { try g.integers($0) }
        }
        let starts = try vector(&g, 1, "starts"), ends = try vector(&g, 2, "ends")
        let axes = try vector(&g, 3, "axes"), steps = try vector(&g, 4, "steps")
        let shape = try g.shapeVector(of: x)
        return [try g.emit("SliceGrad", [dy, shape, starts, ends, axes, steps])] + none
    }

    private static var sliceSamples: [Sample] {
        [
            Sample([.real(4, 5), .integers([2], [1, 0]), .integers([2], [3, 1000])]),
            Sample([.real(4, 5), .integers([1], [-1]), .integers([1], [-1000]), .integers([1], [-1]), .integers([1], [-2])]),
            Sample([.real(6), .integers([1], [0]), .integers([1], [Int.max]), .absent, .integers([1], [4])]),
            Sample([.real(3, 4)], ["starts": .ints([1]), "ends": .ints([-1]), "axes": .ints([1])]),
            Sample([.real(3, 4), .integers([1], [2]), .integers([1], [1])]),
        ]
    }
}

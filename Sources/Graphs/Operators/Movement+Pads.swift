internal import Tensors

/// Pad (opset 2 attributes; inputs from 11; axes from 18; wrap from 19) in the modes constant, reflect, edge and wrap,
/// with negative pads that crop; PadGrad, the transpose of the last three; CenterCropPad (18).
extension Movement {
    static let pads = [
        Operator(
            "Pad", arity: 1...4,
            infer: { c in
                let type = try c.type(0), dims = try c.dims(0)
                guard let pads = try padSizes(c, rank: dims.count) else { return [TensorType(type.element, dims.map { _ in .unknown })] }
                let result = dims.indices.map { dims[$0] + pads[$0].before + pads[$0].after }
                if let bad = result.compactMap(\.value).first(where: { $0 < 0 }) { throw Failure.shape("pads leave a size of \(bad)") }
                return [TensorType(type.element, result)]
            },
            compute: { c in
                let x = try c.tensor(0), mode = c.string("mode", default: "constant")
                let maps = try padMaps(x.shape, amounts(c, rank: x.shape.count), mode)
                return [try Elements.mapped(x, maps, fill: mode == "constant" ? try fill(c, x.type) : nil)]
            }, vjp: padBack,
            samples: [
                Sample([.real(2, 3), .integers([4], [1, 0, 2, 1])]),
                Sample([.real(3, 4), .integers([4], [-1, 2, 1, -2]), .values([], [0.5])]),
                Sample([.real(2, 4), .integers([2], [3, 2]), .absent, .integers([1], [-1])], ["mode": .string("reflect")]),
                Sample([.real(2, 3), .integers([4], [1, 2, 0, 1])], ["mode": .string("edge")]),
                Sample([.real(3, 2)], ["pads": .ints([1, 0, 0, 1]), "value": .float(2)]),
                Sample([.real(2, 3), .integers([4], [3, 4, 1, -1])], ["mode": .string("wrap")]),
            ]),
        Operator(
            "PadGrad", arity: 3...4, infer: { c in [try likeShapeVector(c, 1)] },
            compute: { c in
                let dy = try c.tensor(0), shape = try c.tensor(1).integers()
                let pads = try amounts(c, rank: shape.count, pads: 2, axes: 3)
                return [try accumulated(dy, into: shape, padMaps(shape, pads, c.string("mode", default: "constant")))]
            },
            vjp: { g, n, dy in
                let axes = n.inputs.count > 3 ? n.inputs[3] : nil
                return [try dy[0].map { try g.emit("Pad", [$0, g.input(n, 2), nil, axes], n.attributes) }, nil, nil, nil]
            },
            samples: [
                Sample([.real(2, 8), .integers([2], [2, 3]), .integers([2], [2, 3]), .integers([1], [1])], ["mode": .string("reflect")])
            ]),
        Operator(
            "CenterCropPad", arity: 2...2,
            infer: { c in
                let type = try c.type(0)
                var dims = try c.dims(0)
                let axes = try cropAxes(c, rank: dims.count), sizes = c.contents(1)
                for (place, axis) in axes.enumerated() { dims[axis] = sizes.map { place < $0.count ? $0[place] : .unknown } ?? .unknown }
                return [TensorType(type.element, dims)]
            },
            compute: { c in
                let x = try c.tensor(0), sizes = try c.tensor(1).integers(), axes = try cropAxes(c, rank: x.shape.count)
                guard sizes.count == axes.count else { throw Failure.shape("\(sizes.count) sizes for \(axes.count) axes") }
                var maps = x.shape.map { Array(0..<$0) }
                _ = try Shape.count(sizes)
                for (axis, size) in zip(axes, sizes) {
                    let old = x.shape[axis]
                    let before = size > old ? -((size - old) / 2) : (old - size) / 2
                    maps[axis] = (0..<size).map { (0..<old).contains($0 + before) ? $0 + before : -1 }
                }
                return [try Elements.mapped(x, maps, fill: nil)]
            },
            vjp: { g, n, dy in
                guard let dy = dy[0] else { return [nil, nil] }
                var shape = try g.shapeVector(of: g.input(n, 0))
                if let axes = n.attributes["axes"]?.ints { shape = try g.emit("Gather", [shape, g.integers(axes)]) }
                return [try g.emit("CenterCropPad", [dy, shape], n.attributes), nil]
            },
            samples: [Sample([.real(5, 4), .integers([2], [2, 7])]), Sample([.real(5, 4), .integers([1], [3])], ["axes": .ints([-1])])]),
    ]

    private static func cropAxes(_ c: any NodeReader, rank: Int) throws -> [Int] {
        let axes = try c.ints("axes")?.map { try Shape.axis($0, rank: rank) } ?? Array(0..<rank)
        guard axes.allSatisfy({ $0 < rank }), Set(axes).count == axes.count else {
            throw Failure.shape("axes \(axes) of a tensor of rank \(rank)")
        }
        return axes
    }

    // MARK: Pad

    /// How much is added before and after each axis.
    private static func spread<T>(_ pads: [T], _ axes: [Int]?, rank: Int, zero: T) throws -> [(before: T, after: T)] {
        let axes = try axes?.map { try Shape.axis($0, rank: rank) } ?? Array(0..<rank)
        guard pads.count == 2 * axes.count else { throw Failure.shape("\(pads.count) pads for \(axes.count) axes") }
        var result = [(before: T, after: T)](repeating: (zero, zero), count: rank)
        for (place, axis) in axes.enumerated() where axis < rank { result[axis] = (pads[place], pads[place + axes.count]) }
        return result
    }

    private static func padSizes(_ c: Inference, rank: Int) throws -> [(before: Dim, after: Dim)]? {
        let axes = try c.ints(3, or: "axes")
        if let pads = c.has(1) ? c.contents(1) : (c.ints("pads") ?? c.ints("paddings"))?.map({ Dim($0) }) {
            return try spread(pads, axes, rank: rank, zero: 0)
        }
        guard c.has(1) else { throw Failure.invalid("the pads are missing") }
        return nil
    }

    private static func amounts(_ c: Call, rank: Int, pads: Int = 1, axes: Int = 3) throws -> [(before: Int, after: Int)] {
        guard let amounts = try c.ints(pads, or: "pads") ?? c.ints("paddings") else { throw Failure.invalid("the pads are missing") }
        guard amounts.allSatisfy({ abs($0.clamped) < 1 << 32 }) else { throw Failure.shape("pads \(amounts) are too large") }
        return try spread(amounts, c.ints(axes, or: "axes"), rank: rank, zero: 0)
    }

    private static func fill(_ c: Call, _ type: ElementType) throws -> Tensor? {
        if let value = try c.optional(2), value.count == 1 { return try value.converted(to: type).reshaped([]) }
        return try c.node.attributes["value"]?.float.map { try Tensor.scalar($0).converted(to: type) }
    }

    /// For each axis of the result, the entries of the input; -1 where the constant goes.
    private static func padMaps(_ shape: [Int], _ pads: [(before: Int, after: Int)], _ mode: String) throws -> [[Int]] {
        guard ["constant", "reflect", "edge", "wrap"].contains(mode) else { throw Failure.unsupported("pad mode '\(mode)'") }
        _ = try Shape.count(shape)
        let sizes = zip(shape, pads).map { $0 + $1.before + $1.after }
        _ = try Shape.count(sizes)
        return try shape.indices.map { axis in
            let size = shape[axis], pad = pads[axis]
            if mode == "constant" { return (0..<sizes[axis]).map { (0..<size).contains($0 - pad.before) ? $0 - pad.before : -1 } }
            // Negative pads crop before the rest is extended.
            let first = max(-pad.before, 0), kept = size - first - max(-pad.after, 0)
            guard kept > 0 || sizes[axis] == 0 else { throw Failure.shape("nothing of axis \(axis) is left to pad from") }
            return (0..<sizes[axis]).map { first + source($0 - max(pad.before, 0), kept, mode) }
        }
    }

    /// Where position `i`, counted from the first kept entry, comes from among `size` entries.
    private static func source(_ i: Int, _ size: Int, _ mode: String) -> Int {
        switch mode {
        case "edge": return min(max(i, 0), size - 1)
        case "wrap": return ((i % size) + size) % size
        default:
            guard size > 1 else { return 0 }
            let period = 2 * (size - 1), place = ((i % period) + period) % period
            return min(place, period - place)
        }
    }

    private static let padBack: Operator.VJP = { g, n, dy in
        let none = [ValueID?](repeating: nil, count: max(n.inputs.count - 1, 0))
        guard let dy = dy[0] else { return [nil] + none }
        let x = try g.input(n, 0), axes = n.inputs.count > 3 ? n.inputs[3] : nil
        let mode = n.attributes["mode"]?.string ?? "constant"
        let given = (n.attributes["pads"] ?? n.attributes["paddings"])?.ints
        let pads = try n.inputs.count > 1 && n.inputs[1] != nil ? g.input(n, 1) : g.integers(given ?? [])
        guard mode == "constant" else {
            return [try g.emit("PadGrad", [dy, g.shapeVector(of: x), pads, axes], ["mode": .string(mode)])] + none
        }
        let dx = try g.emit("Pad", [dy, g.neg(pads), nil, axes])
        guard n.inputs.count > 2, let value = n.inputs[2], g.graph[value].constant == nil else { return [dx] + none }
        let all = try g.sum(dy, nil, keepdims: false), inside = try g.sum(dx, nil, keepdims: false)
        return [dx, nil, try g.reshape(g.sub(all, inside), like: value)] + none.dropFirst(2)
    }
}

extension Int {
    /// Its magnitude can be taken.
    fileprivate var clamped: Int { Swift.max(self, -Int.max) }
}

internal import Glibc
internal import Tensors

/// Range (opset 11), ConstantOfShape (9) and NonMaxSuppression (10).
extension Indexing {
    /// The limit only decides how many numbers there are.
    private static let rangeBack: Operator.VJP = { g, n, dy in
        guard let dy = dy[0] else { return [nil, nil, nil] }
        let start = try g.input(n, 0), delta = try g.input(n, 2)
        let places = try g.emit("CumSum", [g.ones(like: dy, from: 0), g.integers([0])], ["exclusive": .int(1)])
        let steps = try g.sum(g.mul(dy, places), nil, keepdims: false)
        return [try g.reshape(g.sum(dy, nil, keepdims: false), like: start), nil, try g.reshape(steps, like: delta)]
    }

    static let generators = [
        Operator(
            "Range", arity: 3...3,
            infer: { c in
                let element = try c.type(0).element
                if let start = c.constants[0], let limit = c.constants[1], let delta = c.constants[2] {
                    return [TensorType(element, [Dim(try rangeCount(start, limit, delta))])]
                }
                guard let start = c.contents(0)?.first, let limit = c.contents(1)?.first, c.contents(2)?.first == 1 else {
                    return [TensorType(element, [.unknown])]
                }
                return [TensorType(element, [limit - start])]
            },
            compute: { c in
                let start = try c.tensor(0), delta = try c.tensor(2), count = try rangeCount(start, c.tensor(1), delta)
                guard start.type.isFloat else {
                    guard let first = try start.integers().first, let step = try delta.integers().first else {
                        throw Failure.shape("expected scalars")
                    }
                    return [
                        try Tensor.make([count], Int64.self) { y in for i in y.indices { y[i] = Int64(first &+ i &* step) } }.converted(
                            to: start.type)
                    ]
                }
                guard let first = try start.doubles().first, let step = try delta.doubles().first else {
                    throw Failure.shape("expected scalars")
                }
                return [
                    try Tensor.make([count], Double.self) { y in for i in y.indices { y[i] = first + Double(i) * step } }.converted(
                        to: start.type)
                ]
            }, vjp: rangeBack,
            samples: [
                Sample([.values([], [0.5]), .values([], [4.2]), .values([], [0.75])]),
                Sample([.integers([], [2]), .integers([], [10]), .integers([], [3])]),
                Sample([.integers([], [5]), .integers([], [-1]), .integers([], [-2])]),
            ]),
        Operator(
            "ConstantOfShape", arity: 1...1,
            infer: { c in
                let element = c.node.attributes["value"]?.tensor?.type ?? .float32
                if let sizes = c.contents(0) {
                    if let bad = sizes.compactMap(\.value).first(where: { $0 < 0 }) { throw Failure.shape("a size of \(bad)") }
                    return [TensorType(element, sizes)]
                }
                let rank = c.types[0]?.shape?.first
                return [TensorType(element, rank.flatMap { $0 <= 64 ? [Dim](repeating: .unknown, count: $0) : nil })]
            },
            compute: { c in
                let shape = try c.tensor(0).integers(), value = try c.node.attributes["value"]?.tensor ?? Tensor([Float(0)])
                guard value.count == 1 else { throw Failure.shape("the value has \(value.count) elements, expected 1") }
                _ = try Shape.count(shape)
                return [try value.reshaped([]).broadcast(to: shape).contiguous()]
            },
            vjp: { g, n, dy in [nil] },
            samples: [Sample([.integers([2], [2, 3])]), Sample([.integers([0], [])])]),
        Operator(
            "NonMaxSuppression", arity: 2...5, infer: { _ in [TensorType(.int64, [.unknown, 3])] }, compute: { [try suppressed($0)] },
            noGradient: "positions do not change with the values",
            samples: [
                Sample([
                    .values([1, 3, 4], [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 2, 1, 3]), .values([1, 1, 3], [0.9, 0.8, 0.7]), .integers([1], [2]),
                    .values([1], [0.5]),
                ])
            ]),
    ]

    /// How many numbers lie from `start` up to, not including, `limit`.
    private static func rangeCount(_ start: Tensor, _ limit: Tensor, _ delta: Tensor) throws -> Int {
        guard let first = try start.doubles().first, let last = try limit.doubles().first, let step = try delta.doubles().first else {
            throw Failure.shape("expected scalars")
        }
        let steps = ((last - first) / step).rounded(.up)
        guard step != 0, steps.magnitude < 0x1p62 else { throw Failure.invalid("the range from \(first) to \(last) by \(step) has no end") }
        return try Shape.count([max(Int(steps), 0)])
    }

    // MARK: NonMaxSuppression

    private static func suppressed(_ c: Call) throws -> Tensor {
        let boxes = try c.tensor(0), scores = try c.tensor(1)
        guard boxes.shape.count == 3, scores.shape.count == 3, boxes.shape[2] == 4, boxes.shape[0] == scores.shape[0],
            boxes.shape[1] == scores.shape[2]
        else {
            throw Failure.shape("boxes \(Shape.text(boxes.shape)) and scores \(Shape.text(scores.shape))")
        }
        let limit = try c.optional(2)?.integers().first ?? 0
        let overlap = try c.optional(3)?.doubles().first ?? 0, threshold = try c.optional(4)?.doubles().first
        let corners = try boxes.doubles(), points = try scores.doubles(), count = boxes.shape[1], classes = scores.shape[1]
        let isCentered = c.int("center_point_box", default: 0) == 1
        var chosen: [Int64] = []
        for lane in 0..<boxes.shape[0] * classes where limit > 0 {
            let score = points[lane * count..<(lane + 1) * count], first = lane * count
            let candidates = (0..<count).filter { i in threshold.map { score[first + i] > $0 } ?? true }
                .sorted { (-score[first + $0], $0) < (-score[first + $1], $1) }
            var kept: [Box] = []
            for i in candidates where kept.count < limit {
                let at = (lane / classes * count + i) * 4
                let box = Box(Array(corners[at..<at + 4]), isCentered: isCentered)
                guard kept.allSatisfy({ $0.overlap(box) <= overlap }) else { continue }
                kept.append(box)
                chosen += [Int64(lane / classes), Int64(lane % classes), Int64(i)]
            }
        }
        return try Tensor(chosen, [chosen.count / 3, 3])
    }

    /// An axis-parallel box.
    private struct Box {
        let low: (Double, Double), high: (Double, Double)

        init(_ v: [Double], isCentered: Bool) {
            low = isCentered ? (v[0] - v[2] / 2, v[1] - v[3] / 2) : (min(v[0], v[2]), min(v[1], v[3]))
            high = isCentered ? (v[0] + v[2] / 2, v[1] + v[3] / 2) : (max(v[0], v[2]), max(v[1], v[3]))
        }

        var area: Double { (high.0 - low.0) * (high.1 - low.1) }

        /// Area of the intersection over that of the union.
        func overlap(_ other: Box) -> Double {
            let width = min(high.0, other.high.0) - max(low.0, other.low.0), height = min(high.1, other.high.1) - max(low.1, other.low.1)
            guard width > 0, height > 0 else { return 0 }
            return width * height / (area + other.area - width * height)
        }
    }
}

internal import Tensors

/// TopK (`k` as attribute up to 9, as input from 10), OneHot (9), NonZero (9), Compress (9) and Unique (11).
extension Indexing {
    static let selections = [
        Operator(
            "TopK", arity: 1...2,
            infer: { c in
                var dims = try c.dims(0)
                let axis = try axis(c, rank: dims.count, default: -1)
                let k = c.has(1) ? c.contents(1)?.first : c.node.attributes["k"]?.int.map { Dim($0) }
                if let k = k?.value, let size = dims[axis].value, k < 0 || k > size {
                    throw Failure.shape("k is \(k), axis \(axis) has \(size) entries")
                }
                dims[axis] = k ?? .unknown
                return [TensorType(try c.type(0).element, dims), TensorType(.int64, dims)]
            },
            compute: { c in
                let x = try c.tensor(0)
                switch x.type {
                case .float32: return try top(c, x, Float.self) { $0.isNaN ? !$1.isNaN : $0 > $1 }
                case .float64: return try top(c, x, Double.self) { $0.isNaN ? !$1.isNaN : $0 > $1 }
                default:
                    let results = try top(c, x.converted(to: .int64), Int64.self) { $0 > $1 }
                    return [try results[0].converted(to: x.type), results[1]]
                }
            },
            vjp: { g, n, dy in
                guard let dy = dy[0] else { return [nil, nil] }
                let axis = n.attributes["axis"]?.int ?? -1
                return [
                    try g.emit("GatherElementsGrad", [dy, g.output(n, 1), g.shapeVector(of: g.input(n, 0))], ["axis": .int(axis)]), nil,
                ]
            },
            samples: [
                Sample([.real(2, 5), .integers([1], [3])], outputs: 2),
                Sample([.real(4, 2), .integers([1], [2])], ["axis": .int(0), "largest": .int(0)], outputs: 2),
            ]),
        Operator(
            "OneHot", arity: 3...3,
            infer: { c in
                var dims = try c.dims(0)
                let axis = try Shape.axis(c.int("axis", default: -1), rank: dims.count + 1)
                dims.insert(
                    c.contents(1)?.first ?? c.constants[1].flatMap { try? $0.integers().first.map { Dim($0) } } ?? .unknown, at: axis)
                return [TensorType(try c.type(2).element, dims)]
            }, compute: { [try oneHot($0)] }, vjp: oneHotBack,
            samples: [
                Sample([.integers([2, 2], [0, -1, 7, 1]), .integers([], [3]), .real(2)]),
                Sample([.integers([3], [0, 1, 2]), .integers([1], [3]), .real(2)], ["axis": .int(0)]),
            ]),
        Operator(
            "NonZero", arity: 1...1,
            infer: { c in [TensorType(.int64, [try c.type(0).rank.map { Dim(max($0, 1)) } ?? .unknown, .unknown])] },
            compute: { c in
                let x = try c.tensor(0), found = try whereTrue(x), strides = Shape.strides(x.shape)
                let axes = x.shape.isEmpty ? [found] : x.shape.indices.map { axis in found.map { $0 / strides[axis] % x.shape[axis] } }
                return [try Tensor(axes.flatMap { $0.map { Int64($0) } }, [axes.count, found.count])]
            }, noGradient: "positions do not change with the values", samples: [Sample([.integers([2, 3], [0, 1, 2, 0, 0, 3])])]),
        Operator(
            "Compress", arity: 2...2,
            infer: { c in
                var dims = try c.dims(0)
                let kept = try c.constant(1).map { Dim(try whereTrue($0.contiguous()).count) } ?? .unknown
                guard c.node.attributes["axis"] != nil else { return [TensorType(try c.type(0).element, [kept])] }
                dims[try axis(c, rank: dims.count)] = kept
                return [TensorType(try c.type(0).element, dims)]
            },
            compute: { c in
                var x = try c.tensor(0)
                if c.node.attributes["axis"] == nil { x = try x.reshaped([x.count]) }
                let axis = try axis(c, rank: x.shape.count), kept = try whereTrue(try c.tensor(1))
                guard kept.last ?? -1 < x.shape[axis] else { throw Failure.shape("the condition is longer than axis \(axis)") }
                var maps = x.shape.map { Array(0..<$0) }
                maps[axis] = kept
                return [try Elements.mapped(x, maps, fill: nil)]
            }, vjp: compressBack,
            samples: [
                Sample([.real(3, 2), .truths([2], [false, true])], ["axis": .int(0)]),
                Sample([.real(2, 2), .truths([4], [true, false, false, true])]),
            ]),
        Operator(
            "Unique", arity: 1...1,
            infer: { c in
                let type = try c.type(0), vector = TensorType(.int64, [.unknown])
                let dims: [Dim]? =
                    try c.node.attributes["axis"] == nil
                    ? [.unknown]
                    : type.dims.map { dims in
                        var dims = dims
                        dims[try axis(c, rank: dims.count)] = .unknown
                        return dims
                    }
                return [TensorType(type.element, dims), vector, vector, vector]
            }, compute: { try unique($0) }, noGradient: "its result jumps where values meet",
            samples: [
                Sample([.integers([5], [2, 1, 1, 3, 2])], outputs: 4),
                Sample([.integers([3, 2], [1, 0, 1, 0, 2, 3])], ["axis": .int(0)], outputs: 4),
            ]),
    ]

    /// Places of the elements that are not zero.
    private static func whereTrue(_ x: Tensor) throws -> [Int] {
        // A text counts as zero when it is empty.
        if x.type == .string { return try x.strings().enumerated().filter { !$1.isEmpty }.map(\.offset) }
        return try x.converted(to: .bool).read(Truth.self) { x in x.indices.filter { x[$0].isTrue } }
    }

    // MARK: TopK

    private static func top<T: Element>(_ c: Call, _ x: Tensor, _: T.Type, _ above: (T, T) -> Bool) throws -> [Tensor] {
        let axis = try axis(c, rank: x.shape.count, default: -1), size = x.shape[axis], isLargest = c.flag("largest", default: true)
        guard let k = try c.ints(1, or: "k")?.first, k >= 0, k <= size else { throw Failure.shape("k does not lie in an axis of \(size)") }
        let inner = try Shape.count(Array(x.shape[(axis + 1)...])), outer = try Shape.count(Array(x.shape[..<axis]))
        var shape = x.shape
        shape[axis] = k
        let values = try Tensor.empty(x.type, shape), places = try Tensor.empty(.int64, shape)
        try x.read(T.self) { x in
            try values.write(T.self) { y in
                try places.write(Int64.self) { p in
                    for lane in 0..<outer * inner {
                        let base = lane / inner * size * inner + lane % inner, to = lane / inner * k * inner + lane % inner
                        // Of equal values the first comes first.
                        let isBefore = { (i: Int, j: Int) -> Bool in
                            let a = x[base + i * inner], b = x[base + j * inner]
                            if isLargest ? above(a, b) : above(b, a) { return true }
                            return (isLargest ? above(b, a) : above(a, b)) ? false : i < j
                        }
                        let order = foremost(k, of: size, isBefore)
                        for (i, place) in order.prefix(k).enumerated() {
                            y[to + i * inner] = x[base + place * inner]
                            p[to + i * inner] = Int64(place)
                        }
                    }
                }
            }
        }
        return [values, places]
    }

    /// The first `k` of so many places in order. Where they are few, the others are only told apart from them, not sorted.
    private static func foremost(_ k: Int, of size: Int, _ isBefore: (Int, Int) -> Bool) -> [Int] {
        var places = Array(0..<size)
        var low = 0, high = size - 1, rounds = 0
        // Quickselect (Hoare 1961) until the first k places are the foremost; the middle of three is the pivot.
        while k > 0, k < size, low < high {
            rounds += 1
            // Unlucky pivots, round after round: sorting is never quadratic.
            if rounds > 96 { return Array(places.sorted(by: isBefore).prefix(k)) }
            let ends = [places[low], places[(low + high) / 2], places[high]].sorted(by: isBefore)
            let pivot = ends[1]
            var i = low, j = high
            while i <= j {
                while isBefore(places[i], pivot) { i += 1 }
                while isBefore(pivot, places[j]) { j -= 1 }
                if i <= j {
                    places.swapAt(i, j)
                    i += 1
                    j -= 1
                }
            }
            if k - 1 <= j { high = j } else if k - 1 >= i { low = i } else { break }
        }
        return places.prefix(k).sorted(by: isBefore)
    }

    // MARK: OneHot

    private static func oneHot(_ c: Call) throws -> Tensor {
        let indices = try c.tensor(0), values = try c.tensor(2)
        guard let depth = try c.tensor(1).integers().first, depth >= 0, values.count == 2 else {
            throw Failure.shape("expected a depth and two values")
        }
        let axis = try Shape.axis(c.int("axis", default: -1), rank: indices.shape.count + 1)
        var shape = indices.shape
        shape.insert(depth, at: axis)
        let inner = try Shape.count(Array(indices.shape[axis...]))
        let result = try Tensor.empty(values.type, shape), off = try values.sliced(0, 0..<1).reshaped([]).broadcast(to: shape).contiguous()
        Elements.copy(off, from: 0, to: result, at: 0, count: result.count)
        for (i, index) in try indices.integers().enumerated() where index >= -depth && index < depth {
            let place = (i / inner * depth + (index < 0 ? index + depth : index)) * inner + i % inner
            Elements.copy(values, from: 1, to: result, at: place, count: 1)
        }
        return result
    }

    /// Only the two values have a gradient: the sums over the places that hold them.
    private static let oneHotBack: Operator.VJP = { g, n, dy in
        let values = try g.input(n, 2)
        guard let dy = dy[0], g.graph[values].constant == nil else { return [nil, nil, nil] }
        let switches = g.constant(try Tensor([0.0, 1.0]).converted(to: try g.type(of: values).element))
        let mask = try g.emit("OneHot", [n.inputs[0], n.inputs[1], switches], n.attributes)
        let all = try g.sum(dy, nil, keepdims: false), on = try g.sum(g.mul(dy, mask), nil, keepdims: false)
        let column = try g.integers([0])
        let pair = [try g.emit("Unsqueeze", [g.sub(all, on), column]), try g.emit("Unsqueeze", [on, column])]
        return [nil, nil, try g.emit("Concat", pair, ["axis": .int(0)])]
    }

    // MARK: Compress

    private static let compressBack: Operator.VJP = { g, n, dy in
        guard let dy = dy[0] else { return [nil, nil] }
        let x = try g.input(n, 0), axis = n.attributes["axis"]?.int
        let kept = try g.emit("Reshape", [g.emit("NonZero", [g.input(n, 1)]), g.integers([-1])])
        if let axis { return [try g.emit("GatherGrad", [dy, kept, g.shapeVector(of: x)], ["axis": .int(axis)]), nil] }
        let count = try g.emit("Reshape", [g.emit("Size", [x]), g.integers([1])])
        return [try g.reshape(g.emit("GatherGrad", [dy, kept, count]), like: x), nil]
    }

    // MARK: Unique

    private static func unique(_ c: Call) throws -> [Tensor] {
        var x = try c.tensor(0)
        if c.node.attributes["axis"] == nil { x = try x.reshaped([x.count]) }
        let axis = try axis(c, rank: x.shape.count), size = x.shape[axis]
        let order = [axis] + x.shape.indices.filter { $0 != axis }
        let rows = try x.transposed(order).contiguous(), width = size == 0 ? 0 : rows.count / size
        // Doubles tell apart everything but integers above 2⁵³, for which 64-bit integers are used.
        let groups =
            x.type.isFloat
            ? try groups(rows.converted(to: .float64), Double.self, size, width, c)
            : try groups(rows.converted(to: .int64), Int64.self, size, width, c)
        var maps = x.shape.map { Array(0..<$0) }
        maps[axis] = groups.map { $0[0] }
        var inverse = [Int64](repeating: 0, count: size)
        for (number, group) in groups.enumerated() { for row in group { inverse[row] = Int64(number) } }
        return [
            try Elements.mapped(x, maps, fill: nil), try Tensor(groups.map { Int64($0[0]) }), try Tensor(inverse),
            try Tensor(groups.map { Int64($0.count) }),
        ]
    }

    /// Rows that are equal, each group in order of appearance; groups sorted by content unless `sorted` is 0.
    private static func groups<T: Element & Comparable>(_ rows: Tensor, _: T.Type, _ size: Int, _ width: Int, _ c: Call) throws -> [[Int]] {
        var groups = try rows.read(T.self) { x -> [[Int]] in
            let compare = { (i: Int, j: Int) -> Int in
                for k in 0..<width where x[i * width + k] != x[j * width + k] { return x[i * width + k] < x[j * width + k] ? -1 : 1 }
                return 0
            }
            let order = (0..<size).sorted { i, j in
                let sign = compare(i, j)
                return sign == 0 ? i < j : sign < 0
            }
            var groups: [[Int]] = []
            for row in order {
                if let last = groups.last, compare(last[0], row) == 0 { groups[groups.count - 1].append(row) } else { groups.append([row]) }
            }
            return groups
        }
        if !c.flag("sorted", default: true) { groups.sort { $0[0] < $1[0] } }
        return groups
    }
}

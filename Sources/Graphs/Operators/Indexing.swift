internal import Tensors

/// Operators that take elements by index. Negative indices count from the end.
///
/// ONNX: Gather, GatherElements, GatherND; in `Indexing+Scatter.swift` ScatterElements, ScatterND, Scatter; in
/// `Indexing+Select.swift` TopK, OneHot, NonZero, Compress, Unique; in `Indexing+Data.swift` Range, ConstantOfShape,
/// NonMaxSuppression. GatherGrad, GatherElementsGrad, GatherNDGrad `(dY, indices, shape)` add each entry of dY to where it came from.
enum Indexing {
    static let operators = gathers + gatherGradients + scatters + selections + generators
    static let lowerings: [Lowering] = [
        // Opset 9's name.
        Lowering("Scatter", since: 9) { b, n in try b.emit("ScatterElements", n.inputs, to: n.outputs, n.attributes) }
    ]

    private static let gathers = [
        Operator(
            "Gather", arity: 2...2,
            infer: { c in
                let dims = try c.dims(0), indices = try c.dims(1), axis = try axis(c, rank: dims.count)
                return [TensorType(try c.type(0).element, dims[..<axis] + indices + dims[(axis + 1)...])]
            },
            compute: { c in
                let x = try c.tensor(0), indices = try c.tensor(1), axis = try axis(c, rank: x.shape.count)
                let shape = Array(x.shape[..<axis] + indices.shape + x.shape[(axis + 1)...])
                let block = try Shape.count(Array(x.shape[(axis + 1)...])), size = x.shape[axis]
                let places = try resolved(indices, size: size)
                let result = try Tensor.empty(x.type, shape)
                for outer in 0..<(try Shape.count(Array(x.shape[..<axis]))) {
                    for (i, place) in places.enumerated() {
                        Elements.copy(
                            x, from: (outer * size + place) * block, to: result, at: (outer * places.count + i) * block, count: block)
                    }
                }
                return [result]
            }, vjp: gatherBack("GatherGrad"),
            samples: [
                Sample([.real(4, 3), .integers([2, 2], [0, -1, 2, 0])]), Sample([.real(2, 3), .integers([], [1])], ["axis": .int(-1)]),
                Sample([.real(2, 3), .integers([0], [])]),
            ]),
        Operator(
            "GatherElements", arity: 2...2, infer: { c in [TensorType(try c.type(0).element, try c.dims(1))] },
            compute: { c in
                let x = try c.tensor(0), indices = try c.tensor(1), walk = try Lanes(c, x.shape, indices)
                let result = try Tensor.empty(x.type, indices.shape)
                walk.forEach { i, place in Elements.copy(x, from: place, to: result, at: i, count: 1) }
                return [result]
            }, vjp: gatherBack("GatherElementsGrad"),
            samples: [
                Sample([.real(3, 4), .integers([2, 4], [0, 1, 2, 0, -1, 1, 0, 2])]),
                Sample([.real(3, 2), .integers([3, 1], [1, 0, -1])], ["axis": .int(1)]),
            ]),
        Operator(
            "GatherND", arity: 2...2,
            infer: { c in
                let data = try c.dims(0), indices = try c.dims(1)
                return [TensorType(try c.type(0).element, try tupleDims(data, indices, batch: c.int("batch_dims", default: 0)))]
            },
            compute: { c in
                let x = try c.tensor(0), tuples = try Tuples(c, x.shape, try c.tensor(1))
                let result = try Tensor.empty(x.type, tuples.resultShape)
                for (i, place) in tuples.places.enumerated() {
                    Elements.copy(x, from: place, to: result, at: i * tuples.block, count: tuples.block)
                }
                return [result]
            }, vjp: gatherBack("GatherNDGrad"),
            samples: [
                Sample([.real(2, 3, 4), .integers([2, 2], [0, 1, 1, -1])]),
                Sample([.real(2, 3, 2), .integers([2, 1], [2, 0])], ["batch_dims": .int(1)]),
                Sample([.real(2, 2), .integers([1, 2], [1, 1])]),
            ]),
    ]

    private static func gatherBack(_ op: String) -> Operator.VJP {
        { g, n, dy in
            [try dy[0].map { try g.emit(op, [$0, g.input(n, 1), g.shapeVector(of: g.input(n, 0))], n.attributes) }, nil]
        }
    }

    // MARK: Gradients of the gathers

    private static let gatherGradients = [
        gradient("GatherGrad", of: "Gather", [Sample([.real(2, 3), .integers([2], [1, 1]), .integers([2], [4, 3])])]) { c, shape, add in
            let dy = try c.tensor(0), axis = try axis(c, rank: shape.count), indices = try resolved(try c.tensor(1), size: shape[axis])
            let block = try Shape.count(Array(shape[(axis + 1)...])), outer = try Shape.count(Array(shape[..<axis]))
            guard dy.count == outer * indices.count * block else {
                throw Failure.shape("gradient \(Shape.text(dy.shape)) does not fit \(Shape.text(shape))")
            }
            for o in 0..<outer {
                for (i, place) in indices.enumerated() { add((o * indices.count + i) * block, (o * shape[axis] + place) * block, block) }
            }
        },
        gradient(
            "GatherElementsGrad", of: "GatherElements", [Sample([.real(2, 2), .integers([2, 2], [1, 1, 0, 1]), .integers([2], [3, 2])])]
        ) { c, shape, add in
            guard try c.tensor(0).shape == c.tensor(1).shape else { throw Failure.shape("gradient and indices differ in shape") }
            try Lanes(c, shape, c.tensor(1)).forEach { i, place in add(i, place, 1) }
        },
        gradient("GatherNDGrad", of: "GatherND", [Sample([.real(2, 3), .integers([2, 1], [1, 1]), .integers([2], [3, 3])])]) {
            c, shape, add in
            let tuples = try Tuples(c, shape, try c.tensor(1))
            guard try c.tensor(0).shape == tuples.resultShape else {
                throw Failure.shape("gradient has not the shape \(Shape.text(tuples.resultShape))")
            }
            for (i, place) in tuples.places.enumerated() { add(i * tuples.block, place, tuples.block) }
        },
    ]

    /// A scatter that adds: `walk` names blocks of dY and where in the result they belong.
    private static func gradient(
        _ name: String, of gather: String, _ samples: [Sample],
        _ walk: @escaping @Sendable (Call, [Int], (Int, Int, Int) -> Void) throws -> Void
    ) -> Operator {
        Operator(
            name, arity: 3...3, infer: { c in [try Movement.likeShapeVector(c, 2)] },
            compute: { c in
                let dy = try c.tensor(0), result = try Tensor.zeros(dy.type, try c.tensor(2).integers())
                switch dy.type {
                case .float32: try add(Float.self, c, dy, result, walk)
                case .float64: try add(Double.self, c, dy, result, walk)
                default: throw Failure.unsupported("a gradient of \(dy.type)")
                }
                return [result]
            },
            vjp: { g, n, dy in [try dy[0].map { try g.emit(gather, [$0, g.input(n, 1)], n.attributes) }, nil, nil] }, samples: samples)
    }

    private static func add<T: Element & FloatingPoint>(
        _: T.Type, _ c: Call, _ dy: Tensor, _ result: Tensor, _ walk: (Call, [Int], (Int, Int, Int) -> Void) throws -> Void
    ) throws {
        try dy.read(T.self) { from in
            try result.write(T.self) { to in
                try walk(c, result.shape) { first, place, count in for i in 0..<count { to[place + i] += from[first + i] } }
            }
        }
    }

    // MARK: Shared

    /// The axis of an operator that needs one; a scalar has none.
    static func axis(_ c: any NodeReader, rank: Int, default value: Int = 0) throws -> Int {
        guard rank > 0 else { throw Failure.shape("cannot index a scalar") }
        return try Shape.axis(c.int("axis", default: value), rank: rank)
    }

    /// Indices counted from the start, each inside `size`.
    static func resolved(_ indices: Tensor, size: Int) throws -> [Int] {
        try indices.integers().map { index in
            guard index >= -size, index < size else { throw Failure.shape("index \(index) is outside an axis of \(size)") }
            return index < 0 ? index + size : index
        }
    }

    static func tupleDims(_ data: [Dim], _ indices: [Dim], batch: Int) throws -> [Dim] {
        guard let last = indices.last else { throw Failure.shape("the indices are a scalar") }
        guard let length = last.value else { throw NotYetKnown() }
        guard batch >= 0, batch < indices.count, length >= 0, length <= data.count - batch else {
            throw Failure.shape("indices of \(length) numbers and \(batch) batch axes do not fit \(Movement.text(data))")
        }
        return indices.dropLast() + data[(batch + length)...]
    }
}

/// The walk of GatherElements and ScatterElements: each index, and the element that it names.
struct Lanes {
    private let indices: Tensor
    private let places: [Int]
    private let strides: [Int]
    private let axis: Int

    /// `shape` is that of the tensor indexed.
    init(_ c: Call, _ shape: [Int], _ indices: Tensor) throws {
        let axis = try Indexing.axis(c, rank: shape.count)
        guard indices.shape.count == shape.count, shape.indices.allSatisfy({ $0 == axis || indices.shape[$0] <= shape[$0] }) else {
            throw Failure.shape("indices \(Shape.text(indices.shape)) do not fit \(Shape.text(shape)) along axis \(axis)")
        }
        self.axis = axis
        self.indices = indices
        places = try Indexing.resolved(indices, size: shape[axis])
        strides = Shape.strides(shape)
    }

    /// Calls `body` with the number of each index and the number of the element that it names.
    func forEach(_ body: (Int, Int) throws -> Void) rethrows {
        let shape = indices.shape
        var at = [Int](repeating: 0, count: shape.count), base = 0
        for (i, place) in places.enumerated() {
            try body(i, base + place * strides[axis])
            var a = shape.count - 1
            while a >= 0 {
                at[a] += 1
                if a != axis { base += strides[a] }
                if at[a] < shape[a] { break }
                if a != axis { base -= shape[a] * strides[a] }
                at[a] = 0
                a -= 1
            }
        }
    }
}

/// The blocks that the index tuples of GatherND and ScatterND name.
struct Tuples {
    /// First element of each block.
    let places: [Int]
    /// Elements of a block.
    let block: Int
    /// Shape of all blocks together.
    let resultShape: [Int]

    /// `shape` is that of the tensor indexed.
    init(_ c: Call, _ shape: [Int], _ indices: Tensor) throws {
        let batch = c.int("batch_dims", default: 0)
        let dims = try Indexing.tupleDims(shape.map { Dim($0) }, indices.shape.map { Dim($0) }, batch: batch)
        let length = indices.shape.last ?? 0, numbers = try indices.integers(), strides = Shape.strides(shape)
        guard shape[..<batch] == indices.shape[..<batch] else {
            throw Failure.shape("batch axes of \(Shape.text(shape)) and \(Shape.text(indices.shape)) differ")
        }
        resultShape = try Movement.sizes(dims)
        block = try Shape.count(Array(shape[(batch + length)...]))
        let count = try Shape.count(indices.shape.dropLast()), batches = try Shape.count(Array(shape[..<batch]))
        let step = try Shape.count(Array(shape[batch...])), each = batches == 0 ? 1 : max(count / batches, 1)
        places = try (0..<count).map { tuple in
            var place = tuple / each * step
            for i in 0..<length {
                let size = shape[batch + i], index = numbers[tuple * length + i]
                guard index >= -size, index < size else { throw Failure.shape("index \(index) is outside an axis of \(size)") }
                place += (index < 0 ? index + size : index) * strides[batch + i]
            }
            return place
        }
    }
}

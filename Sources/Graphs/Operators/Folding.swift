internal import Tensors

/// Blocks laid over each other (ONNX Col2Im 18), and the adjoint, which cuts an image into blocks.
///
///     Col2Im  (columns, image_shape, block_shape) → image
///     Im2Col  (image, image_shape, block_shape) → columns
enum Folding {
    static let operators = [
        Operator("Col2Im", arity: 3...3, infer: inferImage, compute: computeImage, vjp: vjp("Im2Col"), samples: samples),
        Operator("Im2Col", arity: 3...3, infer: inferColumns, compute: computeColumns, vjp: vjp("Col2Im"), samples: columnSamples),
    ]

    /// Each is the other's adjoint.
    private static func vjp(_ adjoint: String) -> Operator.VJP {
        { g, n, dy in [try dy[0].map { try g.emit(adjoint, [$0] + n.inputs[1...], n.attributes) }, nil, nil] }
    }

    // MARK: Col2Im

    private static func inferImage(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0)
        guard dims.count == 3 else { throw Failure.shape("input has \(dims.count) axes, expected 3") }
        guard let image = c.symbols(1) else { throw NotYetKnown() }
        var channels = Dim.unknown
        if let block = try c.constant(2)?.integers(), let rows = dims[1].value {
            let count = try Shape.count(block)
            guard count > 0, rows % count == 0 else { throw Failure.shape("\(rows) rows of columns for blocks of \(Shape.text(block))") }
            channels = Dim(rows / count)
        }
        return [TensorType(try c.type(0).element, [dims[0], channels] + image)]
    }

    private static func computeImage(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), plan = try BlockPlan(call)
        guard x.shape.count == 3, x.shape[1] % plan.blockCount == 0, x.shape[2] == plan.placeCount else {
            throw Failure.shape("columns are \(Shape.text(x.shape)), expected NxCx\(plan.placeCount), C a multiple of \(plan.blockCount)")
        }
        let shape = [x.shape[0], x.shape[1] / plan.blockCount] + plan.image
        _ = try Shape.count(shape)
        let result = try x.converted(to: .float64).read(Double.self) { x in
            try Tensor.make(shape, Double.self) { y in
                y.initialize(repeating: 0)
                plan.forEach(planes: shape[0] * shape[1]) { column, element in y[element] += x[column] }
            }
        }
        return [try result.converted(to: x.type)]
    }

    // MARK: Im2Col

    private static func inferColumns(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0)
        guard dims.count >= 3 else { throw Failure.shape("input has \(dims.count) axes, expected at least 3") }
        guard c.constant(1) != nil, c.constant(2) != nil else { throw NotYetKnown() }
        let plan = try BlockPlan(c)
        return [TensorType(try c.type(0).element, [dims[0], dims[1] * Dim(plan.blockCount), Dim(plan.placeCount)])]
    }

    private static func computeColumns(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), plan = try BlockPlan(call)
        guard x.shape.count == plan.image.count + 2, Array(x.shape[2...]) == plan.image else {
            throw Failure.shape("image is \(Shape.text(x.shape)), expected the spatial sizes \(Shape.text(plan.image))")
        }
        let (rows, overflow) = x.shape[1].multipliedReportingOverflow(by: plan.blockCount)
        let shape = [x.shape[0], overflow ? .max : rows, plan.placeCount]
        _ = try Shape.count(shape)
        let result = try x.converted(to: .float64).read(Double.self) { x in
            try Tensor.make(shape, Double.self) { y in
                y.initialize(repeating: 0)
                plan.forEach(planes: shape[0] * (rows / plan.blockCount)) { column, element in y[column] = x[element] }
            }
        }
        return [try result.converted(to: x.type)]
    }

    // MARK: Samples

    private static func sample(_ input: Sample.Input, _ image: [Int], _ block: [Int], _ attributes: [String: Attribute] = [:]) -> Sample {
        Sample([input, .integers([image.count], image), .integers([block.count], block)], attributes)
    }

    private static let strided: [String: Attribute] = [
        "strides": .ints([2, 1]), "pads": .ints([1, 0, 1, 2]), "dilations": .ints([1, 2]),
    ]

    private static let samples = [
        sample(.real(2, 6, 8), [3, 5], [2, 1], ["strides": .ints([1, 1]), "pads": .ints([0, 0, 0, -1])]),
        sample(.real(1, 8, 10), [3, 5], [2, 2], strided),
        sample(.real(1, 4, 4), [4, 4], [2, 2], ["strides": .ints([2, 2])]),
        sample(.real(1, 8, 4), [2, 3, 3], [1, 2, 2], ["strides": .ints([2, 1, 1])]),
    ]

    private static let columnSamples = [
        sample(.real(1, 2, 3, 5), [3, 5], [2, 2], strided), sample(.real(2, 1, 4, 4), [4, 4], [2, 2]),
    ]
}

/// Where the blocks of an image lie, as numbers.
private struct BlockPlan {
    let image: [Int]
    /// Elements of a block, and places for one.
    let blockCount: Int, placeCount: Int
    private let axes: [WindowAxis]

    init(_ c: some NodeReader) throws {
        guard let image = try c.constant(1)?.integers(), let block = try c.constant(2)?.integers(), !image.isEmpty else {
            throw Failure.invalid("image_shape or block_shape is missing")
        }
        guard block.count == image.count else {
            throw Failure.shape("image_shape has \(image.count) entries and block_shape \(block.count), expected as many")
        }
        _ = try Shape.count(image)
        blockCount = try Shape.count(block)
        guard blockCount > 0 else { throw Failure.shape("block_shape is \(Shape.text(block)), expected sizes of at least 1") }
        self.image = image
        axes = try WindowAttributes(c, rank: image.count, kernel: block).axes(image)
        placeCount = try Shape.count(axes.map(\.output))
    }

    /// Calls `body` with every element of the columns that lies inside the image, and the image's element.
    func forEach(planes: Int, _ body: (_ column: Int, _ element: Int) -> Void) {
        let imageCount = image.reduce(1, *), strides = Shape.strides(image)
        let blocks = Shape.strides(axes.map(\.kernel)), places = Shape.strides(axes.map(\.output))
        for tap in 0..<blockCount {
            for place in 0..<placeCount {
                var element = 0, isInside = true
                for (index, axis) in axes.enumerated() {
                    let k = tap / blocks[index] % axis.kernel, o = place / places[index] % axis.output
                    let at = o * axis.stride - axis.begin + k * axis.dilation
                    guard at >= 0, at < axis.input else { isInside = false; break }
                    element += at * strides[index]
                }
                guard isInside else { continue }
                for plane in 0..<planes { body((plane * blockCount + tap) * placeCount + place, plane * imageCount + element) }
            }
        }
    }
}

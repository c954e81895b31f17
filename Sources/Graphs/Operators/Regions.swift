internal import Tensors

/// Pools over rectangles (ONNX RoiAlign 10 to 22, MaxRoiPool 1 and 22). The rectangles get no gradient, as in torchvision.
///
///     RoiAlign    (X, rois, batch_indices) → Y;  MaxRoiPool (X, rois) → Y
///     …Grad       (dY, X, rois, batch_indices) → dX, the adjoint; with maxima, X says where they are
///     …Pick       (V, X, rois, batch_indices) → V as X was pooled, the adjoint of Grad
enum Regions {
    static let operators = family("RoiAlign", alignSamples) + family("MaxRoiPool", poolSamples)

    static let lowerings = [
        // Without the attribute, coordinates were not shifted before opset 16.
        Lowering("RoiAlign", since: 10) { l, n in
            var node = n
            node.attributes["coordinate_transformation_mode"] = .string("output_half_pixel")
            try l.add(node)
        },
        Lowering("RoiAlign", since: 16) { l, n in try l.add(n) },
    ]

    private static func family(_ name: String, _ samples: [Sample]) -> [Operator] {
        let arity = name == "RoiAlign" ? 3...3 : 2...2, more = arity.lowerBound + 1
        return [
            Operator(
                name, arity: arity, infer: { [try pooled($0, from: 0)] },
                compute: { call in
                    let x = try call.tensor(0)
                    return [try RegionPool(call, x, from: 0).apply(Convolution.reals(x), chosenBy: x).converted(to: x.type)]
                },
                vjp: { g, n, dy in
                    guard let dy = dy[0] else { return n.inputs.map { _ in nil } }
                    return [try g.emit(name + "Grad", [dy] + n.inputs, n.attributes)] + n.inputs.dropFirst().map { _ in nil }
                }, samples: samples),
            Operator(
                name + "Grad", arity: more...more,
                infer: { [TensorType(try $0.type(0).element, try $0.type(1).dims)] },
                compute: { call in
                    let dy = try call.tensor(0), x = try call.tensor(1)
                    return [try RegionPool(call, x, from: 1).adjoint(Convolution.reals(dy), chosenBy: x).converted(to: dy.type)]
                },
                vjp: { g, n, dy in
                    guard let u = dy[0] else { return n.inputs.map { _ in nil } }
                    return [try g.emit(name + "Pick", [u] + n.inputs[1...], n.attributes)] + n.inputs.dropFirst().map { _ in nil }
                }, samples: samples.map { prepend($0, [2, 2, 2, 3]) }),
            Operator(
                name + "Pick", arity: more...more, infer: { [try pooled($0, from: 1)] },
                compute: { call in
                    let v = try call.tensor(0), x = try call.tensor(1)
                    guard v.shape == x.shape else {
                        throw Failure.shape("inputs are \(Shape.text(v.shape)) and \(Shape.text(x.shape)), expected the same")
                    }
                    return [try RegionPool(call, x, from: 1).apply(Convolution.reals(v), chosenBy: x).converted(to: v.type)]
                },
                vjp: { g, n, dy in
                    guard let u = dy[0] else { return n.inputs.map { _ in nil } }
                    return [try g.emit(name + "Grad", [u] + n.inputs[1...], n.attributes)] + n.inputs.dropFirst().map { _ in nil }
                }, samples: samples.map { prepend($0, nil) }),
        ]
    }

    private static func pooled(_ c: Inference, from first: Int) throws -> TensorType {
        let x = try c.dims(first), rois = try c.dims(first + 1)
        guard x.count == 4, rois.count == 2 else {
            throw Failure.shape("input has \(x.count) axes and rois \(rois.count), expected 4 and 2")
        }
        let size = try RegionPool.size(c)
        return TensorType(try c.type(0).element, [rois[0], x[1], Dim(size.height), Dim(size.width)])
    }

    // MARK: Samples

    /// The sample with what arrives in front: of the pooled shape, or of the input's where that is not given.
    private static func prepend(_ sample: Sample, _ pooled: [Int]?) -> Sample {
        guard let pooled else { return Sample([.real(2, 2, 6, 5)] + sample.inputs, sample.attributes) }
        return Sample([.uniform(pooled, -1...1)] + sample.inputs, sample.attributes)
    }

    private static let size: [String: Attribute] = ["output_height": .int(2), "output_width": .int(3)]

    private static func align(_ attributes: [String: Attribute]) -> Sample {
        // The rectangles are constants: the gradient by them is left out, not zero.
        Sample(
            [.real(2, 2, 6, 5), .integers([2, 4], [0, 1, 3, 4, 1, -1, 6, 5]), .integers([2], [1, 0])],
            size.merging(attributes) { $1 })
    }

    private static let alignSamples = [
        align([:]), align(["sampling_ratio": .int(2), "spatial_scale": .float(0.8)]),
        align(["mode": .string("max"), "sampling_ratio": .int(2), "coordinate_transformation_mode": .string("output_half_pixel")]),
    ]

    private static let poolSamples = [
        Sample(
            [.real(2, 2, 6, 5), .integers([2, 5], [1, 0, 1, 3, 4, 0, 1, -1, 6, 5])],
            ["pooled_shape": .ints([2, 3]), "spatial_scale": .float(0.9)])
    ]
}

/// A pool over rectangles with everything resolved to numbers.
struct RegionPool {
    /// An element of a plane, and the number that it is multiplied by.
    private struct Tap {
        let place: Int
        let weight: Double
    }

    private let input: [Int], output: [Int]
    private let isMaximum: Bool
    /// By rectangle: the image, and the elements of each cell.
    private var images: [Int] = []
    private var cells: [[[Tap]]] = []

    private static let limit = 1 << 12

    /// Cells of each rectangle.
    static func size(_ c: some NodeReader) throws -> (height: Int, width: Int) {
        let shape = c.ints("pooled_shape") ?? [c.int("output_height", default: 1), c.int("output_width", default: 1)]
        guard shape.count == 2, shape.allSatisfy({ (1...limit).contains($0) }) else {
            throw Failure.invalid("the pooled shape is \(Shape.text(shape)), expected two sizes from 1 to \(limit)")
        }
        return (shape[0], shape[1])
    }

    /// `first` is the position of X among the inputs; the rectangles follow.
    init(_ call: Call, _ x: Tensor, from first: Int) throws {
        let isAlign = call.node.op.hasPrefix("RoiAlign"), size = try RegionPool.size(call)
        let rois = try call.tensor(first + 1), numbers = try rois.doubles()
        guard x.shape.count == 4, rois.shape.count == 2, rois.shape[1] == (isAlign ? 4 : 5) else {
            throw Failure.shape(
                "input is \(Shape.text(x.shape)) and rois \(Shape.text(rois.shape)), expected NxCxHxW and Rx\(isAlign ? 4 : 5)")
        }
        let count = rois.shape[0], width = rois.shape[1]
        input = x.shape
        output = [count, x.shape[1], size.height, size.width]
        _ = try Shape.count(output)
        let places = isAlign ? try call.tensor(first + 2).integers() : (0..<count).map { Int(saturating: numbers[$0 * width]) }
        guard places.count == count, places.allSatisfy({ (0..<max(x.shape[0], 0)).contains($0) }) else {
            throw Failure.invalid("batch indices are \(places.prefix(8)), expected \(count) below \(x.shape[0])")
        }
        images = places
        let scale = call.float("spatial_scale", default: 1)
        let mode = call.string("mode", default: "avg").lowercased()
        guard mode == "avg" || mode == "max" else { throw Failure.unsupported("mode \(mode), expected avg or max") }
        isMaximum = !isAlign || mode == "max"
        let ratio = call.int("sampling_ratio", default: 0)
        guard ratio <= RegionPool.limit else { throw Failure.invalid("sampling_ratio is \(ratio), expected at most \(RegionPool.limit)") }
        let isShifted = call.string("coordinate_transformation_mode", default: "half_pixel") == "half_pixel"
        for index in 0..<count {
            // In single precision, like runtimes: what is rounded here decides which elements count.
            let corners = numbers[(index * width + width - 4)..<((index + 1) * width)].map { Float($0) * Float(scale) }
            if isAlign {
                let shift: Float = isShifted ? 0.5 : 0
                let x = RegionAxis(corners[0] - shift, corners[2] - shift, isShifted, cells: size.width, size: input[3], ratio)
                let y = RegionAxis(corners[1] - shift, corners[3] - shift, isShifted, cells: size.height, size: input[2], ratio)
                cells.append(bilinear(y, x))
            } else {
                cells.append(
                    whole(
                        RegionPool.bins(corners[1], corners[3], cells: size.height, size: input[2]),
                        RegionPool.bins(corners[0], corners[2], cells: size.width, size: input[3])))
            }
        }
    }

    /// Samples at points inside each cell, each of four elements.
    private func bilinear(_ y: RegionAxis, _ x: RegionAxis) -> [[Tap]] {
        let share = isMaximum ? 1 : 1 / max(y.count * x.count, 1)
        return y.cells.flatMap { rows in
            x.cells.map { columns in
                rows.flatMap { a in
                    columns.flatMap { b in
                        [(a.low, b.low), (a.low, b.high), (a.high, b.low), (a.high, b.high)].map { p, q in
                            Tap(place: p.place * input[3] + q.place, weight: p.weight * q.weight * share)
                        }
                    }
                }
            }
        }
    }

    /// Whole elements of each cell.
    private func whole(_ rows: [Range<Int>], _ columns: [Range<Int>]) -> [[Tap]] {
        rows.flatMap { rows in
            columns.map { columns in rows.flatMap { i in columns.map { Tap(place: i * input[3] + $0, weight: 1) } } }
        }
    }

    /// Cells of whole elements along one axis, as in Girshick, "Fast R-CNN", 2015, section 2.1.
    private static func bins(_ start: Float, _ end: Float, cells: Int, size: Int) -> [Range<Int>] {
        let first = start.rounded(), length = max(end.rounded() - first + 1, 1) / Float(cells)
        return (0..<cells).map { cell in
            let low = Int(saturating: Double((Float(cell) * length).rounded(.down) + first))
            let high = Int(saturating: Double((Float(cell + 1) * length).rounded(.up) + first))
            let from = min(max(low, 0), size)
            return from..<max(min(max(high, 0), size), from)
        }
    }

    func apply(_ v: Tensor, chosenBy x: Tensor) throws -> Tensor {
        let area = output[2] * output[3]
        return try v.read(Double.self) { v in
            try x.converted(to: .float64).read(Double.self) { x in
                try Tensor.make(output, Double.self) { y in
                    forEachPlane { region, base, target in
                        for cell in 0..<area {
                            if isMaximum {
                                let tap = winner(cells[region][cell], x, base)
                                y[target + cell] = tap.map { $0.weight * v[base + $0.place] } ?? 0
                            } else {
                                y[target + cell] = cells[region][cell].reduce(0) { $0 + $1.weight * v[base + $1.place] }
                            }
                        }
                    }
                }
            }
        }
    }

    func adjoint(_ dy: Tensor, chosenBy x: Tensor) throws -> Tensor {
        guard dy.shape == output else { throw Failure.shape("gradient is \(Shape.text(dy.shape)), expected \(Shape.text(output))") }
        let area = output[2] * output[3]
        return try dy.read(Double.self) { dy in
            try x.converted(to: .float64).read(Double.self) { x in
                try Tensor.make(input, Double.self) { dx in
                    dx.initialize(repeating: 0)
                    forEachPlane { region, base, target in
                        for cell in 0..<area {
                            if isMaximum {
                                if let tap = winner(cells[region][cell], x, base) { dx[base + tap.place] += tap.weight * dy[target + cell] }
                            } else {
                                for tap in cells[region][cell] { dx[base + tap.place] += tap.weight * dy[target + cell] }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Calls `body` with a rectangle, and where its planes of the input and of the output begin.
    private func forEachPlane(_ body: (Int, Int, Int) -> Void) {
        let (area, plane) = (output[2] * output[3], input[2] * input[3])
        for (region, image) in images.enumerated() {
            for channel in 0..<input[1] { body(region, (image * input[1] + channel) * plane, (region * input[1] + channel) * area) }
        }
    }

    /// The tap with the largest product, the first of several; NaN is larger than every number.
    private func winner(_ taps: [Tap], _ x: UnsafeBufferPointer<Double>, _ base: Int) -> Tap? {
        guard var best = taps.first else { return nil }
        var value = best.weight * x[base + best.place]
        for tap in taps.dropFirst() {
            let next = tap.weight * x[base + tap.place]
            if next > value || (next.isNaN && !value.isNaN) { (best, value) = (tap, next) }
        }
        return best
    }
}

/// The sampling points of RoiAlign along one axis.
private struct RegionAxis {
    struct Point {
        let low: SamplingTap, high: SamplingTap
    }

    /// Points per cell, those outside the input included.
    let count: Double
    /// By cell, the points inside the input.
    private(set) var cells: [[Point]] = []

    init(_ start: Float, _ end: Float, _ isShifted: Bool, cells: Int, size: Int, _ ratio: Int) {
        // Unshifted rectangles are at least of one element.
        let cell = Double((isShifted ? end - start : max(end - start, 1)) / Float(cells)), origin = Double(start)
        let wanted = ratio > 0 ? Double(ratio) : cell.rounded(.up)
        count = wanted.isFinite ? max(wanted, 0) : 0
        let step = cell / count
        for index in 0..<cells {
            let first = origin + Double(index) * cell
            var points: [Point] = []
            for k in RegionAxis.inside(first, step, count, size) {
                let place = first + (Double(k) + 0.5) * step
                guard place >= -1, place <= Double(size) else {
                    // A point outside is zero, and still one of those that the maximum is taken over.
                    points.append(Point(low: SamplingTap(place: 0, weight: 0), high: SamplingTap(place: 0, weight: 0)))
                    continue
                }
                let low = min(Int(max(place, 0)), size - 1), isLast = low >= size - 1
                let rest = isLast ? 0 : max(place, 0) - Double(low)
                points.append(
                    Point(
                        low: SamplingTap(place: low, weight: 1 - rest), high: SamplingTap(place: isLast ? low : low + 1, weight: rest)))
            }
            self.cells.append(points)
        }
    }

    /// Points that can lie inside, with one more at each end where there are any.
    private static func inside(_ first: Double, _ step: Double, _ count: Double, _ size: Int) -> Range<Int> {
        guard size > 0, count > 0, step.isFinite, first.isFinite else { return 0..<0 }
        guard step > 0 else { return 0..<Int(saturating: min(count, 4096)) }
        let low = ((-1 - first) / step - 0.5).rounded(.down) - 1, high = ((Double(size) - first) / step - 0.5).rounded(.up) + 1
        let start = Int(saturating: min(max(low, 0), count)), end = Int(saturating: min(max(high + 1, 0), count))
        return start..<max(start, end)
    }
}

extension Int {
    /// The nearest integer that can be counted with; 0 for what is no number.
    init(saturating value: Double) { self = value.isNaN ? 0 : Int(Swift.min(Swift.max(value, -0x1p52), 0x1p52)) }
}

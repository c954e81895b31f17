internal import Tensors

/// Cuts windows out of a value that a batch of patches changes: from the unchanged value, with each patch laid over it.
/// Inputs: the unchanged value (one entry along axis 0), where each window begins (batch x row, column; possibly outside), the
/// patches, and where each of them begins (both may be absent). `size` is the windows' length along `axes`; `fill` is what lies
/// outside the value.
enum PatchWindow {
    static let operators = [
        Operator(
            "PatchWindow", arity: 2...4, infer: infer, compute: compute, noGradient: "patches are evaluated forward only",
            samples: [
                Sample(
                    [
                        .constants([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]), .integers([2, 2], [-1, 0, 1, 1]),
                        .constants([2, 1, 1, 1], [-1, -2]), .integers([2, 2], [0, 0, 2, 1]),
                    ], ["axes": .ints([2, 3]), "size": .ints([2, 3]), "fill": .float(0)]),
                Sample(
                    [.constants([1, 3, 2, 2], (0..<12).map { Double($0) }), .integers([1, 2], [1, 0])],
                    ["axes": .ints([1, 2]), "size": .ints([2, 1]), "fill": .float(7)]),
            ]),
        Operator(
            "PatchPlaces", arity: 1...1, infer: { [try $0.type(0)] }, compute: places, noGradient: "places are whole numbers",
            samples: [Sample([.integers([2, 2], [0, 1, 2, 0])], ["rows": .ints([-1, 0, 1]), "columns": .ints([5, 6])])]),
    ]

    /// Where each patch lies in one value, by where it lies in the network's input.
    private static func places(_ call: Call) throws -> [Tensor] {
        let starts = try call.tensor(0), tables = [call.ints("rows") ?? [], call.ints("columns") ?? []]
        let found = try starts.integers().enumerated().map { index, start in
            let table = tables[index % 2]
            guard table.indices.contains(start) else {
                throw Failure.invalid("a patch begins at \(start), expected within 0..<\(table.count)")
            }
            return Int64(table[start])
        }
        return [try Tensor(found, starts.shape)]
    }

    private static func infer(_ c: Inference) throws -> [TensorType] {
        let base = try c.type(0)
        guard let dims = base.dims, let count = try c.dims(1).first else { throw NotYetKnown() }
        let layout = try Layout(c, rank: dims.count)
        var result = dims
        result[0] = count
        for (axis, size) in zip(layout.axes, layout.size) { result[axis] = Dim(size) }
        return [TensorType(base.element, result)]
    }

    private static func compute(_ call: Call) throws -> [Tensor] {
        let base = try call.tensor(0), patch = try call.optional(2)
        let windows = try call.tensor(1).integers(), patches = try call.optional(3)?.integers() ?? windows
        let layout = try Layout(call, rank: base.shape.count)
        guard base.type == .float32 || base.type == .float64, base.shape[0] == 1, windows.count % 2 == 0, patches.count == windows.count,
            (windows + patches).allSatisfy({ abs($0) <= Layout.limit })
        else { throw Failure.shape("base is \(base.type) \(Shape.text(base.shape)), expected one entry of float32 or float64") }
        let batch = windows.count / 2
        var shape = base.shape
        shape[0] = batch
        for (axis, size) in zip(layout.axes, layout.size) { shape[axis] = size }
        if let patch {
            let isFitting =
                patch.type == base.type && patch.shape.count == base.shape.count && patch.shape[0] == batch
                && patch.shape.indices.dropFirst().allSatisfy { layout.axes.contains($0) || patch.shape[$0] == base.shape[$0] }
            guard isFitting else { throw Failure.shape("patches are \(Shape.text(patch.shape)), the value \(Shape.text(base.shape))") }
        }
        let places = (0..<batch).map { i in
            Place(row: windows[2 * i], column: windows[2 * i + 1], patchRow: patches[2 * i], patchColumn: patches[2 * i + 1])
        }
        let result = try Tensor.empty(base.type, shape)
        let copy = Copy(base: base.shape, patch: patch?.shape, layout: layout, places: places)
        if base.type == .float32 { try copy.run(Float.self, base, patch, result) } else { try copy.run(Double.self, base, patch, result) }
        return [result]
    }

    private struct Place {
        let row, column, patchRow, patchColumn: Int
    }

    /// The attributes, checked.
    private struct Layout {
        let axes: [Int]
        let size: [Int]
        let fill: Double
        static let limit = 1 << 20

        init(_ c: some NodeReader, rank: Int) throws {
            axes = c.ints("axes") ?? []
            size = c.ints("size") ?? []
            fill = c.float("fill", default: 0)
            guard axes.count == 2, size.count == 2, axes[0] > 0, axes[1] == axes[0] + 1, axes[1] < rank,
                size.allSatisfy({ (1...Layout.limit).contains($0) })
            else { throw Failure.invalid("the attributes describe no window") }
        }
    }

    /// Memory as outer x rows x columns x inner.
    private struct Copy {
        let outer, height, width, inner: Int
        let windowHeight, windowWidth: Int
        let patchHeight, patchWidth: Int
        let places: [Place]
        let fill: Double

        init(base: [Int], patch: [Int]?, layout: Layout, places: [Place]) {
            let (y, x) = (layout.axes[0], layout.axes[1])
            outer = base[1..<y].reduce(1, *)
            height = base[y]
            width = base[x]
            inner = base[(x + 1)...].reduce(1, *)
            windowHeight = layout.size[0]
            windowWidth = layout.size[1]
            patchHeight = patch?[y] ?? 0
            patchWidth = patch?[x] ?? 0
            self.places = places
            fill = layout.fill
        }

        func run<T: Element & BinaryFloatingPoint>(_ type: T.Type, _ base: Tensor, _ patch: Tensor?, _ result: Tensor) throws {
            try result.write(T.self) { out in
                try base.read(T.self) { from in
                    guard let patch else { return copy(from, nil, out) }
                    try patch.read(T.self) { copy(from, $0, out) }
                }
            }
        }

        private func copy<T: BinaryFloatingPoint>(
            _ base: UnsafeBufferPointer<T>, _ patch: UnsafeBufferPointer<T>?, _ out: UnsafeMutableBufferPointer<T>
        ) {
            guard let base = base.baseAddress, let out = out.baseAddress else { return }
            let empty = T(fill), line = windowWidth * inner
            for (item, place) in places.enumerated() {
                let left = min(max(0, -place.column), windowWidth), right = max(left, min(windowWidth, width - place.column))
                for plane in 0..<outer {
                    for y in 0..<windowHeight {
                        let to = out + ((item * outer + plane) * windowHeight + y) * line
                        let row = place.row + y
                        guard row >= 0, row < height else {
                            to.update(repeating: empty, count: line)
                            continue
                        }
                        if left > 0 { to.update(repeating: empty, count: left * inner) }
                        if right < windowWidth { (to + right * inner).update(repeating: empty, count: (windowWidth - right) * inner) }
                        if right > left {
                            let from = base + ((plane * height + row) * width + place.column + left) * inner
                            (to + left * inner).update(from: from, count: (right - left) * inner)
                        }
                        guard let patch = patch?.baseAddress else { continue }
                        let patchRow = row - place.patchRow
                        guard patchRow >= 0, patchRow < patchHeight else { continue }
                        let shift = place.patchColumn - place.column
                        let first = max(0, shift), last = min(windowWidth, shift + patchWidth)
                        guard last > first else { continue }
                        let from = patch + (((item * outer + plane) * patchHeight + patchRow) * patchWidth + first - shift) * inner
                        (to + first * inner).update(from: from, count: (last - first) * inner)
                    }
                }
            }
        }
    }
}

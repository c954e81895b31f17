internal import Tensors

/// Starts, ends, axes and steps of a Slice, from inputs (opset 10 up) or attributes (opset 1).
struct SliceParameters {
    private let starts: [Dim]
    private let ends: [Dim]
    private let axes: [Int]
    private let steps: [Int]
    private let rank: Int

    /// One axis of a slice: `count` entries from `start` on, `step` apart.
    struct Part: Equatable {
        var start: Int
        var step: Int
        var count: Int

        /// The entries of the input that it names.
        var indices: [Int] { (0..<count).map { start + $0 * step } }
    }

    /// Reads a kernel's parameters.
    init(_ c: Call, rank: Int, first: Int = 1) throws {
        let starts = try c.ints(first, or: "starts")?.map { Dim($0) }, ends = try c.ints(first + 1, or: "ends")?.map { Dim($0) }
        try self.init(starts, ends, axes: c.ints(first + 2, or: "axes"), steps: c.ints(first + 3, or: "steps"), rank: rank)
    }

    /// Reads what is known before a run; starts and ends may be symbols.
    init(_ c: Inference, rank: Int) throws {
        let read = { (index: Int, name: String) -> [Dim]? in
            guard c.has(index) else { return c.ints(name)?.map { Dim($0) } }
            if let contents = c.contents(index) { return contents }
            return c.types[index]?.shape?.first.flatMap { $0 <= 64 ? [Dim](repeating: .unknown, count: $0) : nil }
        }
        guard let starts = read(1, "starts"), let ends = read(2, "ends") else {
            guard c.has(1) || c.ints("starts") != nil else { throw Failure.invalid("the starts are missing") }
            throw NotYetKnown()
        }
        try self.init(starts, ends, axes: c.ints(3, or: "axes"), steps: c.ints(4, or: "steps"), rank: rank)
    }

    private init(_ starts: [Dim]?, _ ends: [Dim]?, axes: [Int]?, steps: [Int]?, rank: Int) throws {
        guard let starts, let ends else { throw Failure.invalid("starts or ends are missing") }
        let axes = try (axes ?? Array(starts.indices)).map { try Shape.axis($0, rank: rank) }
        let steps = steps ?? [Int](repeating: 1, count: starts.count)
        guard ends.count == starts.count, axes.count == starts.count, steps.count == starts.count else {
            throw Failure.shape("\(starts.count) starts, \(ends.count) ends, \(axes.count) axes and \(steps.count) steps")
        }
        guard Set(axes).count == axes.count else { throw Failure.shape("axes \(axes) name one axis twice") }
        guard axes.allSatisfy({ $0 < rank }) else { throw Failure.shape("cannot slice a scalar") }
        guard !steps.contains(0) else { throw Failure.invalid("a step of 0") }
        (self.starts, self.ends, self.axes, self.steps, self.rank) = (starts, ends, axes, steps, rank)
    }

    /// True when no axis is reversed or thinned out.
    var isRange: Bool { steps.allSatisfy { $0 == 1 } }

    /// The part of each axis of a tensor of that shape.
    func parts(of shape: [Int]) throws -> [Part] {
        guard shape.count == rank else { throw Failure.shape("\(Shape.text(shape)) has not rank \(rank)") }
        var parts = shape.map { Part(start: 0, step: 1, count: $0) }
        for (place, axis) in axes.enumerated() {
            guard let start = starts[place].value, let end = ends[place].value else { throw NotYetKnown() }
            parts[axis] = SliceParameters.part(shape[axis], start, end, steps[place])
        }
        return parts
    }

    private static func part(_ size: Int, _ start: Int, _ end: Int, _ step: Int) -> Part {
        let low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1
        let first = min(max(start < 0 ? start + size : start, step > 0 ? 0 : min(0, high)), high)
        let stop = min(max(end < 0 ? end + size : end, low), high)
        let span = step > 0 ? stop - first : first - stop
        guard span > 0 else { return Part(start: 0, step: 1, count: 0) }
        let count = 1 + Int(UInt(span - 1) / step.magnitude)
        // A step beyond the end is never taken; 1 in its place cannot overflow.
        return Part(start: first, step: count == 1 ? 1 : step, count: count)
    }

    /// Sizes of the result, for sizes that may be symbols.
    func sizes(of dims: [Dim]) -> [Dim] {
        var result = dims
        for (place, axis) in axes.enumerated() {
            result[axis] = SliceParameters.size(dims[axis], starts[place], ends[place], steps[place])
        }
        return result
    }

    private static func size(_ dim: Dim, _ start: Dim, _ end: Dim, _ step: Int) -> Dim {
        if let size = dim.value, let start = start.value, let end = end.value { return Dim(part(size, start, end, step).count) }
        let endless = 1 << 31 - 1
        if let start = start.value, let end = end.value, !dim.isUnknown {
            // A symbol stands for a size of at least 1.
            if start == -1, step == 1, end >= endless { return 1 }
            if start == 0, end == -1, step == 1 { return dim - 1 }
            if start == -1, step == -1, end <= -endless { return dim }
            guard start >= 0, end >= endless else { return .unknown }
            return step == 1 ? dim - Dim(start) : (start == 0 ? dim.divided(by: Dim(step)) : .unknown)
        }
        guard step == 1, start.value == 0 else { return .unknown }
        return end == dim && !dim.isUnknown ? dim : .unknown
    }
}

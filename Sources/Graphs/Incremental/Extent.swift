internal import Tensors

/// Where along one axis a patch lies, for every place that it may have started from: as many elements everywhere, so that
/// patches from different places make one batch.
struct Extent: Equatable {
    /// First element, by the place in the input where the patch starts.
    private(set) var starts: [Int]
    private(set) var size: Int
    /// Elements of the whole axis.
    let full: Int

    /// Of a patch of the input.
    init(size: Int, of full: Int) {
        self.size = size
        self.full = full
        starts = Array(0...max(0, full - size))
    }

    /// The smallest extent that covers the intervals, moved inwards where one would end beyond the axis.
    private init(covering intervals: [(first: Int, last: Int)], of full: Int) {
        let size = min(full, intervals.map { $0.last - $0.first + 1 }.max() ?? 1)
        self.size = max(1, size)
        self.full = full
        starts = intervals.map { [size = self.size] in max(0, min($0.first, full - size)) }
    }

    /// What of a window's output changes when this changes. (SIGMOD 2019, "Incremental and approximate inference for
    /// faster occlusion-based deep CNN explanations", section 4.)
    func through(_ axis: WindowAxis) -> Extent {
        let intervals = starts.map { start -> (first: Int, last: Int) in
            let first = max(0, Extent.floor(start + axis.begin - axis.extent + axis.stride, axis.stride))
            let last = min(axis.output - 1, Extent.floor(start + size - 1 + axis.begin, axis.stride))
            return (min(first, axis.output - 1), max(min(first, axis.output - 1), last))
        }
        return Extent(covering: intervals, of: axis.output)
    }

    /// Covers both.
    func union(_ other: Extent) -> Extent {
        let intervals = zip(starts, other.starts).map { a, b in (first: min(a, b), last: max(a + size, b + other.size) - 1) }
        return Extent(covering: intervals, of: full)
    }

    /// What must be read of a window's input to compute this part of its output: from, possibly outside, and how much.
    func read(_ axis: WindowAxis) -> (starts: [Int], size: Int) {
        (starts.map { $0 * axis.stride - axis.begin }, (size - 1) * axis.stride + axis.extent)
    }

    private static func floor(_ a: Int, _ b: Int) -> Int { a >= 0 ? a / b : -((-a + b - 1) / b) }
}

/// A part of a value that a change of the input reaches, for a batch of changes.
struct Patch {
    /// Batch, then the value's other axes, of which two are only as long as the extents.
    let value: ValueID
    let rows: Extent
    let columns: Extent
    /// The axes of rows and columns.
    let axes: [Int]

    func isCongruent(_ other: Patch) -> Bool { rows == other.rows && columns == other.columns && axes == other.axes }

    /// Computing so much apart costs more than computing all of it.
    var isNearlyWhole: Bool { rows.size * columns.size * 4 >= rows.full * columns.full * 3 }
}

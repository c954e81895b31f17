internal import Runtime
internal import Tensors

/// The places of a sliding window, in row-major order.
struct Windows {
    /// What becomes of a last window that does not fit.
    enum PartialLast: String, CaseIterable {
        /// It ends at the border (Captum).
        case truncate
        /// It moves back until it fits.
        case shift
        /// There is none (xplique).
        case drop
    }

    let shape: [Int]
    let window: [Int]
    let strides: [Int]
    /// Along each axis.
    let counts: [Int]
    /// In all.
    let count: Int
    private let partial: PartialLast

    init(shape: [Int], window: [Int], strides: [Int], partial: PartialLast) throws {
        for axis in shape.indices {
            guard window[axis] <= shape[axis] else {
                throw Failure.invalid("option 'sliding_window_shapes' is \(Shape.text(window)), larger than the input \(Shape.text(shape))")
            }
            guard strides[axis] <= window[axis] else {
                throw Failure.invalid(
                    "option 'strides' is \(Shape.text(strides)), larger than the window \(Shape.text(window)): parts would never be covered"
                )
            }
        }
        (self.shape, self.window, self.strides, self.partial) = (shape, window, strides, partial)
        counts = shape.indices.map { axis in
            let room = shape[axis] - window[axis]
            return (partial == .drop ? room / strides[axis] : (room + strides[axis] - 1) / strides[axis]) + 1
        }
        count = try Shape.count(counts)
    }

    /// What a window covers.
    func elements(_ index: Int) -> ElementRuns { ElementRuns(box(index), of: shape) }

    /// Its part of each axis.
    func box(_ index: Int) -> [Range<Int>] {
        var rest = index
        var box = [Range<Int>](repeating: 0..<0, count: shape.count)
        for axis in shape.indices.reversed() {
            let place = rest % counts[axis] * strides[axis]
            rest /= counts[axis]
            let start = partial == .shift ? min(place, shape[axis] - window[axis]) : place
            box[axis] = start..<min(start + window[axis], shape[axis])
        }
        return box
    }
}

/// Elements of a row-major tensor, as runs of one length.
struct ElementRuns {
    let starts: [Int]
    let length: Int

    /// A box.
    init(_ box: [Range<Int>], of shape: [Int]) {
        let strides = Shape.strides(shape)
        // Axes behind the last one that is cut lie one behind the other.
        let cut = box.indices.last { box[$0].count < shape[$0] } ?? 0
        length = box.isEmpty ? 1 : box[cut].count * strides[cut]
        var starts = [box.isEmpty ? 0 : box[cut].lowerBound * strides[cut]]
        for axis in box.indices.prefix(cut) {
            starts = starts.flatMap { start in box[axis].map { start + $0 * strides[axis] } }
        }
        self.starts = starts
    }

    /// The first element of each row of a box, along its last axis.
    static func rows(_ box: [Range<Int>]) -> [[Int]] {
        var rows: [[Int]] = [[]]
        for axis in box.dropLast() { rows = rows.flatMap { row in axis.map { row + [$0] } } }
        return rows.map { $0 + [box.last?.lowerBound ?? 0] }
    }

    /// Single elements.
    init(_ elements: [Int]) {
        starts = elements
        length = 1
    }

    /// Adds to each of the elements of a tensor that begins at `offset`.
    func add(_ value: Double, to sum: inout [Double], at offset: Int = 0) {
        for start in starts {
            for i in offset + start..<offset + start + length { sum[i] += value }
        }
    }
}

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

    /// What each window covers.
    var regions: Regions { Regions(count: count, size: shape.reduce(1, *), elements: elements) }

    private func elements(_ index: Int) -> ElementRuns {
        var rest = index
        var box = [Range<Int>](repeating: 0..<0, count: shape.count)
        for axis in shape.indices.reversed() {
            let place = rest % counts[axis] * strides[axis]
            rest /= counts[axis]
            let start = partial == .shift ? min(place, shape[axis] - window[axis]) : place
            box[axis] = start..<min(start + window[axis], shape[axis])
        }
        return ElementRuns(box, of: shape)
    }
}

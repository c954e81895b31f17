/// Helpers on shapes; a shape is a plain array of sizes, outermost axis first.
package enum Shape {
    /// Number of elements. Throws on a negative size, and when the machine could not hold so many (sizes beside a zero
    /// count too: kernels walk along them).
    package static func count(_ shape: [Int]) throws -> Int {
        var total = 1
        var isEmpty = false
        for size in shape {
            guard size >= 0 else { throw Failure.shape("shape \(text(shape)) has a negative size") }
            if size == 0 { isEmpty = true; continue }
            let (product, overflow) = total.multipliedReportingOverflow(by: size)
            guard !overflow, product <= Memory.elements else { throw Failure.shape("shape \(text(shape)) has too many elements") }
            total = product
        }
        return isEmpty ? 0 : total
    }

    /// Row-major strides in elements. The shape must have passed `count`.
    package static func strides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in stride(from: shape.count - 2, through: 0, by: -1) {
            strides[axis] = strides[axis + 1] &* max(shape[axis + 1], 1)
        }
        return strides
    }

    /// NumPy's broadcasting of two shapes; nil when they do not fit.
    package static func broadcast(_ a: [Int], _ b: [Int]) -> [Int]? {
        let rank = max(a.count, b.count)
        var result = [Int](repeating: 1, count: rank)
        for i in 0..<rank {
            let x = i < rank - a.count ? 1 : a[i - (rank - a.count)]
            let y = i < rank - b.count ? 1 : b[i - (rank - b.count)]
            guard x == y || x == 1 || y == 1 else { return nil }
            result[i] = x == 1 ? y : x
        }
        return result
    }

    /// Strides that make a row-major tensor of `shape` look like `result` (0 along broadcast axes).
    package static func broadcastStrides(_ shape: [Int], to result: [Int]) -> [Int] {
        let own = strides(shape)
        let lead = result.count - shape.count
        return result.indices.map { $0 < lead || shape[$0 - lead] == 1 ? 0 : own[$0 - lead] }
    }

    /// An axis counted from either end; throws when it lies outside.
    package static func axis(_ axis: Int, rank: Int) throws -> Int {
        let limit = max(rank, 1)
        guard axis >= -limit, axis < limit else { throw Failure.shape("axis \(axis) is outside a tensor of rank \(rank)") }
        return axis < 0 ? axis + limit : axis
    }

    /// As people write shapes: `1x3x224x224`; `scalar` for none.
    package static func text(_ shape: [Int]) -> String {
        shape.isEmpty ? "scalar" : shape.map(String.init).joined(separator: "x")
    }
}

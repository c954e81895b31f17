internal import Tensors

/// Parts of one image's elements; they may overlap.
struct Regions {
    let count: Int
    /// Elements of the image.
    let size: Int
    let elements: (Int) -> ElementRuns

    /// Rows x regions spread over the elements of each region: rows x elements, the mean of the regions that hold an
    /// element, or their sum.
    func spread(_ values: Tensor, isSum: Bool) throws -> Tensor {
        let rows = values.shape[0]
        var covered = [Double](repeating: 0, count: size), sum = [Double](repeating: 0, count: try Shape.count([rows, size]))
        try values.read(Float.self) { values in
            for region in 0..<count {
                let runs = elements(region)
                runs.add(1, to: &covered)
                for row in 0..<rows { runs.add(Double(values[row * count + region]), to: &sum, at: row * size) }
            }
        }
        return try Tensor.make([rows, size], Float.self) { out in
            for i in out.indices { out[i] = Float(isSum ? sum[i] : sum[i] / max(1, covered[i % size])) }
        }
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

    /// Single elements.
    init(_ elements: [Int]) {
        starts = elements
        length = 1
    }

    /// Adds to each of the elements of a tensor that begins at `offset`.
    func add(_ value: Double, to sum: inout [Double], at offset: Int) {
        for start in starts {
            for i in offset + start..<offset + start + length { sum[i] += value }
        }
    }

    /// Adds to each of the elements.
    func add(_ value: Double, to sum: inout [Double]) { add(value, to: &sum, at: 0) }
}

internal import Glibc
internal import Tensors

/// Mean and spread of vectors that arrive one by one (Welford's recurrence, in double).
struct SampleStatistics {
    private var n = 0.0
    private var mean: [Double]
    private var spread: [Double]

    init(count: Int) {
        mean = [Double](repeating: 0, count: count)
        spread = mean
    }

    mutating func add(_ values: UnsafeBufferPointer<Float>) {
        n += 1
        for i in mean.indices {
            let value = Double(values[i])
            let change = value - mean[i]
            mean[i] += change / n
            spread[i] += change * (value - mean[i])
        }
    }

    /// The rows of a tensor, one sample each.
    mutating func add(rows: Tensor) throws {
        try rows.converted(to: .float32).read(Float.self) { values in
            let size = mean.count
            guard size > 0, values.count % size == 0 else { throw Failure.shape("samples are \(Shape.text(rows.shape))") }
            for start in stride(from: 0, to: values.count, by: size) {
                add(UnsafeBufferPointer(rebasing: values[start..<(start + size)]))
            }
        }
    }

    /// `smoothgrad`: the mean; `smoothgrad_sq`: the mean of squares; `vargrad`: the variance, divided by n - `ddof`.
    func map(_ kind: String = "smoothgrad", ddof: Int = 0, shape: [Int]) throws -> Tensor {
        try Tensor.make(shape, Float.self) { out in
            for i in mean.indices {
                switch kind {
                case "smoothgrad_sq": out[i] = Float(spread[i] / n + mean[i] * mean[i])
                case "vargrad": out[i] = Float(spread[i] / max(1, n - Double(ddof)))
                default: out[i] = Float(mean[i])
                }
            }
        }
    }

    /// Of the mean: how far it may be from what endless samples would give.
    func standardError(shape: [Int]) throws -> Tensor {
        try Tensor.make(shape, Float.self) { out in
            for i in mean.indices { out[i] = n > 1 ? Float(sqrt(spread[i] / (n - 1) / n)) : .infinity }
        }
    }
}

extension Findings {
    /// Estimates from samples: one for each image, how many were taken of each, and the shape of one.
    init(
        _ statistics: [SampleStatistics], taken: [Int], shape: [Int], kind: String = "smoothgrad", ddof: Int = 0
    ) throws {
        self.init(map: try Maps.stack(try statistics.map { try $0.map(kind, ddof: ddof, shape: shape) }))
        let error = try Maps.stack(try statistics.map { try $0.standardError(shape: shape) })
        tensors["standard_error"] = error
        let squares = try Maps.sums(Maps.map(error) { $0 * $0 }).reduce(0, +)
        if squares.isFinite, error.count > 0 { numbers["standard_error"] = sqrt(squares / Double(error.count)) }
        numbers["samples"] = Double(taken.min() ?? 0)
    }
}

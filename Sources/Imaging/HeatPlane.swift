internal import Tensors

/// A heat map as one plane of numbers.
struct HeatPlane {
    let height: Int
    let width: Int
    /// Row by row; NaN where the map was, never infinite.
    let values: [Float]

    /// From any real tensor of rank 2, or more with leading axes of 1; three channels are summed as absolute values.
    init(_ heat: Tensor) throws {
        let (lead, size) = try Plane.split(heat.shape)
        let channels = lead.last ?? 1
        guard lead.dropLast().allSatisfy({ $0 == 1 }), channels == 1 || channels == 3 else {
            throw Failure.shape("a heat map is height x width, with leading axes of 1 or three channels; found \(Shape.text(heat.shape))")
        }
        let count = size.height * size.width
        height = size.height
        width = size.width
        values = try heat.converted(to: .float32).read(Float.self) { from in
            let limit = from.reduce(into: Float(0)) { if $1.isFinite { $0 = max($0, abs($1)) } }
            if channels == 1 { return from.map { HeatPlane.bounded($0, limit) } }
            return (0..<count).map { i in
                let sum = (0..<3).reduce(Float(0)) { $0 + abs(HeatPlane.bounded(from[$1 * count + i], limit)) }
                return HeatPlane.bounded(sum, .greatestFiniteMagnitude)
            }
        }
    }

    /// Swift's `min` and `max` would lose a NaN.
    private static func bounded(_ value: Float, _ limit: Float) -> Float {
        value.isNaN ? value : max(-limit, min(limit, value))
    }

    /// The values over one of them: 1 is what is drawn as strongest, 0 stands for NaN.
    func strength(_ one: Float) throws -> Tensor {
        // Bounded so that no interpolation can overflow.
        try Tensor(values.map { $0.isNaN || one == 0 ? 0 : HeatPlane.bounded($0 / one, 1e6) }, [height, width])
    }

    /// 1 where the map has a number, 0 where it is NaN; nil when it has numbers everywhere.
    func known() throws -> Tensor? {
        values.contains(where: \.isNaN) ? try Tensor(values.map { $0.isNaN ? Float(0) : 1 }, [height, width]) : nil
    }

    /// The percentile of magnitudes (linear between ranks, as NumPy's), or the largest where that is 0.
    func strongest(_ percentile: Double) -> Float {
        let sorted = values.lazy.filter { !$0.isNaN }.map { abs($0) }.sorted()
        guard let largest = sorted.last else { return 0 }
        let rank = Double(sorted.count - 1) * percentile / 100
        let low = min(Int(rank), sorted.count - 1), high = min(low + 1, sorted.count - 1)
        let value = sorted[low] + (sorted[high] - sorted[low]) * Float(rank - Double(low))
        return value > 0 ? value : largest
    }

    /// True when the lowest value is negative by more than rounding could explain.
    var hasNegatives: Bool {
        var low: Float = 0, high: Float = 0
        for value in values where !value.isNaN {
            low = min(low, value)
            high = max(high, value)
        }
        return low < 0 && -low > 1e-5 * high
    }
}

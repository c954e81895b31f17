internal import Runtime
internal import Tensors

/// Sums of scores times masks for several classes: a product of matrices for each batch of masks.
struct ClassMaps {
    /// Pixels whose masks stay in the first cache while every class reads them.
    private static let block = 512

    private let pixels: Int
    /// Classes x pixels.
    private var sums: [Double] = []

    init(pixels: Int) { self.pixels = pixels }

    /// The first `count` of a batch of masks and the outcome behind them.
    mutating func add(_ classes: ClassScores, _ outcome: Outcome, _ masks: Tensor, count: Int) throws {
        let scores = try classes.scores(outcome), all = scores.shape[1], chosen = try classes.chosen(of: all)
        if sums.isEmpty { sums = [Double](repeating: 0, count: try Shape.count([chosen.count, pixels])) }
        var part = [Float](repeating: 0, count: ClassMaps.block)
        try scores.read(Float.self) { f in
            try masks.read(Float.self) { m in
                sums.withUnsafeMutableBufferPointer { sums in
                    part.withUnsafeMutableBufferPointer { part in
                        for start in stride(from: 0, to: pixels, by: ClassMaps.block) {
                            let length = min(ClassMaps.block, pixels - start)
                            for (row, index) in chosen.enumerated() {
                                part.update(repeating: 0)
                                for mask in 0..<count {
                                    let score = f[mask * all + index], from = mask * pixels + start
                                    for i in 0..<length { part[i] += score * m[from + i] }
                                }
                                for i in 0..<length { sums[row * pixels + start + i] += Double(part[i]) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Classes x pixels, divided by what the masks add up to at each pixel, or by `expected` where that is nil.
    func maps(_ maskSums: [Double]?, expected: Double) -> [Float] {
        sums.indices.map { i in
            guard let maskSums else { return Float(sums[i] / expected) }
            let mask = maskSums[i % pixels]
            return mask > 0 ? Float(sums[i] / mask) : 0
        }
    }
}

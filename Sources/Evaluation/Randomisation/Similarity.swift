internal import Glibc
internal import Tensors

/// How alike two maps are; NaN where one is the same everywhere.
enum Similarity: String, CaseIterable {
    case spearman, pearson, ssim

    /// Planes of one size, `width` numbers a row.
    func callAsFunction(_ a: [Double], _ b: [Double], width: Int) -> Double {
        switch self {
        case .spearman: Similarity.correlation(Similarity.ranks(a), Similarity.ranks(b))
        case .pearson: Similarity.correlation(a, b)
        case .ssim: Similarity.structural(a, b, width: width)
        }
    }

    static func correlation(_ a: [Double], _ b: [Double]) -> Double {
        let count = Double(a.count)
        let meanA = a.reduce(0, +) / count, meanB = b.reduce(0, +) / count
        var ab = 0.0, aa = 0.0, bb = 0.0
        for i in a.indices {
            ab += (a[i] - meanA) * (b[i] - meanB)
            aa += (a[i] - meanA) * (a[i] - meanA)
            bb += (b[i] - meanB) * (b[i] - meanB)
        }
        return aa > 0 && bb > 0 ? max(-1, min(1, ab / sqrt(aa * bb))) : .nan
    }

    /// Equal values share the mean of their ranks.
    static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start
            while end + 1 < order.count, values[order[end + 1]] == values[order[start]] { end += 1 }
            for at in start...end { ranks[order[at]] = Double(start + end) / 2 }
            start = end + 1
        }
        return ranks
    }

    /// Mean over windows of 7 x 7 (smaller for small maps) of the structural similarity of both maps in [0, 1]; Wang et al. 2004, equation 13.
    private static func structural(_ a: [Double], _ b: [Double], width: Int) -> Double {
        guard let x = unit(a), let y = unit(b), width > 0 else { return .nan }
        let height = a.count / width, side = max(1, min(7, height, width))
        let count = Double(side * side), c1 = 0.0001, c2 = 0.0009
        var sum = 0.0, windows = 0.0
        for top in 0...(height - side) {
            for left in 0...(width - side) {
                var mx = 0.0, my = 0.0, xx = 0.0, yy = 0.0, xy = 0.0
                for row in top..<(top + side) {
                    for i in (row * width + left)..<(row * width + left + side) {
                        mx += x[i]
                        my += y[i]
                        xx += x[i] * x[i]
                        yy += y[i] * y[i]
                        xy += x[i] * y[i]
                    }
                }
                mx /= count
                my /= count
                let varX = xx / count - mx * mx, varY = yy / count - my * my, both = xy / count - mx * my
                sum += (2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (varX + varY + c2))
                windows += 1
            }
        }
        return sum / windows
    }

    private static func unit(_ values: [Double]) -> [Double]? {
        guard let low = values.min(), let high = values.max(), high > low else { return nil }
        return values.map { ($0 - low) / (high - low) }
    }
}

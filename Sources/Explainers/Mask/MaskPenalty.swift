internal import Tensors

/// What a mask costs by itself: `lambda1 mean|1 - M| + lambda2 R(M)`, R being its total variation (I-GOS) or a bilateral
/// one (iGOS+ and iGOS++): half the mask's own, half that of the enlarged mask with weights that are small across edges.
struct MaskPenalty {
    var sparsity: Double
    let smoothness: Double
    private let grid: MaskGrid
    private let coarse: TotalVariation
    private let fine: TotalVariation?

    /// `weights`: of the image, for a bilateral variation; nil: the mask's own variation alone.
    init(sparsity: Double, smoothness: Double, grid: MaskGrid, weights: PairWeights?, beta: Double = 2) {
        self.sparsity = sparsity
        self.smoothness = smoothness
        self.grid = grid
        coarse = TotalVariation(height: grid.height, width: grid.width, beta: beta)
        fine = weights.map { TotalVariation(height: grid.layout.height, width: grid.layout.width, weights: $0) }
    }

    func value(_ mask: [Double]) throws -> Double {
        let absent = mask.reduce(0) { $0 + abs(1 - $1) } / Double(max(1, mask.count))
        return sparsity * absent + (smoothness == 0 ? 0 : smoothness * (try roughness(mask)))
    }

    /// The subgradient at `M = 1` is 0: the first step follows the data alone.
    func gradient(_ mask: [Double]) throws -> [Double] {
        let share = sparsity / Double(max(1, mask.count))
        let rough = smoothness == 0 ? [] : try roughnessGradient(mask)
        return mask.indices.map { i in
            let sparse = mask[i] == 1 ? 0 : mask[i] < 1 ? -share : share
            return sparse + (rough.isEmpty ? 0 : smoothness * rough[i])
        }
    }

    private func roughness(_ mask: [Double]) throws -> Double {
        guard let fine else { return coarse.value(mask) }
        return 0.5 * (coarse.value(mask) + fine.value(try grid.enlarged(mask).map { Double($0) }))
    }

    private func roughnessGradient(_ mask: [Double]) throws -> [Double] {
        let own = coarse.gradient(mask)
        guard let fine else { return own }
        let image = try grid.reduced(fine.gradient(grid.enlarged(mask).map { Double($0) }))
        return own.indices.map { 0.5 * (own[$0] + image[$0]) }
    }
}

internal import Runtime
internal import Tensors

/// The quick I-GOS mask at the grid's size by which the released search ranks patches: two iterations of 20 points, lambda 1 and 20,
/// end-point search from 200.
struct QuickMask {
    private static let iterations = 2
    private static let points = 20
    private static let search = LineSearch(ladder: 4, takesFloorStep: true)
    private static let first = 200.0

    let request: Request
    let settings: Settings
    let target: Target
    let baseline: Tensor
    let layout: ImageLayout

    /// How much of each patch the mask takes away.
    func values(_ image: Int, _ grid: PatchGrid) throws -> [Double] {
        let cells = MaskGrid(height: grid.rows, width: grid.columns, layout: layout)
        let scale = try Profile.scale(settings, channels: layout.channels)
        let objective = try MaskObjective(
            terms: [MaskTerm(false, [0])], points: QuickMask.points, directionShare: 1, frozen: [], grid: cells,
            penalty: MaskPenalty(sparsity: 1, smoothness: 20, grid: cells, weights: nil),
            noise: PathNoise(settings, request, image: image, layout: layout, scale: scale, points: QuickMask.points),
            evaluator: MaskEvaluator(
                request, image: image, target: request.target(target, ofImage: image),
                masking: Masking(request, image: image, baseline: baseline, layout)))
        let rule = MaskDescent.Rule(
            isNesterov: false, search: QuickMask.search, form: .endPoint, first: QuickMask.first, isWarm: false, adapts: false,
            iterations: QuickMask.iterations)
        var descent = MaskDescent(
            image: image, masks: [[Double](repeating: 1, count: cells.count)], objective: objective, rule: rule)
        try request.control.begin("ordering", image * 100, to: image * 100 + 10, of: 100 * max(1, request.images))
        try request.control.nested {
            for iteration in 0..<QuickMask.iterations { try descent.iterate(iteration, part: iteration, of: QuickMask.iterations) }
        }
        return descent.masks.first?.map { 1 - $0 } ?? []
    }

    /// As if every search tried every step.
    static func work(_ request: Request) throws -> [Work] {
        let tries = search.steps(from: first).count
        let gradients = try request.work(versions: points, chunk: request.chunk(of: points), gradient: true)
        let ladders = try request.work(versions: search.ladder, chunk: request.chunk(of: search.ladder), gradient: false)
        let single = try request.work(versions: 1, chunk: 1, gradient: false)
        return gradients.map { Work($0.evaluation, times: $0.times * iterations) }
            + ladders.map { Work($0.evaluation, times: $0.times * iterations * (tries / search.ladder + 1)) }
            + single.map { Work($0.evaluation, times: $0.times * iterations) }
    }
}

internal import Graphs
internal import Runtime
internal import Tensors

/// One part of an objective: the score of the image behind a product of masks.
struct MaskTerm {
    /// False: the score itself, of the image without what the mask takes away. True: minus the score, of the baseline with
    /// what the mask takes away put into it.
    let isInsertion: Bool
    /// Which masks cover the image, multiplied after they were enlarged.
    let masks: [Int]
    let weight: Double

    init(_ isInsertion: Bool, _ masks: [Int], weight: Double = 1) {
        self.isInsertion = isInsertion
        self.masks = masks
        self.weight = weight
    }
}

/// What is minimised over the masks of one image: weighted terms and a penalty. Every term counts as the mean over the points
/// `b + (s/S) U (x - b) + n_s`, `s = 1...S`, of the path from the image that the mask is to bring about (I-GOS equation 5;
/// iGOS++ equations 4 to 9), or as its end point alone.
struct MaskObjective {
    /// How a term is evaluated in a line search.
    enum Form: String, CaseIterable { case interval, endPoint = "end_point" }

    /// The coarse masks.
    typealias Masks = [[Double]]

    let terms: [MaskTerm]
    let points: Int
    /// Factor of the data's part in the direction: the published code of iGOS++ halves it there, and not in the search.
    let directionShare: Double
    /// Masks that stay as they are.
    let frozen: Set<Int>
    let grid: MaskGrid
    var penalty: MaskPenalty
    var noise: PathNoise
    /// What progress says, and the part of the work that the next evaluations are.
    var progress = (stage: "masks", from: 0, to: 1, of: 1)
    /// Evaluations made.
    private(set) var forwards = 0
    private(set) var backwards = 0

    private var evaluator: MaskEvaluator

    /// Moves every version of the image; nil: none.
    var shift: ImageShift? {
        get { evaluator.shift }
        set { evaluator.shift = newValue }
    }

    init(
        terms: [MaskTerm], points: Int, directionShare: Double = 1, frozen: Set<Int> = [], grid: MaskGrid, penalty: MaskPenalty,
        noise: PathNoise, evaluator: MaskEvaluator
    ) {
        self.terms = terms.filter { $0.weight != 0 }
        self.points = points
        self.directionShare = directionShare
        self.frozen = frozen
        self.grid = grid
        self.penalty = penalty
        self.noise = noise
        self.evaluator = evaluator
    }

    /// The product of the masks at their own size, which the penalty looks at.
    static func product(_ masks: Masks) -> [Double] {
        masks.dropFirst().reduce(masks.first ?? []) { zip($0, $1).map { $0 * $1 } }
    }

    /// No sum of terms can be less; nil where scores have no bound.
    private var leastData: Double? { evaluator.isProbability ? -terms.filter(\.isInsertion).map(\.weight).reduce(0, +) : nil }

    /// Room for rounding in what is certain.
    private static let slack = 1e-6

    /// Whether the penalty alone puts masks above a limit.
    func certainlyExceeds(_ masks: Masks, _ limit: Double) throws -> Bool {
        guard let least = leastData else { return false }
        return try penalty.value(MaskObjective.product(masks)) + least > limit + MaskObjective.slack
    }

    /// The objective in its interval form, and its gradient at each mask.
    mutating func direction(_ masks: Masks, iteration: Int) throws -> (value: Double, gradients: Masks) {
        let enlarged = try masks.map(grid.enlarged)
        let covers = terms.map { MaskObjective.cover($0, enlarged) }
        var sums = terms.map { _ in [Double](repeating: 0, count: grid.layout.pixels) }
        var value = 0.0
        let path = path(of: 0, .interval), chunk = try evaluator.chunk(path.count)
        for first in stride(from: 0, to: path.count, by: chunk) {
            let part = Array(path[first..<min(first + chunk, path.count)])
            try begin(first, part.count, path.count)
            let outcome = try evaluate(part, [covers], iteration, gradient: true)
            for (row, point) in part.enumerated() {
                let term = terms[point.term]
                value += term.weight / Double(points) * (term.isInsertion ? -1 : 1) * outcome.scores[row]
                let factor = term.weight / Double(points) * Double(point.share)
                evaluator.add(outcome.gradient, row: row, factor: factor, to: &sums[point.term])
            }
        }
        value += try penalty.value(MaskObjective.product(masks))
        return (value, try chained(sums, masks, enlarged))
    }

    /// From the gradients at the covers of terms to those at the masks, the penalty's added.
    private func chained(_ sums: [[Double]], _ masks: Masks, _ enlarged: [[Float]]) throws -> Masks {
        let penalized = try penalty.gradient(MaskObjective.product(masks))
        return try masks.indices.map { mask in
            guard !frozen.contains(mask) else { return [Double](repeating: 0, count: grid.count) }
            var large = [Double](repeating: 0, count: grid.layout.pixels)
            for (term, sum) in zip(terms, sums) where term.masks.contains(mask) {
                let others = term.masks.filter { $0 != mask }
                for i in large.indices { large[i] += others.reduce(sum[i]) { $0 * Double(enlarged[$1][i]) } }
            }
            let data = try grid.reduced(large)
            let rest = MaskObjective.product(masks.indices.filter { $0 != mask }.map { masks[$0] })
            return data.indices.map { directionShare * data[$0] + penalized[$0] * (rest.isEmpty ? 1 : rest[$0]) }
        }
    }

    /// The objective at several candidates, all their versions of the image in common batches; nil for one that was found
    /// to be above its limit, which ends its evaluation.
    mutating func values(_ candidates: [Masks], limits: [Double], iteration: Int, _ form: Form) throws -> [Double?] {
        let covers = try candidates.map { masks in
            let enlarged = try masks.map(grid.enlarged)
            return terms.map { MaskObjective.cover($0, enlarged) }
        }
        var sums = try candidates.map { try penalty.value(MaskObjective.product($0)) }
        var least = [Double?](repeating: leastData, count: candidates.count)
        var pending = candidates.indices.flatMap { path(of: $0, form) }
        let total = pending.count
        while !pending.isEmpty {
            let part = Array(pending.prefix(try evaluator.chunk(total)))
            try begin(total - pending.count, part.count, total)
            pending.removeFirst(part.count)
            let scores = try evaluate(part, covers, iteration, gradient: false).scores
            for (row, point) in part.enumerated() {
                let term = terms[point.term], share = term.weight / Double(form == .interval ? points : 1)
                sums[point.candidate] += share * (term.isInsertion ? -scores[row] : scores[row])
                if term.isInsertion { least[point.candidate]? += share }
            }
            pending.removeAll { point in
                least[point.candidate].map { sums[point.candidate] + $0 > limits[point.candidate] + MaskObjective.slack } ?? false
            }
        }
        return candidates.indices.map { sums[$0] <= limits[$0] ? sums[$0] : nil }
    }

    /// The score of the image behind the masks, without noise: the end point of the first term.
    mutating func score(_ masks: Masks) throws -> Double {
        let covers = try [terms.prefix(1).map { MaskObjective.cover($0, try masks.map(grid.enlarged)) }]
        let point = Point(candidate: 0, term: 0, share: 1, noise: nil)
        return try evaluate([point], covers, 0, gradient: false).scores.first ?? 0
    }

    // MARK: Points

    /// A version of the image.
    struct Point {
        let candidate: Int
        let term: Int
        /// `s / S`.
        let share: Float
        /// Which noise; nil: none.
        let noise: Int?
    }

    /// The points of all terms; the strongest masks first, which soonest show that a candidate is no good.
    private func path(of candidate: Int, _ form: Form) -> [Point] {
        terms.indices.flatMap { term in
            guard form == .interval else { return [Point(candidate: candidate, term: term, share: 1, noise: nil)] }
            return (1...max(1, points)).reversed().map { s in
                let share = Float(s) / Float(points)
                return Point(candidate: candidate, term: term, share: share, noise: noise.isSome ? term * points + s - 1 : nil)
            }
        }
    }

    private static func cover(_ term: MaskTerm, _ enlarged: [[Float]]) -> [Float] {
        term.masks.dropFirst().reduce(term.masks.first.map { enlarged[$0] } ?? []) { product, mask in
            zip(product, enlarged[mask]).map { $0 * $1 }
        }
    }

    private mutating func evaluate(_ part: [Point], _ covers: [[[Float]]], _ iteration: Int, gradient: Bool) throws -> (
        scores: [Double], gradient: [Float]
    ) {
        let pixels = grid.layout.pixels
        let kept = try Tensor.make([part.count, grid.layout.height, grid.layout.width], Float.self) { out in
            for (row, point) in part.enumerated() {
                let isInsertion = terms[point.term].isInsertion
                covers[point.candidate][point.term].withUnsafeBufferPointer { cover in
                    for i in 0..<pixels { out[row * pixels + i] = isInsertion ? 1 - point.share * cover[i] : point.share * cover[i] }
                }
            }
        }
        let ids = part.compactMap(\.noise)
        let noises = ids.count == part.count ? try noise.planes(iteration: iteration, points: ids) : nil
        forwards += part.count
        if gradient { backwards += part.count }
        return try evaluator.evaluate(kept, noise: noises, gradient: gradient)
    }

    private func begin(_ done: Int, _ count: Int, _ total: Int) throws {
        let span = progress.to - progress.from
        func at(_ position: Int) -> Int { progress.from + Int(Double(span) * Double(position) / Double(max(1, total))) }
        try evaluator.request.control.begin(progress.stage, at(done), to: at(done + count), of: progress.of)
    }
}

/// Scores, and gradients at the masks, of one image behind masks of its own size.
struct MaskEvaluator {
    let request: Request
    let image: Int
    let target: Target
    let masking: Masking
    /// Whether every score lies between 0 and 1.
    let isProbability: Bool
    /// Moves every version of the image; nil: none.
    var shift: ImageShift?

    init(_ request: Request, image: Int, target: Target, masking: Masking) {
        self.request = request
        self.image = image
        self.target = target
        self.masking = masking
        isProbability = MaskEvaluator.hasBounds(target, request.model)
    }

    /// One class of an output of images x classes.
    private static func hasBounds(_ target: Target, _ model: Model) -> Bool {
        guard target.score == .probability else { return false }
        switch target.kind {
        case .index, .each: break
        default: return false
        }
        let output = (try? target.output.map { try model.names.resolve($0) }) ?? model.outputs.first?.name
        return output.flatMap { model.type(of: $0)?.dims?.count } == 2
    }

    func chunk(_ total: Int) throws -> Int { max(1, try request.chunk(of: total)) }

    /// `kept`: n x height x width. The gradient is that at `kept`, n x pixels.
    func evaluate(_ kept: Tensor, noise: Tensor?, gradient: Bool) throws -> (scores: [Double], gradient: [Float]) {
        let layout = masking.layout
        var versions = try masking.versions(kept, noise: noise)
        if let shift { versions = try layout.images(shift.moved(layout.planes(versions)), versions.type) }
        let outcome = try request.evaluate(image: image, versions, target: target, gradient: gradient)
        guard outcome.scores.count == kept.shape.first else {
            throw Failure.unsupported("the target gives \(outcome.scores.count) scores for \(kept.shape.first ?? 0) versions of an image")
        }
        guard gradient else { return (outcome.scores, []) }
        var slope = try outcome.gradient(request.input)
        if let shift { slope = try layout.images(shift.movedBack(layout.planes(slope)), .float32) }
        return (outcome.scores, try masking.maskGradient(slope).array(Float.self))
    }

    /// Adds a multiple of one row of `evaluate`'s gradient.
    func add(_ gradient: [Float], row: Int, factor: Double, to sum: inout [Double]) {
        let pixels = sum.count
        guard gradient.count >= (row + 1) * pixels else { return }
        gradient.withUnsafeBufferPointer { g in
            sum.withUnsafeMutableBufferPointer { out in for i in 0..<pixels { out[i] += factor * Double(g[row * pixels + i]) } }
        }
    }
}

internal import Runtime
internal import Tensors

/// The way of one image's masks down their objective.
struct MaskDescent {
    /// How a direction becomes a step.
    struct Rule {
        let isNesterov: Bool
        let search: LineSearch
        let form: MaskObjective.Form
        let first: Double
        /// Begin with 25 times the last step.
        let isWarm: Bool
        /// Lower lambda1 where it holds the mask back (the published code of I-GOS).
        let adapts: Bool
        let iterations: Int
    }

    /// What an iteration did.
    struct Record {
        let before: Double
        /// nil: not known.
        let after: Double?
        let step: Double
        let tries: Int
    }

    let image: Int
    private(set) var masks: MaskObjective.Masks
    private(set) var records: [Record] = []
    var objective: MaskObjective
    private let rule: Rule
    /// `y` of the last iteration of Nesterov's method.
    private var ahead: MaskObjective.Masks = []
    private var lastStep: Double?
    /// The end point's objective at `masks`, where it is known.
    private var known: Double?
    private var firstScore = 0.0

    init(image: Int, masks: MaskObjective.Masks, objective: MaskObjective, rule: Rule) {
        self.image = image
        self.masks = masks
        self.objective = objective
        self.rule = rule
    }

    /// One iteration; progress goes from `part` to the next one of `parts`.
    mutating func iterate(_ iteration: Int, part: Int, of parts: Int) throws {
        let unit = 1 << 12
        objective.progress = ("gradients of masks", part * unit, part * unit + unit / 2, parts * unit)
        try adapt(iteration)
        let (value, gradients) = try objective.direction(masks, iteration: iteration)
        objective.progress = ("line search", part * unit + unit / 2, (part + 1) * unit, parts * unit)
        if rule.isNesterov {
            advance(gradients, iteration)
            records.append(Record(before: value, after: nil, step: rule.first, tries: 0))
        } else {
            try search(value, gradients, iteration)
        }
    }

    // MARK: Steps

    /// `y_k = M_k - a TG`, `M_{k+1} = clamp(y_k + k / (k + 3) (y_k - y_{k-1}))` (Jiang, Khorram & Li 2023).
    private mutating func advance(_ gradients: MaskObjective.Masks, _ iteration: Int) {
        let y = moved(gradients, rule.first)
        let momentum = iteration == 0 ? 0 : Double(iteration) / Double(iteration + 3)
        let last = ahead.isEmpty ? y : ahead
        masks = masks.indices.map { mask in
            if objective.frozen.contains(mask) { return masks[mask] }
            return y[mask].indices.map { MaskDescent.clamped(y[mask][$0] + momentum * (y[mask][$0] - last[mask][$0])) }
        }
        ahead = y
    }

    private mutating func search(_ interval: Double, _ gradients: MaskObjective.Masks, _ iteration: Int) throws {
        let before = rule.form == .interval ? interval : try known ?? endPoint(iteration)
        let slope = gradients.reduce(0) { $0 + $1.reduce(0) { $0 + $1 * $1 } }
        let first = rule.isWarm ? lastStep.map { min(rule.first, 25 * $0) } ?? rule.first : rule.first
        let form = rule.form
        var objective = objective
        let found = try rule.search.search(
            from: before, slope: slope, first: first,
            at: { step in moved(gradients, step).map { $0.map(MaskDescent.clamped) } },
            exceeds: { try objective.certainlyExceeds($0, $1) },
            values: { try objective.values($0, limits: $1, iteration: iteration, form) })
        self.objective = objective
        lastStep = found.point == nil ? nil : found.step
        masks = found.point ?? masks
        known = found.point == nil ? before : found.value
        records.append(Record(before: before, after: found.point == nil ? before : found.value, step: found.step, tries: found.tries))
    }

    private mutating func endPoint(_ iteration: Int) throws -> Double {
        try objective.values([masks], limits: [.infinity], iteration: iteration, .endPoint).first.flatMap { $0 } ?? .infinity
    }

    private func moved(_ gradients: MaskObjective.Masks, _ step: Double) -> MaskObjective.Masks {
        zip(masks, gradients).map { mask, gradient in zip(mask, gradient).map { $0 - step * $1 } }
    }

    private static func clamped(_ value: Double) -> Double { min(max(value, 0), 1) }

    /// A tenth of lambda1 at half time if the score has not moved by 0.001, a fifth at four fifths if not by 0.01.
    private mutating func adapt(_ iteration: Int) throws {
        let total = rule.iterations
        guard rule.adapts, total > 3 else { return }
        if iteration == 0 { firstScore = try objective.score(masks) }
        for (time, change, factor) in [(total / 2, 0.001, 0.1), (total * 4 / 5, 0.01, 0.2)] where time == iteration {
            guard abs(try objective.score(masks) - firstScore) <= change else { continue }
            objective.penalty.sparsity *= factor
            known = nil
        }
    }
}

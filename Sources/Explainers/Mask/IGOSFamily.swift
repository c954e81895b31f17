internal import Runtime
internal import Tensors

/// What I-GOS, iGOS+ and iGOS++ share: their options, the descent of every image's masks, and its account.
struct IGOSFamily {
    /// What distinguishes the three.
    struct Variant {
        let terms: [MaskTerm]
        /// Result names of the masks; the product of several is `mask`.
        let masks: [String]
        /// Whether the enlarged mask's variation counts too, less across the image's edges.
        let isBilateral: Bool
    }

    private let settings: Settings
    private let variant: Variant
    private let profile: Profile
    private let start: MaskStart
    private let points: Int

    init(_ settings: Settings, _ variant: Variant) throws {
        self.settings = settings
        self.profile = try Profile(settings)
        start = try MaskStart(settings)
        points = try settings.integer("ig_steps", or: 20)
        let weights = try settings.numbers("term_weights") ?? variant.terms.map(\.weight)
        guard weights.count == variant.terms.count, weights.allSatisfy({ $0 >= 0 && $0.isFinite }), weights.contains(where: { $0 > 0 })
        else {
            throw Failure.invalid(
                "option 'term_weights' has \(weights.count) numbers, expected \(variant.terms.count), none below 0, not all 0")
        }
        let terms = zip(variant.terms, weights).map { MaskTerm($0.isInsertion, $0.masks, weight: $1) }
        self.variant = Variant(terms: terms, masks: variant.masks, isBilateral: variant.isBilateral)
    }

    // MARK: The method

    func explain(_ request: Request) throws -> Findings {
        let layout = try ImageLayout(request, settings)
        let grid = try MaskGrid(settings, layout)
        let target = try request.scoredTarget()
        let x = try request.x
        let baseline = try Baseline.tensor(settings, like: x, seed: request.seed)
        var descents: [MaskDescent] = []
        for image in 0..<request.images {
            let masking = try Masking(request, image: image, baseline: baseline, layout)
            let objective = try objective(request, image, target, masking, grid)
            for cell in start.cells {
                let mask = start.mask(grid, cell: cell)
                descents.append(
                    MaskDescent(
                        image: image, masks: variant.masks.map { _ in mask }, objective: objective,
                        rule: try profile.rule(settings, terms: objective.terms.count)))
            }
        }
        let iterations = try request.iterate(&descents, profile.iterations) { try $0.iterate($1, part: $2, of: $3) }
        return try findings(descents, grid, request, iterations)
    }

    private func objective(_ request: Request, _ image: Int, _ target: Target, _ masking: Masking, _ grid: MaskGrid) throws
        -> MaskObjective
    {
        let layout = grid.layout
        let scale = try Profile.scale(settings, channels: layout.channels)
        let kind = variant.isBilateral ? try settings.choice("btv") : "none"
        let weights =
            kind == "none"
            ? nil
            : try PairWeights(
                request.x.sliced(0, image..<(image + 1)), layout: layout, scale: scale, sigma: settings.real("btv_sigma", or: 0.1),
                averagesFirst: kind == "igospp_repo")
        let frozen = variant.masks.count > 1 ? try settings.choice("frozen") : "none"
        let lambdas = try profile.lambdas(settings, grid)
        return MaskObjective(
            terms: variant.terms, points: points, directionShare: try variant.isBilateral && settings.flag("halved") ? 0.5 : 1,
            frozen: Set(variant.masks.indices.filter { variant.masks[$0] == "mask_\(frozen)" }), grid: grid,
            penalty: MaskPenalty(sparsity: lambdas.l1, smoothness: lambdas.tv, grid: grid, weights: weights),
            noise: try PathNoise(settings, request, image: image, layout: layout, scale: scale, points: variant.terms.count * points),
            evaluator: MaskEvaluator(request, image: image, target: try request.target(target, ofImage: image), masking: masking))
    }

    // MARK: Results

    private func findings(_ descents: [MaskDescent], _ grid: MaskGrid, _ request: Request, _ iterations: Int) throws -> Findings {
        let best = try (0..<request.images).map { image in
            let own = descents.filter { $0.image == image }
            guard let best = own.min(by: { $0.reached < $1.reached }) else { throw Failure.invalid("image \(image) has no masks") }
            return best
        }
        let shape = [1, 1, grid.height, grid.width]
        func stacked(_ masks: [[Double]]) throws -> Tensor { try Maps.stack(masks.map { try grid.tensor($0).reshaped(shape) }) }
        var findings = Findings(map: try Maps.stack(best.map { try grid.map(MaskObjective.product($0.masks)) }))
        findings.tensors["mask"] = try stacked(best.map { MaskObjective.product($0.masks) })
        if variant.masks.count > 1 {
            for (index, name) in variant.masks.enumerated() { findings.tensors[name] = try stacked(best.map { $0.masks[index] }) }
        }
        if start.cells.count > 1 {
            let all = try stacked(descents.map { MaskObjective.product($0.masks) })
            findings.tensors["masks"] = try all.reshaped([request.images, start.cells.count, grid.height, grid.width])
        }
        findings.numbers["iterations"] = Double(iterations)
        findings.numbers["evaluations"] = Double(descents.reduce(0) { $0 + $1.objective.forwards })
        findings.numbers["gradient_evaluations"] = Double(descents.reduce(0) { $0 + $1.objective.backwards })
        findings.chosen = try profile.chosen(settings, grid, terms: variant.terms.filter { $0.weight > 0 }.count)
        findings.data = .object(["descents": .array(descents.map { account($0) })])
        if iterations < profile.iterations { findings.warnings.append("the masks had \(iterations) of \(profile.iterations) iterations") }
        return findings
    }

    private func account(_ descent: MaskDescent) -> JSON {
        .object([
            "image": .integer(descent.image),
            "objective": .array(descent.records.map { .number($0.before) }),
            "after": .array(descent.records.map { $0.after.map { .number($0) } ?? .null }),
            "step": .array(descent.records.map { .number($0.step) }),
            "tries": .array(descent.records.map { .integer($0.tries) }),
            "evaluations": .integer(descent.objective.forwards),
            "gradient_evaluations": .integer(descent.objective.backwards),
        ])
    }

    // MARK: Cost

    /// As if every line search tried every step and no candidate were given up early.
    func work(_ request: Request) throws -> [Work] {
        _ = try MaskGrid(settings, ImageLayout(request, settings))
        let terms = variant.terms.filter { $0.weight > 0 }.count
        let rule = try profile.rule(settings, terms: terms)
        let times = profile.iterations * start.cells.count
        func work(_ versions: Int, times: Int, gradient: Bool) throws -> [Work] {
            try request.work(versions: versions, chunk: request.chunk(of: versions), gradient: gradient).map {
                Work($0.evaluation, times: $0.times * times)
            }
        }
        var result = [request.work()] + (try work(terms * points, times: times, gradient: true))
        if rule.adapts { result += try work(1, times: 3 * start.cells.count, gradient: false) }
        guard !rule.isNesterov else { return result }
        let tries = rule.search.steps(from: rule.first).count, isInterval = rule.form == .interval
        result += try work(
            terms * (isInterval ? points : 1) * rule.search.ladder, times: times * (tries / rule.search.ladder), gradient: false)
        let rest = tries % rule.search.ladder
        if rest > 0 { result += try work(terms * (isInterval ? points : 1) * rest, times: times, gradient: false) }
        if !isInterval { result += try work(terms, times: times, gradient: false) }
        return result
    }
}

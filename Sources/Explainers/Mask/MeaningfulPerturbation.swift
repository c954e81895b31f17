internal import Runtime
internal import Tensors

/// Meaningful perturbation: `min_m P_c(x m + b (1 - m)) + lambda1 mean|1 - m| + lambda2 mean|grad m|^beta` by Adam, the image
/// shifted by a few random pixels in every iteration; or, to preserve, `max P_c` of what the mask shows.
/// Fong & Vedaldi 2017, "Interpretable explanations of black boxes by meaningful perturbation", equations 2, 3 and 5.
struct MeaningfulPerturbation: Explainer {
    static let method = Method(
        "meaningful-perturbation", family: "mask", summary: "The smallest blur that takes the class away, optimised by Adam.",
        reference: "Fong, Vedaldi: Interpretable Explanations of Black Boxes by Meaningful Perturbation (2017)", needs: [.gradient],
        score: .probability,
        parameters: [
            Parameter(
                "mask_size", .integer(1...4096), default: "",
                "cells of the mask along each side; default: 28 (paper), or as many as the image has pixels"),
            Parameter("variant", .choice(["delete", "preserve"]), default: "delete", "equation 3 or equation 2 of the paper"),
            Parameter("iterations", .integer(1...100_000), default: "500", "steps of Adam (500 in the common code, 300 in the paper)"),
            Parameter("learning_rate", .real(0...Double.infinity), default: "0.1", "of Adam (paper)"),
            Parameter("lambda_l1", .real(0...Double.infinity), default: "0.01", "weight of mean|1 - m| (common code; sums in the paper)"),
            Parameter("lambda_tv", .real(0...Double.infinity), default: "0.2", "weight of the variation (common code)"),
            Parameter("tv_beta", .real(1...16), default: "3", "power of the variation (paper)"),
            Parameter("jitter", .integer(0...64), default: "4", "the image is shifted by 0 to jitter - 1 pixels each way (4 in the paper)"),
            Parameter(
                "noise", .real(0...Double.infinity), default: "0",
                "standard deviation of noise added to the masked image, for images normalised as ImageNet's (0.2 in the common code)"),
            Parameter("noise_samples", .tensor, "noise to add in place of random numbers, taken in turn: K x one image"),
            Baseline.parameter(default: "blur"),
        ] + Baseline.preparation + [ImageLayout.parameter])

    private let settings: Settings
    private let iterations: Int
    private let isPreserving: Bool

    init(_ settings: Settings) throws {
        self.settings = settings
        iterations = try settings.integer("iterations", or: 500)
        isPreserving = try settings.choice("variant") == "preserve"
    }

    /// One image on its way.
    private struct Descent {
        let image: Int
        var mask: [Double]
        var adam: Adam
        var objective: MaskObjective
        var values: [Double] = []
    }

    func explain(_ request: Request) throws -> Findings {
        let layout = try ImageLayout(request, settings)
        let grid = try MaskGrid(settings, layout)
        let target = try request.scoredTarget()
        let baseline = try Baseline.tensor(settings, like: request.x, seed: request.seed)
        let rate = try settings.real("learning_rate", or: 0.1), jitter = try settings.integer("jitter", or: 4)
        var descents = try (0..<request.images).map { image in
            Descent(
                image: image, mask: [Double](repeating: 1, count: grid.count), adam: Adam(rate: rate),
                objective: try objective(request, image, target, baseline, grid))
        }
        let done = try request.iterate(&descents, iterations) { descent, iteration, part, parts in
            let random = Random(seed: request.seed, stream: 1 << 60 | UInt64(descent.image) << 32 | UInt64(iteration))
            descent.objective.shift = ImageShift(
                down: Int(random.uniform(0) * Double(jitter)), right: Int(random.uniform(1) * Double(jitter)))
            descent.objective.progress = ("mask", part, part + 1, parts)
            let (value, gradients) = try descent.objective.direction([descent.mask], iteration: iteration)
            descent.values.append(value)
            descent.adam.step(&descent.mask, gradients[0])
            for i in descent.mask.indices { descent.mask[i] = min(max(descent.mask[i], 0), 1) }
        }
        return try findings(descents, grid, done)
    }

    private func objective(_ request: Request, _ image: Int, _ target: Target, _ baseline: Tensor, _ grid: MaskGrid) throws -> MaskObjective
    {
        let scale = try Profile.scale(settings, channels: grid.layout.channels)
        return MaskObjective(
            terms: [MaskTerm(isPreserving, [0])], points: 1, grid: grid,
            penalty: MaskPenalty(
                sparsity: try settings.real("lambda_l1", or: 0.01), smoothness: try settings.real("lambda_tv", or: 0.2), grid: grid,
                weights: nil, beta: try settings.real("tv_beta", or: 3)),
            noise: try PathNoise(settings, request, image: image, layout: grid.layout, scale: scale, points: 1),
            evaluator: MaskEvaluator(
                request, image: image, target: try request.target(target, ofImage: image),
                masking: try Masking(request, image: image, baseline: baseline, grid.layout)))
    }

    private func findings(_ descents: [Descent], _ grid: MaskGrid, _ done: Int) throws -> Findings {
        var findings = Findings(map: try Maps.stack(descents.map { try grid.map($0.mask) }))
        findings.tensors["mask"] = try Maps.stack(descents.map { try grid.tensor($0.mask).reshaped([1, 1, grid.height, grid.width]) })
        findings.numbers["iterations"] = Double(done)
        findings.chosen["mask_size"] = .integer(grid.width)
        findings.data = .object([
            "descents": .array(
                descents.map { .object(["image": .integer($0.image), "objective": .array($0.values.map { .number($0) })]) })
        ])
        if done < iterations { findings.warnings.append("the masks had \(done) of \(iterations) iterations") }
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        _ = try MaskGrid(settings, ImageLayout(request, settings))
        return [request.work()] + (try request.work(versions: iterations, chunk: 1, gradient: true))
    }
}

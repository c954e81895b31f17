internal import Runtime
internal import Tensors

/// Extremal perturbations: of all smooth masks of a fixed area the one that best preserves the score (or destroys it, or both),
/// `max_m S(m * x) - lambda |sort(m) - r_a|^2 / |x|`, by gradient ascent with momentum and a lambda that grows.
/// Fong, Patrick & Vedaldi 2019, "Understanding deep networks via extremal perturbations and smooth masks".
struct ExtremalPerturbation: Explainer {
    static let method = Method(
        "extremal-perturbation", family: "mask", summary: "The smooth mask of a given area that keeps the score highest.",
        reference: "Fong, Patrick, Vedaldi: Understanding Deep Networks via Extremal Perturbations and Smooth Masks (2019)",
        needs: [.gradient],
        parameters: [
            Parameter(
                "areas", .numbers, default: "0.1", "shares of the image that the masks keep, one mask each (0.1 in the published code)"),
            Parameter(
                "variant", .choice(["preserve", "delete", "dual"]), default: "preserve",
                "what the mask shows keeps the score; what it leaves loses it; both at once"),
            Parameter("iterations", .integer(1...100_000), default: "800", "steps of the ascent (published code)"),
            Parameter("step", .integer(1...4096), default: "7", "pixels between the points of the mask's lattice (published code)"),
            Parameter("sigma", .real(1e-3...4096), default: "21", "size of a bump in pixels (published code)"),
            Parameter(
                "perturbation", .choice(["blur", "fade"]), default: "blur", "what a small mask does: blur the image, or fade it to baseline"
            ),
            Parameter("num_levels", .integer(2...64), default: "8", "images between blurred and sharp (published code)"),
            Parameter("max_blur", .real(1e-3...512), default: "20", "sigma of the most blurred one (published code)"),
            Parameter("learning_rate", .real(0...Double.infinity), default: "0.01", "of the ascent (published code)"),
            Parameter("momentum", .real(0...1), default: "0.9", "of the ascent; the new gradient counts 1 - momentum (published code)"),
            Parameter("area_weight", .real(0...Double.infinity), default: "300", "lambda at the start (published code)"),
            Parameter("area_growth", .real(1...2), default: "1.0035", "factor of lambda per iteration (published code)"),
            Parameter("jitter", .boolean, default: "true", "mirror the image in every other iteration"),
            Parameter("start", .tensor, "values of the lattice to begin with, rows x columns between 0 and 1; default: 1 everywhere"),
            .baseline,
        ] + Baseline.preparation + [ImageLayout.parameter])

    private let settings: Settings
    private let areas: [Double]
    private let iterations: Int
    private let variant: String

    init(_ settings: Settings) throws {
        self.settings = settings
        areas = try settings.numbers("areas") ?? [0.1]
        iterations = try settings.integer("iterations", or: 800)
        variant = try settings.choice("variant")
        guard !areas.isEmpty, areas.count <= 64, areas.allSatisfy({ $0 > 0 && $0 < 1 }) else {
            throw Failure.invalid("option 'areas': expected 1 to 64 numbers between 0 and 1")
        }
    }

    func explain(_ request: Request) throws -> Findings {
        let layout = try ImageLayout(request, settings)
        let smooth = try smoothMask(layout)
        let target = try request.scoredTarget()
        let x = try request.x
        let baseline = try Baseline.tensor(settings, like: x, seed: request.seed)
        let start = try start(smooth)
        var climbs = try (0..<request.images).map { image in
            Climb(
                image: image, target: target,
                pyramid: try pyramid(x.sliced(0, image..<(image + 1)), baseline.sliced(0, image..<(image + 1)), layout),
                lattices: areas.map { _ in start })
        }
        let done = try request.iterate(&climbs, iterations) { climb, iteration, part, parts in
            try request.control.begin("masks", part, to: part + 1, of: parts)
            try step(&climb, iteration, smooth, request)
        }
        return try findings(climbs, smooth, done)
    }

    private func smoothMask(_ layout: ImageLayout) throws -> SmoothMask {
        let step = try settings.integer("step", or: 7), sigma = try settings.real("sigma", or: 21)
        let reach = min(1 + Int(sigma) / step + 1, max(layout.height, layout.width) / step + 1)
        let window = (2 * reach + 1) * (2 * reach + 1)
        guard window <= 1 << 13, step * step <= 1 << 22 / window else {
            throw Failure.invalid("option 'sigma': \(sigma) with step \(step) counts too many lattice points at each pixel; raise step")
        }
        return SmoothMask(height: layout.height, width: layout.width, step: step, sigma: sigma)
    }

    private func start(_ smooth: SmoothMask) throws -> [Float] {
        guard let given = try settings.tensor("start") else { return [Float](repeating: 1, count: smooth.count) }
        guard given.shape == [smooth.rows, smooth.columns] else {
            throw Failure.shape("option 'start' is \(Shape.text(given.shape)), expected \(smooth.rows) x \(smooth.columns)")
        }
        let values = try given.converted(to: .float32).array(Float.self)
        guard values.allSatisfy({ (0...1).contains($0) }) else { throw Failure.invalid("option 'start' has values outside 0 to 1") }
        return values
    }

    private func pyramid(_ image: Tensor, _ baseline: Tensor, _ layout: ImageLayout) throws -> BlurPyramid {
        if try settings.choice("perturbation") == "fade" { return try BlurPyramid(image, baseline: baseline, layout: layout) }
        return try BlurPyramid(
            image, layout: layout, levels: settings.integer("num_levels", or: 8), sigma: settings.real("max_blur", or: 20))
    }

    // MARK: Ascent

    /// One image on its way, a lattice for each area.
    private struct Climb {
        let image: Int
        let target: Target
        let pyramid: BlurPyramid
        var lattices: [[Float]]
        /// The optimiser's averages of gradients.
        var velocities: [[Double]] = []
        /// The masks that were evaluated last.
        var masks: [[Float]] = []
        var rewards: [[Double]] = []
    }

    private func step(_ climb: inout Climb, _ iteration: Int, _ smooth: SmoothMask, _ request: Request) throws {
        climb.masks = climb.lattices.map(smooth.mask)
        let (rewards, slopes) = try reward(climb, iteration, request)
        climb.rewards.append(rewards)
        let weight = try settings.real("area_weight", or: 300) * power(try settings.real("area_growth", or: 1.0035), iteration)
        let momentum = try settings.real("momentum", or: 0.9), rate = try settings.real("learning_rate", or: 0.01)
        for (index, area) in areas.enumerated() {
            let penalty = AreaConstraint(area: area).penalty(climb.masks[index]).gradient
            let total = zip(slopes[index], penalty).map { $0 - Float(weight) * $1 }
            let gradient = smooth.gradient(total, climb.lattices[index], mask: climb.masks[index])
            if climb.velocities.count <= index {
                climb.velocities.append(gradient)
            } else {
                for i in gradient.indices {
                    climb.velocities[index][i] = momentum * climb.velocities[index][i] + (1 - momentum) * gradient[i]
                }
            }
            guard climb.velocities[index].allSatisfy(\.isFinite) else {
                throw Failure.invalid("the mask has left all bounds: option 'area_weight', 'area_growth' or 'learning_rate' is too large")
            }
            for i in gradient.indices {
                let moved = Double(climb.lattices[index][i]) + rate * climb.velocities[index][i]
                climb.lattices[index][i] = Float(min(max(moved, 0), 1))
            }
        }
    }

    private func power(_ base: Double, _ exponent: Int) -> Double { (0..<exponent).reduce(1) { product, _ in product * base } }

    /// For each mask its reward and the gradient of that at the mask, all in common batches.
    private func reward(_ climb: Climb, _ iteration: Int, _ request: Request) throws -> (values: [Double], gradients: [[Float]]) {
        let mirrored = try settings.flag("jitter") && iteration % 2 == 0
        // What is shown to the network, whether it should score high, and which mask it belongs to.
        var shown: [(mask: [Float], sign: Double, index: Int)] = []
        if variant != "delete" { shown += climb.masks.enumerated().map { ($0.element, 1, $0.offset) } }
        if variant != "preserve" { shown += climb.masks.enumerated().map { ($0.element.map { 1 - $0 }, -1, $0.offset) } }
        var values = areas.map { _ in 0.0 }
        var gradients = climb.masks.map { [Float](repeating: 0, count: $0.count) }
        let chunk = max(1, try request.chunk(of: shown.count))
        for first in stride(from: 0, to: shown.count, by: chunk) {
            let part = Array(shown[first..<min(first + chunk, shown.count)])
            let versions = try climb.pyramid.versions(part.map(\.mask), mirrored: mirrored)
            let outcome = try request.evaluate(image: climb.image, versions, target: climb.target, gradient: true)
            let slopes = try climb.pyramid.gradients(part.map(\.mask), outcome.gradient(request.input), mirrored: mirrored)
            guard outcome.scores.count == part.count else { throw Failure.unsupported("the target gives no score for each image") }
            for (row, one) in part.enumerated() {
                values[one.index] += one.sign * outcome.scores[row]
                // Down the score of what is left, which is 1 - m: two signs that cancel.
                for i in slopes[row].indices { gradients[one.index][i] += slopes[row][i] }
            }
        }
        return (values, gradients)
    }

    // MARK: Results

    private func findings(_ climbs: [Climb], _ smooth: SmoothMask, _ done: Int) throws -> Findings {
        let masks = try climbs.map { climb in
            try Tensor(climb.lattices.flatMap(smooth.mask), [1, areas.count, smooth.height, smooth.width])
        }
        let all = try Maps.stack(masks)
        var findings = Findings(map: try Maps.reduceChannels(all, "mean"))
        findings.tensors["masks"] = all
        findings.numbers["iterations"] = Double(done)
        findings.data = .object([
            "climbs": .array(
                climbs.map { climb in
                    .object([
                        "image": .integer(climb.image),
                        "reward": .array(climb.rewards.map { .array($0.map { .number($0) }) }),
                        "area": .array(
                            climb.masks.map { .number($0.reduce(0.0) { $0 + Double($1) } / Double(max(1, $0.count))) }),
                    ])
                })
        ])
        if done < iterations { findings.warnings.append("the masks had \(done) of \(iterations) iterations") }
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        _ = try smoothMask(ImageLayout(request, settings))
        let versions = areas.count * (variant == "dual" ? 2 : 1)
        return [request.work()]
            + (try request.work(versions: versions, chunk: request.chunk(of: versions), gradient: true).map {
                Work($0.evaluation, times: $0.times * iterations)
            })
    }
}

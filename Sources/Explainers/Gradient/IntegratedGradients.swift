internal import Runtime
internal import Tensors

/// Integrated gradients: `IG_i = (x_i - x'_i) * sum_s w_s dF(x' + a_s (x - x')) / dx_i`.
/// Sundararajan, Taly & Yan 2017, "Axiomatic attribution for deep networks", equation 1 and section 5.
struct IntegratedGradients: GradientMethod {
    static let method = Method(
        "integrated-gradients", family: "gradient",
        summary: "Gradients added up along the straight path from a baseline; the parts sum to the score's change.",
        reference: "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks (2017)", needs: [.gradient],
        parameters: [
            Parameter("n_steps", .integer(1...100_000), default: "50", "points on the path (Captum's default)"),
            Parameter(
                "quadrature", .choice(Quadrature.Rule.allCases.map(\.rawValue)), default: "gausslegendre",
                "rule of the integral; captum_trapezoid repeats Captum's 'riemann_trapezoid', whose weights sum to (n-1)/n, linspace PAIR's, which weighs both ends like the others"
            ),
            .baseline,
            Parameter(
                "baselines", .tensor, "several baselines, K x one image, in place of baseline: the attributions are averaged over them"),
            Parameter("multiply_by_inputs", .boolean, default: "true", "false: the mean gradient alone, without the factor x - x'"),
            Parameter(
                "tolerance", .real(0...1), default: "0",
                "doubles n_steps until the completeness gap is at most this share of the score's change (0.05 in section 5 of the paper); 0: never"
            ),
            Parameter("max_steps", .integer(1...100_000), default: "1600", "where the doubling ends"),
        ])

    private let settings: Settings
    private let rule: Quadrature.Rule
    private let multiplies: Bool
    private let tolerance: Double

    init(_ settings: Settings) throws {
        self.settings = settings
        rule = Quadrature.Rule(rawValue: try settings.choice("quadrature")) ?? .gausslegendre
        multiplies = try settings.flag("multiply_by_inputs")
        tolerance = try settings.real("tolerance", or: 0)
    }

    func explain(_ request: Request) throws -> Findings {
        let x = try request.x
        let baselines = try Baseline.tensors(settings, like: x, seed: request.seed)
        let target = try request.scoredTarget()
        var maps: [Tensor] = [], gaps: [Float] = [], mostSteps = 0
        for image in 0..<request.images {
            let one = image..<(image + 1)
            let parts = try baselines.map { try integrate(request, image, x.sliced(0, one), $0.sliced(0, one), target) }
            maps.append(try Maps.mean(parts.map(\.map)))
            gaps.append(Float(parts.map(\.gap).reduce(0, +) / Double(parts.count)))
            mostSteps = max(mostSteps, parts.map(\.steps).max() ?? 0)
        }
        var findings = Findings(map: try Maps.stack(maps))
        findings.tensors["completeness_gaps"] = try Tensor(gaps)
        findings.numbers["completeness_gap"] = Double(gaps.max { abs($0) < abs($1) } ?? 0)
        findings.chosen["n_steps"] = .integer(mostSteps)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let baselines = try Baseline.tensors(settings, like: request.x).count
        var steps = try settings.integer("n_steps", or: 50)
        let limit = try settings.integer("max_steps", or: 1600)
        var work: [Work] = []
        for _ in 0..<baselines { work += try request.work(versions: 1, chunk: 1, gradient: false) }
        repeat {
            for _ in 0..<baselines { work += try request.work(versions: steps, chunk: request.chunk(of: steps), gradient: true) }
            steps *= 2
        } while tolerance > 0 && steps <= limit
        return [request.work()] + work
    }

    /// One image: doubles the steps until the gap is small enough.
    private func integrate(_ request: Request, _ image: Int, _ x: Tensor, _ baseline: Tensor, _ target: Target) throws -> (
        map: Tensor, gap: Double, steps: Int
    ) {
        let start = try request.evaluate(image: image, baseline, target: target, gradient: false).scores.first ?? 0
        let change = request.scores[image] - start
        var steps = try settings.integer("n_steps", or: 50)
        let limit = try settings.integer("max_steps", or: 1600)
        var finest: (map: Tensor, gap: Double, steps: Int)?
        do {
            while true {
                let path = try Quadrature(rule, steps) { try request.control.poll(0) }
                let mean = try meanGradient(request, image, x, baseline, target, path)
                let product = try Maps.zip(Maps.zip(x, baseline) { $0 - $1 }, mean) { $0 * $1 }
                let gap = (try Maps.sums(product).first ?? 0) - change
                let found = (multiplies ? product : mean, gap, steps)
                if tolerance == 0 || abs(gap) <= tolerance * abs(change) || steps * 2 > limit { return found }
                finest = found
                steps *= 2
            }
        } catch let failure as Failure where request.canStop(failure) {
            guard let finest else { throw failure }
            request.isStopped = true
            return finest
        }
    }

    /// The weighted sum of gradients along the path, added up in double; memory does not grow with the steps.
    private func meanGradient(_ request: Request, _ image: Int, _ x: Tensor, _ baseline: Tensor, _ target: Target, _ path: Quadrature)
        throws -> Tensor
    {
        var sum = [Double](repeating: 0, count: x.count)
        let chunk = try request.chunk(of: path.points.count)
        for first in stride(from: 0, to: path.points.count, by: chunk) {
            let range = first..<min(first + chunk, path.points.count)
            let parts = path.points.count * request.images
            try request.control.begin(
                "gradients on the path", image * path.points.count + range.lowerBound, to: image * path.points.count + range.upperBound,
                of: parts)
            let points = try interpolate(x, baseline, Array(path.points[range]))
            let gradient = try request.evaluate(image: image, points, target: target, gradient: true).gradient(request.input)
            try gradient.converted(to: .float32).read(Float.self) { g in
                for (row, step) in range.enumerated() {
                    let weight = path.weights[step], offset = row * sum.count
                    for i in sum.indices { sum[i] += weight * Double(g[offset + i]) }
                }
            }
        }
        return try Tensor.make(x.shape, Float.self) { out in for i in out.indices { out[i] = Float(sum[i]) } }
    }

    /// Points `baseline + a (x - baseline)`, one behind the other, in the input's type.
    private func interpolate(_ x: Tensor, _ baseline: Tensor, _ points: [Double]) throws -> Tensor {
        let a = try x.converted(to: .float32), b = try baseline.converted(to: .float32)
        let dense = try a.read(Float.self) { a in
            try b.read(Float.self) { b in
                try Tensor.make([points.count] + x.shape.dropFirst(), Float.self) { out in
                    for (row, point) in points.enumerated() {
                        let share = Float(point)
                        for i in a.indices { out[row * a.count + i] = b[i] + share * (a[i] - b[i]) }
                    }
                }
            }
        }
        return try dense.converted(to: x.type)
    }
}

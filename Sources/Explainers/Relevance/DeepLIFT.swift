internal import Graphs
internal import Runtime
internal import Tensors

/// DeepLIFT: every value is compared with what a baseline gives there, and the score's change is handed down in proportion:
/// `C_i = m_i (x_i - x'_i)` with `sum_i C_i = S(x) - S(x')`.
/// Shrikumar, Greenside & Kundaje 2017, "Learning important features through propagating activation differences".
struct DeepLIFT: GradientMethod {
    static let method = Method(
        "deep-lift", family: "gradient", summary: "The score's change against a baseline, handed down through every value's change.",
        reference: "Shrikumar, Greenside, Kundaje: Learning Important Features Through Propagating Activation Differences (2017)",
        needs: [.gradient],
        parameters: [
            Parameter(
                "rule", .choice(Contributions.allCases.map(\.rawValue)), default: "rescale",
                "of functions of one value: rescale (as in Captum), reveal-cancel, or genomics (reveal-cancel behind dense layers alone, the authors' default for genomics)"
            ),
            .baseline,
            Parameter(
                "baselines", .tensor, "several baselines, K x one image, in place of baseline: the contributions are averaged over them"),
            Parameter("multiply_by_inputs", .boolean, default: "true", "false: the multipliers alone, without the factor x - x'"),
        ])

    private let settings: Settings
    private let rules: BackwardRules

    init(_ settings: Settings) throws {
        self.settings = settings
        rules = .deepLift(Contributions(rawValue: try settings.choice("rule")) ?? .rescale)
    }

    func explain(_ request: Request) throws -> Findings {
        let x = try request.x, baselines = try Baseline.tensors(settings, like: x, seed: request.seed)
        let target = try request.scoredTarget(), multiplies = try settings.flag("multiply_by_inputs")
        var maps: [Tensor] = [], sums = [Double](repeating: 0, count: request.images), changes = sums
        for (index, baseline) in baselines.enumerated() {
            try request.control.begin("baselines", index, to: index + 1, of: baselines.count)
            let multipliers = try request.ask(paired(request, baseline, target)).gradient(request.input)
            let start = try request.ask(alone(request, baseline, target)).scores
            let contributions = try Maps.zip(multipliers, Maps.zip(x, baseline) { $0 - $1 }) { $0 * $1 }
            maps.append(multiplies ? contributions : multipliers)
            let found = try Maps.sums(contributions)
            guard found.count == sums.count, start.count == sums.count else {
                throw Failure.shape("\(start.count) scores and \(found.count) maps for \(sums.count) images")
            }
            for image in sums.indices {
                sums[image] += found[image] / Double(baselines.count)
                changes[image] += (request.scores[image] - start[image]) / Double(baselines.count)
            }
        }
        var findings = Findings(map: try Maps.mean(maps))
        try findings.noteGaps(sums: sums, expected: changes)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let x = try request.x, count = try Baseline.tensors(settings, like: x).count
        let target = Target(.index(0), score: request.target.score, output: request.target.output)
        return [request.work(), Work(paired(request, x, target), times: count), Work(alone(request, x, target), times: count)]
    }

    /// The input and the baseline side by side.
    private func paired(_ request: Request, _ baseline: Tensor, _ target: Target) -> Evaluation {
        let feeds = request.feeds.merging([Gradients.reference(of: request.input): baseline]) { $1 }
        return Evaluation(
            feeds, target: target, gradients: [request.input], rules: rules, batch: request.batchSize, memory: request.memory)
    }

    /// The baseline alone, for its score.
    private func alone(_ request: Request, _ baseline: Tensor, _ target: Target) -> Evaluation {
        Evaluation(
            request.feeds.merging([request.input: baseline]) { $1 }, target: target, batch: request.batchSize, memory: request.memory)
    }
}

internal import Graphs
internal import Runtime
internal import Tensors

/// DeepLIFT: every value is compared with what a baseline gives there, and the score's change is handed down in proportion:
/// `C_i = m_i (x_i - x'_i)` with `sum_i C_i = S(x) - S(x')`.
/// Shrikumar, Greenside & Kundaje 2017, "Learning important features through propagating activation differences".
struct DeepLIFT: Explainer {
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
            Parameter("layer", .value, "contributions of this layer's values in place of the input's"),
            .channelReduce,
        ])

    private let settings: Settings
    private let rules: BackwardRules

    init(_ settings: Settings) throws {
        self.settings = settings
        rules = .deepLift(Contributions(rawValue: try settings.choice("rule")) ?? .rescale)
    }

    func explain(_ request: Request) throws -> Findings {
        let baselines = try Baseline.tensors(settings, like: request.x, seed: request.seed)
        let target = try request.scoredTarget(), place = try LRP.place(settings, request)
        let multiplies = try settings.flag("multiply_by_inputs")
        var maps: [Tensor] = [], sums = [Double](repeating: 0, count: request.images), changes = sums
        for (index, baseline) in baselines.enumerated() {
            try request.control.begin("baselines", index, to: index + 1, of: baselines.count)
            let found = try request.ask(evaluation(request, baseline, target, place))
            let start = try request.ask(reference(request, baseline, target, place))
            let multipliers = try found.gradient(place)
            let change = try Maps.zip(found.value(place), start.value(place)) { $0 - $1 }
            let contributions = try Maps.zip(multipliers, change) { $0 * $1 }
            maps.append(multiplies ? contributions : multipliers)
            for (image, sum) in try Maps.sums(contributions).enumerated() where sums.indices.contains(image) {
                sums[image] += sum / Double(baselines.count)
                changes[image] += (request.scores[image] - start.scores[image]) / Double(baselines.count)
            }
        }
        var findings = Findings(map: try Maps.reduceChannels(Maps.mean(maps), try settings.choice("channel_reduce")))
        if place != request.input { findings.chosen["layer"] = .string(place) }
        try findings.noteGaps(sums: sums, expected: changes)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let x = try request.x, count = try Baseline.tensors(settings, like: x).count, place = try LRP.place(settings, request)
        let target = Target(.index(0), score: request.target.score, output: request.target.output)
        return [
            request.work(), Work(try evaluation(request, x, target, place), times: count),
            Work(try reference(request, x, target, place), times: count),
        ]
    }

    /// The input and the baseline side by side.
    private func evaluation(_ request: Request, _ baseline: Tensor, _ target: Target, _ place: String) throws -> Evaluation {
        let feeds = request.feeds.merging([Gradients.reference(of: request.input): baseline]) { $1 }
        return Evaluation(
            feeds, wanted: [place], target: target, gradients: [place], rules: rules, batch: request.batchSize, memory: request.memory)
    }

    /// The baseline alone: its score, and its values at the layer.
    private func reference(_ request: Request, _ baseline: Tensor, _ target: Target, _ place: String) throws -> Evaluation {
        Evaluation(
            request.feeds.merging([request.input: baseline]) { $1 }, wanted: [place], target: target, batch: request.batchSize,
            memory: request.memory)
    }
}

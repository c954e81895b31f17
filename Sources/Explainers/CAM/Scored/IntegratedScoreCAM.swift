internal import Imaging
internal import Runtime
internal import Tensors

/// IS-CAM: Score-CAM whose channel scores are means over masks of growing strength, `f(x * c_i H_k)`.
/// Naidu, Ghosh, Maurya, Nayak K & Kundu 2020, "IS-CAM: integrated Score-CAM for axiomatic-based explanations", equation 9:
/// `c_i` adds up, `c_i = sum_{j <= i} j / n`; `path` = linear takes `c_i = i / n`.
struct IntegratedScoreCAM: Explainer {
    static let method = Method(
        "is-cam", family: "cam", summary: "Score-CAM with each channel's score averaged along a path of masks.",
        reference: "Naidu, Ghosh, Maurya, Nayak K, Kundu: IS-CAM (2020)", needs: [.layer],
        parameters: [
            Parameter("n_steps", .integer(1...100_000), default: "10", "strengths of each mask (10 in the paper and torch-cam)"),
            Parameter(
                "path", .choice(["cumulative", "linear"]), default: "cumulative",
                "strengths: cumulative adds up i / n_steps (the paper and torch-cam), linear is i / n_steps itself"),
            ScoredChannels.mode,
        ] + ScoredChannels.common)

    private let channels: ScoredChannels
    private let steps: Int
    private let isCumulative: Bool

    init(_ settings: Settings) throws {
        steps = try settings.integer("n_steps", or: 10)
        isCumulative = try settings.choice("path") == "cumulative"
        var recipe = try ScoredChannels.Recipe(settings)
        recipe.views = steps
        channels = ScoredChannels(settings, recipe)
    }

    func explain(_ request: Request) throws -> Findings {
        try channels.explain(request) { place, mask in
            let step = Double(place.view + 1)
            let strength = Float((isCumulative ? step * (step + 1) / 2 : step) / Double(steps))
            for i in mask.indices { mask[i] *= strength }
        }
    }

    func work(_ request: Request) throws -> [Work] { try channels.work(request) }
}

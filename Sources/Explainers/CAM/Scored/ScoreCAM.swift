internal import Imaging
internal import Runtime
internal import Tensors

/// Score-CAM: `L = ReLU(sum_k a_k A_k)`, where `a_k` is the softmax over channels of `f(x * H_k) - f(x_b)` and `H_k` the
/// channel enlarged to the input and scaled to [0, 1]. Wang et al. 2020, "Score-CAM", definitions 2 and 3, algorithm 1.
/// The softmax cancels `f(x_b)`, which is therefore evaluated for raw differences (`weighting` = cic) only.
struct ScoreCAM: Explainer {
    static let method = Method(
        "score-cam", family: "cam", summary: "A layer's channels weighted by the score of the image seen through each.",
        reference: "Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu: Score-CAM (2020)", needs: [.layer],
        parameters: [
            Parameter(
                "mode", .choice(["paper", "official", "pytorch-grad-cam", "torchcam"]), default: "paper",
                "sets weighting, mask_order and mask_interp as an implementation has them; official also enlarges the map before it rectifies it, and explains the probability: give the target that score"
            ),
            Parameter(
                "weighting", .choice(ScoredChannels.Weighting.allCases.map(\.rawValue)),
                "softmax over channels (the paper), raw scores (official), or cic: score minus that of the baseline, no softmax; default: the mode's"
            ),
        ] + ScoredChannels.common)

    private let channels: ScoredChannels

    init(_ settings: Settings) throws { channels = ScoredChannels(settings, try ScoredChannels.Recipe(settings)) }

    func explain(_ request: Request) throws -> Findings { try channels.explain(request) }

    func work(_ request: Request) throws -> [Work] { try channels.work(request) }
}

internal import Explainers
internal import Runtime
internal import Tensors

/// Average increase: the share of images whose score is larger behind the map, `[y < o]`; the number "gain" is how much
/// larger, `max(0, o - y) / (1 - y)`. Chattopadhyay et al. 2018, section 4.1; gain: Zhang et al. 2024, "Opti-CAM", equation 14.
struct AverageIncrease: Metric {
    static let info = MetricInfo(
        "average-increase", .faithfulness, .higher, range: "0...1",
        summary: "Share of images whose score rises when they are multiplied by their map.",
        reference: "Chattopadhyay, Sarkar, Howlader, Balasubramanian: Grad-CAM++ (2018)",
        cost: "2 F, 4 F with references", undefined: "never",
        parameters: MaskedPrediction.parameters)

    private let prediction: MaskedPrediction

    init(_ settings: Settings) throws { prediction = MaskedPrediction(settings) }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        var (verdict, masked) = try prediction.verdict(request, subject, "average increase") { $0 < $1 ? 1 : 0 }
        if request.target.score == .probability {
            verdict.numbers["gain"] = Verdict.mean(
                zip(request.scores, masked).map { whole, masked in whole < 1 ? max(0, masked - whole) / (1 - whole) : 0 })
        }
        return verdict
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] { try prediction.work(request, subject) }
}

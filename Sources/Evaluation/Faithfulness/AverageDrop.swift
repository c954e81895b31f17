internal import Explainers
internal import Tensors

/// Average drop: how much of the score is lost behind the map, `max(0, y - o) / y`, the mean over images.
/// Chattopadhyay et al. 2018, "Grad-CAM++", section 4.1.
struct AverageDrop: Metric {
    static let info = MetricInfo(
        "average-drop", .faithfulness, .lower, range: "0...1",
        summary: "Share of the score that is lost when the image is multiplied by its map.",
        reference: "Chattopadhyay, Sarkar, Howlader, Balasubramanian: Grad-CAM++ (2018)",
        cost: "2 F, 4 F with references", undefined: "the score of the unchanged image is not positive",
        parameters: MaskedPrediction.parameters)

    private let prediction: MaskedPrediction

    init(_ settings: Settings) throws { prediction = MaskedPrediction(settings) }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        try prediction.verdict(request, subject, "average drop") { $0 > 0 ? max(0, $0 - $1) / $0 : .nan }.0
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] { try prediction.work(request, subject) }
}

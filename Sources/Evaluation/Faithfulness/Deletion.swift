internal import Explainers

/// Deletion: the area under the score while the most important places are taken away, `integral of f(x with the top share t
/// replaced) dt`. Petsiuk, Das & Saenko 2018, "RISE", section 4.1.
struct Deletion: Metric {
    static let info = MetricInfo(
        "deletion", .faithfulness, .lower, range: "0...1",
        summary: "Area under the score while the most important places are replaced by a baseline.",
        reference: "Petsiuk, Das, Saenko: RISE (2018); Qi, Khorram, Li: I-GOS (2020)",
        cost: "2 F + (n_steps - 1) F, three times the latter with references",
        undefined: "the score of the unchanged image is 0, with relative", parameters: ReplacementCurve.parameters)

    private let curve: ReplacementCurve

    init(_ settings: Settings) throws { curve = try ReplacementCurve(.deletion, settings) }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict { try curve.judge(request, subject) }
    func work(_ request: Request, _ subject: Subject) throws -> [Work] { try curve.work(request, subject) }
}

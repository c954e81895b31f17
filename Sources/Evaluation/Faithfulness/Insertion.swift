internal import Explainers

/// Insertion: the area under the score while the most important places are put into a baseline, `integral of f(baseline with
/// the top share t of x) dt`. Petsiuk, Das & Saenko 2018, "RISE", section 4.1.
struct Insertion: Metric {
    static let info = MetricInfo(
        "insertion", .faithfulness, .higher, range: "0...1",
        summary: "Area under the score while the most important places are put into a baseline.",
        reference: "Petsiuk, Das, Saenko: RISE (2018); Qi, Khorram, Li: I-GOS (2020)",
        cost: "2 F + (n_steps - 1) F, three times the latter with references",
        undefined: "the score of the unchanged image is 0, with relative", parameters: ReplacementCurve.parameters)

    private let curve: ReplacementCurve

    init(_ settings: Settings) throws { curve = try ReplacementCurve(.insertion, settings) }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict { try curve.judge(request, subject) }
    func work(_ request: Request, _ subject: Subject) throws -> [Work] { try curve.work(request, subject) }
}

internal import Explainers
internal import Tensors

/// Monotonicity: places are put into the baseline, the least relevant first, and each step should raise the score: the share
/// of steps that do not lower it. Arya et al. 2019, section 3; Luss et al. 2019.
struct Monotonicity: Metric {
    static let info = MetricInfo(
        "monotonicity", .faithfulness, .higher, range: "0...1",
        summary: "Share of steps that do not lower the score while places are added to a baseline, the least relevant first.",
        reference: "Arya et al.: One Explanation Does Not Fit All (2019)",
        cost: "2 F + (n_steps - 1) F, three times the latter with references", undefined: "never",
        parameters: [
            Parameter(
                "n_steps", .integer(1...1_000_000), default: "50", "steps; as many as there are places: one place each, as in the paper"),
            Parameter("tolerance", .real(0...1), default: "1e-6", "a fall of the score by less counts as none"),
        ] + Removal.parameters(baseline: "0"))

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let removal = try Removal(settings, request, subject)
        let counts = try counts(removal.surface), inner = Array(counts.dropFirst().dropLast())
        let tolerance = try settings.real("tolerance", or: 1e-6)
        let scoring = try Scoring(request, "monotonicity", total: request.images * (1 + inner.count * removal.maps.count))
        let x = try request.x, baseline = try removal.baseline()
        var values: [[Double]] = [], curves: [Double] = []
        for image in 0..<request.images {
            let one = image..<(image + 1)
            let absent = try baseline.sliced(0, one)
            // From the baseline to the image: what is replaced is what was missing.
            let replacing = try Replacing(removal.surface, from: absent, to: x.sliced(0, one))
            let first = try scoring.scores(image: image, 1) { _ in absent }[0]
            values.append(
                try removal.maps.indices.map { map in
                    let least = try Ranking.descending(try removal.map(map, image).map(Float.self) { -$0 })[0]
                    let curve = [first] + (try scoring.scores(image: image, replacing, least, inner)) + [request.scores[image]]
                    if map == 0 { curves += curve }
                    return Double(zip(curve, curve.dropFirst()).count { $1 >= $0 - tolerance }) / Double(curve.count - 1)
                })
        }
        var verdict = removal.verdict(values)
        verdict.numbers["monotone"] = Verdict.mean(values.map { $0[0] == 1 ? 1 : 0 })
        verdict.tensors["curve"] = try Tensor(curves, [request.images, counts.count])
        verdict.tensors["fractions"] = try Tensor(counts.map { Double($0) / Double(removal.surface.places) })
        verdict.chosen["n_steps"] = .integer(counts.count - 1)
        return verdict
    }

    private func counts(_ surface: Surface) throws -> [Int] {
        Steps.counts(of: surface.places, each: surface.places / (try settings.integer("n_steps", or: 50)))
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] {
        let removal = try Removal(settings, request, subject)
        let inner = try counts(removal.surface).count - 2
        var work = [request.work()] + (try request.work(scores: 1))
        for _ in removal.maps { work += try request.work(scores: max(0, inner)) }
        return work
    }
}

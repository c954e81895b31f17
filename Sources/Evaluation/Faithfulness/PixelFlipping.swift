internal import Explainers
internal import Tensors

/// Pixel flipping: places are replaced in the order of the map, the most relevant first (MoRF) and the least relevant first
/// (LeRF); the value is the area between both curves, `integral of f_LeRF(t) - f_MoRF(t) dt`, which no order wins by the kind
/// of damage alone. Bach et al. 2015, section 4.3; Samek et al. 2017; the difference: Bluecher et al. 2024.
struct PixelFlipping: Metric {
    static let info = MetricInfo(
        "pixel-flipping", .faithfulness, .higher, range: "-1...1",
        summary: "Area between the scores when the least and when the most relevant places are replaced first.",
        reference:
            "Bach, Binder, Montavon, Klauschen, Mueller, Samek: On Pixel-Wise Explanations (2015); Bluecher, Vielhaben, Strodthoff: Decoupling Pixel Flipping and Occlusion Strategy (2024)",
        cost: "2 F + 2 (n_steps - 1) F, three times the latter with references", undefined: "never",
        parameters: [
            Parameter("n_steps", .integer(1...1_000_000), default: "50", "steps of each curve; the last may be shorter")
        ] + Removal.parameters(baseline: "0"))

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let removal = try Removal(settings, request, subject)
        let counts = try counts(removal.surface), inner = Array(counts.dropFirst().dropLast())
        let scoring = try Scoring(request, "pixel flipping", total: request.images * (1 + 2 * inner.count * removal.maps.count))
        let x = try request.x, baseline = try removal.baseline()
        var values: [[Double]] = [], curves: [[Double]] = [[], []], areas: [[Double]] = []
        for image in 0..<request.images {
            let one = image..<(image + 1)
            let absent = try baseline.sliced(0, one)
            let replacing = try Replacing(removal.surface, from: x.sliced(0, one), to: absent)
            let last = try scoring.scores(image: image, 1) { _ in absent }[0]
            values.append([])
            for map in removal.maps.indices {
                let most = try Ranking.descending(removal.map(map, image))[0]
                let orders = [most, most.map { Int32(most.count - 1) - $0 }]
                let both = try orders.map { order -> [Double] in
                    [request.scores[image]] + (try scoring.scores(image: image, replacing, order, inner)) + [last]
                }
                let area = both.map { CurveRule.trapezoid.area($0, counts) }
                values[image].append(area[1] - area[0])
                guard map == 0 else { continue }
                areas.append(area)
                for order in 0..<2 { curves[order] += both[order] }
            }
        }
        var verdict = removal.verdict(values)
        for (order, name) in ["morf", "lerf"].enumerated() {
            verdict.numbers[name] = Verdict.mean(areas.map { $0[order] })
            verdict.tensors["\(name)_curve"] = try Tensor(curves[order], [request.images, counts.count])
        }
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
        for _ in 0..<2 * removal.maps.count { work += try request.work(scores: max(0, inner)) }
        return work
    }
}

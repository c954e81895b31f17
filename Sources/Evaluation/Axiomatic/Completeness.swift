internal import Explainers
internal import Runtime
internal import Tensors

/// Completeness: the parts should add up to what they explain, `|sum a - (f(x) - f(b))| / |f(x) - f(b)|`.
/// Sundararajan, Taly & Yan 2017, section 3; Shrikumar et al. 2017 (summation to delta).
struct Completeness: Metric {
    static let info = MetricInfo(
        "completeness", .axiomatic, .lower, range: "0...",
        summary: "Difference between the sum of the map and the change of the score that it explains, as a share of the latter.",
        reference: "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks (2017)", cost: "2 F",
        undefined: "the score does not change between baseline and image, but the map does not add up to zero", score: .auto,
        parameters: [
            Parameter(
                "start", .choice(["baseline", "zero"]), default: "baseline",
                "what the map should add up to: the score's change from the baseline, or (zero) the score itself, as for layer-wise relevance propagation"
            ),
            Parameter("tolerance", .real(0...Double.infinity), default: "0.05", "the number 'complete' is the share of images within it"),
            Baseline.parameter(default: ""), MapReader.map,
        ] + Baseline.preparation)

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let startsAtBaseline = try settings.choice("start") == "baseline"
        let scoring = try Scoring(request, "completeness", total: request.images)
        let baseline = try baseline(request, subject)
        let sums = try Completeness.sums(subject.map)
        var gaps: [Double] = [], values: [Double] = []
        for image in 0..<request.images {
            let start =
                startsAtBaseline ? try scoring.scores(image: image, 1) { _ in try baseline.sliced(0, image..<(image + 1)) }[0] : 0
            let change = request.scores[image] - start
            let gap = sums[image] - change
            // A change below what float32 tells apart is none.
            let isNone = abs(change) <= 1e-6 * max(abs(request.scores[image]), abs(start))
            gaps.append(gap)
            values.append(!isNone ? abs(gap / change) : gap == 0 ? 0 : .nan)
        }
        var verdict = Verdict(values)
        let tolerance = try settings.real("tolerance", or: 0.05)
        verdict.tensors["gaps"] = try Tensor(gaps)
        verdict.tensors["sums"] = try Tensor(sums)
        verdict.numbers["gap"] = gaps.max { abs($0) < abs($1) } ?? 0
        verdict.numbers["complete"] = Verdict.mean(values.map { $0.isNaN ? .nan : $0 <= tolerance ? 1 : 0 })
        return verdict
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] {
        [request.work()] + (try settings.choice("start") == "baseline" ? request.work(scores: 1) : [])
    }

    /// The option, or the baseline of the method that is judged, or zero.
    private func baseline(_ request: Request, _ subject: Subject) throws -> Tensor {
        let x = try request.x
        let isGiven = try settings.tensor("baseline") != nil || settings.text("baseline") != nil
        if isGiven { return try Baseline.tensor(settings, like: x, seed: request.seed) }
        if let name = subject.origin?.method, subject.origin?.options["baselines"] != nil {
            throw Failure.invalid("\(name) was asked with several baselines: name one in the option 'baseline'")
        }
        var options = Options()
        let known = ["baseline", "input_mean", "input_std"]
        for (name, entry) in subject.origin?.options.entries ?? [:] where known.contains(name) { options[name] = entry }
        let theirs = try Settings(options, [Baseline.parameter()] + Baseline.preparation, of: subject.origin?.method ?? "completeness")
        return try Baseline.tensor(theirs, like: x, seed: request.seed)
    }

    private static func sums(_ map: Tensor) throws -> [Double] {
        let size = map.count / max(1, map.shape[0])
        let sums = try map.converted(to: .float32).read(Float.self) { values in
            stride(from: 0, to: values.count, by: max(1, size)).map { start in
                values[start..<(start + size)].reduce(0.0) { $0 + Double($1) }
            }
        }
        guard sums.allSatisfy(\.isFinite) else { throw Failure.invalid("the map has NaN or infinite elements") }
        return sums
    }
}

internal import Graphs
internal import Runtime
internal import Tensors

/// Integrated gradients along a path that the gradients choose: at each step the features with the smallest gradients
/// move first, so that regions where the network is noisy add little. The path stays within `max_dist` of the straight
/// one, or passes through `anchors` on it. Kapishnikov et al. 2021, "Guided integrated gradients: an adaptive path
/// method for removing noise", algorithm 1 and section 4.3; details as in PAIR's saliency.
struct GuidedIG: GradientMethod {
    static let method = Method(
        "guided-ig", family: "gradient", summary: "Integrated gradients along a path that avoids steep directions, with less noise.",
        reference: "Kapishnikov, Venugopalan, Avci, Wedin, Terry, Bolukbasi: Guided Integrated Gradients (2021)", needs: [.gradient],
        parameters: [
            Parameter("n_steps", .integer(1...100_000), default: "200", "steps of the path (as in PAIR's saliency)"),
            Parameter(
                "fraction", .real(0.001...1), default: "0.25", "share of the features that may move at once: those of smallest gradient"),
            Parameter(
                "max_dist", .real(0...1), default: "0.02",
                "how far a feature may be ahead of or behind the straight path; 0 is integrated gradients, 1 leaves the path free"),
            Parameter(
                "anchors", .integer(0...10_000), default: "0",
                "points on the straight path that the path must pass through (the paper's K, which has max_dist=1)"),
            .baseline,
        ])

    private let settings: Settings
    private let steps: Int
    private let segments: Int

    init(_ settings: Settings) throws {
        self.settings = settings
        steps = try settings.integer("n_steps", or: 200)
        segments = try settings.integer("anchors", or: 0) + 1
        guard segments <= steps else { throw Failure.invalid("option 'anchors' needs a step of 'n_steps' before and after each") }
    }

    func explain(_ request: Request) throws -> Findings {
        let x = try request.x
        let baseline = try Baseline.tensor(settings, like: x, seed: request.seed)
        let target = try request.scoredTarget()
        let starts = try request.ask(evaluation(request, baseline, target, gradient: false)).scores
        let size = x.count / max(1, request.images), ends = try x.doubles(), begins = try baseline.doubles()
        let fraction = try settings.real("fraction", or: 0.25), distance = try settings.real("max_dist", or: 0.02)
        var paths = (0..<request.images).map { image in
            let range = image * size..<(image + 1) * size
            return GuidedPath(from: Array(begins[range]), to: Array(ends[range]), fraction: fraction, distance: distance)
        }
        for step in 0..<steps {
            try request.control.begin("gradients on the guided path", step, to: step + 1, of: steps)
            // The step's segment, and how many steps it has: they differ by one at most.
            let segment = (step * segments + segments - 1) / steps
            let first = segment * steps / segments, last = (segment + 1) * steps / segments
            if step == first {
                for image in paths.indices {
                    paths[image].enter(Double(segment) / Double(segments)...Double(segment + 1) / Double(segments))
                }
            }
            let points = try Tensor(paths.flatMap { $0.point.map { Float($0) } }, x.shape).converted(to: x.type)
            let gradient = try request.ask(evaluation(request, points, target, gradient: true)).gradient(request.input)
            try gradient.converted(to: .float32).read(Float.self) { g in
                for image in paths.indices {
                    let range = image * size..<(image + 1) * size
                    paths[image].step(step - first, of: last - first, UnsafeBufferPointer(rebasing: g[range]))
                }
            }
        }
        return try findings(paths, request, starts, x.shape)
    }

    func work(_ request: Request) throws -> [Work] {
        let x = try request.x, target = Target(.index(0), score: request.target.score, output: request.target.output)
        return [
            request.work(), Work(evaluation(request, x, target, gradient: false)),
            Work(evaluation(request, x, target, gradient: true), times: steps),
        ]
    }

    private func findings(_ paths: [GuidedPath], _ request: Request, _ starts: [Double], _ shape: [Int]) throws -> Findings {
        var findings = Findings(map: try Tensor(paths.flatMap { $0.attribution.map { Float($0) } }, shape))
        let gaps = paths.indices.map { image in
            Float(paths[image].attribution.reduce(0, +) - (request.scores[image] - (starts.indices.contains(image) ? starts[image] : 0)))
        }
        findings.tensors["completeness_gaps"] = try Tensor(gaps)
        findings.numbers["completeness_gap"] = Double(gaps.max { abs($0) < abs($1) } ?? 0)
        return findings
    }

    /// Of one version of every image.
    private func evaluation(_ request: Request, _ versions: Tensor, _ target: Target, gradient: Bool) -> Evaluation {
        var feeds = request.feeds
        feeds[request.input] = versions
        return Evaluation(
            feeds, target: target, gradients: gradient ? [request.input] : [], batch: request.batchSize, memory: request.memory)
    }
}

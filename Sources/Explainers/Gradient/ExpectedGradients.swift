internal import Runtime
internal import Tensors

/// Expected gradients: `E[(x - x') dF(x' + a (x - x')) / dx]` over baselines `x'` drawn from a set and `a` from [0, 1].
/// Erion, Janizek, Sturmfels, Lundberg & Lee 2021, "Improving performance of deep learning models with axiomatic
/// attribution priors and expected gradients", equation 3; Lundberg & Lee 2017 (GradientExplainer, GradientShap).
struct ExpectedGradients: GradientMethod {
    static let method = Method(
        "expected-gradients", family: "gradient",
        summary: "Integrated gradients averaged over random baselines, one random point of each path.",
        reference:
            "Erion, Janizek, Sturmfels, Lundberg, Lee: Improving Performance of Deep Learning Models with Axiomatic Attribution Priors and Expected Gradients (2021)",
        needs: [.gradient],
        parameters: [
            Parameter("n_samples", .integer(1...1_000_000), default: "200", "random points (200 in the paper and in shap)"),
            Parameter("baselines", .tensor, "the set that baselines are drawn from: K x one image, such as other photos"),
            Baseline.parameter(default: "noise"),
            Parameter("multiply_by_inputs", .boolean, default: "true", "false: the mean gradient alone, without the factor x - x'"),
            Parameter(
                "path_samples", .tensor, "in place of random numbers: n_samples x 2, each a baseline's number and a place between 0 and 1"),
        ]
            + NoiseTunnel.noise(
                "0", "standard deviation of noise added to the input of each sample (shap's local_smoothing, Captum's stdevs)")
            + [Parameter("noise_samples", .tensor, "noise to add in place of random numbers: n_samples x one image")])

    static let smoothing = Smoothing.never

    private let settings: Settings
    private let samples: Int
    private let multiplies: Bool
    private let path: Tensor?

    init(_ settings: Settings) throws {
        self.settings = settings
        multiplies = try settings.flag("multiply_by_inputs")
        path = try settings.tensor("path_samples")?.converted(to: .float64)
        samples = try path?.shape.first ?? settings.integer("n_samples", or: 200)
        guard path == nil || (path?.shape.count == 2 && path?.shape[1] == 2 && samples > 0) else {
            throw Failure.shape("option 'path_samples' is \(Shape.text(path?.shape ?? [])), expected n_samples x 2")
        }
    }

    func explain(_ request: Request) throws -> Findings {
        let x = try request.x
        guard x.type.isFloat else {
            throw Failure.unsupported("input '\(request.input)' holds \(x.type): no points lie between its values; give 'layer'")
        }
        let baselines = try BaselineSet(settings, like: x, seed: request.seed)
        let target = try request.scoredTarget()
        let images = try (0..<request.images).map { try x.sliced(0, $0..<($0 + 1)).converted(to: .float32).contiguous() }
        let noise = try images.map { try Noise(settings, for: $0) }
        var statistics = images.map { SampleStatistics(count: $0.count) }
        let taken = try request.sample("random points", samples) { image, range in
            let ends = try noise[image].copies(of: images[image], range, stream: 0, seed: request.seed, of: samples)
            let draws = try range.map { try draw($0, image, baselines.count, request.seed) }
            let starts = try baselines.drawn(draws.map(\.baseline), image: image, first: range.lowerBound)
            let (points, steps) = try between(starts, ends, draws.map { Float($0.place) })
            let gradient = try request.evaluate(image: image, points.converted(to: x.type), target: target, gradient: true)
                .gradient(request.input)
            try statistics[image].add(rows: multiplies ? try Maps.zip(gradient, steps) { $0 * $1 } : gradient)
        }
        var findings = try Findings(statistics, taken: taken, shape: [1] + x.shape.dropFirst())
        findings.chosen["n_samples"] = .integer(samples)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        [request.work()] + (try request.work(versions: samples, chunk: request.chunk(of: samples), gradient: true))
    }

    /// Which baseline a sample starts from, and how far it goes.
    private func draw(_ sample: Int, _ image: Int, _ count: Int, _ seed: UInt64) throws -> (baseline: Int, place: Double) {
        guard let path else {
            let random = Random(seed: seed, stream: 1 << 63 | UInt64(sample))
            return (min(count - 1, Int(random.uniform(0) * Double(count))), random.uniform(1))
        }
        return try path.read(Double.self) { pairs in
            let number = pairs[2 * sample], place = pairs[2 * sample + 1]
            guard number >= 0, number < Double(count), (0...1).contains(place) else {
                throw Failure.invalid("option 'path_samples': \(number), \(place) is no baseline of \(count) and place between 0 and 1")
            }
            return (Int(number), place)
        }
    }

    /// Points on the ways from baselines to inputs, and the whole ways.
    private func between(_ starts: Tensor, _ ends: Tensor, _ places: [Float]) throws -> (points: Tensor, steps: Tensor) {
        let steps = try Maps.zip(ends, starts) { $0 - $1 }
        let size = steps.count / max(1, places.count)
        let points = try steps.read(Float.self) { step in
            try starts.read(Float.self) { start in
                try Tensor.make(steps.shape, Float.self) { out in
                    for (row, place) in places.enumerated() {
                        for i in row * size..<(row + 1) * size { out[i] = start[i] + place * step[i] }
                    }
                }
            }
        }
        return (points, steps)
    }
}

/// What baselines are drawn from: given images, or images of noise, each drawn anew.
private struct BaselineSet {
    let count: Int
    private let x: Tensor
    private let settings: Settings
    private let seed: UInt64
    /// K x one image; nil where each sample has noise of its own.
    private let given: Tensor?
    /// For each image one baseline.
    private let own: Tensor?

    init(_ settings: Settings, like x: Tensor, seed: UInt64) throws {
        (self.settings, self.x, self.seed) = (settings, x, seed)
        given = try settings.tensor("baselines")?.converted(to: .float32).contiguous()
        count = given?.shape.first ?? 1
        if let given {
            guard given.shape.count == x.shape.count, given.shape.dropFirst() == x.shape.dropFirst(), count > 0 else {
                throw Failure.shape(
                    "option 'baselines' is \(Shape.text(given.shape)), expected K x \(Shape.text(Array(x.shape.dropFirst())))")
            }
        }
        let isNoise = try settings.tensor("baseline") == nil && settings.text("baseline") == "noise"
        own = try given != nil || isNoise ? nil : Baseline.tensor(settings, like: x, seed: seed).converted(to: .float32)
        if given == nil, own == nil { _ = try Baseline.tensor(settings, like: x, seed: seed) }
    }

    /// One after the other, as float32. `first`: the sample of the first.
    func drawn(_ numbers: [Int], image: Int, first: Int) throws -> Tensor {
        let parts = try numbers.enumerated().map { offset, number in
            if let given { return try given.sliced(0, number..<(number + 1)) }
            if let own { return try own.sliced(0, image..<(image + 1)) }
            let mixed = Random(seed: seed, stream: UInt64(first + offset)).block(0)
            return try Baseline.tensor(
                settings, like: x.sliced(0, image..<(image + 1)).contiguous(), seed: UInt64(mixed.0) << 32 | UInt64(mixed.1))
        }
        return try Maps.stack(parts)
    }
}

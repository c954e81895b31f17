internal import Glibc
internal import Runtime
internal import Tensors

/// Gradients averaged over noisy copies of the input: `mean g`, `mean g^2`, or their variance,
/// with `g_s = dS(x + sigma e_s) / dx`.
/// Smilkov et al. 2017, "SmoothGrad", section 3; Hooker et al. 2019 (squared); Adebayo et al. 2018 (VarGrad).
struct SmoothGrad: Explainer {
    static let method = Method(
        "smoothgrad", family: "gradient", summary: "Gradient averaged over noisy copies of the input; also squared, or as a variance.",
        reference: "Smilkov, Thorat, Kim, Viegas, Wattenberg: SmoothGrad (2017)", needs: [.gradient],
        parameters: [
            Parameter("n_samples", .integer(1...1_000_000), default: "50", "noisy copies (50 in the paper)"),
            Parameter(
                "noise", .real(0...Double.infinity), default: "0.15", "standard deviation (the paper recommends 0.1 to 0.2, relative)"),
            Parameter("noise_mode", .choice(["relative", "absolute"]), default: "relative", "relative: a share of the image's max - min"),
            Parameter(
                "kind", .choice(["smoothgrad", "smoothgrad_sq", "vargrad"]), default: "smoothgrad",
                "mean, mean of squares, or variance of the gradients"),
            Parameter("ddof", .integer(0...1), default: "0", "vargrad divides by n_samples - ddof"),
            Parameter("abs", .boolean, default: "false", "average absolute gradients, as Captum does when it wraps Saliency"),
            Parameter("noise_samples", .tensor, "noise to add in place of random numbers: n_samples x one image"),
            .channelReduce,
        ])

    private let settings: Settings
    private let samples: Int
    private let isAbsolute: Bool

    init(_ settings: Settings) throws {
        self.settings = settings
        samples = try settings.tensor("noise_samples")?.shape.first ?? settings.integer("n_samples", or: 50)
        isAbsolute = try settings.flag("abs")
        guard samples > 0 else { throw Failure.invalid("option 'noise_samples' is empty") }
    }

    func explain(_ request: Request) throws -> Findings {
        let x = try request.x
        let target = try request.scoredTarget()
        let images = try (0..<request.images).map { try x.sliced(0, $0..<($0 + 1)).contiguous() }
        let sigmas = try images.map(deviation)
        var statistics = images.map { Statistics(count: $0.count) }
        let taken = try request.sample("noisy copies", samples) { image, range in
            let copies = try noisy(images[image], range, sigmas[image], UInt64(image), request.seed)
            let gradient = try request.evaluate(image: image, copies, target: target, gradient: true).gradient(request.input)
            try gradient.converted(to: .float32).read(Float.self) { g in
                let size = images[image].count
                for row in 0..<range.count {
                    statistics[image].add(UnsafeBufferPointer(rebasing: g[(row * size)..<((row + 1) * size)]), isAbsolute)
                }
            }
        }
        return try findings(statistics, taken, shape: [1] + x.shape.dropFirst())
    }

    private func findings(_ statistics: [Statistics], _ taken: [Int], shape: [Int]) throws -> Findings {
        let kind = try settings.choice("kind"), ddof = try settings.integer("ddof", or: 0)
        let maps = try statistics.map { try $0.map(kind, ddof: ddof, shape: shape) }
        var findings = Findings(map: try Maps.reduceChannels(try Maps.stack(maps), try settings.choice("channel_reduce")))
        let error = try Maps.stack(try statistics.map { try $0.standardError(shape: shape) })
        findings.tensors["standard_error"] = error
        let squares = try Maps.sums(Maps.map(error) { $0 * $0 }).reduce(0, +)
        if squares.isFinite, error.count > 0 { findings.numbers["standard_error"] = sqrt(squares / Double(error.count)) }
        findings.numbers["samples"] = Double(taken.min() ?? 0)
        findings.chosen["n_samples"] = .integer(samples)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        [request.work()] + (try request.work(versions: samples, chunk: request.chunk(of: samples), gradient: true))
    }

    private func deviation(_ x: Tensor) throws -> Float {
        let noise = Float(try settings.real("noise", or: 0.15))
        guard try settings.choice("noise_mode") == "relative" else { return noise }
        return try x.converted(to: .float32).read(Float.self) { noise * (($0.max() ?? 0) - ($0.min() ?? 0)) }
    }

    /// Copies `range` of one image. Each copy has a random stream of its own, so that no batch size changes it.
    private func noisy(_ x: Tensor, _ range: Range<Int>, _ sigma: Float, _ stream: UInt64, _ seed: UInt64) throws -> Tensor {
        let given = try settings.tensor("noise_samples")?.converted(to: .float32)
        if let given, given.count != samples * x.count {
            throw Failure.shape(
                "option 'noise_samples' is \(Shape.text(given.shape)), expected \(samples) x \(Shape.text(Array(x.shape.dropFirst())))")
        }
        let copies = try x.converted(to: .float32).read(Float.self) { x in
            try Tensor.make([range.count * x.count], Float.self) { out in
                for (row, sample) in range.enumerated() {
                    let copy = UnsafeMutableBufferPointer(rebasing: out[(row * x.count)..<((row + 1) * x.count)])
                    if let given {
                        try given.read(Float.self) { noise in for i in x.indices { copy[i] = x[i] + noise[sample * x.count + i] } }
                    } else {
                        Random(seed: seed, stream: stream << 32 | UInt64(sample)).fillNormal(copy)
                        for i in x.indices { copy[i] = x[i] + sigma * copy[i] }
                    }
                }
            }
        }
        return try copies.reshaped([range.count] + x.shape.dropFirst()).converted(to: x.type)
    }
}

/// Mean and spread of vectors that arrive one by one (Welford's recurrence, in double).
private struct Statistics {
    private var n = 0.0
    private var mean: [Double]
    private var spread: [Double]

    init(count: Int) {
        mean = [Double](repeating: 0, count: count)
        spread = mean
    }

    mutating func add(_ values: UnsafeBufferPointer<Float>, _ isAbsolute: Bool) {
        n += 1
        for i in mean.indices {
            let value = isAbsolute ? abs(Double(values[i])) : Double(values[i])
            let change = value - mean[i]
            mean[i] += change / n
            spread[i] += change * (value - mean[i])
        }
    }

    func map(_ kind: String, ddof: Int, shape: [Int]) throws -> Tensor {
        try Tensor.make(shape, Float.self) { out in
            for i in mean.indices {
                switch kind {
                case "smoothgrad_sq": out[i] = Float(spread[i] / n + mean[i] * mean[i])
                case "vargrad": out[i] = Float(spread[i] / max(1, n - Double(ddof)))
                default: out[i] = Float(mean[i])
                }
            }
        }
    }

    /// Of the mean: how far it may be from what endless samples would give.
    func standardError(shape: [Int]) throws -> Tensor {
        try Tensor.make(shape, Float.self) { out in
            for i in mean.indices { out[i] = n > 1 ? Float(sqrt(spread[i] / (n - 1) / n)) : .infinity }
        }
    }
}

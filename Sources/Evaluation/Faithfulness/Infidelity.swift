internal import Explainers
internal import Runtime
internal import Tensors

/// Infidelity: how wrong the map predicts what a perturbation I does to the score, `E[(b I.a - (f(x) - f(x - I)))^2]`, with
/// `b = E[I.a d] / E[(I.a)^2]` the scale that suits the map best, or 1. Yeh et al. 2019, definition 2.1 and section 3.
struct Infidelity: Metric {
    static let info = MetricInfo(
        "infidelity", .faithfulness, .lower, range: "0...",
        summary: "Mean square error of the change of the score that the map predicts for random perturbations.",
        reference: "Yeh, Hsieh, Suggala, Inouye, Ravikumar: On the (In)fidelity and Sensitivity of Explanations (2019)",
        cost: "1 F + n_samples F", undefined: "never", score: .logit,
        parameters: [
            Parameter("n_samples", .integer(1...1_000_000), default: "10", "perturbations of each image (Captum's default)"),
            Parameter(
                "perturbation", .choice(["square", "gaussian", "baseline"]), default: "square",
                "square: a random square of the image becomes the baseline; gaussian: noise is taken away; baseline: the whole image becomes the baseline with noise (the paper's three)"
            ),
            Parameter("patch_size", .integer(0...4096), default: "0", "side of the square; 0: an eighth of the shorter side"),
            Parameter(
                "noise", .real(0...Double.infinity), default: "0.1", "standard deviation of gaussian and baseline, in the input's units"),
            Parameter(
                "perturbations", .tensor, "perturbations in place of random ones: n_samples x one image, for every image the same"),
            Parameter(
                "normalize", .boolean, default: "true",
                "scale the map as suits it best, so that methods of any unit compare; false: as it is (Captum's default)"),
            Baseline.parameter(default: "0"),
        ] + Baseline.preparation + MapReader.parameters.filter { $0.name == "map" } + [MapReader.interpolation])

    private let settings: Settings
    private let samples: Int

    init(_ settings: Settings) throws {
        self.settings = settings
        samples = try settings.tensor("perturbations")?.shape.first ?? settings.integer("n_samples", or: 10)
        guard samples > 0 else { throw Failure.invalid("option 'perturbations' is empty") }
    }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let surface = try Surface(request)
        let map = try MapReader.elements(subject, request, surface, settings)
        let maps = try [map, ReferenceMaps.constant(like: map), ReferenceMaps.random(like: map, seed: request.seed)]
        let target = try request.scoredTarget()
        let baseline = try Baseline.tensor(settings, like: request.x, seed: request.seed)
        var products = [[[Double]]](repeating: [[Double]](repeating: [], count: maps.count), count: request.images)
        var changes = [[Double]](repeating: [], count: request.images)
        let taken = try request.sample("perturbations", samples) { image, range in
            let one = image..<(image + 1)
            let x = try surface.planes(request.x.sliced(0, one))
            let all = try perturbations(range, x, try surface.planes(baseline.sliced(0, one)), surface, image, request.seed)
            let versions = try surface.inputs(Infidelity.less(x, all))
            let scores = try request.evaluate(image: image, versions, target: target).scores
            changes[image] += scores.map { request.scores[image] - $0 }
            for index in maps.indices {
                products[image][index] += try Infidelity.products(all, try maps[index].sliced(0, one).contiguous())
            }
        }
        let isNormalized = try settings.flag("normalize")
        let errors = (0..<request.images).map { image in
            products[image].map { Infidelity.error($0, changes[image], isNormalized) }
        }
        var verdict = Verdict(errors.map { $0[0] })
        verdict.constant = errors.map { $0[1] }
        verdict.random = errors.map { $0[2] }
        verdict.numbers["samples"] = Double(taken.min() ?? 0)
        return verdict
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] { [request.work()] + (try request.work(scores: samples)) }

    /// The mean square of `b p - d`.
    static func error(_ products: [Double], _ changes: [Double], _ isNormalized: Bool) -> Double {
        let both = zip(products, changes)
        let square = products.reduce(0) { $0 + $1 * $1 }
        let scale = !isNormalized ? 1 : square > 0 ? both.reduce(0) { $0 + $1.0 * $1.1 } / square : 0
        let sum = both.reduce(0.0) { $0 + (scale * $1.0 - $1.1) * (scale * $1.0 - $1.1) }
        return sum / Double(max(1, products.count))
    }

    /// Perturbations of samples `range`, n x channels x height x width. Each has a random stream of its own.
    private func perturbations(_ range: Range<Int>, _ x: Tensor, _ baseline: Tensor, _ surface: Surface, _ image: Int, _ seed: UInt64)
        throws -> Tensor
    {
        let size = x.count
        if let given = try settings.tensor("perturbations") {
            guard given.count == samples * size else {
                throw Failure.shape("option 'perturbations' is \(Shape.text(given.shape)), expected n_samples x one image")
            }
            let shaped = try given.reshaped([samples] + surface.entry)
            return try surface.planes(shaped.sliced(0, range).contiguous())
        }
        let kind = try settings.choice("perturbation"), noise = Float(try settings.real("noise", or: 0.1))
        let side = try settings.integer("patch_size", or: 0)
        return try x.read(Float.self) { x in
            try baseline.read(Float.self) { b in
                try Tensor.make([range.count, surface.channels, surface.height, surface.width], Float.self) { out in
                    for (row, sample) in range.enumerated() {
                        let to = UnsafeMutableBufferPointer(rebasing: out[(row * size)..<((row + 1) * size)])
                        let random = Random(seed: seed, stream: UInt64(image) << 32 | UInt64(sample))
                        if kind == "square" {
                            Infidelity.fillSquare(to, x, b, surface, side, random)
                            continue
                        }
                        random.fillNormal(to)
                        for i in to.indices { to[i] = kind == "gaussian" ? noise * to[i] : x[i] - b[i] - noise * to[i] }
                    }
                }
            }
        }
    }

    /// `x - b` inside a random square, zero outside.
    private static func fillSquare(
        _ out: UnsafeMutableBufferPointer<Float>, _ x: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>, _ surface: Surface,
        _ side: Int, _ random: Random
    ) {
        let short = surface.isImage ? min(surface.height, surface.width) : surface.width
        let side = side > 0 ? side : max(1, short / 8)
        let height = min(side, surface.height), width = min(side, surface.width)
        let top = Int(random.uniform(0) * Double(surface.height - height + 1)),
            left = Int(random.uniform(1) * Double(surface.width - width + 1))
        out.update(repeating: 0)
        for channel in 0..<surface.channels {
            for y in top..<(top + height) {
                let row = channel * surface.places + y * surface.width
                for i in (row + left)..<(row + left + width) { out[i] = x[i] - b[i] }
            }
        }
    }

    /// `x - I` for each perturbation.
    private static func less(_ x: Tensor, _ all: Tensor) throws -> Tensor {
        try x.read(Float.self) { x in
            try all.read(Float.self) { p in
                try Tensor.make(all.shape, Float.self) { out in for i in out.indices { out[i] = x[i % x.count] - p[i] } }
            }
        }
    }

    /// `I . a` for each perturbation.
    private static func products(_ all: Tensor, _ map: Tensor) throws -> [Double] {
        let size = map.count
        return try all.read(Float.self) { p in
            try map.read(Float.self) { a in
                (0..<(p.count / max(1, size))).map { row in
                    var sum = 0.0
                    for i in 0..<size { sum += Double(p[row * size + i]) * Double(a[i]) }
                    return sum
                }
            }
        }
    }
}

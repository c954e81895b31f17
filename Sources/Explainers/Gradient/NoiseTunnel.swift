internal import Runtime
internal import Tensors

/// A method averaged over noisy copies of the input: the mean, mean square or variance of `A(x + sigma e_s)`.
/// Smilkov et al. 2017, "SmoothGrad", section 3; Hooker et al. 2019 (squared); Adebayo et al. 2018 (VarGrad); Captum's
/// NoiseTunnel. The copies of an image are the images of another request, so that it goes around any method.
struct NoiseTunnel {
    /// The options; `samples` counts the copies.
    static func parameters(_ samples: Parameter) -> [Parameter] {
        [samples] + noise("0.15", "standard deviation (the paper of SmoothGrad recommends 0.1 to 0.2, relative)") + [
            Parameter(
                "kind", .choice(["smoothgrad", "smoothgrad_sq", "vargrad"]), default: "smoothgrad",
                "mean, mean of squares, or variance over the noisy copies"),
            Parameter("ddof", .integer(0...1), default: "0", "vargrad divides by the number of copies - ddof"),
            Parameter("noise_samples", .tensor, "noise to add in place of random numbers: copies x one image"),
        ]
    }

    /// How strong the noise is.
    static func noise(_ value: String, _ help: String) -> [Parameter] {
        [
            Parameter("noise", .real(0...Double.infinity), default: value, help),
            Parameter("noise_mode", .choice(["relative", "absolute"]), default: "relative", "relative: a share of the image's max - min"),
        ]
    }

    /// Copies of each image; 0: the method alone.
    let samples: Int
    private let settings: Settings

    /// `counter`: the option that says how many copies.
    init(_ settings: Settings, countedBy counter: String) throws {
        self.settings = settings
        let given = try settings.tensor("noise_samples")
        samples = try given?.shape.first ?? settings.integer(counter, or: 0)
        if given != nil, samples == 0 { throw Failure.invalid("option 'noise_samples' is empty") }
    }

    /// `body` is the method: attributions to the input of the request that it gets, whose images are copies of `image`.
    func explain(_ request: Request, _ body: (_ copies: Request, _ image: Int) throws -> Findings) throws -> Findings {
        let x = try request.x
        guard x.type.isFloat else {
            throw Failure.unsupported(
                "input '\(request.input)' holds \(x.type), to which no noise can be added; noise_at=layer adds it to the layer")
        }
        let target = try request.scoredTarget()
        let images = try (0..<request.images).map { try x.sliced(0, $0..<($0 + 1)).contiguous() }
        let noise = try images.map { try Noise(settings, for: $0) }
        var statistics: [SampleStatistics?] = images.map { _ in nil }, shape: [Int] = []
        let taken = try request.sample("noisy copies", samples) { image, range in
            let versions = try noise[image].copies(of: images[image], range, stream: 0, seed: request.seed, of: samples)
            let copies = try self.copies(request, image, versions, target)
            let found = try request.control.nested { try body(copies, image) }
            request.adopt(copies, images: false)
            guard let map = found.tensors["map"], map.shape.first == range.count else {
                throw Failure(.failed, "a map of each copy was expected")
            }
            shape = [1] + map.shape.dropFirst()
            var sum = statistics[image] ?? SampleStatistics(count: map.count / range.count)
            statistics[image] = nil
            try sum.add(rows: map)
            statistics[image] = sum
        }
        return try Findings(
            statistics.compactMap { $0 }, taken: taken, shape: shape, kind: try settings.choice("kind"),
            ddof: try settings.integer("ddof", or: 0))
    }

    /// `explain`, foreseen.
    func work(_ request: Request, _ body: (_ copies: Request) throws -> [Work]) throws -> [Work] {
        let chunk = max(1, min(try request.chunk(of: samples), samples)), x = try request.x
        func part(_ count: Int, times: Int) throws -> [Work] {
            guard count > 0, times > 0 else { return [] }
            let versions = try Tensor.placeholder(x.type, [count] + x.shape.dropFirst())
            let target = Target(.index(0), score: request.target.score, output: request.target.output)
            return try body(copies(request, 0, versions, target)).map { Work($0.evaluation, times: $0.times * times * request.images) }
        }
        return try [request.work()] + part(chunk, times: samples / chunk) + part(samples % chunk, times: 1)
    }

    private func copies(_ request: Request, _ image: Int, _ versions: Tensor, _ target: Target) throws -> Request {
        Request(
            request, feeds: try request.feeds(image: image, versions), input: request.input,
            target: try request.target(target, ofImage: image))
    }
}

/// Noise for one image, of the strength that its options say.
struct Noise {
    private let sigma: Float
    private let given: Tensor?

    init(_ settings: Settings, for x: Tensor) throws {
        let noise = Float(try settings.real("noise", or: 0))
        given = try settings.tensor("noise_samples")?.converted(to: .float32)
        if try settings.choice("noise_mode") == "relative" {
            sigma = try x.converted(to: .float32).read(Float.self) { noise * (($0.max() ?? 0) - ($0.min() ?? 0)) }
        } else {
            sigma = noise
        }
    }

    /// Copies `range` of `total` of one image. Each has a random stream of its own, so that no batch size changes it.
    func copies(of x: Tensor, _ range: Range<Int>, stream: UInt64, seed: UInt64, of total: Int) throws -> Tensor {
        if let given, given.count != total * x.count {
            throw Failure.shape(
                "option 'noise_samples' is \(Shape.text(given.shape)), expected \(total) x \(Shape.text(Array(x.shape.dropFirst())))")
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

internal import Imaging
internal import Runtime
internal import Tensors

/// Regions ranked by the integrated gradients in them: the image is divided at several scales, and regions join the map
/// in the order of the mean attribution that they add.
/// Kapishnikov, Bolukbasi, Viegas & Terry 2019, "XRAI: better attributions through regions", algorithm 1.
struct XRAI: Explainer {
    static let method = Method(
        "xrai", family: "gradient", summary: "Regions of the image ranked by the integrated gradients in them.",
        reference: "Kapishnikov, Bolukbasi, Viegas, Terry: XRAI: Better Attributions Through Regions (2019)", needs: [.gradient],
        parameters: [
            Parameter("mode", .choice(["full", "fast"]), default: "full", "fast: overlaps of regions do not change their order"),
            Parameter("n_steps", .integer(1...100_000), default: "100", "points on each path of integrated gradients"),
            Parameter(
                "quadrature", .choice(Quadrature.Rule.allCases.map(\.rawValue)), default: "gausslegendre",
                "rule of the integral; PAIR's saliency has linspace"),
            Parameter(
                "baselines", .tensor,
                "K x one image, in place of two images of the image's own lowest and highest number (black and white in the paper)"),
            Parameter("attributions", .tensor, "shaped as the input, in place of integrated gradients"),
            Parameter("segments", .tensor, "labels in place of Felzenszwalb's, height x width, or several such divisions"),
            Parameter("scales", .numbers, default: "50,100,150,250,500,1200", "of Felzenszwalb's divisions: larger, larger regions"),
            Parameter("sigma", .real(0...100), default: "0.8", "blur before the image is divided"),
            Parameter("min_size", .integer(1...1_000_000), default: "150", "pixels that a region has at least, at segment_size"),
            Parameter(
                "segment_size", .integer(0...4096), default: "224", "side that the image is brought to before it is divided; 0: as it is"),
            Parameter("dilation", .integer(0...100), default: "5", "radius in pixels by which regions grow, to hold their own edges"),
            Parameter("min_pixel_diff", .integer(1...1_000_000), default: "50", "a region that would add fewer pixels is left out"),
            Parameter("area_threshold", .real(0...1), default: "1", "full mode ends when so much of the image is covered"),
            ImageLayout.parameter,
        ])

    private let settings: Settings
    private let scales: [Double]

    init(_ settings: Settings) throws {
        self.settings = settings
        scales = try settings.numbers("scales") ?? []
        guard !scales.isEmpty, scales.count <= 64, scales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw Failure.invalid("option 'scales': expected 1 to 64 positive numbers")
        }
    }

    func explain(_ request: Request) throws -> Findings {
        let layout = try ImageLayout(request, settings)
        let planes = try layout.planes(request.x)
        // Regions before gradients: what cannot be divided is refused before the long part.
        try request.control.begin("regions", 0, to: 1, of: 20)
        let regions = try (0..<request.images).map { try self.regions(of: planes, image: $0, layout, request.control) }
        let attributions = try attributions(request, layout)
        var maps: [Float] = [], ranks: [Int64] = [], parts: [JSON] = []
        for image in 0..<request.images {
            let ranking = try RegionRanking(
                attributions[image], regions[image], isFull: settings.choice("mode") == "full",
                least: settings.integer("min_pixel_diff", or: 50), area: settings.real("area_threshold", or: 1)
            ) { try request.control.poll(0) }
            maps += ranking.map.map { Float($0) }
            ranks += ranking.ranks
            parts.append(.array(ranking.parts.map { .object(["pixels": .integer($0.pixels), "attribution": .number($0.gain)]) }))
        }
        var findings = Findings(map: try Tensor(maps, [request.images, 1, layout.height, layout.width]))
        findings.tensors["segments"] = try Tensor(ranks, [request.images, layout.height, layout.width])
        findings.data = .object(["segments": .array(parts)])
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        guard try settings.tensor("attributions") == nil else { return [request.work()] }
        let x = try request.x
        let count = try settings.tensor("baselines")?.shape.first ?? 2
        let steps = try settings.integer("n_steps", or: 100)
        let one = try IntegratedGradients(integration(baseline: x)).work(request).dropFirst()
        guard steps > 0 else { return [] }
        return [request.work()] + one.map { Work($0.evaluation, times: $0.times * count) }
    }

    // MARK: Attributions

    /// Of each image: the largest of the channels of each pixel.
    private func attributions(_ request: Request, _ layout: ImageLayout) throws -> [[Double]] {
        let planes = try layout.planes(attribution(request)), pixels = layout.pixels
        return try planes.read(Float.self) { a in
            (0..<request.images).map { image in
                (0..<pixels).map { pixel in
                    (0..<layout.channels).reduce(-Double.infinity) { max($0, Double(a[(image * layout.channels + $1) * pixels + pixel])) }
                }
            }
        }
    }

    private func attribution(_ request: Request) throws -> Tensor {
        let x = try request.x
        if let given = try settings.tensor("attributions") {
            guard given.shape == x.shape else {
                throw Failure.shape("option 'attributions' is \(Shape.text(given.shape)), expected \(Shape.text(x.shape))")
            }
            _ = try request.scoredTarget()
            return given
        }
        let baselines = try baselines(x)
        let parts = try baselines.enumerated().map { number, baseline in
            try request.control.begin("integrated gradients", 1 + 19 * number, to: 1 + 19 * (number + 1), of: 1 + 19 * baselines.count)
            let method = try IntegratedGradients(integration(baseline: baseline))
            return try request.control.nested { try method.explain(request).tensors["map"] }
        }
        return try Maps.mean(parts.compactMap { $0 })
    }

    private func integration(baseline: Tensor) throws -> Settings {
        var options = Options()
        options["n_steps"] = .integer(try settings.integer("n_steps", or: 100))
        options["quadrature"] = .text(try settings.choice("quadrature"))
        options["baseline"] = .tensor(baseline)
        return try Settings(options, IntegratedGradients.method.parameters, of: XRAI.method.name)
    }

    /// The given ones, or each image's lowest and highest number everywhere.
    private func baselines(_ x: Tensor) throws -> [Tensor] {
        if try settings.tensor("baselines") != nil { return try Baseline.tensors(settings, like: x) }
        let size = x.count / max(1, x.shape.first ?? 1)
        let dense = try x.converted(to: .float32)
        return try [false, true].map { isHighest in
            try dense.read(Float.self) { values in
                try Tensor.make(x.shape, Float.self) { out in
                    for start in stride(from: 0, to: values.count, by: max(1, size)) {
                        let part = values[start..<(start + size)]
                        let value = (isHighest ? part.max() : part.min()) ?? 0
                        for i in part.indices { out[i] = value }
                    }
                }
            }.converted(to: x.type)
        }
    }

    // MARK: Regions

    private func regions(of planes: Tensor, image: Int, _ layout: ImageLayout, _ control: Control) throws -> RegionMasks {
        var masks = try RegionMasks(height: layout.height, width: layout.width)
        let dilation = try settings.integer("dilation", or: 5)
        if let given = try settings.tensor("segments") {
            for division in try divisions(given, layout) { try masks.append(division, dilation: dilation) }
            return masks
        }
        let one = try scaled(planes.sliced(0, image..<(image + 1)).contiguous(), image)
        let graph = try Felzenszwalb(one, sigma: settings.real("sigma", or: 0.8)) { try control.poll(0) }
        for scale in scales {
            let found = try graph.segmentation(scale: scale, minSize: settings.integer("min_size", or: 150)) { try control.poll(0) }
            try masks.append(found.resized(height: layout.height, width: layout.width), dilation: dilation)
        }
        return masks
    }

    /// Label images given by the caller.
    private func divisions(_ given: Tensor, _ layout: ImageLayout) throws -> [Segmentation] {
        let several = given.shape.count == 2 ? try given.reshaped([1] + given.shape) : given
        guard several.shape.count == 3, Array(several.shape.dropFirst()) == [layout.height, layout.width], several.shape[0] > 0 else {
            throw Failure.shape(
                "option 'segments' is \(Shape.text(given.shape)), expected \(layout.height)x\(layout.width), or several such divisions")
        }
        return try (0..<several.shape[0]).map {
            try Segmentation(several.sliced(0, $0..<($0 + 1)).contiguous().reshaped([layout.height, layout.width]))
        }
    }

    /// One image between -1 and 1 and of the size that scales and sizes are meant for.
    private func scaled(_ image: Tensor, _ number: Int) throws -> Tensor {
        let shape = Array(image.shape.dropFirst())
        let (low, high) = try image.read(Float.self) { ($0.min() ?? 0, $0.max() ?? 0) }
        guard high > low else {
            throw Failure.invalid("image \(number) is constant and cannot be divided into regions; give 'segments'")
        }
        let values = try Maps.map(image) { 2 * ($0 - low) / (high - low) - 1 }.reshaped(shape)
        let side = try settings.integer("segment_size", or: 224)
        guard side > 0, shape[1] != side || shape[2] != side else { return values }
        func sigma(_ size: Int) -> Double { max(0, (Double(size) / Double(side) - 1) / 2) }
        let filter = GaussianFilter(vertical: sigma(shape[1]), horizontal: sigma(shape[2]), border: .reflect)
        let smooth = try filter(values.doubles(), height: shape[1], width: shape[2])
        return try upsample(Tensor(smooth.map { Float($0) }, shape), height: side, width: side, .bicubic)
    }
}

internal import Explainers
internal import Imaging
internal import Tensors

/// Remove and debias: a share of the pixels is removed and filled from what surrounds it, so that the hole's shape tells
/// nothing; the value is `mean over shares of (f_LeRF - f_MoRF) / 2`. Rong et al. 2022, "A Consistent and Efficient Evaluation
/// Strategy for Attribution Methods"; combined as in pytorch-grad-cam.
struct Road: Metric {
    static let info = MetricInfo(
        "road", .faithfulness, .higher, range: "-0.5...0.5",
        summary:
            "Half the difference of scores when the least and when the most relevant pixels are removed and filled from their neighbours.",
        reference: "Rong, Leemann, Borisov, Kasneci, Kasneci: ROAD (2022)",
        cost: "1 F + 2 F for each share, three times the latter with references", undefined: "never",
        parameters: [
            Parameter(
                "percentiles", .numbers, default: "10,20,30,40,50,60,70,80,90",
                "shares of the pixels to remove, in percent (pytorch-grad-cam's)"),
            Parameter(
                "noise", .real(0...Double.infinity), default: "0.01", "standard deviation of the noise on filled pixels (the paper's)"),
        ] + MapReader.parameters + [MapReader.interpolation, ReferenceMaps.parameter])

    private let settings: Settings
    private let shares: [Double]

    init(_ settings: Settings) throws {
        self.settings = settings
        shares = try settings.numbers("percentiles") ?? []
        guard !shares.isEmpty, shares.allSatisfy({ $0 > 0 && $0 < 100 }) else {
            throw Failure.invalid("option 'percentiles': expected numbers between 0 and 100")
        }
    }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let removal = try Removal(settings, request, subject), surface = removal.surface
        guard surface.isImage else {
            throw Failure.unsupported("the removed pixels of images are filled; deletion judges maps of any input")
        }
        let noise = Float(try settings.real("noise", or: 0.01))
        let counts = shares.map { min(surface.places - 1, Int(($0 / 100 * Double(surface.places)).rounded())) }
        let scoring = try Scoring(request, "road", total: request.images * 2 * counts.count * removal.maps.count)
        var values: [[Double]] = [], curves: [[Double]] = [[], []]
        for image in 0..<request.images {
            let x = try surface.planes(request.x.sliced(0, image..<(image + 1)))
            values.append([])
            for map in removal.maps.indices {
                let most = try Ranking.descending(removal.map(map, image))[0]
                let both = try [most, most.map { Int32(most.count - 1) - $0 }].enumerated().map { order, positions in
                    try scoring.scores(image: image, counts.count) { range in
                        let versions = try range.map { step in
                            let random = Random(seed: request.seed, stream: UInt64(image) << 32 | UInt64(step * 2 + order))
                            return try Road.filled(x, surface, noise, random) { positions[$0] < counts[step] }
                        }
                        return try surface.inputs(Road.stacked(versions))
                    }
                }
                let gain = both[1].reduce(0, +) - both[0].reduce(0, +)
                values[image].append(gain / 2 / Double(counts.count))
                if map == 0 { for order in 0..<2 { curves[order] += both[order] } }
            }
        }
        var verdict = removal.verdict(values)
        for (order, name) in ["morf", "lerf"].enumerated() {
            verdict.numbers[name] = Verdict.mean(curves[order])
            verdict.tensors["\(name)_curve"] = try Tensor(curves[order], [request.images, counts.count])
        }
        verdict.tensors["fractions"] = try Tensor(counts.map { Double($0) / Double(surface.places) })
        return verdict
    }

    /// The image with the removed pixels filled from what surrounds them, and noise on them.
    private static func filled(_ x: Tensor, _ surface: Surface, _ noise: Float, _ random: Random, _ isRemoved: (Int) -> Bool) throws
        -> Tensor
    {
        let filled = try Inpaint(height: surface.height, width: surface.width, isRemoved)(x)
        guard noise > 0 else { return filled }
        return try filled.read(Float.self) { values in
            try Tensor.make(x.shape, Float.self) { out in
                random.fillNormal(out)
                for i in out.indices { out[i] = isRemoved(i % surface.places) ? values[i] + noise * out[i] : values[i] }
            }
        }
    }

    /// Images of one entry each, one behind the other.
    private static func stacked(_ images: [Tensor]) throws -> Tensor {
        let shape = images.first?.shape ?? [0, 0, 0, 0], size = images.first?.count ?? 0
        return try Tensor.make([images.count] + shape.dropFirst(), Float.self) { out in
            for (row, image) in images.enumerated() {
                try image.read(Float.self) { x in for i in 0..<size { out[row * size + i] = x[i] } }
            }
        }
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] {
        let maps = try Removal(settings, request, subject).maps.count
        return [request.work()] + (try (0..<2 * maps).flatMap { _ in try request.work(scores: shares.count) })
    }
}

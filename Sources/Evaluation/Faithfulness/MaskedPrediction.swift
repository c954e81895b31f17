internal import Explainers
internal import Tensors

/// What average drop and average increase share: the score of each image, and of the image behind its own map,
/// `x L + b (1 - L)` with `L` the map in [0, 1]. Chattopadhyay et al. 2018, "Grad-CAM++", section 4.1.
struct MaskedPrediction {
    static let parameters = Removal.parameters(baseline: "0")

    private let settings: Settings

    init(_ settings: Settings) { self.settings = settings }

    /// `value`: from the score of the whole image and of the masked one. The masked scores come besides.
    func verdict(_ request: Request, _ subject: Subject, _ stage: String, _ value: (Double, Double) -> Double) throws -> (
        Verdict, masked: [Double]
    ) {
        let removal = try Removal(settings, request, subject)
        let scoring = try Scoring(request, stage, total: request.images * removal.maps.count)
        let x = try request.x, baseline = try removal.baseline()
        let masks = try removal.maps.map(MaskedPrediction.normalized)
        var masked: [[Double]] = []
        for image in 0..<request.images {
            let one = image..<(image + 1)
            let replacing = try Replacing(removal.surface, from: baseline.sliced(0, one), to: x.sliced(0, one))
            masked.append(
                try masks.map { mask in try scoring.scores(image: image, 1) { _ in try replacing.versions(mask.sliced(0, one)) }[0] })
        }
        var verdict = removal.verdict(masked.enumerated().map { image, scores in scores.map { value(request.scores[image], $0) } })
        verdict.tensors["masked_scores"] = try Tensor(masked.map { $0[0] })
        return (verdict, masked.map { $0[0] })
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] {
        let maps = try Removal(settings, request, subject).maps.count
        return [request.work()] + (try (0..<maps).flatMap { _ in try request.work(scores: 1) })
    }

    /// Each image's map to [0, 1]; one that is the same everywhere shows nothing and becomes zeros.
    private static func normalized(_ maps: Tensor) throws -> Tensor {
        let places = maps.count / max(1, maps.shape[0])
        return try maps.read(Float.self) { m in
            try Tensor.make(maps.shape, Float.self) { out in
                for start in stride(from: 0, to: m.count, by: max(1, places)) {
                    let part = m[start..<(start + places)]
                    guard let low = part.min(), let high = part.max() else { continue }
                    for i in part.indices { out[i] = high > low ? (m[i] - low) / (high - low) : 0 }
                }
            }
        }
    }
}

internal import Explainers
internal import Runtime
internal import Tensors

/// Energy-based pointing game: the share of the map's positive part that lies on the object, `sum of a+ in s / sum of a+`.
/// Wang et al. 2020, "Score-CAM", section 4.3; as relevance mass: Arras et al. 2022.
struct EnergyPointingGame: Metric {
    static let info = MetricInfo(
        "energy-pointing-game", .localisation, .higher, range: "0...1",
        summary: "Share of the map's positive values that lies on the marked object.",
        reference: "Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu: Score-CAM (2020)", needs: [.map, .regions], cost: "none",
        undefined: "nothing is marked in the image, or the map has no positive values", score: .auto,
        parameters: MarkedRegions.parameters + MapReader.parameters + [MapReader.interpolation])

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let surface = try Surface(request)
        let regions = try MarkedRegions(settings, request, surface)
        let reader = try MapReader(settings)
        let planes = try reader.enlarged(reader.planes(subject, request, surface), surface)
        let places = surface.places
        var verdict = Verdict(
            try planes.read(Float.self) { values in
                regions.inside.enumerated().map { image, inside in
                    var within = 0.0, all = 0.0
                    for place in 0..<places where values[image * places + place] > 0 {
                        all += Double(values[image * places + place])
                        if inside[place] { within += Double(values[image * places + place]) }
                    }
                    return all > 0 && inside.contains(true) ? within / all : .nan
                }
            })
        verdict.constant = regions.inside.map { $0.contains(true) ? MarkedRegions.share($0) : .nan }
        verdict.random = verdict.constant
        return verdict
    }
}

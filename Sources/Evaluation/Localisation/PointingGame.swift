internal import Explainers
internal import Runtime
internal import Tensors

/// Pointing game: whether the map's largest value lies on the object, `[argmax a in s]`; of several equal ones each counts its
/// share. Zhang et al. 2018, "Top-down neural attention by excitation backprop", section 4.2.
struct PointingGame: Metric {
    static let info = MetricInfo(
        "pointing-game", .localisation, .higher, range: "0...1", summary: "Whether the largest value of the map lies on the marked object.",
        reference: "Zhang, Bargal, Lin, Brandt, Shen, Sclaroff: Top-Down Neural Attention by Excitation Backprop (2018)",
        needs: [.map, .regions], cost: "none", undefined: "nothing is marked in the image", score: .auto,
        parameters: MarkedRegions.parameters + [
            Parameter("tolerance", .integer(0...4096), default: "15", "pixels beside the object that count as on it (the paper's margin)")
        ] + MapReader.parameters + [MapReader.interpolation])

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let surface = try Surface(request)
        let regions = try MarkedRegions(settings, request, surface)
        let reader = try MapReader(settings)
        let planes = try reader.enlarged(reader.planes(subject, request, surface), surface)
        let reach = try settings.integer("tolerance", or: 15), places = surface.places
        let targets = regions.inside.indices.map { regions.widened($0, by: reach) }
        var verdict = Verdict(
            try planes.read(Float.self) { values in
                targets.enumerated().map { image, target in
                    guard regions.inside[image].contains(true) else { return .nan }
                    let part = values[(image * places)..<((image + 1) * places)]
                    let top = part.max() ?? 0
                    let best = part.indices.filter { part[$0] == top }
                    return Double(best.count { target[$0 - part.startIndex] }) / Double(best.count)
                }
            })
        // A map without knowledge points anywhere: what it hits is the target's share of the image.
        verdict.constant = targets.enumerated().map { regions.inside[$0].contains(true) ? MarkedRegions.share($1) : .nan }
        verdict.random = verdict.constant
        verdict.warnings = try Ranking.warnings(planes)
        return verdict
    }
}

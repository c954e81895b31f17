internal import Explainers
internal import Tensors

/// What metrics share that replace places of an image in an order: the maps to judge at the input's size, the baseline, and
/// the scores on the way.
struct Removal {
    static func parameters(baseline: String) -> [Parameter] {
        [Baseline.parameter(default: baseline)] + Baseline.preparation + MapReader.parameters
            + [MapReader.interpolation, ReferenceMaps.parameter]
    }

    let surface: Surface
    /// The judged map, then the constant and the random one; N x height x width of the input.
    let maps: [Tensor]
    let warnings: [String]
    private let settings: Settings
    private let request: Request

    init(_ settings: Settings, _ request: Request, _ subject: Subject) throws {
        self.settings = settings
        self.request = request
        surface = try Surface(request)
        let reader = try MapReader(settings)
        let own = try reader.enlarged(reader.planes(subject, request, surface), surface)
        maps =
            try settings.flag("references")
            ? [own, ReferenceMaps.constant(like: own), ReferenceMaps.random(like: own, seed: request.seed)] : [own]
        warnings = try Ranking.warnings(own)
    }

    /// For all images.
    func baseline() throws -> Tensor { try Baseline.tensor(settings, like: request.x, seed: request.seed) }

    /// One of the maps, of one image.
    func map(_ index: Int, _ image: Int) throws -> Tensor { try maps[index].sliced(0, image..<(image + 1)).contiguous() }

    /// A list of values for each image and map as a verdict: the judged map's, and those of the references.
    func verdict(_ values: [[Double]]) -> Verdict {
        var verdict = Verdict(values.map { $0[0] })
        if maps.count > 2 {
            verdict.constant = values.map { $0[1] }
            verdict.random = values.map { $0[2] }
        }
        verdict.warnings = warnings
        return verdict
    }
}

extension Scoring {
    /// Scores of one image while the places of the lowest positions are replaced, for each count.
    func scores(image: Int, _ replacing: Replacing, _ positions: [Int32], _ counts: [Int]) throws -> [Double] {
        try scores(image: image, counts.count) { try replacing.versions(positions, counts[$0]) }
    }
}

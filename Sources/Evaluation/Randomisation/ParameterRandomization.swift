internal import Explainers
internal import Runtime
internal import Tensors

/// Model-parameter randomisation: a map that does not change when the network forgets what it learned does not show it. The
/// weights are made random layer by layer, and the value is the mean similarity of the maps with the original one.
/// Adebayo et al. 2018, "Sanity checks for saliency maps", section 3.
struct ParameterRandomization: Metric {
    static let info = MetricInfo(
        "parameter-randomization", .randomisation, .lower, range: "-1...1",
        summary: "Mean similarity between the map and those of the network with ever more random weights.",
        reference: "Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim: Sanity Checks for Saliency Maps (2018)", needs: [.explanation],
        cost: "one explanation for each layer (or stage)",
        undefined: "every map of random weights, or the map itself, is the same everywhere",
        score: .auto,
        parameters: [
            Parameter(
                "order", .choice(["top_down", "bottom_up", "independent"]), default: "top_down",
                "top_down: from the last layer on, each beside those before it (cascading); independent: one layer alone at a time"),
            Parameter(
                "distribution", .choice(["gaussian", "permutation"]), default: "gaussian",
                "gaussian: normal numbers of the weight's mean and spread; permutation: its own numbers in another order (always for quantised weights)"
            ),
            Parameter("similarity", .choice(Similarity.allCases.map(\.rawValue)), default: "spearman", "how maps are compared"),
            Parameter("stages", .integer(0...100_000), default: "0", "maps to make, evenly over the layers; 0: one for each layer"),
        ] + MapReader.parameters.filter { $0.name != "map" })

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let question = try subject.question("parameter-randomization")
        let surface = try Surface(request), reader = try MapReader(settings)
        let similarity = Similarity(rawValue: try settings.choice("similarity")) ?? .spearman
        let randomization = try randomization(request)
        let stages = try stages(randomization)
        let own = try reader.planes(subject, request, surface)
        let width = own.shape[2]
        var similarities = [[Double]](repeating: [], count: request.images)
        for (index, stage) in stages.enumerated() {
            try request.control.begin("random weights", index, to: index + 1, of: stages.count)
            let map = try request.explainAgain(question, model: randomization.randomized(stage.layers))
            let planes = try reader.planes(Subject(map: map, origin: nil), request, surface)
            guard planes.shape == own.shape else { throw Failure.shape("the map changes its size with the weights") }
            for image in similarities.indices {
                similarities[image].append(similarity(try plane(own, image), try plane(planes, image), width: width))
            }
        }
        var verdict = Verdict(similarities.map(Verdict.mean))
        let random = try ReferenceMaps.random(like: own, seed: request.seed)
        verdict.random = try similarities.indices.map { similarity(try plane(own, $0), try plane(random, $0), width: width) }
        verdict.tensors["similarities"] = try Tensor(similarities.flatMap { $0 }, [request.images, stages.count])
        verdict.numbers["fully_random"] =
            try settings.choice("order") == "independent" ? nil : Verdict.mean(similarities.compactMap(\.last))
        verdict.data["layers"] = .array(stages.map { .string($0.name) })
        let flat = similarities.joined().count { $0.isNaN }
        if flat > 0 { verdict.warnings.append("\(flat) maps of random weights are the same everywhere and stay out of the mean") }
        return verdict
    }

    func repetitions(_ request: Request, _ subject: Subject) throws -> Int { try stages(try randomization(request)).count }

    private func randomization(_ request: Request) throws -> WeightRandomization {
        let found = WeightRandomization(request.model, isPermuted: try settings.choice("distribution") == "permutation", seed: request.seed)
        guard !found.layers.isEmpty else { throw Failure.unsupported("the model has no convolution or matrix product with weights") }
        return found
    }

    /// The layers that are random at each stage, named after the one that came last.
    private func stages(_ randomization: WeightRandomization) throws -> [(name: String, layers: [Int])] {
        let order = try settings.choice("order"), count = randomization.layers.count
        let layers = order == "top_down" ? Array((0..<count).reversed()) : Array(0..<count)
        let asked = try settings.integer("stages", or: 0), stages = asked > 0 ? min(asked, count) : count
        return (1...stages).map { stage in
            let reached = stage * count / stages
            let last = layers[reached - 1]
            return (randomization.layers[last].node, order == "independent" ? [last] : Array(layers.prefix(reached)))
        }
    }

    private func plane(_ planes: Tensor, _ image: Int) throws -> [Double] {
        try planes.sliced(0, image..<(image + 1)).contiguous().doubles()
    }
}

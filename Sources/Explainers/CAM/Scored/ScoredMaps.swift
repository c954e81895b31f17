internal import Runtime
internal import Tensors

/// Scores of the target's class, and of further ones from the same evaluations: the target comes first.
struct ScoredClasses {
    /// Of the methods of this family.
    static let parameters = [ClassScores.parameter]

    private let classes: ClassScores

    init(_ settings: Settings, _ target: Target) throws { classes = try ClassScores(settings, target) }

    /// Whether evaluations must return every class's score.
    var wantsEveryScore: Bool { classes.isWanted }

    /// One row for each version, of one number for each class.
    func rows(_ outcome: Outcome) throws -> [[Double]] {
        guard classes.isWanted else { return outcome.scores.map { [$0] } }
        let every = try classes.scores(outcome), all = every.shape[1], chosen = try classes.chosen(of: all), values = try every.doubles()
        return outcome.scores.indices.map { version in [outcome.scores[version]] + chosen.map { values[version * all + $0] } }
    }
}

/// Raw maps of one layer: for each class, the target's first, one tensor of images x 1 x space.
typealias ScoredMaps = [Tensor]

extension CAMPipeline {
    /// `sum_k w_k A_k` for each class; `weights` are images x classes x channels.
    func scoredMaps(_ activation: Tensor, _ weights: [[[Double]]]) throws -> ScoredMaps {
        try (0..<(weights.first?.count ?? 0)).map { slot in
            let rows = weights.flatMap { $0[slot].map { Float($0) } }
            return try CAMPipeline.combine(activation, weights: Tensor(rows, Array(activation.shape.prefix(2))), by: smoothing)
        }
    }

    /// The finished map of the target, and those of the further classes as `maps`.
    func findings(_ layers: [ScoredMaps], _ request: Request) throws -> Findings {
        let classes = layers.first?.count ?? 0
        var finished = try (0..<classes).map { slot in try finish(layers.map { $0[slot] }, request) }
        guard !finished.isEmpty else { throw Failure.invalid("no layer") }
        var findings = Findings(map: finished.removeFirst())
        guard let first = finished.first else { return findings }
        let images = request.images, size = first.count / max(1, images)
        let maps = try Tensor.make([images, finished.count] + first.shape.dropFirst(2), Float.self) { out in
            for (slot, map) in finished.enumerated() {
                try map.read(Float.self) { m in
                    for image in 0..<images {
                        let to = (image * finished.count + slot) * size
                        for i in 0..<size { out[to + i] = m[image * size + i] }
                    }
                }
            }
        }
        findings.tensors["maps"] = maps
        return findings
    }
}

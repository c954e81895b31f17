internal import Tensors

/// What a network says when only some patches are shown.
struct PatchScore: Sendable {
    let probability: Double
    /// Whether no other class has a higher score.
    var isTop = true
}

/// Scores of sets of patches, each set evaluated once however often it is asked for.
final class PatchScores {
    /// So many sets were evaluated as the caller allows.
    struct Exhausted: Error {}

    /// Score of the whole image.
    let full: Double
    private(set) var evaluations = 0
    private let limit: Int
    private let evaluate: ([PatchSet]) throws -> [PatchScore]
    private var known: [PatchSet: PatchScore]

    /// `whole`: every patch; its score is that of the unchanged image.
    init(full: Double, whole: PatchSet, limit: Int, evaluate: @escaping ([PatchSet]) throws -> [PatchScore]) throws {
        guard full.isFinite, full > 0 else {
            throw Failure.invalid(
                "the score of the whole image is \(full); relative scores need a positive one: explain the probability, or another class")
        }
        self.full = full
        self.limit = limit
        self.evaluate = evaluate
        known = [whole: PatchScore(probability: full)]
    }

    /// Evaluates those that are not known yet, together.
    func need(_ sets: [PatchSet]) throws {
        var asked = Set<PatchSet>()
        let unknown = sets.filter { known[$0] == nil && asked.insert($0).inserted }
        guard !unknown.isEmpty else { return }
        guard unknown.count <= limit - evaluations else { throw Exhausted() }
        let found = try evaluate(unknown)
        guard found.count == unknown.count else { throw Failure(.failed, "\(found.count) scores for \(unknown.count) sets of patches") }
        evaluations += unknown.count
        for (set, score) in zip(unknown, found) { known[set] = score }
    }

    /// nil for a set that was never needed.
    subscript(_ set: PatchSet) -> PatchScore? { known[set] }

    /// The share of the whole image's score that a set keeps; 0 for a set that was never needed.
    func relative(_ set: PatchSet) -> Double { (known[set]?.probability ?? 0) / full }
    func probability(_ set: PatchSet) -> Double { known[set]?.probability ?? 0 }
}

/// When a set of patches suffices.
struct Sufficiency: Sendable {
    let threshold: Double
    let requiresTop: Bool

    /// Of a set that was evaluated.
    func holds(_ set: PatchSet, _ scores: PatchScores) -> Bool {
        guard let score = scores[set] else { return false }
        return score.probability > threshold * scores.full && (score.isTop || !requiresTop)
    }
}

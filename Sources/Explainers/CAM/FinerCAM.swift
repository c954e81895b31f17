internal import Glibc
internal import Runtime
internal import Tensors

/// Finer-CAM: Grad-CAM of the difference `S_c - alpha * mean_d S_d` to the classes `d` that score most alike, which leaves what
/// tells the class from them. Zhang et al. 2025, "Finer-CAM: Spotting the difference reveals finer details for visual explanation".
struct FinerCAM: WeightedCAM {
    static let method = Method.cam(
        "finer-cam", "Grad-CAM of the difference to the most similar classes.",
        reference: "Zhang, Gu, Chowdhury, Mai, Carlyn, Berger-Wolf, Su, Chao: Finer-CAM (2025)",
        [
            Parameter(
                "alpha", .real(0...Double.infinity), default: "1",
                "strength of the comparison (1 in pytorch-grad-cam, 0.6 in torch-cam); 0 is Grad-CAM"),
            Parameter(
                "n_comparisons", .integer(1...100_000), default: "3",
                "classes compared with: those whose scores are nearest to the target's"),
            Parameter("comparisons", .text, "the classes to compare with, as 101,102; default: the nearest ones"),
            Parameter(
                "weighting", .choice(["probability", "equal"]), default: "probability",
                "how the mean over them is taken: by their probabilities (pytorch-grad-cam) or equally (torch-cam)"),
        ])

    static let hasObjective = true

    let pipeline: CAMPipeline
    private let alpha: Double
    private let count: Int
    private let given: [Int]?
    private let isEqual: Bool

    init(_ settings: Settings) throws {
        pipeline = CAMPipeline(settings)
        alpha = try settings.real("alpha", or: 1)
        count = try settings.integer("n_comparisons", or: 3)
        isEqual = try settings.choice("weighting") == "equal"
        given = try settings.text("comparisons").map { try CAMPipeline.classes($0, of: "comparisons") }
    }

    func weights(_ layer: LayerSignal) throws -> Tensor { try GradCAM.meanGradient(layer) }

    /// The derivative of the objective by the scores, at `scores`: the probabilities of the mean depend on them too. With `q` the
    /// Softmax over the compared classes, `d/dS_d sum_j q_j S_j = q_d (1 + S_d - sum_j q_j S_j)`.
    func objective(of c: Int, scores: [Double]) throws -> [Double] {
        guard scores.indices.contains(c) else {
            throw Failure.invalid("target class \(c) is out of range, the output has \(scores.count) classes")
        }
        let others = try comparisons(c, scores)
        var result = [Double](repeating: 0, count: scores.count)
        result[c] = 1
        if isEqual {
            for d in others { result[d] -= alpha / Double(others.count) }
            return result
        }
        let top = others.map { scores[$0] }.max() ?? 0
        let shares = others.map { exp(scores[$0] - top) }, total = shares.reduce(0, +)
        let mean = zip(others, shares).reduce(0) { $0 + $1.1 / total * scores[$1.0] }
        for (d, share) in zip(others, shares) { result[d] -= alpha * share / total * (1 + scores[d] - mean) }
        return result
    }

    private func comparisons(_ c: Int, _ scores: [Double]) throws -> [Int] {
        guard let given else {
            let sorted = scores.indices.filter { $0 != c }.sorted { (abs(scores[$0] - scores[c]), $0) < (abs(scores[$1] - scores[c]), $1) }
            return Array(sorted.prefix(count))
        }
        let others = given.filter { $0 != c }
        guard !others.isEmpty, Set(given).count == given.count, given.allSatisfy(scores.indices.contains) else {
            throw Failure.invalid(
                "option 'comparisons': expected different classes among \(scores.count), one of them besides the target \(c)")
        }
        return others
    }
}

/// The area under a curve of scores, as different authors count it.
enum CurveRule: String, CaseIterable {
    /// Over the true shares of what is replaced.
    case trapezoid
    /// Every step one wide, the last too though it may be shorter (Petsiuk et al.'s code).
    case unitTrapezoid = "unit_trapezoid"
    /// Each step counts the score behind it (Qi et al., section 4).
    case right
    /// The same as the authors' repository has it: the last step counts as if its score were 1.
    case igosRepo = "igos_repo"

    /// `counts`: places replaced at each score, from none to all.
    func area(_ scores: [Double], _ counts: [Int]) -> Double {
        guard scores.count == counts.count, scores.count > 1, let all = counts.last, all > 0 else { return scores.first ?? .nan }
        let steps = 1..<scores.count
        func width(_ step: Int) -> Double { Double(counts[step] - counts[step - 1]) / Double(all) }
        switch self {
        case .trapezoid: return steps.reduce(0.0) { $0 + width($1) * (scores[$1 - 1] + scores[$1]) / 2 }
        case .unitTrapezoid: return steps.reduce(0.0) { $0 + (scores[$1 - 1] + scores[$1]) / 2 } / Double(steps.count)
        case .right: return steps.reduce(0.0) { $0 + width($1) * scores[$1] }
        case .igosRepo: return steps.dropLast().reduce(0.0) { $0 + width($1) * scores[$1] } + width(scores.count - 1)
        }
    }
}

/// How much is replaced after each step.
enum Steps {
    /// From none to all, `each` at a time; the last step may be shorter.
    static func counts(of units: Int, each: Int) -> [Int] {
        let each = max(1, each)
        return Array(stride(from: 0, to: units, by: each)) + [units]
    }
}

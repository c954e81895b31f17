/// How many parts of the minimal sufficient sets still explain something: the smaller sets below them, counted at several
/// levels. Jiang, Khorram, Li 2024, sub-explanation counting.
struct SubExplanations {
    /// Shares of the whole image's score, highest first.
    let levels: [Double]
    /// Different sets above each level that one or more patches less than a minimal set leave.
    private(set) var counts: [Int]
    /// Whether there were more sets than the limit.
    var isCut = false

    init(levels: [Double]) {
        self.levels = levels.sorted(by: >)
        counts = self.levels.map { _ in 0 }
    }

    /// Goes down from the sets patch by patch as long as the lowest level holds; evaluates at most `limit` sets.
    mutating func count(below roots: [PatchSet], _ scores: PatchScores, limit: Int) throws {
        guard let lowest = levels.last else { return }
        var seen = Set(roots), level = roots, left = limit
        while !level.isEmpty {
            var next = level.flatMap(\.withoutOne).filter { seen.insert($0).inserted }
            if next.count > left {
                isCut = true
                next = Array(next.prefix(left))
            }
            left -= next.count
            try scores.need(next)
            level = next.filter { scores.relative($0) > lowest }
            for (i, threshold) in levels.enumerated() { counts[i] += level.count { scores.relative($0) > threshold } }
        }
    }
}

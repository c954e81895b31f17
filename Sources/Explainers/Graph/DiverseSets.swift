/// The largest family of sets of which no two share more than some patches.
enum DiverseSets {
    struct Choice {
        /// Places in the list, in its order.
        var members: [Int] = []
        /// Whether the search was ended before it was sure.
        var isCut = false
    }

    /// How many steps the search may take, and how many sets it looks at; maximum cliques take exponentially many in the worst case.
    private static let limit = 200_000
    private static let widest = 256

    /// `weights`: among families of equal size that with the larger sum wins, then the first; nil: the first.
    static func largest(_ sets: [PatchSet], overlap: Int, weights: [Double]?) -> Choice {
        var finder = Finder(sets: sets, overlap: overlap, weights: weights, steps: limit)
        finder.extend([], 0, Array(sets.indices.prefix(widest)))
        return Choice(members: finder.best, isCut: finder.steps <= 0 || sets.count > widest)
    }

    /// Depth first over families in lexicographic order, leaving out what cannot beat the best so far.
    private struct Finder {
        let sets: [PatchSet]
        let overlap: Int
        let weights: [Double]?
        var steps: Int
        var best: [Int] = []
        private var bestSum = -Double.infinity

        init(sets: [PatchSet], overlap: Int, weights: [Double]?, steps: Int) {
            self.sets = sets
            self.overlap = overlap
            self.weights = weights
            self.steps = steps
        }

        mutating func extend(_ family: [Int], _ sum: Double, _ candidates: [Int]) {
            steps -= 1
            if family.count > best.count || (family.count == best.count && weights != nil && sum > bestSum) {
                best = family
                bestSum = sum
            }
            for (place, next) in candidates.enumerated() {
                guard steps > 0, canWin(family, sum, candidates[place...]) else { return }
                let rest = candidates[(place + 1)...].filter { sets[$0].overlap(sets[next]) <= overlap }
                extend(family + [next], sum + (weights?[next] ?? 0), rest)
            }
        }

        /// Whether a family with candidates of this list could still be better than the best.
        private func canWin(_ family: [Int], _ sum: Double, _ candidates: ArraySlice<Int>) -> Bool {
            let reach = family.count + candidates.count
            guard let weights, reach == best.count else { return reach > best.count }
            return candidates.reduce(sum) { $0 + weights[$1] } > bestSum
        }
    }
}

/// Sufficient sets made smaller until no single patch can go.
enum MinimalSets {
    /// A set on its way: the patch of the current pass that comes next, and whether the pass has removed one.
    private struct Reduction {
        var set: PatchSet
        var next = 0
        var hasRemoved = false
        var isDone = false

        /// The removals that the rest of the pass tries unless one of them succeeds.
        var trials: [PatchSet] { isDone ? [] : set.patches.filter { $0 >= next }.map { set.removing($0) } }

        /// Goes on as far as the known scores reach: passes in raster order until one removes nothing.
        mutating func advance(_ rule: Sufficiency, _ scores: PatchScores) {
            for patch in set.patches where patch >= next {
                let smaller = set.removing(patch)
                guard scores[smaller] != nil else { return }
                next = patch + 1
                guard rule.holds(smaller, scores) else { continue }
                set = smaller
                hasRemoved = true
                return
            }
            isDone = !hasRemoved
            next = 0
            hasRemoved = false
        }
    }

    /// The minimal set inside each sufficient one, found patch by patch in raster order; the sets' trials are evaluated together.
    static func reduced(_ sets: [PatchSet], _ rule: Sufficiency, _ scores: PatchScores) throws -> [PatchSet] {
        var states = sets.map { Reduction(set: $0) }
        while states.contains(where: { !$0.isDone }) {
            try scores.need(states.flatMap(\.trials))
            for i in states.indices where !states[i].isDone { states[i].advance(rule, scores) }
        }
        return states.map(\.set)
    }
}

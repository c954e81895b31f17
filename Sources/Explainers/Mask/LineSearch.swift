/// Backtracking with the revised Armijo condition of I-GOS (Qi, Khorram & Li 2020): from `first` downwards, the first step
/// `a` with `F(clamp(M - a TG)) <= F(M) - a beta |TG|^2`, each step a fifth of the one before.
struct LineSearch {
    var beta = 1e-4
    var decay = 0.2
    /// Where the search ends.
    var floor = 1e-5
    /// Steps that are evaluated together.
    var ladder = 1
    /// Whether the step below the floor is taken although it was not found to help, as in the published code.
    var takesFloorStep = false

    /// What was found.
    struct Found<Point> {
        /// nil: no step helps.
        let point: Point?
        let step: Double
        /// The objective there; nil where the step below the floor was taken unseen.
        let value: Double?
        /// Steps tried, those without any evaluation included.
        let tries: Int
    }

    /// The steps, from the first to the one below the floor.
    func steps(from first: Double) -> [Double] {
        var steps = [first]
        while let last = steps.last, last >= floor, steps.count < 64 { steps.append(last * decay) }
        return steps
    }

    /// `exceeds` says at no cost that a point is certainly above a limit; `values` are those of several points, nil where
    /// a point is above its limit.
    func search<Point>(
        from value: Double, slope: Double, first: Double, at point: (Double) throws -> Point, exceeds: (Point, Double) throws -> Bool,
        values: ([Point], [Double]) throws -> [Double?]
    ) rethrows -> Found<Point> {
        let steps = steps(from: first)
        var next = 0
        while next < steps.count {
            var rung: [(step: Double, point: Point, limit: Double, try: Int)] = []
            while next < steps.count, rung.count < max(1, ladder) {
                let step = steps[next], limit = value - step * beta * slope
                next += 1
                if takesFloorStep, step < floor { break }
                let candidate = try point(step)
                if try !exceeds(candidate, limit) { rung.append((step, candidate, limit, next)) }
            }
            let found = rung.isEmpty ? [] : try values(rung.map(\.point), rung.map(\.limit))
            for (candidate, reached) in zip(rung, found) {
                if let reached, reached <= candidate.limit {
                    return Found(point: candidate.point, step: candidate.step, value: reached, tries: candidate.try)
                }
            }
        }
        let last = steps[steps.count - 1]
        return Found(point: takesFloorStep ? try point(last) : nil, step: takesFloorStep ? last : 0, value: nil, tries: steps.count)
    }
}

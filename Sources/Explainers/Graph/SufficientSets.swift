internal import Tensors

/// The search for minimal sufficient sets of patches: sets that suffice while no set with one patch less does.
/// Shitole et al. 2021, section 4. What was found stays when a search is cut short.
struct SufficientSets {
    enum Search: String, CaseIterable, Sendable {
        /// Sets grow patch by patch; the best that do not suffice yet go on.
        case beam
        /// All sets of a fixed size of the best patches.
        case combinations
        /// All sets of the best patches.
        case exhaustive
    }

    struct Limits: Sendable {
        var search = Search.beam
        var beamWidth = 3
        var successors = 15
        var maxRoots = 10
        var maxSize = 49
        var candidates = 20
        var combinationSize = 4
        /// The released code's ways: a beam one wider, sets reached twice kept twice, the empty set not tried.
        var isParity = false
    }

    private let scores: PatchScores
    private let rule: Sufficiency
    /// Patches, the most promising first.
    private let order: [Int]
    private let limits: Limits
    /// In the order in which they were found.
    private(set) var roots: [PatchSet] = []

    init(_ scores: PatchScores, _ rule: Sufficiency, order: [Int], _ limits: Limits) {
        self.scores = scores
        self.rule = rule
        self.order = order
        self.limits = limits
    }

    mutating func run() throws {
        switch limits.search {
        case .beam: try runBeam()
        case .combinations: try runCombinations()
        case .exhaustive: try runExhaustive()
        }
    }

    // MARK: Beam

    private mutating func runBeam() throws {
        if !limits.isParity {
            try scores.need([.empty])
            if rule.holds(.empty, scores) { roots.append(.empty) }
        }
        var beam = [PatchSet.empty]
        for _ in 0..<min(limits.maxSize, order.count) {
            let successors = successors(of: beam)
            if successors.isEmpty { return }
            try scores.need(successors)
            let ranked = ranked(successors)
            try add(ranked.filter { rule.holds($0, scores) })
            beam = Array(ranked.filter { !rule.holds($0, scores) }.prefix(limits.beamWidth + (limits.isParity ? 1 : 0)))
            if roots.count > limits.maxRoots || (roots.count == limits.maxRoots && !limits.isParity) { return }
        }
    }

    /// Each set of the beam with one of the best patches that it lacks.
    private func successors(of beam: [PatchSet]) -> [PatchSet] {
        var seen = Set<PatchSet>()
        return beam.flatMap { set in
            order.lazy.filter { !set.contains($0) }.prefix(limits.successors).map { set.adding($0) }
        }.filter { limits.isParity || seen.insert($0).inserted }
    }

    /// Highest score first; equal ones in their order, which in parity mode is that of their making.
    private func ranked(_ sets: [PatchSet]) -> [PatchSet] {
        sets.enumerated().sorted { a, b in
            let x = scores.probability(a.element), y = scores.probability(b.element)
            if x != y { return x > y }
            return limits.isParity || a.element == b.element ? a.offset < b.offset : a.element < b.element
        }.map(\.element)
    }

    private mutating func add(_ sufficient: [PatchSet]) throws {
        for set in try MinimalSets.reduced(sufficient, rule, scores) where !roots.contains(set) { roots.append(set) }
    }

    // MARK: All sets of the best patches

    /// Combinatorial search restricted to the best patches: every set of one size, reduced.
    private mutating func runCombinations() throws {
        let candidates = Array(order.prefix(limits.candidates))
        let size = min(limits.combinationSize, candidates.count)
        let sets = Combinations(of: candidates, size: size)
        try sets.forEachChunk(1024) { chunk in
            try scores.need(chunk)
            try add(chunk.filter { rule.holds($0, scores) })
        }
    }

    /// Every set of the best patches, smaller ones first: the minimal ones are read off.
    private mutating func runExhaustive() throws {
        let candidates = Array(order.prefix(limits.candidates))
        for size in 0...min(limits.maxSize, candidates.count) {
            try Combinations(of: candidates, size: size).forEachChunk(1024) { chunk in
                try scores.need(chunk)
                roots += chunk.filter { set in
                    rule.holds(set, scores) && !set.withoutOne.contains { rule.holds($0, scores) }
                }.sorted()
            }
        }
    }

    /// Sets that a search evaluates at most, without the reductions; saturates.
    static func cost(_ limits: Limits, cells: Int) -> Int {
        let candidates = min(limits.candidates, cells)
        switch limits.search {
        case .beam:
            let width = limits.beamWidth + (limits.isParity ? 1 : 0)
            let most = width.multipliedReportingOverflow(by: min(limits.successors, cells))
            let perRound = most.overflow ? 1 << 32 : min(most.partialValue, 1 << 32)
            return 1 + perRound * min(limits.maxSize, cells)
        case .combinations: return Combinations.count(candidates, min(limits.combinationSize, candidates))
        case .exhaustive: return candidates < 32 ? 1 << candidates : 1 << 32
        }
    }
}

internal import Runtime
internal import Tensors

/// Structured attention graphs: which few patches of an image suffice for the class, in how many ways, and what remains of
/// each way when patches are taken away. A set N of patches suffices when `P(N) > 0.9 P(all)`; it is minimal when none of
/// its patches can go. Shitole et al. 2021, sections 3 and 4.
struct StructuredAttentionGraph: Explainer {
    static let method = Method(
        "sag", family: "graph",
        summary: "The smallest sets of patches that suffice for the class, and what is left of them patch by patch.",
        reference: "Shitole, Li, Kahng, Tadepalli, Fern: One Explanation is Not Enough (2021)", needs: [], score: .probability,
        parameters: SAGParameters.all)

    private let settings: Settings
    private let parameters: SAGParameters

    init(_ settings: Settings) throws {
        self.settings = settings
        parameters = try SAGParameters(settings)
    }

    func explain(_ request: Request) throws -> Findings {
        let layout = try ImageLayout(request, settings)
        let grid = try PatchGrid(settings, layout)
        _ = try parameters.most(grid)
        let target = try request.scoredTarget()
        let usual = try parameters.usualBaseline(settings)
        let baseline = try Baseline.tensor(settings, like: request.x, seed: request.seed, default: usual)
        let stage = SAGProgress(request)
        let mask = QuickMask(request: request, settings: settings, target: target, baseline: baseline, layout: layout)
        let found = try (0..<request.images).map { image in
            let images = try PatchImages(request, image: image, target: target, baseline: baseline, grid: grid, layout: layout)
            let whole = try parameters.rule.requiresTop ? images.checkedTop() : request.scores[image]
            let scores = try PatchScores(full: whole, whole: .all(grid.count), limit: parameters.maxEvaluations) { sets in
                try stage.advance(image, by: sets.count)
                return try images.scores(sets, ranks: parameters.rule.requiresTop)
            }
            return try explain(image, scores, grid, request, mask)
        }
        let classes = try found.indices.map { try PatchImages.explainedClass(request, $0, target) }
        var findings = try SAGReport(
            found: found, grid: grid, classes: classes, style: parameters.style, x: request.x, layout: layout
        ).findings()
        if try settings.text("baseline") == nil { findings.chosen["baseline"] = .string(usual) }
        if parameters.mayUseMask { findings.chosen["ordering"] = found.first.map { .string($0.ordering.kind.rawValue) } }
        return findings
    }

    private func explain(
        _ image: Int, _ scores: PatchScores, _ grid: PatchGrid, _ request: Request, _ mask: QuickMask
    ) throws -> SAGFindings {
        func isStop(_ error: any Error) -> Bool {
            guard let failure = error as? Failure else { return error is PatchScores.Exhausted }
            return request.canStop(failure)
        }
        let ordering = try parameters.ordering(image, scores, grid, mask)
        var search = SufficientSets(scores, parameters.rule, order: ordering.order, parameters.search)
        var warnings: [String] = []
        do {
            try search.run()
        } catch  where isStop(error) {
            guard !search.roots.isEmpty || error is PatchScores.Exhausted else { throw error }
            warnings.append("the search ended before it was complete\(error is PatchScores.Exhausted ? ": max_evaluations" : "")")
        }
        let diverse = parameters.diverse(search.roots, scores)
        var counts = parameters.levels.map { SubExplanations(levels: $0) }
        do {
            try counts?.count(below: search.roots, scores, limit: parameters.maxSubsets)
        } catch  where isStop(error) { counts?.isCut = true }
        let graph = try PatchGraph(roots: diverse.roots, scores, parameters.graph, isStop: isStop)
        request.isStopped = request.isStopped || request.control.hasMetDeadline
        if diverse.isCut {
            warnings.append("there are too many minimal sets to be sure that the graph's roots are the largest family of diverse ones")
        }
        return SAGFindings(
            scores: scores, grid: grid, ordering: ordering, sets: search.roots, roots: diverse.roots, graph: graph, counts: counts,
            cuts: warnings)
    }

    func work(_ request: Request) throws -> [Work] {
        let layout = try ImageLayout(request, settings)
        let most = try parameters.most(PatchGrid(settings, layout))
        let search = try request.work(versions: most, chunk: request.chunk(of: most), gradient: false)
        return try [request.work()] + search + (parameters.mayUseMask ? QuickMask.work(request) : [])
    }
}

/// Where the method stands: nobody knows how long a search will take, so that each further set counts for less.
private final class SAGProgress {
    private let request: Request
    private var image = 0
    private var evaluated = 0

    init(_ request: Request) { self.request = request }

    private static func share(_ evaluated: Int) -> Int { 1000 * evaluated / (evaluated + 300) }

    /// So many sets of patches of an image are about to be evaluated.
    func advance(_ image: Int, by count: Int) throws {
        if image != self.image { (self.image, evaluated) = (image, 0) }
        let start = image * 1000 + SAGProgress.share(evaluated)
        evaluated += count
        try request.control.begin(
            "search", start, to: image * 1000 + SAGProgress.share(evaluated), of: 1000 * max(1, request.images))
    }
}

internal import Runtime
internal import Tensors

/// How graphs are drawn.
struct DrawingStyle {
    let picture: Tensor?
    let title: String?
    let tile: Int?
    let theme: GraphPicture.Theme

    init(_ settings: Settings) throws {
        picture = try settings.tensor("picture")
        title = try settings.text("title").map { String($0.prefix(200)) }
        tile = try settings.integer("tile_size").flatMap { $0 > 0 ? max(16, $0) : nil }
        theme = try settings.choice("theme") == "dark" ? .dark : .light
    }
}

/// The options of structured attention graphs; defaults are those of the released code unless the help says otherwise.
struct SAGParameters {
    static let all: [Parameter] =
        PatchGrid.parameters + search + graph + counting + drawing + [ImageLayout.parameter] + Baseline.preparation

    private static let search: [Parameter] = [
        Parameter(
            "baseline", .baseline,
            "what hidden patches show: a number, one per channel, a tensor, zero, mean, min, blur, noise, black; default: black (the released code's) where input_mean says what black is, else min"
        ),
        Parameter(
            "ordering", .choice(PatchOrdering.Kind.allCases.map(\.rawValue)), default: PatchOrdering.Kind.auto.rawValue,
            "which patches are tried first: i-gos (what a quick mask at the grid's size takes away, the released code's), patch (what each alone gives plus what the image loses without it), insertion, deletion (one of the two); auto: i-gos where the network has gradients, else patch"
        ),
        Parameter("ordering_map", .tensor, "a map, larger = tried first, in place of ordering: as fine as the grid or finer"),
        Parameter(
            "search", .choice(SufficientSets.Search.allCases.map(\.rawValue)), default: "beam",
            "beam; combinations: all sets of combination_size of the best candidates, reduced; exhaustive: all sets of the best candidates"
        ),
        Parameter("prob_threshold", .real(0...1), default: "0.9", "the share of the whole image's score that a sufficient set exceeds"),
        Parameter("require_top1", .boolean, default: "false", "a sufficient set must also make the class the best one"),
        Parameter("beam_width", .integer(0...65536), default: "3", "beam: insufficient sets that go on after each round; 0: all"),
        Parameter("num_successors", .integer(0...64), default: "15", "beam: patches that each set is tried with; 0: all"),
        Parameter("max_roots", .integer(1...100_000), default: "10", "beam: ends after the round in which so many sets were found"),
        Parameter("max_root_size", .integer(1...64), default: "49", "patches that a set found by beam or exhaustive search may have"),
        Parameter("candidates", .integer(1...64), default: "20", "combinations and exhaustive: the best patches that sets are made of"),
        Parameter("combination_size", .integer(1...64), default: "4", "combinations: patches of each set before it is reduced"),
        Parameter(
            "max_evaluations", .integer(1...10_000_000), default: "6000",
            "sets that are evaluated for one image at most; what was found until then is given"),
        Parameter(
            "parity", .boolean, default: "false",
            "as the released code: a beam one wider that keeps repeated sets, one set more than max_roots, the first largest family of roots, children in raster order, thresholds of nodes in whole percents of probability, no merging"
        ),
    ]

    private static let graph: [Parameter] = [
        Parameter("num_roots", .integer(1...64), default: "3", "sets at the top of the graph"),
        Parameter("overlap_threshold", .integer(0...64), default: "1", "patches that two of them may share"),
        Parameter("node_threshold", .real(0...1), default: "0.4", "nodes that keep no more than this share of the score are not expanded"),
        Parameter(
            "max_children", .integer(0...64), default: "3",
            "children that a node shows: those whose missing patch costs most (with parity the first); 0: all"),
        Parameter("merge_equal_sets", .boolean, default: "true", "equal sets are one node (with parity every path has its own)"),
        Parameter("max_nodes", .integer(1...10_000), default: "200", "nodes of a graph at most"),
    ]

    private static let counting: [Parameter] = [
        Parameter(
            "sub_explanations", .boolean, default: "false",
            "count the smaller sets below all minimal sets that keep more than each of the levels (Jiang et al. 2024)"),
        Parameter("levels", .numbers, default: "0.8,0.7,0.6,0.5", "with sub_explanations: shares of the whole image's score"),
        Parameter("max_subsets", .integer(1...1_000_000), default: "4000", "with sub_explanations: sets looked at for one image at most"),
    ]

    private static let drawing: [Parameter] = [
        Parameter("draw", .boolean, default: "true", "make the tensors drawing (pixels), svg and dot"),
        Parameter(
            "picture", .tensor,
            "the photo for drawings, uint8 of height x width x 3 (or images x height x width x 3); default: the input scaled to its range"),
        Parameter("title", .text, "words above drawings; default: the class's number"),
        Parameter("tile_size", .integer(0...1024), default: "0", "pixels of a tile's longer side; 0: as suits the graph's width"),
        Parameter("theme", .choice(["light", "dark"]), default: "light", "ground of the tensor drawing; svg follows its reader's setting"),
    ]

    let rule: Sufficiency
    let search: SufficientSets.Limits
    let graph: PatchGraph.Limits
    let maxEvaluations: Int
    /// nil: nothing is counted.
    let levels: [Double]?
    let maxSubsets: Int
    /// nil: nothing is drawn.
    let style: DrawingStyle?
    private let isParity: Bool
    private let roots: Int
    private let overlap: Int
    private let orderingKind: PatchOrdering.Kind
    private let orderingMap: Tensor?

    init(_ settings: Settings) throws {
        isParity = try settings.flag("parity")
        rule = Sufficiency(threshold: try settings.real("prob_threshold", or: 0.9), requiresTop: try settings.flag("require_top1"))
        search = try SAGParameters.search(settings, isParity)
        graph = PatchGraph.Limits(
            threshold: try settings.real("node_threshold", or: 0.4), maxChildren: try settings.integer("max_children", or: 3),
            maxNodes: try settings.integer("max_nodes", or: 200), mergesEqualSets: try !isParity && settings.flag("merge_equal_sets"),
            isParity: isParity)
        maxEvaluations = try settings.integer("max_evaluations", or: 6000)
        levels = try SAGParameters.levels(settings)
        maxSubsets = try settings.integer("max_subsets", or: 4000)
        roots = try settings.integer("num_roots", or: 3)
        overlap = try settings.integer("overlap_threshold", or: 1)
        orderingKind = PatchOrdering.Kind(rawValue: try settings.choice("ordering")) ?? .auto
        orderingMap = try settings.tensor("ordering_map")
        style = try settings.flag("draw") ? DrawingStyle(settings) : nil
    }

    private static func search(_ settings: Settings, _ isParity: Bool) throws -> SufficientSets.Limits {
        func positive(_ name: String) throws -> Int { try settings.integer(name).flatMap { $0 > 0 ? $0 : nil } ?? 1 << 24 }
        let limits = SufficientSets.Limits(
            search: SufficientSets.Search(rawValue: try settings.choice("search")) ?? .beam, beamWidth: try positive("beam_width"),
            successors: try positive("num_successors"), maxRoots: try settings.integer("max_roots", or: 10),
            maxSize: try settings.integer("max_root_size", or: 49), candidates: try settings.integer("candidates", or: 20),
            combinationSize: try settings.integer("combination_size", or: 4), isParity: isParity)
        return limits
    }

    private static func levels(_ settings: Settings) throws -> [Double]? {
        guard try settings.flag("sub_explanations") else { return nil }
        let levels = try settings.numbers("levels") ?? []
        guard !levels.isEmpty, levels.count <= 64, levels.allSatisfy({ $0 > 0 && $0 < 1 }) else {
            throw Failure.invalid("option 'levels': expected up to 64 numbers between 0 and 1")
        }
        return levels
    }

    /// The name of the baseline in force where none was given.
    func usualBaseline(_ settings: Settings) throws -> String { try settings.numbers("input_mean") == nil ? "min" : "black" }

    /// The order of the patches, and the values behind it.
    func ordering(_ image: Int, _ scores: PatchScores, _ grid: PatchGrid, _ mask: QuickMask) throws -> PatchOrdering {
        if let orderingMap { return try PatchOrdering(map: orderingMap, image: image, grid) }
        return try PatchOrdering(orderingKind, image: image, scores, grid, mask)
    }

    /// Whether a quick mask may be made.
    var mayUseMask: Bool { orderingMap == nil && (orderingKind == .auto || orderingKind == .igos) }

    /// The sets that become roots of the graph, in order.
    func diverse(_ sets: [PatchSet], _ scores: PatchScores) -> (roots: [PatchSet], isCut: Bool) {
        let ranked =
            isParity
            ? sets
            : sets.sorted {
                let a = scores.probability($0), b = scores.probability($1)
                return a != b ? a > b : $0 < $1
            }
        let choice = DiverseSets.largest(ranked, overlap: overlap, weights: isParity ? nil : ranked.map(scores.relative))
        return (choice.members.prefix(roots).map { ranked[$0] }, choice.isCut)
    }

    /// Sets that are evaluated for one image at most. Throws where a search cannot even begin.
    func most(_ grid: PatchGrid) throws -> Int {
        let planned = SufficientSets.cost(search, cells: grid.count)
        guard search.search == .beam || planned <= maxEvaluations else {
            throw Failure.invalid(
                "option 'search': \(search.search.rawValue) takes \(planned) evaluations, more than max_evaluations=\(maxEvaluations); lower candidates\(search.search == .combinations ? " or combination_size" : "")"
            )
        }
        return min(maxEvaluations, grid.count < 20 ? 1 << grid.count : maxEvaluations) + (rule.requiresTop ? 1 : 0)
    }
}

internal import Tensors

/// Minimal sufficient sets of patches with what remains of them when patch after patch is taken away.
/// Shitole et al. 2021, section 3: roots are the sets, a child has one patch less than its parent.
struct PatchGraph {
    struct Node {
        let set: PatchSet
        let isRoot: Bool
        /// Edges on the shortest way from a root.
        let depth: Int
        var parents: [Int] = []
        var children: [Int] = []
    }

    struct Edge {
        let from: Int
        let to: Int
        let removed: Int
    }

    struct Limits: Sendable {
        /// Nodes that keep no more than this share are not expanded.
        var threshold = 0.4
        /// 0: all.
        var maxChildren = 3
        var maxNodes = 200
        /// Equal sets are one node.
        var mergesEqualSets = true
        /// The released code's ways: the first children in raster order, and thresholds in whole percents of probability.
        var isParity = false
    }

    private(set) var nodes: [Node] = []
    private(set) var edges: [Edge] = []
    /// Whether nodes were left out because there were too many, or because the search was cut short.
    private(set) var isCut = false
    private let scores: PatchScores
    private let limits: Limits

    /// `isStop`: errors at which what is known is drawn.
    init(roots: [PatchSet], _ scores: PatchScores, _ limits: Limits, isStop: (any Error) -> Bool) throws {
        self.scores = scores
        self.limits = limits
        do { try evaluate(below: roots) } catch  where isStop(error) { isCut = true }
        if limits.mergesEqualSets { merge(roots) } else { for root in roots { copy(root, parent: nil, depth: 0) } }
    }

    /// Evaluates whatever the graph will hold, a level at a time.
    private mutating func evaluate(below roots: [PatchSet]) throws {
        var seen = Set(roots), level = roots
        while !level.isEmpty, seen.count <= limits.maxNodes {
            let open = level.filter(isExpanded)
            try scores.need(open.flatMap { limits.isParity ? firstChildren($0) : $0.withoutOne })
            level = open.flatMap(children).filter { seen.insert($0).inserted }
        }
    }

    private func firstChildren(_ set: PatchSet) -> [PatchSet] {
        let all = set.withoutOne
        return limits.maxChildren == 0 ? all : Array(all.prefix(limits.maxChildren))
    }

    private func isExpanded(_ set: PatchSet) -> Bool {
        guard set.count > 1, let score = scores[set] else { return false }
        guard limits.isParity else { return scores.relative(set) > limits.threshold }
        // numpy.around(p, 3), then the integer part of the percentage, in single precision.
        let rounded = (Float(score.probability) * 1000).rounded(.toNearestOrEven) / 1000
        return Double((rounded * 100).rounded(.towardZero)) > (limits.threshold * 100).rounded()
    }

    /// The children that are shown: where there are too many, those whose missing patch costs most; in raster order of that patch.
    private func children(_ set: PatchSet) -> [PatchSet] {
        let known = (limits.isParity ? firstChildren(set) : set.withoutOne).filter { scores[$0] != nil }
        guard limits.maxChildren > 0, known.count > limits.maxChildren else { return known }
        let worst = known.indices.sorted {
            let a = scores.probability(known[$0]), b = scores.probability(known[$1])
            return a != b ? a < b : $0 < $1
        }
        return worst.prefix(limits.maxChildren).sorted().map { known[$0] }
    }

    private mutating func add(_ set: PatchSet, isRoot: Bool, depth: Int) -> Int? {
        guard nodes.count < limits.maxNodes else {
            isCut = true
            return nil
        }
        nodes.append(Node(set: set, isRoot: isRoot, depth: depth))
        return nodes.count - 1
    }

    private mutating func link(_ from: Int, _ to: Int) {
        let removed = nodes[from].set.patches.first { !nodes[to].set.contains($0) } ?? 0
        edges.append(Edge(from: from, to: to, removed: removed))
        nodes[from].children.append(to)
        nodes[to].parents.append(from)
    }

    private mutating func merge(_ roots: [PatchSet]) {
        var place: [PatchSet: Int] = [:]
        for root in roots { place[root] = add(root, isRoot: true, depth: 0) }
        var next = 0
        while next < nodes.count {
            let node = nodes[next]
            for child in isExpanded(node.set) ? children(node.set) : [] {
                if place[child] == nil { place[child] = add(child, isRoot: false, depth: node.depth + 1) }
                if let to = place[child] { link(next, to) }
            }
            next += 1
        }
    }

    /// A forest: every path has its own nodes, parents first. As deep as a set has patches, at most 64.
    private mutating func copy(_ set: PatchSet, parent: Int?, depth: Int) {
        guard let index = add(set, isRoot: parent == nil, depth: depth) else { return }
        if let parent { link(parent, index) }
        for child in isExpanded(set) ? children(set) : [] { copy(child, parent: index, depth: depth + 1) }
    }
}

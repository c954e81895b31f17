internal import Tensors

/// Decision trees, checked once and laid out for walking: branches in one array, leaves by number.
struct Forest: Sendable {
    /// How a branch compares a feature with its threshold.
    enum Mode: UInt8, Sendable {
        case lessEqual, less, greaterEqual, greater, equal, notEqual, member
    }

    /// A branch. Where it leads to is a branch when it is not negative, else the leaf `~` of it.
    struct Branch: Sendable {
        /// For `member` the number of its set.
        var threshold: Double
        var whenTrue: Int32, whenFalse: Int32
        var feature: Int32
        var mode: Mode
        /// A missing value (NaN) takes the true way.
        var missingIsTrue: Bool
    }

    /// What a leaf adds to an output.
    struct Contribution: Sendable {
        var output: Int
        var weight: Double
    }

    /// How the contributions of all trees become one score.
    enum Aggregate: String, Sendable {
        case average = "AVERAGE", sum = "SUM", min = "MIN", max = "MAX"
    }

    let branches: [Branch]
    /// Of each tree, as `Branch.whenTrue`.
    let roots: [Int32]
    /// Contributions of leaf i are those from `leafStarts[i]` to `leafStarts[i + 1]`.
    let leafStarts: [Int]
    let contributions: [Contribution]
    /// Sorted members of the sets of `member` branches.
    let sets: [[Double]]
    let outputs: Int
    /// Features that a row must have.
    let features: Int

    /// Throws when a branch leads nowhere or in a circle, or a leaf contributes to no output.
    init(branches: [Branch], roots: [Int32], leaves: [[Contribution]], sets: [[Double]], outputs: Int) throws {
        guard (1...1 << 24).contains(outputs) else { throw Failure.invalid("\(outputs) outputs of trees") }
        self.branches = branches
        self.roots = roots
        self.sets = sets.map { $0.sorted() }
        self.outputs = outputs
        var starts = [0]
        starts.reserveCapacity(leaves.count + 1)
        for leaf in leaves { starts.append((starts.last ?? 0) + leaf.count) }
        leafStarts = starts
        contributions = leaves.flatMap { $0 }
        features = Int(branches.map(\.feature).max() ?? -1) + 1
        if let wrong = contributions.first(where: { !(0..<outputs).contains($0.output) }) {
            throw Failure.invalid("a leaf has a weight for output \(wrong.output), there are \(outputs)")
        }
        guard branches.allSatisfy({ $0.feature >= 0 && $0.feature < .max }) else {
            throw Failure.invalid("a branch reads a negative feature")
        }
        guard branches.allSatisfy({ $0.mode != .member || sets.indices.contains(Int(exactly: $0.threshold) ?? -1) }) else {
            throw Failure.invalid("a branch tests membership of a set that is not there")
        }
        try checkWays()
    }

    private func checkWays() throws {
        let leaves = leafStarts.count - 1
        let leads = { (to: Int32) in to >= 0 ? Int(to) < branches.count : Int(~to) < leaves }
        guard roots.allSatisfy(leads), branches.allSatisfy({ leads($0.whenTrue) && leads($0.whenFalse) }) else {
            throw Failure.invalid("a branch leads to a node that does not exist")
        }
        // Depth first, without recursion: a branch that is met again before it is left lies on a circle.
        var state = [UInt8](repeating: 0, count: branches.count)
        for root in roots where root >= 0 {
            var path = [root]
            while let at = path.last {
                let branch = branches[Int(at)]
                if state[Int(at)] == 0 {
                    state[Int(at)] = 1
                    for next in [branch.whenFalse, branch.whenTrue] where next >= 0 {
                        guard state[Int(next)] != 1 else { throw Failure.invalid("the branches of a tree go round in a circle") }
                        if state[Int(next)] == 0 { path.append(next) }
                    }
                } else {
                    state[Int(at)] = 2
                    path.removeLast()
                }
            }
        }
    }

    /// Throws when rows of that many features lack some that the trees read.
    func check(width: Int) throws {
        guard features <= width else { throw Failure.shape("the trees read \(features) features, the input has \(width)") }
    }

    /// Scores of rows of features, row by row, and which of them any leaf contributed to.
    func scores(_ rows: FeatureRows, _ aggregate: Aggregate) throws -> (scores: [Double], isSet: [Bool]) {
        try check(width: rows.width)
        let count = try Shape.count([rows.count, outputs])
        var scores = [Double](repeating: 0, count: count), isSet = [Bool](repeating: false, count: count)
        scores.withUnsafeMutableBufferPointer { scores in
            isSet.withUnsafeMutableBufferPointer { isSet in
                rows.numbers.withUnsafeBufferPointer { numbers in
                    // A block of rows walks one tree after the other, while that tree is in the cache.
                    for start in stride(from: 0, to: rows.count, by: 256) {
                        for root in roots {
                            for row in start..<min(start + 256, rows.count) {
                                let x = UnsafeBufferPointer(rebasing: numbers[row * rows.width..<(row + 1) * rows.width])
                                add(leaf(root, x), aggregate, scores, isSet, row * outputs)
                            }
                        }
                    }
                }
            }
        }
        if aggregate == .average, !roots.isEmpty { for i in scores.indices { scores[i] /= Double(roots.count) } }
        return (scores, isSet)
    }

    @inline(__always)
    private func leaf(_ root: Int32, _ x: UnsafeBufferPointer<Double>) -> Int {
        branches.withUnsafeBufferPointer { branches in
            var at = root
            while at >= 0 {
                let branch = branches[Int(at)], value = x[Int(branch.feature)]
                at = holds(branch, value) || (branch.missingIsTrue && value.isNaN) ? branch.whenTrue : branch.whenFalse
            }
            return Int(~at)
        }
    }

    @inline(__always)
    private func holds(_ branch: Branch, _ x: Double) -> Bool {
        switch branch.mode {
        case .lessEqual: x <= branch.threshold
        case .less: x < branch.threshold
        case .greaterEqual: x >= branch.threshold
        case .greater: x > branch.threshold
        case .equal: x == branch.threshold
        case .notEqual: x != branch.threshold
        case .member: contains(sets[Int(branch.threshold)], x)
        }
    }

    private func contains(_ members: [Double], _ x: Double) -> Bool {
        var low = 0, high = members.count
        while low < high {
            let middle = (low + high) / 2
            if members[middle] < x { low = middle + 1 } else { high = middle }
        }
        return low < members.count && members[low] == x
    }

    @inline(__always)
    private func add(
        _ leaf: Int, _ aggregate: Aggregate, _ scores: UnsafeMutableBufferPointer<Double>, _ isSet: UnsafeMutableBufferPointer<Bool>,
        _ base: Int
    ) {
        for i in leafStarts[leaf]..<leafStarts[leaf + 1] {
            let place = base + contributions[i].output, weight = contributions[i].weight
            switch aggregate {
            case .sum, .average: scores[place] += weight
            case .min: scores[place] = isSet[place] ? Swift.min(scores[place], weight) : weight
            case .max: scores[place] = isSet[place] ? Swift.max(scores[place], weight) : weight
            }
            isSet[place] = true
        }
    }
}

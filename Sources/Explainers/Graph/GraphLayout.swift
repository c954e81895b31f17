/// Where the nodes of an attention graph stand: a row for each number of patches, the largest sets on top, so that every edge
/// goes from one row to the next. Rows are ordered by the barycentre method (Sugiyama, Tagawa, Toda 1981).
struct GraphLayout {
    /// Nodes of each row from left to right.
    private(set) var rows: [[Int]]
    /// The middle of each node, in widths of a node with its gap.
    private(set) var places: [Double]
    private let graph: PatchGraph
    private static let sweeps = 12

    init(_ graph: PatchGraph) {
        self.graph = graph
        let sizes = Set(graph.nodes.map(\.set.count)).sorted(by: >)
        let visited = GraphLayout.depthFirst(graph)
        rows = sizes.map { size in visited.filter { graph.nodes[$0].set.count == size } }
        places = [Double](repeating: 0, count: graph.nodes.count)
        untangle()
        spread()
    }

    /// In units of a node.
    var width: Double { (places.max() ?? 0) + 0.5 }
    var widest: Int { rows.map(\.count).max() ?? 0 }

    private static func depthFirst(_ graph: PatchGraph) -> [Int] {
        var seen = Set<Int>(), order: [Int] = []
        var stack = Array(graph.nodes.indices.filter { graph.nodes[$0].isRoot }.reversed())
        while let node = stack.popLast() {
            guard seen.insert(node).inserted else { continue }
            order.append(node)
            stack += graph.nodes[node].children.reversed()
        }
        return order
    }

    // MARK: Order within rows

    private mutating func untangle() {
        var best = rows, fewest = crossings
        for sweep in 0..<GraphLayout.sweeps where fewest > 0 {
            let isDown = sweep % 2 == 0
            for row in isDown ? Array(rows.indices) : rows.indices.reversed() { sort(row, by: isDown ? \.parents : \.children) }
            let count = crossings
            if count < fewest { (best, fewest) = (rows, count) }
        }
        rows = best
    }

    private mutating func sort(_ row: Int, by neighbours: KeyPath<PatchGraph.Node, [Int]>) {
        let position = positions
        let keys = rows[row].enumerated().map { index, node -> (key: Double, node: Int) in
            let others = graph.nodes[node][keyPath: neighbours]
            let mean = others.reduce(0.0) { $0 + position[$1] } / Double(max(1, others.count))
            return (others.isEmpty ? position[node] : mean, node)
        }
        rows[row] = keys.enumerated().sorted { ($0.element.key, $0.offset) < ($1.element.key, $1.offset) }.map(\.element.node)
    }

    /// Of each node in its row, from 0 to 1.
    private var positions: [Double] {
        var result = [Double](repeating: 0, count: graph.nodes.count)
        for row in rows { for (i, node) in row.enumerated() { result[node] = (Double(i) + 0.5) / Double(row.count) } }
        return result
    }

    private var crossings: Int {
        let position = positions
        let byRow = Dictionary(grouping: graph.edges) { graph.nodes[$0.from].set.count }
        return byRow.values.reduce(0) { sum, edges in
            let ends = edges.map { (position[$0.from], position[$0.to]) }
            var count = 0
            for (i, a) in ends.enumerated() { for b in ends[..<i] where (a.0 - b.0) * (a.1 - b.1) < 0 { count += 1 } }
            return sum + count
        }
    }

    // MARK: Places

    /// Every node as near to the middle of its neighbours as its row allows.
    private mutating func spread() {
        for row in rows {
            for (i, node) in row.enumerated() { places[node] = Double(i) - Double(row.count - 1) / 2 }
        }
        for _ in 0..<GraphLayout.sweeps {
            for row in rows { settle(row) { $0.parents.isEmpty ? $0.children : $0.parents } }
            for row in rows.reversed() { settle(row) { $0.children.isEmpty ? $0.parents : $0.children } }
        }
        let first = places.min() ?? 0
        for i in places.indices { places[i] += 0.5 - first }
    }

    private mutating func settle(_ row: [Int], _ neighbours: (PatchGraph.Node) -> [Int]) {
        let wanted = row.map { node -> Double in
            let others = neighbours(graph.nodes[node])
            return others.isEmpty ? places[node] : others.reduce(0.0) { $0 + places[$1] } / Double(others.count)
        }
        for (node, place) in zip(row, GraphLayout.apart(wanted)) { places[node] = place }
    }

    /// The places nearest to the wanted ones, in squares, that keep their order and a distance of 1: isotonic regression by
    /// pooling adjacent violators.
    private static func apart(_ wanted: [Double]) -> [Double] {
        var pools: [(sum: Double, count: Int)] = []
        for (i, place) in wanted.enumerated() {
            pools.append((place - Double(i), 1))
            while pools.count > 1, let last = pools.last, case let before = pools[pools.count - 2],
                before.sum / Double(before.count) > last.sum / Double(last.count)
            {
                pools.removeLast(2)
                pools.append((before.sum + last.sum, before.count + last.count))
            }
        }
        let offsets = pools.flatMap { [Double](repeating: $0.sum / Double($0.count), count: $0.count) }
        return offsets.enumerated().map { $1 + Double($0) }
    }
}

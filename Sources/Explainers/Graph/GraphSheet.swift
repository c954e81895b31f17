internal import Imaging
internal import Tensors

/// The drawing of an attention graph before it is made of pixels or of SVG: what stands where.
struct GraphSheet {
    struct Rect {
        let x: Float
        let y: Float
        let width: Float
        let height: Float

        var middle: Float { x + width / 2 }
        var bottom: Float { y + height }
    }

    /// A node: the image with its patches bright, the share of the score below it.
    struct Tile {
        let rect: Rect
        let node: PatchGraph.Node
        let share: Double
        /// Patches that the parents have more, with what their removal costs.
        let removed: [(patch: Int, drop: Double)]

        var label: String { GraphSheet.percent(share) }
    }

    struct Edge {
        let from: (x: Float, y: Float)
        let to: (x: Float, y: Float)
        let drop: Double

        /// A curve that leaves and arrives vertically: the control points of a cubic Bezier curve.
        var controls: [(x: Float, y: Float)] {
            let middle = (from.y + to.y) / 2
            return [from, (from.x, middle), (to.x, middle), to]
        }

        var width: Float { GraphSheet.width(drop) }
    }

    struct Words {
        enum Anchor { case start, middle, end }
        let text: String
        let x: Float
        /// The base line.
        let y: Float
        /// Height of capitals.
        let size: Float
        var anchor = Anchor.start
        var isFaint = false
    }

    let width: Int
    let height: Int
    /// The whole image with the numbers of its patches.
    let panel: Rect
    let tiles: [Tile]
    let edges: [Edge]
    let words: [Words]
    let title: String

    static let margin: Float = 24
    private static let gap: Float = 18
    private static let rise: Float = 54
    /// Room below a tile for its label and bar.
    static let foot: Float = 24
    private static let size: Float = 10
    private static let largest: Float = 150, smallest: Float = 72, wide: Float = 1800

    /// `shape`: of the image; `tile`: length of a tile's longer side, nil for one that suits the graph.
    init(_ found: SAGFindings, title: String, shape: (height: Int, width: Int), tile: Int?) {
        let layout = GraphLayout(found.graph)
        let side = tile.map { Float($0) } ?? GraphSheet.fitting(layout.widest)
        let longest = Float(max(shape.height, shape.width, 1))
        let size = (width: side * Float(shape.width) / longest, height: side * Float(shape.height) / longest)
        let enlarged = max(1.6, 230 / side)
        let top = GraphSheet.margin + 3.6 * GraphSheet.size
        panel = Rect(x: GraphSheet.margin, y: top, width: size.width * enlarged, height: size.height * enlarged)
        let left = panel.x + panel.width + 2 * GraphSheet.margin + 8 * GraphSheet.size
        let step = size.height + GraphSheet.foot + GraphSheet.rise
        var rects: [Int: Rect] = [:]
        for (row, nodes) in layout.rows.enumerated() {
            for node in nodes {
                let middle = left + Float(layout.places[node]) * (size.width + GraphSheet.gap)
                rects[node] = Rect(x: middle - size.width / 2, y: top + Float(row) * step, width: size.width, height: size.height)
            }
        }
        tiles = found.graph.nodes.indices.compactMap { index in rects[index].map { GraphSheet.tile(index, $0, found) } }
        edges = found.graph.edges.compactMap { edge in
            guard let from = rects[edge.from], let to = rects[edge.to] else { return nil }
            return Edge(
                from: (from.middle, from.bottom + GraphSheet.foot), to: (to.middle, to.y - 2),
                drop: GraphSheet.drop(edge, found))
        }
        let right = left + Float(layout.width) * (size.width + GraphSheet.gap)
        let width = max(right, panel.x + panel.width) + GraphSheet.margin
        let bottom = max(panel.bottom, top + Float(layout.rows.count) * step - GraphSheet.rise + 8)
        let lines = GraphSheet.formula(found, width: width - 2 * GraphSheet.margin)
        words =
            GraphSheet.heading(found, title, panel) + GraphSheet.rowNames(layout, found.graph, top, step, size.height, left)
            + lines.enumerated().map { i, line in
                Words(
                    text: line, x: GraphSheet.margin, y: bottom + GraphSheet.margin + 12 + Float(i) * 2.1 * GraphSheet.size,
                    size: GraphSheet.size)
            }
        self.width = Int(width.rounded(.up))
        height = Int((bottom + GraphSheet.margin + Float(lines.count) * 2.1 * GraphSheet.size + GraphSheet.margin).rounded(.up))
        self.title = title
    }

    private static func fitting(_ widest: Int) -> Float { max(smallest, min(largest, wide / Float(max(1, widest)) - gap)) }

    private static func drop(_ edge: PatchGraph.Edge, _ found: SAGFindings) -> Double {
        let nodes = found.graph.nodes
        return found.scores.relative(nodes[edge.from].set) - found.scores.relative(nodes[edge.to].set)
    }

    private static func tile(_ index: Int, _ rect: Rect, _ found: SAGFindings) -> Tile {
        let node = found.graph.nodes[index]
        let incoming = found.graph.edges.filter { $0.to == index }
        return Tile(
            rect: rect, node: node, share: found.scores.relative(node.set),
            removed: incoming.map { (patch: $0.removed, drop: drop($0, found)) })
    }

    // MARK: Words

    static func percent(_ share: Double) -> String {
        let percent = 100 * share
        if percent > 0 && percent < 0.5 { return "< 1 %" }
        return percent < 1e6 ? "\(Int(percent.rounded())) %" : "> 1000000 %"
    }

    /// The released drawing's steps: by drops of 20 and 60 points.
    static func width(_ drop: Double) -> Float { drop < 0.2 ? 1.5 : drop < 0.6 ? 2.5 : 4 }

    private static func heading(_ found: SAGFindings, _ title: String, _ panel: Rect) -> [Words] {
        let score = "\((found.scores.full * 1e4).rounded() / 1e4)"
        return [
            Words(text: title, x: margin, y: margin + 1.3 * size, size: 1.3 * size),
            Words(text: "whole image: score \(score) = 100 %", x: panel.x, y: panel.bottom + 2 * size, size: 0.9 * size, isFaint: true),
        ]
    }

    private static func rowNames(
        _ layout: GraphLayout, _ graph: PatchGraph, _ top: Float, _ step: Float, _ height: Float, _ left: Float
    ) -> [Words] {
        layout.rows.enumerated().map { row, nodes in
            let count = nodes.first.map { graph.nodes[$0].set.count } ?? 0
            return Words(
                text: count == 1 ? "1 patch" : "\(count) patches", x: left - size, y: top + Float(row) * step + height / 2,
                size: 0.9 * size,
                anchor: .end, isFaint: true)
        }
    }

    /// The logical form, a line or more for each set.
    private static func formula(_ found: SAGFindings, width: Float) -> [String] {
        var lines: [String] = []
        for (i, set) in found.roots.prefix(8).enumerated() {
            let words = set.isEmpty ? ["no patch at all"] : set.patches.enumerated().map { ($0 == 0 ? "" : "and ") + "P\($1)" }
            var line = i == 0 ? "Enough: " : "or "
            for word in words {
                if Strokes.width(of: line + word, size: size) > width {
                    lines.append(line)
                    line = "    "
                }
                line += word + " "
            }
            lines.append(line)
        }
        return lines
    }
}

extension PatchGrid {
    /// Where a patch is seen, of an image of that size: its tile, or with soft edges where it outweighs its neighbours.
    func outline(_ patch: Int, height: Float, width: Float) -> GraphSheet.Rect {
        func span(_ index: Int, _ parts: Int, _ size: Float) -> (from: Float, length: Float) {
            guard mask == .soft, parts > 1 else { return (Float(index) * size / Float(parts), size / Float(parts)) }
            let step = size / Float(parts - 1)
            let from = max(0, (Float(index) - 0.5) * step)
            return (from, min(size, (Float(index) + 0.5) * step) - from)
        }
        let row = span(patch / columns, rows, height), column = span(patch % columns, columns, width)
        return GraphSheet.Rect(x: column.from, y: row.from, width: column.length, height: row.length)
    }
}

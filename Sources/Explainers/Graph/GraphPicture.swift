internal import Imaging
internal import Tensors

/// The drawing of an attention graph as pixels.
struct GraphPicture {
    /// Colours of a drawing.
    struct Theme: Sendable {
        let ground: RGB
        let ink: RGB
        let faint: RGB
        let edge: RGB
        let track: RGB
        let accent: RGB
        let removed: RGB

        static let light = Theme(
            ground: 0xFFFFFF, ink: 0x1B1F24, faint: 0x59636E, edge: 0x9AA4AF, track: 0xDDE2E7, accent: 0x1F6FEB, removed: 0xE5342B)
        static let dark = Theme(
            ground: 0x0D1117, ink: 0xE6EDF3, faint: 0x9DA7B3, edge: 0x6E7681, track: 0x30363D, accent: 0x58A6FF, removed: 0xFF5F56)
    }

    /// How bright hidden patches are.
    static let dim: Float = 0.14
    /// Soft patches are only half covered at their edges; they are shown brighter than the network sees them, as in the released code.
    private static let gain: Float = 1.5

    let sheet: GraphSheet
    let grid: PatchGrid
    /// The photo at any size.
    let photo: Image
    let theme: Theme

    func draw() throws -> Image {
        var canvas = try Canvas(height: sheet.height, width: sheet.width, ground: theme.ground)
        canvas.ink(theme.edge) { strokes in
            for edge in sheet.edges { strokes.line(GraphPicture.curve(edge.controls), width: edge.width) }
        }
        try drawTiles(on: &canvas)
        try drawPanel(on: &canvas)
        write(on: &canvas)
        return try canvas.image()
    }

    private func drawTiles(on canvas: inout Canvas) throws {
        guard let first = sheet.tiles.first else { return }
        let height = Int(first.rect.height), width = Int(first.rect.width)
        let small = try photo.resized(height: height, width: width, .lanczos)
        for tile in sheet.tiles {
            let mask = try grid.masks([tile.node.set], height: height, width: width)
            let light = try Maps.map(mask) { GraphPicture.dim + (1 - GraphPicture.dim) * min(1, GraphPicture.gain * $0) }
            try canvas.place(small, top: Int(tile.rect.y), left: Int(tile.rect.x), light: light)
            let top = Int(tile.rect.bottom) + 4, left = Int(tile.rect.x)
            canvas.fill(rows: top..<top + 4, columns: left..<left + width, theme.track)
            let filled = Int(Float(width) * Float(max(0, min(1, tile.share))))
            canvas.fill(rows: top..<top + 4, columns: left..<left + filled, theme.accent)
        }
        canvas.ink(theme.edge) { frames(&$0, of: sheet.tiles.filter { !$0.node.isRoot }, line: 1) }
        canvas.ink(theme.accent) { frames(&$0, of: sheet.tiles.filter(\.node.isRoot), line: 4) }
        canvas.ink(theme.removed) { strokes in
            for tile in sheet.tiles { for removed in tile.removed { mark(removed.patch, removed.drop, in: tile.rect, &strokes) } }
        }
    }

    private func frames(_ strokes: inout Strokes, of tiles: [GraphSheet.Tile], line: Float) {
        for tile in tiles {
            let rect = tile.rect
            strokes.frame(
                x: Float(Int(rect.x)) - 1, y: Float(Int(rect.y)) - 1, width: Float(Int(rect.width)) + 1,
                height: Float(Int(rect.height)) + 1, line: line)
        }
    }

    private func mark(_ patch: Int, _ drop: Double, in rect: GraphSheet.Rect, _ strokes: inout Strokes) {
        let cell = grid.outline(patch, height: rect.height, width: rect.width), line = GraphSheet.width(drop), inset = line / 2
        strokes.frame(
            x: rect.x + cell.x + inset, y: rect.y + cell.y + inset, width: cell.width - line, height: cell.height - line, line: line)
    }

    /// The whole photo with the grid and the patches' numbers, white on a dark edge.
    private func drawPanel(on canvas: inout Canvas) throws {
        let panel = sheet.panel, height = Int(panel.height), width = Int(panel.width)
        try canvas.place(photo.resized(height: height, width: width, .lanczos), top: Int(panel.y), left: Int(panel.x))
        let cells = (0..<grid.count).map { grid.outline($0, height: Float(height), width: Float(width)) }
        canvas.ink(0xFFFFFF, opacity: 0.45) { strokes in
            for cell in cells {
                strokes.frame(x: panel.x + cell.x, y: panel.y + cell.y, width: cell.width, height: cell.height, line: 0.6)
            }
        }
        let size = max(5, min(9, (cells.map { min($0.height * 0.5, $0.width * 0.45) }.min() ?? 9)))
        for (color, spread) in [(0x000000 as RGB, [-1, 0, 1] as [Float]), (0xFFFFFF, [0])] {
            canvas.ink(color, opacity: color.red == 0 ? 0.7 : 1) { strokes in
                for (patch, cell) in cells.enumerated() {
                    let x = panel.x + cell.x + (cell.width - Strokes.width(of: "\(patch)", size: size)) / 2 + 1
                    let y = panel.y + cell.y + (cell.height + size) / 2
                    for dx in spread { for dy in spread { strokes.text("\(patch)", x: x + dx, y: y + dy, size: size) } }
                }
            }
        }
    }

    private func write(on canvas: inout Canvas) {
        let labels = sheet.tiles.map {
            GraphSheet.Words(text: $0.label, x: $0.rect.middle, y: $0.rect.bottom + 21, size: 9, anchor: .middle)
        }
        for isFaint in [false, true] {
            canvas.ink(isFaint ? theme.faint : theme.ink) { strokes in
                for words in labels + sheet.words where words.isFaint == isFaint {
                    let width = Strokes.width(of: words.text, size: words.size)
                    let shift: Float = words.anchor == .start ? 0 : words.anchor == .middle ? width / 2 : width
                    strokes.text(words.text, x: words.x - shift, y: words.y, size: words.size)
                }
            }
        }
    }

    /// Points along a cubic Bezier curve.
    private static func curve(_ p: [(x: Float, y: Float)]) -> [(x: Float, y: Float)] {
        (0...16).map { step in
            let t = Float(step) / 16, u = 1 - t
            let weights = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t]
            return zip(weights, p).reduce((0, 0)) { ($0.x + $1.0 * $1.1.x, $0.y + $1.0 * $1.1.y) }
        }
    }
}

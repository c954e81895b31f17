internal import Imaging
internal import Tensors

/// The drawing of an attention graph as SVG: it follows the reader's light or dark setting, and holds the photo once.
struct GraphVector {
    let sheet: GraphSheet
    let grid: PatchGrid
    let photo: Image
    let logic: String

    /// One document, without scripts and without anything to fetch.
    func text() throws -> String {
        let size = sheet.tiles.first?.rect ?? sheet.panel
        let large = try photo.resized(height: Int(2 * size.height), width: Int(2 * size.width), .lanczos)
        let data = Base64.text(try large.encodedJPEG(quality: 88))
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(sheet.width) \(sheet.height)\" width=\"\(sheet.width)\" height=\"\(sheet.height)\" role=\"img\" font-family=\"system-ui, sans-serif\">",
            "<title>\(SVGText.escaped(sheet.title))</title>", "<desc>\(SVGText.escaped(logic))</desc>", GraphVector.style,
            "<defs><image id=\"photo\" width=\"\(n(size.width))\" height=\"\(n(size.height))\" preserveAspectRatio=\"none\" href=\"data:image/jpeg;base64,\(data)\"/>",
            "<clipPath id=\"tile\"><rect width=\"\(n(size.width))\" height=\"\(n(size.height))\"/></clipPath>",
            "<filter id=\"soft\" x=\"-20%\" y=\"-20%\" width=\"140%\" height=\"140%\"><feGaussianBlur stdDeviation=\"\(n(softness(size)))\"/></filter></defs>",
            "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>",
        ]
        lines += sheet.edges.map(path)
        lines += sheet.tiles.map(tile)
        lines += panel(size)
        lines += sheet.words.map(written)
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private static let style = """
        <style>
        .ground{fill:#fff}.ink{fill:#1b1f24}.faint{fill:#59636e}.edge{stroke:#9aa4af;fill:none}.track{fill:#dde2e7}
        .bar{fill:#1f6feb}.frame{stroke:#9aa4af;fill:none}.root{stroke:#1f6feb;fill:none}.removed{stroke:#e5342b;fill:none}
        .grid{stroke:#fff;stroke-opacity:.45;stroke-width:.6;fill:none}.number{fill:#fff;stroke:#000;stroke-width:2px;paint-order:stroke}
        @media (prefers-color-scheme:dark){.ground{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#9da7b3}.edge{stroke:#6e7681}
        .track{fill:#30363d}.bar{fill:#58a6ff}.frame{stroke:#6e7681}.root{stroke:#58a6ff}.removed{stroke:#ff5f56}}
        </style>
        """

    /// How far patches fade into their neighbours: an edge of a bilinear mask looks like that of this Gaussian.
    private func softness(_ size: GraphSheet.Rect) -> Float {
        grid.mask == .soft ? 0.3 * size.width / Float(max(1, grid.columns - 1)) : 0.01
    }

    /// A length with two decimals.
    private func n(_ value: Float) -> String {
        let rounded = (Double(value) * 100).rounded() / 100
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }

    private func path(_ edge: GraphSheet.Edge) -> String {
        let p = edge.controls.map { "\(n($0.x)) \(n($0.y))" }
        return "<path class=\"edge\" stroke-width=\"\(n(edge.width))\" d=\"M\(p[0])C\(p[1]) \(p[2]) \(p[3])\"/>"
    }

    private func tile(_ tile: GraphSheet.Tile) -> String {
        let rect = tile.rect, width = n(rect.width)
        let filled = rect.width * Float(max(0, min(1, tile.share)))
        let marks = tile.removed.map { removed -> String in
            let cell = grid.outline(removed.patch, height: rect.height, width: rect.width), line = GraphSheet.width(removed.drop)
            return
                "<rect class=\"removed\" stroke-width=\"\(n(line))\" x=\"\(n(cell.x + line / 2))\" y=\"\(n(cell.y + line / 2))\" width=\"\(n(cell.width - line))\" height=\"\(n(cell.height - line))\"/>"
        }
        let shown = tile.node.set.patches.map { "P\($0)" }.joined(separator: ", ")
        return """
            <g transform="translate(\(n(rect.x)) \(n(rect.y)))"><title>\(tile.label): \(shown)</title><use href="#photo"/>\
            <g clip-path="url(#tile)"><path filter="url(#soft)" fill-opacity="\(n(1 - GraphPicture.dim))" d="\(hidden(tile))"/></g>\
            <rect class="\(tile.node.isRoot ? "root" : "frame")" stroke-width="\(tile.node.isRoot ? 4 : 1)" x="-.5" y="-.5" width="\(n(rect.width + 1))" height="\(n(rect.height + 1))"/>\
            \(marks.joined())<rect class="track" y="\(n(rect.height + 4))" width="\(width)" height="4"/>\
            <rect class="bar" y="\(n(rect.height + 4))" width="\(n(filled))" height="4"/>\
            <text class="ink" x="\(n(rect.width / 2))" y="\(n(rect.height + 21))" font-size="13" text-anchor="middle">\(SVGText.escaped(tile.label))</text></g>
            """
    }

    /// The cells of hidden patches; those at the border reach beyond it, so that blurring leaves them dark there.
    private func hidden(_ tile: GraphSheet.Tile) -> String {
        let rect = tile.rect, reach = 3 * softness(rect)
        return (0..<grid.count).filter { !tile.node.set.contains($0) }.map { patch in
            let cell = grid.outline(patch, height: rect.height, width: rect.width)
            let left = patch % grid.columns == 0 ? reach : 0, right = patch % grid.columns == grid.columns - 1 ? reach : 0
            let up = patch / grid.columns == 0 ? reach : 0, down = patch / grid.columns == grid.rows - 1 ? reach : 0
            let width = cell.width + left + right
            return "M\(n(cell.x - left)) \(n(cell.y - up))h\(n(width))v\(n(cell.height + up + down))h\(n(-width))z"
        }.joined()
    }

    private func panel(_ size: GraphSheet.Rect) -> [String] {
        let panel = sheet.panel, scale = panel.width / size.width
        let cells = (0..<grid.count).map { patch -> String in
            let cell = grid.outline(patch, height: panel.height, width: panel.width)
            let letters = max(6, min(12, 0.6 * min(cell.width, cell.height)))
            return """
                <rect class="grid" x="\(n(cell.x))" y="\(n(cell.y))" width="\(n(cell.width))" height="\(n(cell.height))"/>\
                <text class="number" x="\(n(cell.x + cell.width / 2))" y="\(n(cell.y + cell.height / 2 + 0.36 * letters))" \
                font-size="\(n(letters))" text-anchor="middle">\(patch)</text>
                """
        }
        return ["<g transform=\"translate(\(n(panel.x)) \(n(panel.y)))\"><use href=\"#photo\" transform=\"scale(\(scale))\"/>"] + cells + [
            "</g>"
        ]
    }

    private func written(_ words: GraphSheet.Words) -> String {
        let anchor = words.anchor == .start ? "start" : words.anchor == .middle ? "middle" : "end"
        return
            "<text class=\"\(words.isFaint ? "faint" : "ink")\" x=\"\(n(words.x))\" y=\"\(n(words.y))\" font-size=\"\(n(1.4 * words.size))\" text-anchor=\"\(anchor)\">\(SVGText.escaped(words.text))</text>"
    }
}

/// Text as SVGText shows it.
enum SVGText {
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            // SVGText 1.0 has no other control characters.
            case _ where scalar.value < 0x20 && scalar != "\n" && scalar != "\t": result += " "
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// Bytes as text (RFC 4648).
enum Base64 {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result: [UInt8] = []
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = (0..<3).reduce(0) { $0 << 8 | (start + $1 < bytes.count ? Int(bytes[start + $1]) : 0) }
            for digit in 0..<4 {
                let isThere = digit < 2 || start + digit - 1 < bytes.count
                result.append(isThere ? digits[group >> (18 - 6 * digit) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

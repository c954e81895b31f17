/// Plots of a study as SVG that follows its reader's light or dark setting.
enum StudyPlots {
    private static let style = """
        <style>.ground{fill:#fff}text{fill:#1b1f24;font-family:system-ui,sans-serif;font-size:13px}.faint{fill:#59636e}
        .axis{stroke:#9aa4af}.dot{fill:#1f6feb}
        @media (prefers-color-scheme:dark){.ground{fill:#0d1117}text{fill:#e6edf3}.faint{fill:#9da7b3}.dot{fill:#58a6ff}}</style>
        """

    private static func sheet(_ width: Int, _ height: Int, _ title: String, _ body: [String]) -> String {
        ([
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(width) \(height)\" width=\"\(width)\" height=\"\(height)\" role=\"img\">",
            "<title>\(escaped(title))</title>", style, "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>",
        ] + body + ["</svg>", ""]).joined(separator: "\n")
    }

    /// Colours of viridis, dark to bright, at equal steps.
    private static let colors: [(Double, Double, Double)] = [
        (68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37),
    ]

    private static func color(_ share: Double) -> (text: String, isBright: Bool) {
        let place = max(0, min(1, share)) * Double(colors.count - 1), low = min(Int(place), colors.count - 2), t = place - Double(low)
        let a = colors[low], b = colors[low + 1]
        let mixed = [a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1), a.2 + t * (b.2 - a.2)].map { Int($0.rounded()) }
        return ("rgb(\(mixed[0]),\(mixed[1]),\(mixed[2]))", share > 0.55)
    }

    /// A heat map with its numbers: rows are whose map, columns to whom it is shown.
    static func matrix(_ values: [[Double]], names: [String], method: String) -> String {
        let cell = 64, left = 24 + 8 * (names.map(\.count).max() ?? 0), top = 84
        let finite = values.joined().filter(\.isFinite), low = finite.min() ?? 0, range = max((finite.max() ?? 1) - low, 1e-9)
        var body = ["<text x=\"16\" y=\"28\">Maps of \(escaped(method)): whose map (row) serves whom (column); own map = 1</text>"]
        for (i, name) in names.enumerated() {
            body.append("<text x=\"\(left - 8)\" y=\"\(top + i * cell + cell / 2 + 5)\" text-anchor=\"end\">\(escaped(name))</text>")
            body.append(
                "<text transform=\"translate(\(left + i * cell + cell / 2 + 4) \(top - 8)) rotate(-20)\" font-size=\"12\">\(escaped(name))</text>"
            )
            for (j, value) in values[i].enumerated() {
                let x = left + j * cell, y = top + i * cell
                let fill = value.isFinite ? color((value - low) / range) : ("#888", true)
                body.append("<rect x=\"\(x)\" y=\"\(y)\" width=\"\(cell - 2)\" height=\"\(cell - 2)\" style=\"fill:\(fill.0)\"/>")
                body.append(
                    "<text x=\"\(x + cell / 2 - 1)\" y=\"\(y + cell / 2 + 4)\" text-anchor=\"middle\" style=\"fill:\(fill.1 ? "#111" : "#fff")\">\(fixed(value, 2))</text>"
                )
            }
        }
        let width = max(520, left + names.count * cell + 120)
        return sheet(width, top + names.count * cell + 24, "Cross-testing", body)
    }

    /// The models as points; both axes have the same scale.
    static func landscape(_ found: KernelPCA, names: [String]) -> String {
        let size = 480.0, margin = 70.0
        let reach = max(found.places.joined().map(abs).max() ?? 0, 1e-9)
        func place(_ value: Double) -> Double { margin + (size - 2 * margin) * (value / reach + 1) / 2 }
        var body = [
            "<line class=\"axis\" x1=\"\(margin)\" x2=\"\(size - margin)\" y1=\"\(size / 2)\" y2=\"\(size / 2)\"/>",
            "<line class=\"axis\" y1=\"\(margin)\" y2=\"\(size - margin)\" x1=\"\(size / 2)\" x2=\"\(size / 2)\"/>",
            "<text x=\"16\" y=\"28\">Models whose maps serve each other lie near each other</text>",
            "<text class=\"faint\" x=\"16\" y=\"\(Int(size) - 16)\">kernel PCA: across \(fixed(100 * found.shares[0], 0)) %, up \(fixed(100 * found.shares[1], 0)) % of the variance</text>",
        ]
        for (name, point) in zip(names, found.places) {
            let x = place(point[0]), y = size - place(point[1])
            body.append("<circle class=\"dot\" cx=\"\(fixed(x, 1))\" cy=\"\(fixed(y, 1))\" r=\"6\"/>")
            body.append("<text x=\"\(fixed(x + 10, 1))\" y=\"\(fixed(y + 4, 1))\">\(escaped(name))</text>")
        }
        return sheet(Int(size) + 120, Int(size), "Landscape of models", body)
    }
}

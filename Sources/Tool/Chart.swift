/// Curves over shares from 0 to 1, as an SVG picture that needs nothing else.
struct Chart {
    struct Line {
        let name: String
        let x: [Double]
        let y: [Double]
    }

    let title: String
    let across: String
    let up: String
    let lines: [Line]

    func adding(_ line: Line) -> Chart { Chart(title: title, across: across, up: up, lines: lines + [line]) }

    /// Colours that differ for everybody (Okabe and Ito 2008), then dashes.
    private static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"]
    private static let dashes = ["", "6 3", "2 3", "8 3 2 3"]
    private static let width = 420.0
    private static let height = 260.0
    private static let left = 52.0
    private static let top = 34.0

    var svg: String {
        let values = lines.flatMap(\.y).filter(\.isFinite)
        let low = min(0, values.min() ?? 0), high = max(low + 1e-9, values.max() ?? 1)
        let ticks = Chart.ticks(low, high)
        let bottom = ticks.first ?? low, peak = ticks.last ?? high
        func x(_ share: Double) -> Double { Chart.left + share * Chart.width }
        func y(_ value: Double) -> Double { Chart.top + (peak - value) / (peak - bottom) * Chart.height }
        let rows = lines.enumerated().map { index, line in
            let points = zip(line.x, line.y).filter { $0.1.isFinite }.map { "\(fixed(x($0.0), 1)),\(fixed(y($0.1), 1))" }
            let colour = Chart.colours[index % Chart.colours.count]
            let dash = Chart.dashes[index / Chart.colours.count % Chart.dashes.count]
            let style = "stroke=\"\(colour)\"" + (dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\"")
            let at = Chart.top + 8 + Double(index) * 18
            let label = Chart.left + Chart.width + 16
            return """
                <polyline points="\(points.joined(separator: " "))" fill="none" stroke-width="2" \(style)><title>\(escaped(line.name))</title></polyline>
                <line x1="\(label)" y1="\(at)" x2="\(label + 24)" y2="\(at)" stroke-width="2" \(style)/>
                <text x="\(label + 30)" y="\(at + 4)">\(escaped(line.name))</text>
                """
        }
        let grid = ticks.map { tick in
            """
            <line x1="\(Chart.left)" y1="\(fixed(y(tick), 1))" x2="\(Chart.left + Chart.width)" y2="\(fixed(y(tick), 1))" class="grid"/>
            <text x="\(Chart.left - 6)" y="\(fixed(y(tick) + 4, 1))" text-anchor="end">\(Chart.short(tick))</text>
            """
        }
        let shares = [0, 0.25, 0.5, 0.75, 1].map { share in
            "<text x=\"\(fixed(x(share), 1))\" y=\"\(Chart.top + Chart.height + 18)\" text-anchor=\"middle\">\(Chart.short(share))</text>"
        }
        let longest = lines.map(\.name.count).max() ?? 0
        let total = (
            width: Chart.left + Chart.width + 60 + 7 * Double(longest),
            height: max(Chart.top + Chart.height + 44, Chart.top + 18 * Double(lines.count) + 12)
        )
        let words = lines.map(\.name).joined(separator: ", ")
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(fixed(total.width, 0)) \(fixed(total.height, 0))" width="\(fixed(total.width, 0))" height="\(fixed(total.height, 0))" role="img" aria-label="\(escaped("\(title): \(words)"))">
            <style>text{font:12px sans-serif;fill:#333}.grid{stroke:#bbb;stroke-width:.5}.back{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#555}.back{fill:#1b1b1b}}</style>
            <rect class="back" width="100%" height="100%"/>
            <text x="\(Chart.left)" y="20" style="font-weight:bold">\(escaped(title))</text>
            \((grid + shares).joined(separator: "\n"))
            <text x="\(Chart.left + Chart.width / 2)" y="\(Chart.top + Chart.height + 36)" text-anchor="middle">\(escaped(across))</text>
            <text x="14" y="\(Chart.top + Chart.height / 2)" text-anchor="middle" transform="rotate(-90 14 \(Chart.top + Chart.height / 2))">\(escaped(up))</text>
            \(rows.joined(separator: "\n"))
            </svg>

            """
    }

    /// Round numbers from below the lowest value to above the highest.
    private static func ticks(_ low: Double, _ high: Double) -> [Double] {
        let rough = (high - low) / 4
        var unit = 1.0
        while unit > rough { unit /= 10 }
        while unit * 10 <= rough { unit *= 10 }
        let step = [1, 2, 5, 10].map { $0 * unit }.first { $0 >= rough } ?? unit
        let first = (low / step).rounded(.down), last = (high / step).rounded(.up)
        return (Int(first)...max(Int(first) + 1, Int(last))).map { Double($0) * step }
    }

    private static func short(_ value: Double) -> String {
        var text = fixed(value, abs(value) < 0.01 && value != 0 ? 4 : 2)
        while text.contains("."), text.hasSuffix("0") || text.hasSuffix(".") {
            let isPoint = text.hasSuffix(".")
            text.removeLast()
            if isPoint { break }
        }
        return text
    }
}

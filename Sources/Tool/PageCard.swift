extension Page {
    /// One method's picture, its account, and what it drew besides.
    func card(_ outcome: Outcome, _ report: Report) -> String {
        let method = outcome.method
        let subject = report.hasSeveralTargets ? outcome.target.map { labels.short($0.index) } : nil
        let title =
            "<h3>\(escaped(method.name))\(subject.map { "<small> \(escaped($0))</small>" } ?? "")</h3>"
        switch outcome.result {
        case .failure(let error):
            return
                "<article class=\"none\"><div class=\"picture\"><p>failed</p></div>\(title)<p>\(escaped(error.description))</p></article>"
        case .success(let drawing):
            let subject = outcome.target.map { labels.short($0.index) } ?? "the output"
            return """
                <article\(outcome.target.map { " data-class=\"\($0.index)\"" } ?? "")\(drawing.svg == nil ? "" : " class=\"wide\"")>
                <div class="picture" tabindex="0" role="group" aria-label="\(escaped(method.name)), zoomable"><div class="lens"><img src="\(Page.uri(drawing.picture))" alt="\(escaped("\(method.name) for \(subject)"))"></div></div>
                \(drawing.svg.map { self.drawing($0, method, subject) } ?? "")
                \(title)
                <p><span>\(escaped(method.family))</span> <span class="time">\(fixed(outcome.seconds, 2)) s</span></p>
                \(numbers(drawing.verdicts))
                \(details(drawing.manifest, method))
                </article>
                """
        }
    }

    private func numbers(_ verdicts: [Verdict]) -> String {
        guard !verdicts.isEmpty else { return "" }
        let items = verdicts.map { "<dt>\(escaped($0.metric))</dt><dd>\(fixed($0.value, 3))</dd>" }
        return "<dl class=\"numbers\">\(items.joined())</dl>"
    }

    /// The curves of one photo's maps by each metric that has one, a picture for each metric and class.
    func curves(_ report: Report) -> String {
        var charts: [(key: String, target: Int?, chart: Chart)] = []
        for outcome in report.outcomes {
            guard case .success(let drawing) = outcome.result else { continue }
            for verdict in drawing.verdicts where verdict.curve.count > 1 {
                let name = report.hasSeveralTargets ? outcome.target.map { ", \(labels.short($0.index))" } ?? "" : ""
                let key = verdict.metric + name
                let line = Chart.Line(name: "\(outcome.method.name) \(fixed(verdict.value, 3))", x: verdict.fractions, y: verdict.curve)
                if let index = charts.firstIndex(where: { $0.key == key }) {
                    charts[index].chart = charts[index].chart.adding(line)
                } else {
                    charts.append((key, outcome.target?.index, Chart(title: key, across: "share of the image", up: "score", lines: [line])))
                }
            }
        }
        guard !charts.isEmpty else { return "" }
        let pictures = charts.map { key, target, chart in
            """
            <article class="curve"\(target.map { " data-class=\"\($0)\"" } ?? "")><img src="\(Page.uri(Array(chart.svg.utf8), "svg+xml"))" alt="\(escaped("\(key): " + chart.lines.map(\.name).joined(separator: ", ")))"></article>
            """
        }
        return pictures.joined(separator: "\n")
    }

    static func uri(_ bytes: [UInt8], _ type: String = "jpeg") -> String { "data:image/\(type);base64,\(base64(bytes))" }

    /// A drawing of the method's own, as an image that cannot run anything.
    private func drawing(_ svg: String, _ method: Method, _ subject: String) -> String {
        "<img class=\"drawing\" src=\"\(Page.uri(Array(svg.utf8), "svg+xml"))\" alt=\"\(escaped("graph of \(method.name) for \(subject)"))\">"
    }

    /// What the page shows once, or elsewhere.
    private static let hidden: Set<String> = [
        "method", "family", "reference", "schema", "model", "pellucid", "tensors", "threads",
        "warnings", "seconds",
    ]

    /// The resolved options, and what else the manifest says about this one run.
    private func details(_ manifest: JSON?, _ method: Method) -> String {
        guard let manifest else { return "" }
        let rows = manifest.rows.filter { row in
            !Page.hidden.contains(row.key.split(separator: ".").first.map(String.init) ?? "")
                && !row.value.isEmpty && row.value != "null"
        }
        let options = rows.filter { $0.key.hasPrefix("options.") }.map {
            (key: String($0.key.dropFirst(8)), value: $0.value)
        }
        let rest = rows.filter { row in
            !row.key.hasPrefix("options.") && !options.contains { $0.key == row.key }
        }
        let lines = (options + rest).map { row in
            "<tr><th scope=\"row\">\(escaped(row.key))</th><td>\(escaped(Page.short(row.value)))</td></tr>"
        }
        let reference = method.reference.isEmpty ? "" : "<p>\(escaped(method.reference))</p>"
        let warnings = manifest["warnings"]?.text ?? ""
        return """
            \(warnings.isEmpty ? "" : "<p class=\"warning\">\(escaped(warnings))</p>")
            <details><summary>options<span class="unseen"> of \(escaped(method.name))</span></summary>
            <p>\(escaped(method.summary))</p><table>\(lines.joined())</table>\(reference)
            </details>
            """
    }

    /// Numbers with four digits after the point, as far as they have so many.
    private static func short(_ value: String) -> String {
        guard value.contains("."), let number = Double(value), abs(number) >= 0.001, abs(number) < 1e9
        else { return value }
        var text = fixed(number, 4)
        while text.hasSuffix("0") { text.removeLast() }
        return text.hasSuffix(".") ? text + "0" : text
    }
}

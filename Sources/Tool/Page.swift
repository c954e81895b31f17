/// The page that shows photos, classes and explanations side by side; one file, nothing from the network.
struct Page {
    let model: Model
    let labels: Labels
    let frame: Frame
    /// The colours that were asked for; nil: those that suit each map.
    let colormap: String?
    /// Photos that were explained, of which the page shows as many as it can hold.
    let explained: Int

    /// Photos on a page: more would make it too large to open.
    static let limit = 200

    func html(_ reports: [Report]) -> String {
        let name = escaped(Files.stem(model.path))
        let more =
            explained > Page.limit
            ? "<p>The first \(reports.count) of \(explained) photos; manifest.json lists all.</p>" : ""
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <link rel="icon" href="data:,">
            <title>What \(name) sees</title>
            <style>\(Page.style)</style>
            </head>
            <body>
            <header>
            <h1>What \(name) sees</h1>
            <p>\(facts)</p>\(more)
            <div class="bar">
            <p class="legend">\(legend)</p>
            <label id="control" hidden>Colours <input id="opacity" type="range" min="0" max="100" value="100" aria-describedby="share"> <output id="share" for="opacity">100 %</output></label>
            </div>
            </header>
            <main>
            \(reports.enumerated().map { section($0.element, $0.offset) }.joined(separator: "\n"))
            </main>
            <footer>Pellucid \(escaped(Library.version))</footer>
            <script>\(Page.script)</script>
            </body>
            </html>

            """
    }

    /// "opset 13, computed by cpu, sha-256 0123456789ab".
    private var facts: String {
        let facts = [("opset", "opset "), ("backend", "computed by "), ("hash", "SHA-256 ")].compactMap { key, words in
            model.metadata(key).flatMap { $0.isEmpty ? nil : words + $0.prefix(16) }
        }
        return escaped(([model.path] + facts).joined(separator: " · "))
    }

    private var legend: String {
        func strip(_ name: String) -> String {
            "<i class=\"\(escaped(name))\" role=\"img\" aria-label=\"colours of \(escaped(name))\"></i>"
        }
        let map = colormap?.lowercased()
        let weak = "<span>weak \(strip(map ?? "turbo")) strong</span>"
        let signed = "<span>against \(strip(map ?? "rdbu")) for the class</span>"
        return map == "rdbu" ? signed : map == nil ? weak + " " + signed : weak
    }

    private func section(_ report: Report, _ index: Int) -> String {
        let skipped = report.outcomes.filter(\.isInapplicable)
        return """
            <section aria-labelledby="photo-\(index)" style="--photo:url(\(uri(report.picture)));--shape:\(frame.width)/\(frame.height)">
            <div class="about">
            <h2 id="photo-\(index)">\(escaped(report.photo.name))</h2>
            <div class="photo" role="img" aria-label="\(escaped(report.photo.name)) as the model sees it"></div>
            \(predictions(report))
            </div>
            <div class="grid">
            \(report.outcomes.filter { !$0.isInapplicable }.map { card($0, report) }.joined(separator: "\n"))
            \(self.skipped(skipped))
            </div>
            </section>
            """
    }

    /// The methods that this model has nothing for, with the reasons.
    private func skipped(_ outcomes: [Outcome]) -> String {
        var known: Set<String> = []
        let items = outcomes.filter { known.insert($0.method.name).inserted }.map { outcome -> String in
            guard case .failure(let error) = outcome.result else { return "" }
            return "<dt>\(escaped(outcome.method.name))</dt><dd>\(escaped(error.description))</dd>"
        }
        return items.isEmpty
            ? ""
            : "<details class=\"skipped\"><summary>not for this model: \(items.count)</summary><dl>\(items.joined())</dl></details>"
    }

    private func uri(_ jpeg: [UInt8]) -> String { "data:image/jpeg;base64," + base64(jpeg) }

    private func predictions(_ report: Report) -> String {
        let targets = report.outcomes.compactMap(\.target)
        var shown = report.ranked
        for target in targets where !shown.contains(where: { $0.index == target.index }) {
            shown.append(target)
        }
        guard !shown.isEmpty else { return "" }
        let rows = shown.map { ranked in
            let isTarget = targets.contains { $0.index == ranked.index }
            let mark = isTarget ? " class=\"target\"" : ""
            let note = isTarget ? "<small> explained</small>" : ""
            return """
                <li\(mark)><span>\(escaped(labels.short(ranked.index)))\(note)</span><b>\(percent(ranked.probability))</b><i style="width:\(fixed(100 * ranked.probability, 1))%"></i></li>
                """
        }
        return "<ol aria-label=\"most probable classes\">\(rows.joined())</ol>"
    }

    private func card(_ outcome: Outcome, _ report: Report) -> String {
        let method = outcome.method
        let several = Set(report.outcomes.compactMap(\.target?.index)).count > 1
        let subject = several ? outcome.target.map { labels.short($0.index) } : nil
        let title =
            "<h3>\(escaped(method.name))\(subject.map { "<small> \(escaped($0))</small>" } ?? "")</h3>"
        switch outcome.result {
        case .failure(let error):
            return
                "<article class=\"none\"><div class=\"picture\"><p>failed</p></div>\(title)<p>\(escaped(error.description))</p></article>"
        case .success(let drawing):
            let alternative =
                "\(method.name) for \(outcome.target.map { labels.short($0.index) } ?? "the output")"
            return """
                <article>
                <div class="picture"><img src="\(uri(drawing.picture))" alt="\(escaped(alternative))"></div>
                \(title)
                <p><span>\(escaped(method.family))</span> <span class="time">\(fixed(outcome.seconds, 2)) s</span></p>
                \(details(drawing.manifest, method))
                </article>
                """
        }
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

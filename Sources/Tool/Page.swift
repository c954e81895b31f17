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
            <div id="controls" hidden>
            \(classes(reports))
            <label>Colours <input id="opacity" type="range" min="0" max="100" value="100"> <output for="opacity">100 %</output></label>
            <label>Zoom <input id="zoom" type="range" min="1" max="8" step="0.25" value="1" aria-describedby="keys"> <output for="zoom">1 x</output></label>
            <p id="keys">All pictures zoom together: move over one to look around, hold it to see the photo alone. Keys on a picture: + − 0 and arrows, space for the photo.</p>
            </div>
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
            <section aria-labelledby="photo-\(index)" style="--photo:url(\(Page.uri(report.picture)));--shape:\(frame.width)/\(frame.height)">
            <div class="about">
            <h2 id="photo-\(index)">\(escaped(report.photo.name))</h2>
            <div class="photo" role="img" aria-label="\(escaped(report.photo.name)) as the model sees it"><div class="lens"></div></div>
            \(predictions(report))
            </div>
            <div class="grid">
            \(report.outcomes.filter { !$0.isInapplicable }.map { card($0, report) }.joined(separator: "\n"))
            \(curves(report))
            \(self.skipped(skipped))
            </div>
            </section>
            """
    }

    /// Chooses among the classes that were explained, where there are several.
    private func classes(_ reports: [Report]) -> String {
        var known: Set<Int> = []
        let all = reports.flatMap { $0.outcomes.compactMap(\.target) }.filter { known.insert($0.index).inserted }
        guard reports.contains(where: \.hasSeveralTargets), all.count > 1 else { return "" }
        let choices = all.sorted { $0.index < $1.index }.map { target in
            "<label><input type=\"radio\" name=\"class\" value=\"\(target.index)\"> \(escaped(labels.short(target.index)))</label>"
        }
        return """
            <fieldset><legend>Class</legend><label><input type="radio" name="class" value="" checked> all</label>\(choices.joined())</fieldset>
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
}

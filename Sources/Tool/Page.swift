/// The page that shows photos, classes and explanations side by side; one file, nothing from the network.
struct Page {
    let model: Model
    let labels: Labels
    let version: String

    func html(_ reports: [Report]) -> String {
        let name = escaped(Files.stem(model.path))
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>What \(name) sees</title>
            <style>\(Page.style)</style>
            </head>
            <body>
            <header>
            <h1>What \(name) sees</h1>
            <p>\(facts)</p>
            <p class="legend"><span>weak <i class="turbo"></i> strong</span> <span>against <i class="rdbu"></i> for the class</span> <span>hover to see the photo alone</span></p>
            </header>
            \(reports.map(section).joined(separator: "\n"))
            <footer>Pellucid \(escaped(version))</footer>
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

    private func section(_ report: Report) -> String {
        """
        <section style="--photo:url(\(uri(report.photo)))">
        <aside>
        <h2>\(escaped(Files.stem(report.file)))</h2>
        <div class="photo" role="img" aria-label="the photo as the model sees it"></div>
        \(predictions(report))
        </aside>
        <div class="grid">
        \(report.outcomes.filter { !$0.isInapplicable }.map { card($0, report) }.joined(separator: "\n"))
        \(skipped(report.outcomes.filter(\.isInapplicable)))
        </div>
        </section>
        """
    }

    /// The methods that this model has nothing for, with the reasons.
    private func skipped(_ outcomes: [Outcome]) -> String {
        let items = outcomes.map { outcome -> String in
            guard case .failure(let error) = outcome.result else { return "" }
            return "<dt>\(escaped(outcome.method.name))</dt><dd>\(escaped(error.description))</dd>"
        }
        return items.isEmpty
            ? ""
            : "<details class=\"skipped\"><summary>not for this model: \(items.count)</summary><dl>\(items.joined())</dl></details>"
    }

    private func uri(_ png: [UInt8]) -> String { "data:image/png;base64," + base64(png) }

    private func predictions(_ report: Report) -> String {
        guard let prediction = report.prediction else { return "" }
        var shown = prediction.ranked(5)
        if let target = report.target, !shown.contains(where: { $0.index == target }), prediction.probabilities.indices.contains(target) {
            shown.append((target, prediction.probabilities[target]))
        }
        let rows = shown.map { index, probability in
            let mark = index == report.target ? " class=\"target\" title=\"the class that is explained\"" : ""
            return """
                <li\(mark)><span>\(escaped(labels.short(index)))</span><b>\(percent(probability))</b><i style="width:\(fixed(100 * probability, 1))%"></i></li>
                """
        }
        return "<ol>\(rows.joined())</ol>"
    }

    private func card(_ outcome: Outcome, _ report: Report) -> String {
        let method = outcome.method
        let title = "<h3 title=\"\(escaped(method.summary))\">\(escaped(method.name))</h3>"
        switch outcome.result {
        case .failure(let error):
            return
                "<article class=\"none\"><div class=\"picture\"><p>failed</p></div>\(title)<p>\(escaped(error.description))</p></article>"
        case .success(let drawing):
            let alternative = "\(method.name) for \(report.target.map(labels.short) ?? "the output")"
            return """
                <article>
                <div class="picture"><img src="\(uri(drawing.png))" alt="\(escaped(alternative))"></div>
                \(title)
                <p><span>\(escaped(method.family))</span> <time>\(fixed(outcome.seconds, 2)) s</time></p>
                \(details(drawing.manifest, method))
                </article>
                """
        }
    }

    /// What the page shows once, or elsewhere.
    private static let hidden: Set<String> = [
        "method", "family", "reference", "schema", "model", "pellucid", "tensors", "threads", "warnings", "seconds",
    ]

    /// The resolved options, and what else the manifest says about this one run.
    private func details(_ manifest: JSON?, _ method: Method) -> String {
        guard let manifest else { return "" }
        let rows = manifest.rows.filter { row in
            !Page.hidden.contains(row.key.split(separator: ".").first.map(String.init) ?? "") && !row.value.isEmpty && row.value != "null"
        }
        let options = rows.filter { $0.key.hasPrefix("options.") }.map { (key: String($0.key.dropFirst(8)), value: $0.value) }
        let rest = rows.filter { row in !row.key.hasPrefix("options.") && !options.contains { $0.key == row.key } }
        let lines = (options + rest).map { "<tr><th>\(escaped($0.key))</th><td>\(escaped($0.value))</td></tr>" }.joined()
        let reference = method.reference.isEmpty ? "" : "<p>\(escaped(method.reference))</p>"
        let warnings = manifest["warnings"]?.text ?? ""
        return """
            \(warnings.isEmpty ? "" : "<p class=\"warning\">\(escaped(warnings))</p>")
            <details><summary>\(options.isEmpty ? "details" : "options")</summary>
            <p>\(escaped(method.summary))</p><table>\(lines)</table>\(reference)
            </details>
            """
    }
}

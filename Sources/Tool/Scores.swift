/// Everything that was measured, and the forms that it is shown and kept in.
struct Scores {
    let methods: [Method]
    let metrics: [Method]
    let model: Model
    var all: [Score] = []
    var failed = false

    /// Methods down, metrics across, the means over the photos; below them what maps without knowledge get.
    var table: String {
        let head = [""] + metrics.map { "\($0.name) \($0.direction == "higher" ? "↑" : "↓")" }
        var rows = methods.map { method in [method.name] + metrics.map { cell(mean(method.name, $0.name) { $0.value }) } }
        rows.append(["random map"] + metrics.map { cell(mean(nil, $0.name) { $0.random ?? .nan }) })
        rows.append(["constant map"] + metrics.map { cell(mean(nil, $0.name) { $0.constant ?? .nan }) })
        return pellucidTable([head] + rows, right: Set(1..<max(2, head.count)))
    }

    private func cell(_ value: Double) -> String { value.isNaN ? "-" : fixed(value, abs(value) < 0.1 ? 4 : 3) }

    /// Over photos that have a value; NaN where none has.
    private func mean(_ method: String?, _ metric: String, _ value: (Score) -> Double) -> Double {
        let found = all.filter { $0.metric.name == metric && $0.method == method ?? $0.method }.map(value).filter { !$0.isNaN }
        return found.isEmpty ? .nan : found.reduce(0, +) / Double(found.count)
    }

    /// One line for each photo, method and metric.
    var csv: String {
        let head = "image,method,metric,direction,value,reference_constant,reference_random,seconds"
        func number(_ value: Double?) -> String { value.map { $0.isNaN ? "" : "\($0)" } ?? "" }
        func quoted(_ text: String) -> String {
            text.contains { ",\"\n\r".contains($0) }
                ? "\"\(text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\"" : text
        }
        let lines = all.map { score in
            [
                quoted(score.photo), score.method, score.metric.name, score.metric.direction, number(score.value),
                number(score.constant), number(score.random), fixed(score.seconds, 3),
            ].joined(separator: ",")
        }
        return ([head] + lines).joined(separator: "\r\n") + "\r\n"
    }

    var json: JSON {
        let means = methods.map { method in
            (
                key: method.name,
                value: JSON.object(metrics.map { ($0.name, JSON.number(mean(method.name, $0.name) { $0.value })) })
            )
        }
        let measured = all.map { score in
            JSON.object([
                ("image", .string(score.photo)), ("method", .string(score.method)), ("metric", .string(score.metric.name)),
                ("value", .number(score.value)), ("reference_constant", .number(score.constant ?? .nan)),
                ("reference_random", .number(score.random ?? .nan)), ("seconds", .number(score.seconds)),
                ("fractions", .array(score.fractions.map(JSON.number))), ("curve", .array(score.curve.map(JSON.number))),
                ("options", score.manifest?["options"] ?? .null), ("warnings", score.manifest?["warnings"] ?? .null),
            ])
        }
        let described = metrics.map { metric in
            JSON.object([
                ("name", .string(metric.name)), ("direction", .string(metric.direction)), ("range", .string(metric.range)),
            ])
        }
        return .object([
            ("schema", .integer(1)), ("pellucid", .string(Library.version)), ("model", .string(model.metadata("hash") ?? "")),
            ("metrics", .array(described)), ("means", .object(means)), ("scores", .array(measured)),
        ])
    }

    /// scores.csv, scores.json, and the curves: METRIC.svg for the mean, IMAGE.METRIC.svg where there are several images.
    func write(to folder: String) throws {
        try Files.write(Array(csv.utf8), to: "\(folder)/scores.csv")
        try Files.write(Array((json.rendered + "\n").utf8), to: "\(folder)/scores.json")
        var photos: [String] = []
        for score in all where !photos.contains(score.photo) { photos.append(score.photo) }
        for metric in metrics {
            let drawn = all.filter { $0.metric.name == metric.name && $0.curve.count > 1 && $0.curve.count == $0.fractions.count }
            guard !drawn.isEmpty else { continue }
            try Files.write(Array(chart(metric, drawn).utf8), to: "\(folder)/\(metric.name).svg")
            for photo in photos.count > 1 ? photos : [] {
                let own = drawn.filter { $0.photo == photo }
                guard !own.isEmpty else { continue }
                let path = "\(folder)/\(photo).\(metric.name).svg"
                if let slash = photo.lastIndex(of: "/") { try Files.makeFolder("\(folder)/\(photo[..<slash])") }
                try Files.write(Array(chart(metric, own).utf8), to: path)
            }
        }
    }

    private func chart(_ metric: Method, _ scores: [Score]) -> String {
        let lines = methods.compactMap { method -> Chart.Line? in
            let own = scores.filter { $0.method == method.name }
            guard let first = own.first else { return nil }
            let alike = own.filter { $0.fractions == first.fractions }
            let curve = first.curve.indices.map { step in alike.reduce(0) { $0 + $1.curve[step] } / Double(alike.count) }
            let value = own.map(\.value).filter { !$0.isNaN }
            let mean = value.isEmpty ? "-" : cell(value.reduce(0, +) / Double(value.count))
            return Chart.Line(name: "\(method.name) \(mean)", x: first.fractions, y: curve)
        }
        return Chart(
            title: metric.name, across: metric.name == "insertion" ? "share shown" : "share replaced", up: "score", lines: lines
        ).svg
    }
}

/// `table` under a name that the property above does not hide.
private func pellucidTable(_ rows: [[String]], right: Set<Int>) -> String { table(rows, right: right) }

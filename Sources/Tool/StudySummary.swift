/// The means of a study, as tables and plots.
struct StudySummary {
    let findings: Study.Findings
    let names: [String]
    let part: Study.Part
    let method: String

    /// One model's counts, averaged over the images.
    struct Count {
        let images: Int
        let sets: Double
        let size: Double
        let levels: [Double]
        let counts: [Double]
        /// Images whose sets were too many to count.
        let cut: Int
    }

    var counts: [Count] {
        guard part.counts else { return [] }
        return names.indices.map { i in
            let all = findings.reports.map { $0.counting[i] }
            func mean(_ values: [Double]) -> Double { values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count) }
            let levels = all.first?["levels"]?.items.compactMap(\.double) ?? []
            return Count(
                images: all.count, sets: mean(all.compactMap { $0["minimal_sets"]?.double }),
                size: mean(all.compactMap { $0["mean_size"]?.double }), levels: levels,
                counts: levels.indices.map { level in
                    mean(all.compactMap { $0["sub_explanations"]?.items.dropFirst(level).first?.double })
                }, cut: all.count { $0["cut"]?.text == "true" })
        }
    }

    /// Mean areas: the row's map shown to the column's model.
    var crossing: [[Double]] {
        guard part.crosses else { return [] }
        let images = Double(max(1, findings.reports.count))
        return names.indices.map { row in
            names.indices.map { column in findings.reports.reduce(0.0) { $0 + $1.crossing[row][column] } / images }
        }
    }

    /// Each column divided by what the model's own map gives it.
    var normalised: [[Double]] {
        let areas = crossing
        return areas.map { row in row.indices.map { areas[$0][$0] == 0 ? .nan : row[$0] / areas[$0][$0] } }
    }

    /// Places of the models in a plane, by how alike their maps serve each other.
    var landscape: KernelPCA? {
        let matrix = normalised
        guard names.count > 1, matrix.count == names.count, matrix.joined().allSatisfy(\.isFinite) else { return nil }
        let kernel = matrix.indices.map { i in matrix.indices.map { (matrix[i][$0] + matrix[$0][i]) / 2 } }
        return KernelPCA(kernel, axes: 2)
    }

    var json: JSON {
        func matrix(_ rows: [[Double]]) -> JSON { .array(rows.map { .array($0.map { .number($0) }) }) }
        var members: [(key: String, value: JSON)] = [
            ("schema", .integer(1)), ("pellucid", .string(Library.version)), ("models", .array(names.map { .string($0) })),
            ("images", .integer(findings.reports.count)),
        ]
        if part.counts { members.append(("counting", .array(zip(names, counts).map(counted)))) }
        if part.crosses {
            members += [("method", .string(method)), ("crossing", matrix(crossing)), ("normalised", matrix(normalised))]
            if let landscape {
                members.append(
                    (
                        "landscape",
                        .object([("places", matrix(landscape.places)), ("shares", .array(landscape.shares.map { .number($0) }))])
                    ))
            }
        }
        return .object(members)
    }

    private func counted(_ name: String, _ count: Count) -> JSON {
        .object([
            ("model", .string(name)), ("images", .integer(count.images)), ("minimal_sets", .number(count.sets)),
            ("mean_size", .number(count.size)), ("levels", .array(count.levels.map { .number($0) })),
            ("sub_explanations", .array(count.counts.map { .number($0) })), ("cut", .integer(count.cut)),
        ])
    }

    func write(to folder: String) throws {
        func file(_ name: String, _ text: String) throws { try Files.write(Array(text.utf8), to: "\(folder)/\(name)") }
        try file("summary.json", json.rendered + "\n")
        try file("images.csv", CSV.text(imageRows))
        if part.counts { try file("counting.csv", CSV.text(countRows)) }
        guard part.crosses else { return }
        try file("crossing.csv", CSV.text(matrixRows(crossing)))
        try file("crossing-normalised.csv", CSV.text(matrixRows(normalised)))
        try file("crossing.svg", StudyPlots.matrix(normalised, names: names, method: method))
        if let landscape { try file("landscape.svg", StudyPlots.landscape(landscape, names: names)) }
    }

    // MARK: Tables

    private var countRows: [[String]] {
        let levels = counts.first?.levels ?? []
        return [["model", "images", "minimal_sets", "mean_size"] + levels.map { "above_\($0)" } + ["cut"]]
            + zip(names, counts).map { name, count in
                [name, "\(count.images)", "\(count.sets)", "\(count.size)"] + count.counts.map { "\($0)" } + ["\(count.cut)"]
            }
    }

    private func matrixRows(_ matrix: [[Double]]) -> [[String]] {
        [["map of"] + names] + zip(names, matrix).map { [$0] + $1.map { "\($0)" } }
    }

    private var imageRows: [[String]] {
        let levels = findings.reports.first?.counting.first?["levels"]?.items.map(\.text) ?? []
        let head =
            ["image", "class", "model"] + (part.counts ? ["score", "minimal_sets", "mean_size"] + levels.map { "above_\($0)" } : [])
            + (part.crosses ? names.map { "shown_to_\($0)" } : [])
        return [head]
            + findings.reports.flatMap { report in
                names.indices.map { i in
                    var row = [report.photo.path, "\(report.target)", names[i]]
                    if part.counts {
                        let found = report.counting[i]
                        row += ["score", "minimal_sets", "mean_size"].map { found[$0]?.text ?? "" }
                        row += found["sub_explanations"]?.items.map(\.text) ?? []
                    }
                    if part.crosses { row += report.crossing[i].map { "\($0)" } }
                    return row
                }
            }
    }

    /// For the terminal.
    var text: String {
        var parts: [String] = []
        if part.counts {
            let levels = counts.first?.levels ?? []
            let head = ["MODEL", "SETS", "PATCHES"] + levels.map { "> \(fixed(100 * $0, 0)) %" }
            let rows = zip(names, counts).map { [$0, fixed($1.sets, 2), fixed($1.size, 2)] + $1.counts.map { fixed($0, 1) } }
            parts.append(table([head] + rows, right: Set(1..<head.count)))
            let cut = counts.reduce(0) { $0 + $1.cut }
            if cut > 0 { parts.append("\(cut) counts are lower bounds: there were more sets than sag's max_subsets or max_evaluations") }
        }
        if part.crosses {
            let rows = zip(names, normalised).map { [$0] + $1.map { fixed($0, 3) } }
            parts.append(table([["MAP OF \\ SHOWN TO"] + names] + rows, right: Set(1...names.count)))
        }
        return parts.joined(separator: "\n\n")
    }
}

/// Tables as RFC 4180 has them.
enum CSV {
    static func text(_ rows: [[String]]) -> String {
        rows.map { $0.map(cell).joined(separator: ",") + "\r\n" }.joined()
    }

    private static func cell(_ text: String) -> String {
        guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}

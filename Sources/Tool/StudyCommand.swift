import ArgumentParser

/// Compares how whole networks decide: over many images, by the parts that suffice for each, and by each one's maps shown to the others.
struct StudyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "study", abstract: "Compare how several models decide, over many images.",
        discussion: """
            Two comparisons (Jiang, Khorram, Li 2024). Counting: of each image the minimal sets of patches that suffice for a model, \
            and the smaller sets below them that still keep part of the score. Crossing: the places that one model finds important \
            are shown to every other, and the area under its score is the entry of a matrix. All models are asked about the same \
            class of an image: --target, or that with the highest mean probability.

            The output folder gets IMAGE.json and IMAGE.MODEL.json for each image (kept, so that an interrupted study goes on), \
            summary.json, images.csv, counting.csv, crossing.csv, crossing-normalised.csv, crossing.svg and landscape.svg.
            """)

    @Argument(
        help: "Images (PNG, JPEG, WebP), or folders of images.", completion: .file())
    var images: [String]
    @Option(
        name: .customLong("model"),
        help: "A model to compare, as FILE or NAME=FILE; several times. The name is the file's, without ending.",
        completion: .file(extensions: ["onnx"]))
    var models: [String] = []
    @Option(
        name: .customLong("preset-of"),
        help: "Another preprocessing for one model, as NAME=lite.")
    var presets: [String] = []
    @Option(help: "What to compare: counting, crossing or all.", completion: .list(["all", "counting", "crossing"]))
    var part = Study.Part.all
    @Option(name: .customLong("method"), help: "The method whose maps are shown to other models.")
    var method = "score-cam"
    @Option(
        name: .customLong("set"),
        help: "An option of the method or of sag, as sag:grid=5.")
    var settings: [String] = []
    @Option(help: "Steps between nothing and all of an image, in crossing.") var steps = 20
    @Option(help: "The class to ask about, a number or a name; default: that with the highest mean probability.") var target: String?
    @Option(help: "File with class names: one per line, or JSON.", completion: .file()) var labels: String?
    @OptionGroup var preparation: Preparation
    @Option(help: "Threads to compute with; default: all processors.") var threads: Int?
    @Option(name: .shortAndLong, help: "The folder to write to.", completion: .directory) var output = "study"
    @Flag(help: "Compute again what is there already.") var force = false
    @Flag(name: .shortAndLong, help: "Show no progress and no tables.") var quiet = false
    @OptionGroup var printing: OutputArguments

    func validate() throws {
        guard (2...1000).contains(steps) else { throw ValidationError("--steps must lie in 2...1000") }
        guard !models.isEmpty else { throw ValidationError("--model is needed: one or more models to compare") }
        for setting in settings where !setting.contains("=") {
            throw ValidationError("--set takes name=value, found '\(setting)'")
        }
    }

    func run() throws {
        let labels = try self.labels.map { try Labels(file: $0) } ?? Labels()
        let target = try self.target.flatMap { try labels.targets([$0]).first ?? nil }
        let photos = try Photo.found(images)
        let jobs = try Job.chosen(["sag", method], settings, layer: nil)
        let subjects = try self.subjects()
        let pieces = subjects.count * ((part.counts ? 4 : 0) + (part.crosses ? 2 + subjects.count : 0))
        try Files.makeFolder(output)
        let study = Study(
            subjects: subjects, part: part, jobs: jobs, steps: steps, target: target, folder: output, force: force,
            progress: Progress(total: photos.count * pieces, isQuiet: quiet))
        let findings = try study.run(photos)
        let summary = StudySummary(findings: findings, names: subjects.map(\.name), part: part, method: method)
        try summary.write(to: output)
        if printing.json { print(summary.json.rendered) } else if !quiet { print(summary.text) }
        if findings.failed { throw ExitCode(1) }
    }

    /// The models with their names and preprocessing.
    private func subjects() throws -> [Subject] {
        let runtime = try Runtime(threads: threads)
        let named = models.map { text -> (name: String, path: String) in
            guard let equals = text.firstIndex(of: "="), !Files.exists(text) else { return (Files.stem(text), text) }
            return (String(text[..<equals]), String(text[text.index(after: equals)...]))
        }
        for (i, entry) in named.enumerated() {
            guard !entry.name.isEmpty, !entry.name.contains("/") else {
                throw ToolError(usage: "--model: '\(entry.name)' cannot be a model's name")
            }
            guard !named[..<i].contains(where: { $0.name == entry.name }) else {
                throw ToolError(usage: "--model: two models are called '\(entry.name)'; name them with NAME=FILE")
            }
        }
        var own: [String: String] = [:]
        for text in presets {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, named.contains(where: { $0.name == parts[0] }) else {
                throw ToolError(
                    usage:
                        "--preset-of takes NAME=PRESET, found '\(text)'\(Suggestion.text(for: parts.first ?? "", among: named.map(\.name)))"
                )
            }
            own[parts[0]] = parts[1]
        }
        let size = try preparation.sizes()
        return try named.map { name, path in
            let model = try Model(path, runtime: runtime)
            var preparation = self.preparation
            if let preset = own[name] { preparation.preset = preset }
            return Subject(name: name, model: model, frame: try Frame(of: model, size: size), preparation: preparation)
        }
    }
}

/// One of the models that are compared.
struct Subject {
    let name: String
    let model: Model
    let frame: Frame
    let preparation: Preparation

    /// What decides what the model sees.
    var settings: JSON {
        .object([
            ("model", .string(model.metadata("hash") ?? "")), ("preset", .string(preparation.preset)),
            ("prepare", .object(preparation.settings.map { ($0.name, .string($0.value)) })),
            ("size", .array([.integer(frame.height), .integer(frame.width)])),
        ])
    }
}

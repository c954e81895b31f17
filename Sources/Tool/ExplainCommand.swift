import ArgumentParser

/// Explains photos and writes pictures, raw maps and a page.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Explain what a model sees in images.",
        discussion: """
            For each image and method the output folder gets NAME.METHOD.png (the picture), NAME.METHOD.npy (the raw map) and \
            NAME.METHOD.json (how it was made); with several targets their numbers follow the method. index.html shows everything \
            side by side, manifest.json lists it. Folders are searched through, with those inside them. What is complete for \
            the same image and settings is kept, so that an interrupted run goes on where it stopped.
            """)

    @OptionGroup var model: ModelArguments
    @Argument(
        help: "Images (PNG, JPEG, WebP), folders of images, or '-' for standard input.",
        completion: .file())
    var images: [String]
    @Option(
        name: .customLong("method"),
        help: "Methods, separated by commas, or 'all'; see 'pellucid methods'.",
        completion: .custom { _, _, _ in Method.names + ["all"] })
    var methods: [String] = ["grad-cam"]
    @Option(
        name: .customLong("metric"),
        help: "Metrics that judge each map, separated by commas, as deletion,insertion; the page shows their numbers and curves.",
        completion: .custom { _, _, _ in Method.names(of: "metric") })
    var metrics: [String] = []
    @Option(
        name: .customLong("target"),
        help: "Classes to explain, separated by commas: numbers, names, or 'best' (the default).")
    var targets: [String] = []
    @Option(help: "The layer to look at, for the methods that look at one.") var layer: String?
    @Option(
        name: .customLong("set"),
        help: "An option of the methods, as steps=64, or of one, as smoothgrad:n_samples=50.")
    var settings: [String] = []
    @OptionGroup var preparation: Preparation
    @Option(help: "File with class names: one per line, or JSON.", completion: .file()) var labels: String?
    @Option(
        help:
            "Colours: turbo, viridis, inferno, rdbu or gray; default: turbo, and rdbu for signed maps.",
        completion: .list(["turbo", "viridis", "inferno", "rdbu", "gray"]))
    var colormap: String?
    @Option(help: "Opacity of the colours, 0 to 1.") var alpha: Double = 0.6
    @Option(
        help: "How colours meet the photo: fade, uniform, multiply or spotlight.",
        completion: .list(["fade", "uniform", "multiply", "spotlight"]))
    var blend: String?
    @Option(help: "Lines at these shares of the strongest value, as 0.25,0.5,0.75.") var contours: String?
    @Flag(help: "Draw a colour bar with numbers below each picture.") var legend = false
    @Option(
        help:
            "Pictures so many times the size of the network's input; default: 1, more for tiny inputs.")
    var zoom: Int?
    @Option(name: .shortAndLong, help: "The folder to write to.", completion: .directory) var output =
        "explanations"
    @Flag(help: "Explain again what is there already.") var force = false
    @Flag(name: .shortAndLong, help: "Show no progress and list no files.") var quiet = false
    @OptionGroup var printing: OutputArguments

    func validate() throws {
        guard (1...16).contains(zoom ?? 1) else { throw ValidationError("--zoom must lie in 1...16") }
        for setting in settings where !setting.contains("=") {
            throw ValidationError("--set takes name=value, found '\(setting)'")
        }
    }

    func run() throws {
        let size = try preparation.sizes()
        let labels = try self.labels.map { try Labels(file: $0) } ?? Labels()
        let jobs =
            try metrics.isEmpty
            ? (methods: Job.chosen(methods, settings, layer: layer), metrics: [])
            : Job.chosen(methods, metrics: metrics, settings, layer: layer) { $0.needs.contains("regions") }
        for metric in jobs.metrics where metric.method.needs.contains("regions") {
            throw ToolError(usage: "\(metric.method.name) needs to know where the object is: use 'pellucid evaluate --regions'")
        }
        let targets = try labels.targets(self.targets)
        let photos = try Photo.found(images)
        let model = try self.model.load()
        let frame = try Frame(of: model, size: size)
        try Files.makeFolder(output)
        let explaining = Explaining(
            model: model, frame: frame, preparation: preparation, labels: labels, targets: targets,
            jobs: jobs.methods, metrics: jobs.metrics, drawing: drawing,
            legend: legend, zoom: zoom ?? max(1, (223 + frame.width) / frame.width), folder: output,
            force: force,
            progress: Progress(total: photos.count * jobs.methods.count * targets.count, isQuiet: quiet),
            say: quiet || printing.json ? { _ in } : { print($0) })
        let account = try explaining.explainAll(photos, isSweep: methods.contains("all"))
        try Files.write(Array((account.manifest.rendered + "\n").utf8), to: "\(output)/manifest.json")
        if !account.reports.isEmpty {
            let page = Page(
                model: model, labels: labels, frame: frame, colormap: colormap, explained: photos.count)
            try Files.write(Array(page.html(account.reports).utf8), to: "\(output)/index.html")
        }
        if printing.json {
            print(account.manifest.rendered)
        } else if !account.reports.isEmpty, !quiet {
            print("\(output)/index.html")
        }
        if account.failed { throw ExitCode(1) }
    }

    private var drawing: [(name: String, value: String)] {
        let given = [("colormap", colormap), ("blend", blend), ("contours", contours)]
        return [("alpha", String(alpha))] + given.compactMap { name, value in value.map { (name, $0) } }
    }
}

/// A method with the options that it is run with.
struct Job {
    let method: Method
    let options: [(name: String, value: String)]

    /// The chosen methods with the options that concern them.
    static func chosen(_ methods: [String], _ settings: [String], layer: String?) throws -> [Job] {
        try assigned(selected(methods, kind: "explainer"), settings, layer: layer)
    }

    /// Methods, and the metrics that judge them; an option without a name in front is that of all that have it. `skips`:
    /// what "all" metrics leaves out.
    static func chosen(
        _ methods: [String], metrics: [String], _ settings: [String], layer: String?,
        skips: (Method) -> Bool
    ) throws -> (methods: [Job], metrics: [Job]) {
        let judged = try selected(methods, kind: "explainer")
        let judges = try selected(metrics, kind: "metric", skips: skips)
        let jobs = try assigned(judged + judges, settings, layer: layer)
        return (Array(jobs.prefix(judged.count)), Array(jobs.dropFirst(judged.count)))
    }

    private static func selected(
        _ names: [String], kind: String, skips: (Method) -> Bool = { _ in false }
    ) throws -> [Method] {
        let known = try Method.all().filter { $0.kind == kind }
        var chosen: [Method] = []
        for name in names.flatMap({ $0.split(separator: ",").map(String.init) }) {
            let found =
                name == "all" ? known.filter { !skips($0) } : [try Method.named(name, among: known)]
            chosen += found.filter { method in !chosen.contains { $0.name == method.name } }
        }
        guard !chosen.isEmpty else {
            throw ToolError(usage: kind == "metric" ? "--metric names no metric" : "--method names no method")
        }
        return chosen
    }

    /// --layer is meant for methods that look at one; the others have the option to attribute to another place than the input.
    private static func layers(_ layer: String, of chosen: [Method]) -> [Setting] {
        let looking = chosen.filter { $0.needs.contains("layer") }
        return looking.isEmpty
            ? [Setting(name: "layer", value: layer)] : looking.map { Setting(method: $0.name, name: "layer", value: layer) }
    }

    private static func assigned(_ chosen: [Method], _ settings: [String], layer: String?) throws -> [Job] {
        let all =
            try settings.map { try Setting($0, among: chosen) }
            + (layer.map { layers($0, of: chosen) } ?? [])
        for setting in all where !chosen.contains(where: setting.concerns) {
            let options = Set(
                chosen.filter { (setting.method ?? $0.name) == $0.name }.flatMap {
                    $0.parameters.map(\.name)
                }
            ).sorted()
            let owner = setting.method.map { "'\($0)' has no" } ?? "none of the chosen methods has the"
            throw ToolError(
                usage:
                    "\(owner) option '\(setting.name)'\(Suggestion.text(for: setting.name, among: options))")
        }
        return chosen.map { method in
            Job(method: method, options: all.filter { $0.concerns(method) }.map { ($0.name, $0.value) })
        }
    }
}

/// `name=value`, or `method:name=value`.
private struct Setting {
    var method: String?
    let name: String
    let value: String

    init(method: String? = nil, name: String, value: String) {
        self.method = method
        self.name = name
        self.value = value
    }

    init(_ text: String, among methods: [Method]) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let left = parts[0].split(separator: ":", maxSplits: 1).map(String.init)
        method = left.count == 2 ? try Method.named(left[0], among: methods).name : nil
        name = left.last ?? ""
        value = parts.count > 1 ? String(parts[1]) : ""
    }

    func concerns(_ candidate: Method) -> Bool {
        candidate.knows(name) && (method ?? candidate.name) == candidate.name
    }
}

/// An image to explain.
struct Photo {
    let path: String
    /// Where its results go below the output folder, without an ending.
    let name: String

    /// Files as they are, folders with every image below them; no two with the same name.
    static func found(_ arguments: [String]) throws -> [Photo] {
        var photos: [Photo] = []
        var counts: [String: Int] = [:]
        func add(_ path: String, _ name: String) {
            let count = counts[name, default: 0]
            counts[name] = count + 1
            photos.append(Photo(path: path, name: count == 0 ? name : "\(name)-\(count + 1)"))
        }
        for argument in arguments {
            if argument == Files.standardInput {
                add(argument, "stdin")
            } else if Files.isFolder(argument) {
                let inside = try Files.below(argument, endings: [".png", ".jpg", ".jpeg", ".webp"])
                guard !inside.isEmpty else {
                    throw ToolError("\(argument): the folder holds no PNG, JPEG or WebP file")
                }
                for path in inside {
                    let folders = path.split(separator: "/").dropLast().map { "\($0)/" }.joined()
                    add("\(argument)/\(path)", folders + Files.stem(path))
                }
            } else {
                add(argument, Files.stem(argument))
            }
        }
        return photos
    }
}

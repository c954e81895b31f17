import ArgumentParser

/// Judges methods by metrics on photos.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Judge explanation methods by metrics.",
        discussion: """
            Each image is explained by each method and each explanation judged by each metric; the table shows the means over \
            the images, beside what a map that is the same everywhere and one of random numbers get. With --output a folder gets \
            scores.csv and scores.json with the numbers of every image, and METRIC.svg with the curves of the metrics that have \
            one (as deletion and insertion), for each image and as a mean.
            """)

    @OptionGroup var model: ModelArguments
    @Argument(
        help: "Images (PNG, JPEG, WebP), folders of images, or '-' for standard input.",
        completion: .file())
    var images: [String]
    @Option(
        name: .customLong("method"), help: "Methods, separated by commas, or 'all'.",
        completion: .custom { _, _, _ in Method.names(of: "explainer") + ["all"] })
    var methods: [String] = ["grad-cam"]
    @Option(
        name: .customLong("metric"), help: "Metrics, separated by commas, or 'all'; see 'pellucid methods'.",
        completion: .custom { _, _, _ in Method.names(of: "metric") + ["all"] })
    var metrics: [String] = ["deletion,insertion"]
    @Option(help: "The class to explain: a number, a name, or 'best' (the default).") var target: String?
    @Option(help: "The layer to look at, for the methods that look at one.") var layer: String?
    @Option(
        name: .customLong("set"),
        help: "An option of methods and metrics, as batch_size=8, or of one, as deletion:n_steps=20.")
    var settings: [String] = []
    @Option(
        help:
            "Where the object is, in the photo's pixels: left,top,right,bottom (several after ';'), a JSON file {\"photo\": [[left, top, right, bottom]]}, or a folder of masks named after the photos.",
        completion: .file())
    var regions: String?
    @OptionGroup var preparation: Preparation
    @Option(help: "File with class names: one per line, or JSON.", completion: .file()) var labels: String?
    @Option(name: .shortAndLong, help: "The folder to write to; default: only the table is shown.", completion: .directory)
    var output: String?
    @Flag(name: .shortAndLong, help: "Show no progress.") var quiet = false
    @OptionGroup var printing: OutputArguments

    func validate() throws {
        for setting in settings where !setting.contains("=") {
            throw ValidationError("--set takes name=value, found '\(setting)'")
        }
    }

    func run() throws {
        let size = try preparation.sizes()
        let labels = try self.labels.map { try Labels(file: $0) } ?? Labels()
        let regions = try self.regions.map { try Regions($0) }
        let jobs = try Job.chosen(methods, metrics: metrics, settings, layer: layer) {
            $0.needs.contains("regions") && regions == nil
        }
        for job in jobs.metrics where job.method.needs.contains("regions") && regions == nil {
            throw ToolError(usage: "\(job.method.name) needs --regions: where the object is")
        }
        let targets = try labels.targets(target.map { [$0] } ?? [])
        guard targets.count == 1, let target = targets.first else {
            throw ToolError(usage: "--target takes one class, found \(targets.count)")
        }
        let photos = try Photo.found(images)
        let model = try self.model.load()
        if let output { try Files.makeFolder(output) }
        let evaluating = Evaluating(
            model: model, frame: try Frame(of: model, size: size), preparation: preparation, target: target,
            methods: jobs.methods, metrics: jobs.metrics, regions: regions,
            progress: Progress(total: photos.count * jobs.methods.count * (1 + jobs.metrics.count), isQuiet: quiet))
        let scores = try evaluating.evaluateAll(photos, isSweep: methods.contains("all"))
        if let output { try scores.write(to: output) }
        print(printing.json ? scores.json.rendered : scores.table)
        if scores.failed { throw ExitCode(1) }
    }
}

extension Method {
    /// For completion.
    static func names(of kind: String) -> [String] { ((try? all()) ?? []).filter { $0.kind == kind }.map(\.name) }
}

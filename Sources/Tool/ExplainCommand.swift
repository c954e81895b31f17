import ArgumentParser

/// Explains photos and writes pictures, raw maps and a page.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Explain what a model sees in images.",
        discussion: "Writes IMAGE.METHOD.png, IMAGE.METHOD.npy and index.html, a page with all of them, to the output folder.")

    @OptionGroup var model: ModelArguments
    @Argument(help: "PNG or JPEG files.") var images: [String]
    @Option(name: .customLong("method"), help: "Methods, separated by commas, or 'all'; see 'pellucid methods'.") var methods: [String] = [
        "grad-cam"
    ]
    @Option(help: "The class to explain, by number or by name; default: the best one.") var target: String?
    @Option(help: "The layer to look at, for the methods that look at one.") var layer: String?
    @Option(name: .customLong("set"), help: "An option of the methods, as steps=64, or of one, as rise:masks=500.") var settings: [String] =
        []
    @OptionGroup var preparation: ImageArguments
    @Option(help: "Colours: turbo, viridis, inferno, rdbu or gray.") var colormap: String?
    @Option(help: "Opacity of the colours, 0 to 1.") var alpha: Double = 0.6
    @Option(help: "Pictures so many times the size of the network's input; default: 1, more for tiny inputs.") var zoom: Int?
    @Option(name: .shortAndLong, help: "The folder to write to.") var output = "explanations"

    func validate() throws {
        guard zoom ?? 1 >= 1, zoom ?? 1 <= 16 else { throw ValidationError("--zoom must lie in 1...16") }
        for setting in settings where !setting.contains("=") { throw ValidationError("--set takes name=value, found '\(setting)'") }
    }

    func run() throws {
        let size = try preparation.sizes(), labels = try preparation.classNames()
        let jobs = try jobs(), target = try target.map { try labels.index(of: $0) }
        let model = try self.model.load()
        let frame = try Frame(of: model, size: size)
        try Files.makeFolder(output)
        let explaining = Explaining(
            model: model, frame: frame, preset: preparation.preset, labels: labels, target: target, jobs: jobs,
            drawing: [("alpha", String(alpha))] + (colormap.map { [("colormap", $0)] } ?? []),
            zoom: zoom ?? max(1, (223 + frame.width) / frame.width), folder: output)
        let (reports, failed) = explainAll(explaining)
        if !reports.isEmpty {
            let page = Page(model: model, labels: labels, version: Library.version)
            try Files.write(Array(page.html(reports).utf8), to: "\(output)/index.html")
            print("\(output)/index.html")
        }
        if failed { throw ExitCode(1) }
    }

    /// A photo that cannot be read or explained does not stop the others.
    private func explainAll(_ explaining: Explaining) -> (reports: [Report], failed: Bool) {
        var reports: [Report] = [], failed = false
        var names: [String: Int] = [:]
        for image in images {
            let stem = Files.stem(image), count = names[stem, default: 0]
            names[stem] = count + 1
            do {
                let report = try explaining.explain(image, name: count == 0 ? stem : "\(stem)-\(count + 1)")
                reports.append(report)
                let isSweep = methods.contains("all")
                failed = failed || report.outcomes.contains { (try? $0.result.get()) == nil && !(isSweep && $0.isInapplicable) }
            } catch {
                let text = "\(error)"
                complain(text.hasPrefix(image) ? text : "\(image): \(text)")
                failed = true
            }
        }
        return (reports, failed)
    }

    /// The chosen methods with the options that concern them.
    private func jobs() throws -> [Job] {
        let known = try Method.all()
        let names = methods.flatMap { $0.split(separator: ",").map(String.init) }
        var chosen: [Method] = []
        for name in names {
            let found = name == "all" ? known.filter { $0.kind == "explainer" } : known.filter { $0.name == name }
            guard !found.isEmpty else { throw ToolError("no method is called '\(name)'; see 'pellucid methods'") }
            chosen += found.filter { method in !chosen.contains { $0.name == method.name } }
        }
        let settings = try settings.map(Setting.init) + (layer.map { [Setting(name: "layer", value: $0)] } ?? [])
        for setting in settings where !chosen.contains(where: setting.concerns) {
            throw ToolError("none of the chosen methods has the option '\(setting.name)'")
        }
        return chosen.map { method in
            Job(method: method, options: settings.filter { $0.concerns(method) }.map { ($0.name, $0.value) })
        }
    }
}

/// `name=value`, or `method:name=value`.
private struct Setting {
    var method: String?
    let name: String
    let value: String

    init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    init(_ text: String) throws {
        guard let equals = text.firstIndex(of: "=") else { throw ToolError("--set takes name=value, found '\(text)'") }
        let left = text[..<equals].split(separator: ":", maxSplits: 1)
        method = left.count == 2 ? String(left[0]) : nil
        name = left.last.map(String.init) ?? ""
        value = String(text[text.index(after: equals)...])
    }

    func concerns(_ candidate: Method) -> Bool { candidate.knows(name) && (method ?? candidate.name) == candidate.name }
}

import ArgumentParser
import CPellucid

/// Runs a model on images or arrays and prints what it says.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a model on images or arrays and print what it says.",
        discussion: """
            An input is an image (PNG, JPEG, WebP; '-' reads one from standard input), a .npy file, or a .npz file whose arrays \
            have the names of the model's inputs. A model with several inputs takes them as name=file. A model with one input \
            takes several files and runs once for each.
            """)

    @OptionGroup var model: ModelArguments
    @Argument(help: "Images or arrays.", completion: .file()) var inputs: [String]
    @OptionGroup var preparation: Preparation
    @Option(help: "File with class names: one per line, or JSON.", completion: .file()) var labels: String?
    @Option(help: "How many classes are printed.") var top = 5
    @Option(help: "Values, nodes or layers to return instead of the outputs, separated by commas.")
    var want: [String] = []
    @Option(
        name: .shortAndLong, help: "A .npz file to write what was computed to.",
        completion: .file(extensions: ["npz"]))
    var output: String?
    @OptionGroup var printing: OutputArguments

    func validate() throws {
        guard top > 0 else { throw ValidationError("--top must be at least 1") }
        if let output, !output.hasSuffix(".npz") {
            throw ValidationError("--output takes the name of a .npz file, found '\(output)'")
        }
    }

    func run() throws {
        let labels = try self.labels.map { try Labels(file: $0) } ?? Labels()
        let model = try self.model.load()
        let runs = try Inputs(model: model, preparation: preparation).grouped(inputs)
        guard output == nil || runs.count == 1 else {
            throw ToolError(usage: "--output takes the results of one run, and there are \(runs.count)")
        }
        var results: [JSON] = []
        var failed = false
        for run in runs {
            do {
                let result = try compute(run, model)
                if printing.json {
                    results.append(try result.json(labels, top: top))
                } else {
                    if runs.count > 1 { print(run.label) }
                    print(try result.text(labels, top: top))
                }
            } catch {
                guard runs.count > 1, !Interrupt.happened else { throw error }
                let text = "\(error)"
                Console.complain(text.hasPrefix(run.label) ? text : "\(run.label): \(text)")
                failed = true
            }
        }
        if printing.json { print((runs.count == 1 && results.count == 1 ? results[0] : JSON.array(results)).rendered) }
        if failed { throw ExitCode(1) }
    }

    /// One run; its values are written where the command line asks for a file.
    private func compute(_ run: Inputs.Run, _ model: Model) throws -> Computed {
        let feeds = try run.feeds()
        let wanted = want.flatMap { $0.split(separator: ",").map(String.init) }
        let start = now()
        let values = try model.run(feeds, wanted: wanted)
        let seconds = now() - start
        let names = wanted.isEmpty ? try model.values(PELLUCID_OUTPUT).map(\.name) : wanted
        if let output {
            let arrays = try zip(names, values).map { name, value in (name: name, array: try NumpyArray(value)) }
            try Files.write(NumpyArchive.file(arrays), to: output)
        }
        return Computed(input: run.label, names: names, values: values, seconds: seconds, isOutput: wanted.isEmpty)
    }
}

/// What one run computed.
private struct Computed {
    let input: String
    let names: [String]
    let values: [Tensor]
    let seconds: Double
    let isOutput: Bool

    private func prediction() throws -> Prediction? { isOutput ? try Prediction(values.first) : nil }

    func text(_ labels: Labels, top: Int) throws -> String {
        var lines: [String] = []
        if let prediction = try prediction() {
            let rows = prediction.ranked(top).map {
                [
                    percent($0.probability), String($0.index),
                    labels.names.isEmpty ? "" : labels.short($0.index),
                ]
            }
            lines.append(table(rows, right: [0, 1]))
        }
        if lines.isEmpty || values.count > 1 {
            lines.append(
                table(
                    try zip(names, values).map { [$0, Value.typeName($1.dtype), shape($1), try range($1)] }))
        }
        return (lines + ["\(fixed(seconds * 1000, 1)) ms"]).joined(separator: "\n")
    }

    private func shape(_ tensor: Tensor) -> String {
        tensor.shape.isEmpty ? "scalar" : tensor.shape.map(String.init).joined(separator: "x")
    }

    private func range(_ tensor: Tensor) throws -> String {
        let values = try tensor.doubles().filter { !$0.isNaN }
        guard let low = values.min(), let high = values.max() else { return "" }
        return low == high ? "\(Float(low))" : "\(Float(low)) ... \(Float(high))"
    }

    func json(_ labels: Labels, top: Int) throws -> JSON {
        let described = try zip(names, values).map { name, tensor in
            let numbers = try tensor.doubles()
            let sound = numbers.filter(\.isFinite)
            return JSON.object([
                ("name", .string(name)), ("type", .string(Value.typeName(tensor.dtype))),
                ("shape", .array(tensor.shape.map { .integer($0) })),
                ("min", sound.min().map { .number($0) } ?? .null),
                ("max", sound.max().map { .number($0) } ?? .null),
                ("not_finite", .integer(numbers.count - sound.count)),
            ])
        }
        let classes =
            try prediction().map { JSON.array($0.ranked(top).map { $0.json(labels) }) } ?? .null
        return .object([
            ("input", .string(input)), ("top", classes), ("values", .array(described)),
            ("seconds", .number(seconds)),
        ])
    }
}

import ArgumentParser

/// Runs a model on one image and prints what it says.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "Run a model on an image and print the best classes.")

    @OptionGroup var model: ModelArguments
    @Argument(help: "A PNG or JPEG file.") var image: String
    @OptionGroup var images: ImageArguments
    @Option(help: "How many classes are printed.") var top = 5

    func validate() throws {
        guard top > 0 else { throw ValidationError("--top must be at least 1") }
    }

    func run() throws {
        let size = try images.sizes(), labels = try images.classNames()
        let model = try model.load()
        let frame = try Frame(of: model, size: size)
        let input = try Picture(file: image).preprocessed(images.preset, frame)
        let start = now()
        let outputs = try model.run(input)
        let seconds = now() - start
        if let prediction = try Prediction(outputs) {
            print(
                table(
                    prediction.ranked(top).map {
                        [percent($0.probability), String($0.index), labels.names.isEmpty ? "" : labels.short($0.index)]
                    }))
        } else {
            for output in outputs { print(try describe(output)) }
        }
        print("\(fixed(seconds * 1000, 1)) ms")
    }

    /// Shape and range of an output that is no list of classes.
    private func describe(_ output: Tensor) throws -> String {
        let values = try output.floats()
        let shape = output.shape.map(String.init).joined(separator: "x")
        return "\(shape)  \(values.min() ?? 0)...\(values.max() ?? 0)"
    }
}

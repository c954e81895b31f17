import ArgumentParser
import Glibc

/// The command line: a client of the C functions like any other.
struct Tool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pellucid",
        abstract: "Explains the decisions of ONNX models.",
        subcommands: [
            InspectCommand.self, RunCommand.self, ExplainCommand.self, MethodsCommand.self, BackendsCommand.self, VersionCommand.self,
        ])
}

@main enum Main {
    /// Exit codes: 0 done, 1 something failed, 2 the command line was not understood.
    static func main() {
        do {
            var command = try Tool.parseAsRoot()
            try command.run()
        } catch let code as ExitCode {
            exit(code.rawValue)
        } catch let error as LibraryError {
            complain(error.description)
            exit(1)
        } catch let error as ToolError {
            complain(error.description)
            exit(1)
        } catch {
            let text = Tool.fullMessage(for: error)
            guard Tool.exitCode(for: error) != .success else { return print(text) }
            printError(text)
            exit(2)
        }
    }
}

/// Which model, and with what it is run.
struct ModelArguments: ParsableArguments {
    @Argument(help: "The ONNX file.") var model: String
    @Option(help: "Threads to compute with; default: all processors.") var threads: Int?
    @Option(help: "Preferred backend; see 'pellucid backends'.") var backend: String?

    func load() throws -> Model {
        try Model(model, runtime: Runtime(threads: threads), options: backend.map { [("backend", $0)] } ?? [])
    }
}

/// How photos become inputs, and what the classes are called.
struct ImageArguments: ParsableArguments {
    @Option(help: "Preprocessing: imagenet, lite, inception, caffe, unit or raw.") var preset = "imagenet"
    @Option(help: "Input size, 224 or 224,320 for height,width; default: the model's, or 224.") var size: String?
    @Option(help: "File with one class name per line.") var labels: String?

    /// The size that was asked for.
    func sizes() throws -> (height: Int, width: Int)? {
        guard let size else { return nil }
        let parts = size.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard parts.count == 1 || parts.count == 2, parts.allSatisfy({ $0 > 0 }) else {
            throw ValidationError("--size takes one or two positive numbers, as 224 or 224,320; found '\(size)'")
        }
        return (parts[0], parts[parts.count - 1])
    }

    func classNames() throws -> Labels { Labels(try labels.map { try Files.lines($0) } ?? []) }
}

/// Prints the version of the library.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "The version of the library.")

    func run() { print(Library.version) }
}

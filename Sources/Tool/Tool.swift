import ArgumentParser
import Glibc

/// The command line: a client of the C functions like any other.
struct Tool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pellucid",
        abstract: "Explains the decisions of ONNX models.",
        discussion: """
            Exit codes: 0 done; 1 something failed, or some of the images; 2 the command line was not understood; \
            130 interrupted.
            """,
        version: Library.version,
        subcommands: [
            InspectCommand.self, RunCommand.self, ExplainCommand.self, EvaluateCommand.self, StudyCommand.self,
            MethodsCommand.self,
            BackendsCommand.self, VersionCommand.self,
        ])
}

@main enum Main {
    static func main() {
        Interrupt.install()
        do {
            try hintAtCommands(CommandLine.arguments.dropFirst().first)
            var command = try Tool.parseAsRoot()
            try command.run()
        } catch let code as ExitCode {
            exit(code.rawValue)
        } catch  where Interrupt.happened {
            Console.complain("interrupted")
            exit(130)
        } catch let error as LibraryError {
            Console.complain(error.description)
            exit(1)
        } catch let error as ToolError {
            Console.complain(error.description)
            exit(error.isUsage ? 2 : 1)
        } catch {
            let text = Tool.fullMessage(for: error)
            guard Tool.exitCode(for: error) != .success else { return print(text) }
            Console.printError(text)
            exit(2)
        }
    }

    /// A mistyped command gets a better answer than "unexpected argument".
    private static func hintAtCommands(_ first: String?) throws {
        let known = Tool.configuration.subcommands.compactMap { $0.configuration.commandName }
        guard let first, !first.hasPrefix("-"), first != "help", !known.contains(first) else { return }
        throw ToolError(
            usage: "there is no command '\(first)'\(Suggestion.text(for: first, among: known))")
    }
}

/// Which model, and with what it is run.
struct ModelArguments: ParsableArguments {
    @Argument(help: "The ONNX file.", completion: .file(extensions: ["onnx"])) var model: String
    @Option(help: "Threads to compute with; default: all processors.") var threads: Int?
    @Option(help: "Preferred backend; see 'pellucid backends'.") var backend: String?

    func load() throws -> Model {
        try Model(
            model, runtime: Runtime(threads: threads), options: backend.map { [("backend", $0)] } ?? [])
    }
}

/// Machine-readable output.
struct OutputArguments: ParsableArguments {
    @Flag(help: "Print JSON instead of text.") var json = false
}

/// Prints the version of the library.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "The version of the library.")

    @OptionGroup var output: OutputArguments

    func run() {
        print(
            output.json ? JSON.object([("version", .string(Library.version))]).rendered : Library.version)
    }
}

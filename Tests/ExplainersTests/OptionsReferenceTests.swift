import Explainers
import Foundation
import Testing

/// `docs/options.md` lists what the registry declares. `PELLUCID_UPDATE=1 swift test --filter OptionsReferenceTests` rewrites it.
@Suite struct OptionsReferenceTests {
    private let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("docs/options.md")

    @Test func theReferenceIsUpToDate() throws {
        let text = OptionsReference.text
        if ProcessInfo.processInfo.environment["PELLUCID_UPDATE"] == "1" { try text.write(to: file, atomically: true, encoding: .utf8) }
        let found = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        #expect(text == found, "docs/options.md is behind: run PELLUCID_UPDATE=1 swift test --filter OptionsReferenceTests")
    }

    @Test func everyMethodHasACard() {
        for name in MethodList.explainers.map({ $0.method.name }) {
            let card = file.deletingLastPathComponent().appendingPathComponent("methods/\(name).md")
            #expect(FileManager.default.fileExists(atPath: card.path), "\(name) has no card in docs/methods")
        }
    }
}

/// Every method with its options, as a page.
private enum OptionsReference {
    static var text: String {
        let methods = MethodList.explainers.map { $0.method }
        return """
            <!-- Written by `PELLUCID_UPDATE=1 swift test --filter OptionsReferenceTests`; not edited by hand. -->
            # Options

            What each method takes, as the registry declares it; programs read the same from `pellucid_method_parameter_at`,
            `pellucid.methods()` and `pellucid methods NAME`. Lists of numbers are written `1,2,3`. How options are given: in C by
            `pellucid_options_set_…`, in Python as keyword arguments, at a terminal by `--set name=value`.

            \(methods.map(section).joined(separator: "\n\n"))

            ## every method

            \(table(Parameter.common))

            """
    }

    private static func section(_ method: Explainers.Method) -> String {
        let common = Set(Parameter.common.map(\.name))
        let own = method.parameters.filter { !common.contains($0.name) }
        return """
            ## [\(method.name)](methods/\(method.name).md)

            \(method.summary) \(method.reference).

            \(own.isEmpty ? "Only the options of every method." : table(own))
            """
    }

    private static func table(_ parameters: [Parameter]) -> String {
        let rows = parameters.map { parameter in
            let range = parameter.rangeText.replacingOccurrences(of: "|", with: ", ")
            let value = parameter.defaultValue.isEmpty ? "" : "`\(parameter.defaultValue)`"
            return "| `\(parameter.name)` | \(parameter.typeName) | \(value) | \(range) | \(parameter.help) |"
        }
        return "| Option | Type | Default | Values | Meaning |\n|---|---|---|---|---|\n" + rows.joined(separator: "\n")
    }
}

import Foundation
import Tensors
import Testing

@testable import Graphs

/// `docs/operators.md` says what the library does. `PELLUCID_UPDATE=1 swift test --filter OperatorTableTests` rewrites it.
@Suite struct OperatorTableTests {
    private let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("docs/operators.md")

    @Test func theTableIsUpToDate() throws {
        let environment = ProcessInfo.processInfo.environment
        guard environment["PELLUCID_CASES"] == nil else { return }
        let text = try OperatorTable().text
        if environment["PELLUCID_UPDATE"] == "1" { try text.write(to: file, atomically: true, encoding: .utf8) }
        let found = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        let differing = zip(text.components(separatedBy: "\n"), found.components(separatedBy: "\n") + [""]).first { $0 != $1 }
        #expect(
            text == found,
            "docs/operators.md should say: \(differing?.0 ?? ""); run PELLUCID_UPDATE=1 swift test --filter OperatorTableTests")
    }
}

/// The operators of ONNX that the library runs.
private struct OperatorTable {
    private let operators = OperatorSet.standard
    private let log: LogReader
    private let trials = Trial.all.filter(\.passes)

    init() throws { log = try LogReader() }

    var text: String {
        let known = Set(OnnxSchema.table.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) })
        let core = operators.all.map(\.name).filter { known.contains($0) || ($0.contains(":") && !$0.hasPrefix("ai.onnx.")) }
        // What has no schema is lowered to a refusal that says what helps.
        let rows = Set(core + operators.lowered.filter(known.contains)).sorted().map(row)
        return """
            <!-- Written by `PELLUCID_UPDATE=1 swift test --filter OperatorTableTests`; not edited by hand. -->
            # Operators

            The operators of ONNX that Pellucid runs, \(rows.count) in all; a model with others is refused when it is loaded.
            *Gradient*: methods that need gradients work through it. *CPU*: the CPU backend runs it on float32, in all forms or in
            some; otherwise the reference kernel does, which is slower. *Cases*: how many of ONNX's conformance cases with the
            operator pass; those that do not are listed, with reasons, in `Tests/ConformanceTests/manifest.txt`. *Rewritten*: what
            holds for the operators that its attributes make of it.

            | Operator | Gradient | CPU | Cases |
            |---|---|---|---|
            \(rows.joined(separator: "\n"))

            """
    }

    private func row(_ name: String) -> String {
        let cases = trials.filter { $0.operators.contains(name) }
        let core = parts(of: name, cases)
        let places = core.isEmpty ? "rewritten" : Place(core.map { Place($0, log: log) }).rawValue
        return "| \(name) | \(gradient(name, core, cases)) | \(places) | \(cases.count) |"
    }

    /// The core operators that ONNX's operator becomes, as far as cases or its name show.
    private func parts(of name: String, _ cases: [Trial]) -> [Operator] {
        let names = cases.reduce(into: Set<String>()) { $0.formUnion($1.lowered[name] ?? []) }
        let found = names.sorted().compactMap { operators[$0] }
        return found.isEmpty ? [operators[name]].compactMap { $0 } : found
    }

    private func gradient(_ name: String, _ core: [Operator], _ cases: [Trial]) -> String {
        if core.isEmpty { return "rewritten" }
        // A size is no obstacle to the gradients that pass beside it.
        let core = core.count > 1 ? core.filter { $0.name != "Shape" } : core
        if core.allSatisfy({ $0.vjp != nil }) || cases.contains(where: { $0.hasGradient && $0.operators == [name] }) { return "yes" }
        let reason = core.compactMap(\.noGradient).first
        return reason.map { "no: \($0)" } ?? "no"
    }
}

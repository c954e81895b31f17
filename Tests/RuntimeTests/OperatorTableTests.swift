import Foundation
import Tensors
import Testing

@testable import Graphs

/// `docs/operators.md` says what the library does. `PELLUCID_UPDATE=1 swift test --filter OperatorTableTests` rewrites it
/// from the operators themselves and from what `.ci/conformance --update` found.
@Suite struct OperatorTableTests {
    private let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("docs/operators.md")

    @Test func theTableIsUpToDate() throws {
        let text = try OperatorTable().text
        if ProcessInfo.processInfo.environment["PELLUCID_UPDATE"] == "1" { try text.write(to: file, atomically: true, encoding: .utf8) }
        let found = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        let differing = zip(text.components(separatedBy: "\n"), found.components(separatedBy: "\n") + [""]).first { $0 != $1 }
        #expect(
            text == found,
            "docs/operators.md should say: \(differing?.0 ?? ""); run PELLUCID_UPDATE=1 swift test --filter OperatorTableTests")
    }
}

/// What ONNX's series found about an operator: a line of `Tests/Conformance/operators.txt`.
private struct Finding {
    let passed: Int, cases: Int, agreeing: Int, differentiable: Int
    let place: String
    let failingTypes: [String]

    /// By operator.
    static func all() throws -> [String: Finding] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: tests.appendingPathComponent("Conformance/operators.txt"), encoding: .utf8)
        var findings: [String: Finding] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ").map(String.init), counts = words.dropFirst().prefix(4).compactMap { Int($0) }
            guard words.count == 7, counts.count == 4 else { continue }
            findings[words[0]] = Finding(
                passed: counts[0], cases: counts[1], agreeing: counts[2], differentiable: counts[3], place: words[5],
                failingTypes: words[6] == "-" ? [] : words[6].split(separator: ",").map(String.init))
        }
        return findings
    }
}

/// The operators of ONNX that the library runs.
private struct OperatorTable {
    private let operators = OperatorSet.standard
    private let log: LogReader
    private let findings: [String: Finding]
    /// Opsets at which ONNX changed each operator.
    private let versions: [String: [String]]

    init() throws {
        log = try LogReader()
        findings = try Finding.all()
        let lines = OnnxSchema.table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }.filter { $0.count > 1 }
        versions = Dictionary(grouping: lines) { $0[0] }.mapValues { $0.map { $0[1] } }
    }

    var text: String {
        let core = operators.all.map(\.name).filter { versions[$0] != nil || ($0.contains(":") && !$0.hasPrefix("ai.onnx.")) }
        // What has no schema is lowered to a refusal that says what helps.
        let lowered = operators.lowered.filter { versions[$0] != nil || $0.hasPrefix("com.microsoft:") }
        let rows = Set(core + lowered).sorted().map(row)
        return """
            <!-- Written by `.ci/conformance --update && PELLUCID_UPDATE=1 swift test --filter OperatorTableTests`; not edited by hand. -->
            # Operators

            The operators of ONNX and of onnxruntime (`com.microsoft`) that Pellucid runs, \(rows.count) in all; a model with others is
            refused when it is loaded.

            - *Opsets*: versions of the operator; each holds until the next.
            - *Types*: the element types that ONNX allows it, or all but some; tried in those of ONNX's cases that have a single node.
            - *Gradient*: methods that need gradients work through it. In parentheses, in how many of ONNX's cases with this operator
              alone the gradient agrees with central differences in double precision, to 1e-5; exceptions have their reasons in
              `Tests/Conformance/manifest.txt`.
            - *CPU*: the CPU backend runs it on float32, in all forms or in some; otherwise the reference kernel does, which is slower.
              *As parts*: it is rewritten to other operators, for which this table holds.
            - *Cases*: how many of ONNX's cases with the operator pass, through the public interface, on both backends, with and
              without passes; those that do not are listed, with reasons, in `Tests/Conformance/manifest.txt`.

            | Operator | Opsets | Types | Gradient | CPU | Cases |
            |---|---|---|---|---|---|
            \(rows.joined(separator: "\n"))

            """
    }

    private func row(_ name: String) -> String {
        let finding = findings[name], opsets = versions[name]?.joined(separator: ", ") ?? "1"
        let types = finding.map { $0.failingTypes.isEmpty ? "all" : "not \($0.failingTypes.joined(separator: ", "))" } ?? "–"
        let cases = finding.map { "\($0.passed) of \($0.cases)" } ?? "–"
        return "| \(name) | \(opsets) | \(types) | \(gradient(name, finding)) | \(place(name, finding)) | \(cases) |"
    }

    private func gradient(_ name: String, _ finding: Finding?) -> String {
        let count = finding.flatMap { $0.differentiable > 0 ? " (\($0.agreeing) of \($0.differentiable))" : nil } ?? ""
        if finding.map({ $0.agreeing > 0 }) ?? false { return "yes\(count)" }
        guard let op = operators[name] else { return "as parts\(count)" }
        if op.vjp != nil { return "yes\(count)" }
        return (op.noGradient.map { "no: \($0)" } ?? "no") + count
    }

    private func place(_ name: String, _ finding: Finding?) -> String {
        if let op = operators[name] { return Place(op, log: log).rawValue }
        return switch finding?.place {
        case "cpu": "yes"
        case "partly": "partly"
        case "reference": "no"
        default: "as parts"
        }
    }
}

import Foundation

/// `manifest.txt`: the cases that do not pass, or have no gradient as they should, each with its reason, and how many pass.
struct Manifest: Sendable {
    enum Kind: String { case skip, gradient }

    struct Skip: Sendable {
        let kind: Kind
        let line: Int
        let text: String
        let pattern: Pattern
        let reason: String
    }

    private(set) var skips: [Skip] = []
    /// Cases of each series that pass.
    private(set) var minimum: [String: Int] = [:]

    static let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("manifest.txt")

    struct Malformed: Error { let line: Int, text: String }

    /// Lines are `minimum: series count`, `pattern  skip: reason` or `pattern  gradient: reason`; `#` begins a comment.
    init() throws {
        let lines = try String(contentsOf: Manifest.file, encoding: .utf8).components(separatedBy: "\n")
        for (index, line) in lines.enumerated() where !line.isEmpty && !line.hasPrefix("#") {
            let malformed = Malformed(line: index + 1, text: line)
            if line.hasPrefix("minimum: ") {
                let words = line.split(separator: " ")
                guard words.count == 3, let count = Int(words[2]) else { throw malformed }
                minimum[String(words[1])] = count
                continue
            }
            let kinds = [Kind.skip, .gradient].compactMap { kind in line.range(of: " \(kind): ").map { (kind, $0) } }
            guard let (kind, mark) = kinds.first else { throw malformed }
            let text = line[..<mark.lowerBound].trimmingCharacters(in: .whitespaces)
            let reason = line[mark.upperBound...].trimmingCharacters(in: .whitespaces)
            guard let pattern = Pattern(text), !reason.isEmpty else { throw malformed }
            skips.append(Skip(kind: kind, line: index + 1, text: text, pattern: pattern, reason: reason))
        }
    }

    func skip(_ name: String, _ kind: Kind) -> Skip? { skips.first { $0.kind == kind && $0.pattern.matches(name) } }
}

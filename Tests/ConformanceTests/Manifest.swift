import Foundation

/// `manifest.txt`: the cases that do not pass, each with its reason, and how many pass at least.
struct Manifest: Sendable {
    struct Skip: Sendable {
        let line: Int
        let text: String
        let pattern: Pattern
        let reason: String
    }

    private(set) var skips: [Skip] = []
    /// Cases of each series that pass at least.
    private(set) var minimum: [String: Int] = [:]

    static let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("manifest.txt")

    struct Malformed: Error { let line: Int, text: String }

    /// Lines are `minimum: series count`, or `pattern  skip: reason`; `#` begins a comment.
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
            guard let mark = line.range(of: " skip: ") else { throw malformed }
            let text = line[..<mark.lowerBound].trimmingCharacters(in: .whitespaces)
            let reason = line[mark.upperBound...].trimmingCharacters(in: .whitespaces)
            guard let pattern = Pattern(text), !reason.isEmpty else { throw malformed }
            skips.append(Skip(line: index + 1, text: text, pattern: pattern, reason: reason))
        }
    }

    func skip(_ name: String) -> Skip? { skips.first { $0.pattern.matches(name) } }
}

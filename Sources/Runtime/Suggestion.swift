/// Nearest valid names for one that was not found.
package enum Suggestion {
    /// `; did you mean 'relu'?`, or the list when it is short, or nothing.
    package static func text(for name: String, among known: [String]) -> String {
        let near = nearest(name, among: known)
        if !near.isEmpty { return "; did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?" }
        return known.count <= 24 && !known.isEmpty ? "; known are \(known.joined(separator: ", "))" : ""
    }

    /// Up to three names within a third of the length in edits, or that contain the name; nearest first.
    package static func nearest(_ name: String, among known: [String]) -> [String] {
        let wanted = Array(name.utf8.prefix(128))
        let limit = max(2, wanted.count / 3)
        var scored: [(name: String, distance: Int)] = []
        for candidate in known {
            let other = Array(candidate.utf8)
            if contains(other, wanted) { scored.append((candidate, 1)); continue }
            guard other.count <= 128, abs(other.count - wanted.count) <= limit else { continue }
            let distance = edits(wanted, other)
            if distance <= limit { scored.append((candidate, distance)) }
        }
        return scored.sorted { ($0.distance, $0.name.utf8.count, $0.name) < ($1.distance, $1.name.utf8.count, $1.name) }.prefix(3).map(
            \.name)
    }

    private static func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
        guard part.count >= 3, text.count >= part.count else { return false }
        return (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
    }

    /// Levenshtein's distance.
    private static func edits(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let change = x == y ? diagonal : diagonal + 1
                diagonal = row[j + 1]
                row[j + 1] = min(change, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}

import Glibc

/// `value` with so many digits after the point.
func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
    let whole = Int((abs(value) * scale).rounded())
    let sign = value < 0 && whole != 0 ? "-" : ""
    let fraction = String(whole % Int(scale))
    let zeros = String(repeating: "0", count: max(digits - fraction.count, 0))
    return sign + String(whole / Int(scale)) + (digits > 0 ? "." + zeros + fraction : "")
}

/// A probability as people read it.
func percent(_ value: Double) -> String { fixed(100 * value, value < 0.0995 ? 2 : 1) + " %" }

/// A large number as people read it: 4.65 M.
func scaled(_ value: Int) -> String {
    for (unit, size) in [(" T", 1e12), (" G", 1e9), (" M", 1e6), (" k", 1e3)]
    where Double(value) >= 0.9995 * size {
        let part = Double(value) / size
        return fixed(part, part < 9.995 ? 2 : part < 99.95 ? 1 : 0) + unit
    }
    return String(value)
}

/// Columns of text, each as wide as its widest cell; the last is not padded. Columns in `right` are flush right.
func table(_ rows: [[String]], right: Set<Int> = []) -> String {
    let columns = (0..<(rows.map(\.count).max() ?? 0)).map { column in
        rows.compactMap { $0.indices.contains(column) ? $0[column].count : nil }.max() ?? 0
    }
    return rows.map { row in
        let cells = row.enumerated().map { column, cell in
            let space = String(repeating: " ", count: columns[column] - cell.count)
            if right.contains(column) { return space + cell }
            return column == row.count - 1 ? cell : cell + space
        }
        let line = cells.joined(separator: "  ")
        return String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
}

/// Text as HTML shows it.
func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        case "'": result += "&#39;"
        default: result.append(character)
        }
    }
    return result
}

/// Bytes as base64 text.
func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = (0..<3).reduce(0) {
            $0 << 8 | (start + $1 < bytes.count ? Int(bytes[start + $1]) : 0)
        }
        for digit in 0..<4 {
            let isThere = start + digit - 1 < bytes.count || digit < 2
            text.append(isThere ? digits[group >> (18 - 6 * digit) & 63] : UInt8(ascii: "="))
        }
    }
    return String(decoding: text, as: UTF8.self)
}

/// Nearest valid names for one that is not known.
enum Suggestion {
    /// "; did you mean 'explain'?", or the list when it is short, or nothing.
    static func text(for name: String, among known: [String]) -> String {
        let near = nearest(name, among: known)
        if !near.isEmpty {
            return "; did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?"
        }
        return known.count <= 24 && !known.isEmpty ? "; known are \(known.joined(separator: ", "))" : ""
    }

    /// Up to three names within a third of the length in edits, or that contain the name; nearest first.
    static func nearest(_ name: String, among known: [String]) -> [String] {
        let wanted = Array(name.lowercased().utf8.prefix(64))
        let limit = max(2, wanted.count / 3)
        let scored = known.compactMap { candidate -> (name: String, distance: Int)? in
            let other = Array(candidate.lowercased().utf8)
            if wanted.count > 2, candidate.lowercased().contains(name.lowercased()) {
                return (candidate, 1)
            }
            guard abs(other.count - wanted.count) <= limit else { return nil }
            let distance = edits(wanted, other)
            return distance <= limit ? (candidate, distance) : nil
        }
        return scored.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
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

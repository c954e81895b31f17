import Glibc

/// Names of classes, where a file gave them.
struct Labels {
    let names: [String]

    init(_ names: [String]) { self.names = names }

    /// The class's name, without the synonyms that lists add after a comma.
    func short(_ index: Int) -> String {
        guard names.indices.contains(index) else { return "class \(index)" }
        return names[index].split(separator: ",").first.map(String.init) ?? names[index]
    }

    /// A class by its number or by a name that only it has.
    func index(of text: String) throws -> Int {
        if let index = Int(text) {
            guard index >= 0 else { throw ToolError("--target: a class is 0 or more, found \(index)") }
            return index
        }
        guard !names.isEmpty else { throw ToolError("--target: '\(text)' is not a number; with --labels names are understood too") }
        let wanted = text.lowercased()
        let exact = names.indices.filter { short($0).lowercased() == wanted || names[$0].lowercased() == wanted }
        let found = exact.isEmpty ? names.indices.filter { names[$0].lowercased().contains(wanted) } : exact
        guard let first = found.first else { throw ToolError("--target: no class is called '\(text)'") }
        guard found.count == 1 else {
            throw ToolError("--target: '\(text)' could be " + found.prefix(5).map { "\($0) (\(short($0)))" }.joined(separator: ", "))
        }
        return first
    }
}

/// What a classifier says about one image.
struct Prediction {
    /// One number per class, adding up to 1.
    let probabilities: [Double]
    var best: Int { ranked(1).first?.index ?? 0 }

    /// From the first output: as it is where it holds probabilities, else through a softmax. nil when it is no classifier's.
    init?(_ outputs: [Tensor]) throws {
        guard let output = outputs.first, output.shape.first == 1, output.shape.dropFirst().filter({ $0 != 1 }).count == 1 else {
            return nil
        }
        let scores = try output.floats().map(Double.init)
        guard scores.count > 1, scores.allSatisfy(\.isFinite) else { return nil }
        let isDone = scores.allSatisfy { $0 >= 0 } && abs(scores.reduce(0, +) - 1) < 1e-3
        probabilities = isDone ? scores : Prediction.softmax(scores)
    }

    private static func softmax(_ scores: [Double]) -> [Double] {
        let top = scores.max() ?? 0
        let powers = scores.map { exp($0 - top) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    /// The most probable classes, best first.
    func ranked(_ count: Int) -> [(index: Int, probability: Double)] {
        let order = probabilities.indices.sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }
        return order.prefix(count).map { ($0, probabilities[$0]) }
    }
}

/// A probability as people read it.
func percent(_ value: Double) -> String { fixed(100 * value, value < 0.0995 ? 2 : 1) + " %" }

/// Columns of text, each as wide as its widest cell; the last is not padded.
func table(_ rows: [[String]]) -> String {
    let columns = (0..<(rows.map(\.count).max() ?? 0)).map { column in
        rows.compactMap { $0.indices.contains(column) ? $0[column].count : nil }.max() ?? 0
    }
    return rows.map { row in
        let cells = row.enumerated().map { column, cell in
            column == row.count - 1 ? cell : cell + String(repeating: " ", count: columns[column] - cell.count)
        }
        return cells.joined(separator: "  ")
    }.joined(separator: "\n")
}

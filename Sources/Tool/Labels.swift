import Glibc

/// Names of classes, where a file gave them.
struct Labels {
    let names: [String]

    init(_ names: [String] = []) { self.names = names }

    /// A text file with one name per line, or JSON: a list, `{"0": "tench"}`, ImageNet's `{"0": ["n01440764", "tench"]}`, or a
    /// configuration of Hugging Face with "id2label".
    init(file path: String) throws {
        let text = String(decoding: try Files.read(path), as: UTF8.self)
        guard let first = text.first(where: { !$0.isWhitespace }), first == "{" || first == "[" else {
            var lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }.map {
                Labels.trimmed($0)
            }
            while lines.last?.isEmpty == true { lines.removeLast() }
            names = lines
            return
        }
        guard let json = JSON(text), let found = Labels.names(in: json["id2label"] ?? json),
            !found.isEmpty
        else {
            throw ToolError("\(path): expected a list of names, or an object from class numbers to names")
        }
        names = found
    }

    private static func trimmed(_ line: Substring) -> String {
        String(line.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }

    private static func names(in json: JSON) -> [String]? {
        if case .array(let items) = json {
            let names = items.compactMap(name)
            return names.count == items.count ? names : nil
        }
        var found: [Int: String] = [:]
        for (key, value) in json.members {
            guard let index = Int(key), (0..<1 << 20).contains(index), let name = name(value) else {
                return nil
            }
            found[index] = name
        }
        return found.keys.max().map { last in (0...last).map { found[$0] ?? "class \($0)" } }
    }

    /// A name, or the last of several: ImageNet's files put the synset before it.
    private static func name(_ json: JSON) -> String? { json.string ?? json.items.last?.string }

    /// The class's name, without the synonyms that lists add after a comma.
    func short(_ index: Int) -> String {
        guard names.indices.contains(index) else { return "class \(index)" }
        return names[index].split(separator: ",").first.map(String.init) ?? names[index]
    }

    /// The classes that `--target` names: numbers, names and "best", separated by commas; nil stands for the best one.
    func targets(_ texts: [String]) throws -> [Int?] {
        var found: [Int?] = []
        for text in texts {
            let parts = exact(text) == nil ? text.split(separator: ",").map(Labels.trimmed) : [text]
            for part in parts {
                let target = part == "best" ? nil : try index(of: part)
                if !found.contains(target) { found.append(target) }
            }
        }
        return found.isEmpty ? [nil] : found
    }

    private func exact(_ text: String) -> Int? {
        let wanted = text.lowercased()
        let found = names.indices.filter {
            short($0).lowercased() == wanted || names[$0].lowercased() == wanted
        }
        return found.count == 1 ? found[0] : nil
    }

    /// A class by its number or by a name that only it has.
    private func index(of text: String) throws -> Int {
        if let index = Int(text) {
            guard index >= 0 else {
                throw ToolError(usage: "--target: a class is 0 or more, found \(index)")
            }
            return index
        }
        guard !names.isEmpty else {
            throw ToolError(
                usage:
                    "--target: '\(text)' is neither a number nor 'best'; with --labels names are understood too"
            )
        }
        if let index = exact(text) { return index }
        let wanted = text.lowercased()
        let found = names.indices.filter { names[$0].lowercased().contains(wanted) }
        guard let first = found.first else {
            let near = Suggestion.nearest(text, among: names.indices.map(short))
            let hint =
                near.isEmpty ? "" : "; did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?"
            throw ToolError(usage: "--target: no class is called '\(text)'\(hint)")
        }
        guard found.count == 1 else {
            throw ToolError(
                usage: "--target: '\(text)' could be "
                    + found.prefix(5).map { "\($0) (\(short($0)))" }.joined(separator: ", "))
        }
        return first
    }
}

/// What a classifier says about one image.
struct Prediction {
    /// One number per class, adding up to 1.
    let probabilities: [Double]

    /// From the first output: as it is where it holds probabilities, else through a softmax. nil when it is no classifier's.
    init?(_ output: Tensor?) throws {
        guard let output, output.shape.first == 1,
            output.shape.dropFirst().filter({ $0 != 1 }).count == 1
        else { return nil }
        let scores = try output.doubles()
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
    func ranked(_ count: Int) -> [Ranked] {
        let order = probabilities.indices.sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }
        return order.prefix(count).map { Ranked(index: $0, probability: probabilities[$0]) }
    }
}

/// A class with its probability.
struct Ranked {
    let index: Int
    let probability: Double

    func json(_ labels: Labels) -> JSON {
        let label: JSON = labels.names.indices.contains(index) ? .string(labels.names[index]) : .null
        return .object([
            ("index", .integer(index)), ("label", label), ("probability", .number(probability)),
        ])
    }

    init(index: Int, probability: Double) {
        self.index = index
        self.probability = probability
    }

    init?(_ json: JSON) {
        guard let index = json["index"]?.int, let probability = json["probability"]?.double else {
            return nil
        }
        self.init(index: index, probability: probability)
    }
}

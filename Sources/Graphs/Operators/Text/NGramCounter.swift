internal import Tensors

extension Text {
    static let vectorizer = Operator(
        "TfIdfVectorizer", arity: 1...1,
        infer: { c in
            let dims = try c.dims(0)
            guard dims.count <= 2 else { throw Failure.shape("input has \(dims.count) axes, expected at most 2") }
            return [TensorType(.float32, (dims.count == 2 ? [dims[0]] : []) + [Dim(try c.prepared(NGramCounter.init).width)])]
        },
        compute: { c in [try c.prepared(NGramCounter.init).run(c.tensor(0))] }, noGradient: hasNone,
        samples: [
            Sample(
                [.integers([2, 4], [1, 2, 3, 1, 2, 2, 3, 3])],
                [
                    "mode": .string("TFIDF"), "pool_int64s": .ints([1, 2, 2, 3, 3, 3]), "ngram_counts": .ints([0, 2]),
                    "ngram_indexes": .ints([0, 1, 2, 3]), "weights": .floats([1, 0.5, 2, 3]), "min_gram_length": .int(1),
                    "max_gram_length": .int(2), "max_skip_count": .int(1),
                ]),
            Sample(
                [.strings([3], ["a", "b", "a"])],
                [
                    "mode": .string("IDF"), "pool_strings": .strings(["a", "b"]), "ngram_counts": .ints([0]),
                    "ngram_indexes": .ints([1, 0]),
                    "min_gram_length": .int(1), "max_gram_length": .int(1), "max_skip_count": .int(0),
                ]),
        ])
}

/// TfIdfVectorizer: how often the n-grams of a vocabulary occur in rows of words.
struct NGramCounter: Sendable {
    private enum Mode: String { case counts = "TF", presence = "IDF", weighted = "TFIDF" }
    /// A way from an n-gram to a longer one.
    private struct Step: Hashable { let from: Int, word: LookupKey }

    private let mode: Mode
    private let lengths: ClosedRange<Int>
    private let skips: Int
    /// The n-grams as a tree: nodes by number, 0 the empty one.
    private var steps: [Step: Int] = [:]
    /// The n-gram that ends at a node, by its number in the vocabulary; -1 for none.
    private var grams = [-1]
    /// By n-gram.
    private let columns: [Int], weights: [Double]
    private let isText: Bool
    /// Columns of the result.
    let width: Int

    init(_ c: Call) throws {
        guard let mode = Mode(rawValue: c.string("mode", default: "")) else {
            throw Failure.invalid("mode is '\(c.string("mode", default: ""))', expected TF, IDF or TFIDF")
        }
        self.mode = mode
        let texts = c.strings("pool_strings") ?? [], integers = c.ints("pool_int64s") ?? []
        guard texts.isEmpty != integers.isEmpty else { throw Failure.invalid("expected pool_strings or pool_int64s, one of them") }
        isText = integers.isEmpty
        let pool: [LookupKey] = isText ? texts.map { .text(TextKey($0)) } : integers.map { .integer(Int64($0)) }
        let shortest = c.int("min_gram_length", default: 1), longest = c.int("max_gram_length", default: 1)
        skips = c.int("max_skip_count", default: 0)
        let starts = c.ints("ngram_counts") ?? []
        guard shortest >= 1, longest >= shortest, longest <= starts.count, (0...1 << 32).contains(skips) else {
            throw Failure.invalid("n-grams of \(shortest) to \(longest) words with \(skips) skips and \(starts.count) ngram_counts")
        }
        lengths = shortest...longest
        columns = c.ints("ngram_indexes") ?? []
        guard let last = columns.max(), columns.allSatisfy({ $0 >= 0 }), last < Memory.elements else {
            throw Failure.invalid("ngram_indexes are missing, negative or too large")
        }
        width = last + 1
        weights = c.node.attributes["weights"]?.floats ?? []
        guard weights.isEmpty || weights.count == columns.count else {
            throw Failure.invalid("there are \(weights.count) weights and \(columns.count) ngram_indexes")
        }
        try readPool(pool, starts)
    }

    /// All n-grams of one word, then all of two words, …, from `starts[n - 1]` on.
    private mutating func readPool(_ pool: [LookupKey], _ starts: [Int]) throws {
        var number = 0
        for (place, start) in starts.enumerated() {
            let length = place + 1, end = length < starts.count ? starts[length] : pool.count
            guard start >= 0, end >= start, end <= pool.count, (end - start) % length == 0 else {
                throw Failure.invalid("ngram_counts \(starts.prefix(8)) do not cut \(pool.count) words into n-grams")
            }
            for first in stride(from: start, to: end, by: length) {
                guard number < columns.count else { throw Failure.invalid("there are more n-grams than ngram_indexes") }
                if lengths.contains(length) { add(pool[first..<first + length], number) }
                number += 1
            }
        }
    }

    private mutating func add(_ words: ArraySlice<LookupKey>, _ gram: Int) {
        var node = 0
        for word in words {
            if let next = steps[Step(from: node, word: word)] { node = next; continue }
            steps[Step(from: node, word: word)] = grams.count
            node = grams.count
            grams.append(-1)
        }
        grams[node] = gram
    }

    func run(_ x: Tensor) throws -> Tensor {
        guard (x.type == .string) == isText else {
            throw Failure.invalid("the vocabulary is of \(isText ? "texts" : "integers"), the input of \(x.type)")
        }
        guard x.shape.count <= 2 else { throw Failure.shape("input has \(x.shape.count) axes, expected at most 2") }
        let isBatch = x.shape.count == 2, rows = isBatch ? x.shape[0] : 1, length = x.shape.last ?? 1
        let words = try LookupKey.all(isText ? x : x.converted(to: .int64))
        let result = try Tensor.zeros(.float32, (isBatch ? [rows] : []) + [width])
        try result.write(Float.self) { y in
            for row in 0..<rows {
                count(words[row * length..<(row + 1) * length]) { gram in
                    let place = row * width + columns[gram], weight = weights.isEmpty ? 1 : Float(weights[gram])
                    switch mode {
                    case .counts: y[place] += 1
                    case .presence: y[place] = weight
                    case .weighted: y[place] += weight
                    }
                }
            }
        }
        return result
    }

    /// Names every n-gram in a row; single words once, longer ones for every number of skipped words.
    private func count(_ row: ArraySlice<LookupKey>, _ found: (Int) -> Void) {
        for distance in 1...max(1, min(skips + 1, row.count)) {
            let shortest = distance == 1 ? lengths.lowerBound : max(lengths.lowerBound, 2)
            guard shortest <= lengths.upperBound else { return }
            for start in row.indices {
                var node = 0, length = 0, place = start
                while length < lengths.upperBound, place < row.endIndex, let next = steps[Step(from: node, word: row[place])] {
                    (node, length) = (next, length + 1)
                    if length >= shortest, grams[node] >= 0 { found(grams[node]) }
                    place += distance
                }
            }
        }
    }
}

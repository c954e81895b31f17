internal import Tensors

/// Class labels of a classifier: integers or texts.
struct Labels: Sendable {
    private let integers: [Int], texts: [String]

    /// From `classlabels_strings`, else `classlabels_int64s` or `classlabels_ints`.
    init(_ c: some NodeReader) throws {
        texts = c.strings("classlabels_strings") ?? []
        integers = texts.isEmpty ? c.ints("classlabels_int64s") ?? c.ints("classlabels_ints") ?? [] : []
        guard count >= 1 else { throw Failure.invalid("class labels are missing") }
    }

    var count: Int { max(integers.count, texts.count) }

    var element: ElementType { texts.isEmpty ? .int64 : .string }

    /// Labels of classes by their places. Of an only class the place 0 is "not this class": 0 or an empty text.
    func tensor(_ classes: [Int]) throws -> Tensor {
        if let most = classes.max(), most >= max(count, 2) { throw Failure.invalid("class \(most) of \(count) labels") }
        if texts.isEmpty {
            return try Tensor(classes.map { Int64(count == 1 ? ($0 == 1 ? integers[0] : 0) : integers[$0]) })
        }
        return try Tensor(strings: classes.map { count == 1 ? ($0 == 1 ? texts[0] : "") : texts[$0] }, [classes.count])
    }

    /// Every label in order.
    func all() throws -> Tensor { try texts.isEmpty ? Tensor(integers.map { Int64($0) }) : Tensor(strings: texts, [texts.count]) }

    /// The labels as attributes of a core node.
    var attributes: [String: Attribute] {
        texts.isEmpty ? ["classlabels_int64s": .ints(integers)] : ["classlabels_strings": .strings(texts)]
    }
}

extension Classical {
    /// ClassLabels: the label of the first largest score of each row. One column is read as the score of the second class.
    static let labels = [
        Operator(
            domain + "ClassLabels", arity: 1...1,
            infer: { c in [TensorType(try Labels(c).element, [try FeatureRows.count(c)])] },
            compute: { call in
                let scores = try FeatureRows(call), width = scores.width
                guard width >= 1 else { throw Failure.shape("there are no scores") }
                let best = (0..<scores.count).map { row in
                    width == 1 ? (scores.numbers[row] > 0 ? 1 : 0) : largest(scores.numbers[row * width..<(row + 1) * width])
                }
                return [try Labels(call).tensor(best)]
            }, noGradient: isDiscrete,
            samples: [
                Sample([.real(3, 2)], ["classlabels_int64s": .ints([7, 8])]),
                Sample([.real(3, 1)], ["classlabels_strings": .strings(["a", "b"])]),
            ])
    ]

    /// Place of the first largest number.
    static func largest(_ row: ArraySlice<Double>) -> Int {
        var best = row.startIndex
        for i in row.indices where row[i] > row[best] { best = i }
        return best - row.startIndex
    }
}

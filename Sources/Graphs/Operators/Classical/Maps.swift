internal import Glibc
internal import Tensors

/// ZipMap, CastMap and DictVectorizer: between rows of numbers and maps from labels to numbers.
extension Classical {
    static let maps = [
        Operator(
            domain + "ZipMap", arity: 1...1,
            infer: { c in
                let labels = try Labels(c), values = TensorType(real(try c.type(0).element), [Dim(labels.count)])
                return [.sequence(of: .map(labels.element, to: values), count: try FeatureRows.count(c))]
            },
            compute: { c in [try zip(c)] }, noGradient: isMap,
            samples: [
                Sample([.real(3, 2)], ["classlabels_strings": .strings(["a", "b"])]),
                Sample([.real(2)], ["classlabels_int64s": .ints([5, 7])]),
            ]),
        Operator(
            domain + "CastMap", arity: 1...1,
            infer: { c in
                let width = c.string("map_form", default: "DENSE") == "SPARSE" ? Dim(max(0, c.int("max_map", default: 1))) : .unknown
                return [TensorType(try MapCast(c).target, [1, width])]
            },
            compute: { c in [try MapCast(c).run(c.tensor(0).entries())] }, takesContainers: true, noGradient: isMap,
            samples: [
                Sample([.map(.integers([2], [3, 1]), .constants([2], [0.5, 2]))], ["cast_to": .string("TO_INT64")]),
                Sample(
                    [.map(.integers([2], [0, 2]), .strings([2], ["1.5", "7"]))],
                    ["cast_to": .string("TO_FLOAT"), "map_form": .string("SPARSE"), "max_map": .int(4)]),
            ]),
        Operator(
            domain + "DictVectorizer", arity: 1...1,
            infer: { c in
                let type = try c.type(0)
                guard type.element == .map else { throw Failure.invalid("expected a map, found \(type.element.kind)") }
                guard type.items.count == 2 else { throw NotYetKnown() }
                return [TensorType(type.items[1].element, [1, Dim(try vocabulary(c).count)])]
            },
            compute: { c in
                let (keys, values) = try c.tensor(0).entries(), words = try vocabulary(c)
                guard values.type != .sequence else { throw Failure.invalid("the map holds tensors, expected numbers or texts") }
                let nothing = try values.type == .string ? Tensor(strings: [""], [1]) : Tensor.zeros(values.type, [1])
                let row = try LabelTable(keys, values, default: nothing).encode(words)
                return [try row.reshaped([1, words.count])]
            }, takesContainers: true, noGradient: isMap,
            samples: [
                Sample([.map(.strings([2], ["a", "c"]), .constants([2], [0.5, 2]))], ["string_vocabulary": .strings(["c", "b", "a"])]),
                Sample([.map(.integers([1], [7]), .strings([1], ["x"]))], ["int64_vocabulary": .ints([7, 8])]),
            ]),
    ]

    private static let isMap = "maps have no gradient; ask for one of the scores before they become maps"

    /// A map for each row.
    private static func zip(_ c: Call) throws -> Tensor {
        let x = try c.tensor(0), labels = try Labels(c), rows = try FeatureRows(c)
        guard rows.width == labels.count else { throw Failure.shape("the input has \(rows.width) columns for \(labels.count) labels") }
        let keys = try labels.all(), scores = try x.converted(to: real(x.type)).reshaped([rows.count, rows.width])
        return try Tensor(
            sequence: (0..<rows.count).map { row in
                try Tensor(keys: keys, values: scores.sliced(0, row..<row + 1).contiguous().reshaped([rows.width]))
            })
    }

    private static func vocabulary(_ c: some NodeReader) throws -> Tensor {
        let texts = c.strings("string_vocabulary") ?? [], integers = c.ints("int64_vocabulary") ?? []
        guard texts.isEmpty != integers.isEmpty else {
            throw Failure.invalid("expected string_vocabulary or int64_vocabulary, one of them")
        }
        return try texts.isEmpty ? Tensor(integers.map { Int64($0) }) : Tensor(strings: texts, [texts.count])
    }
}

/// What CastMap makes of a map from integers: its values in the order of the keys, or each at the place of its key.
struct MapCast {
    private enum Form: String { case dense = "DENSE", sparse = "SPARSE" }
    let target: ElementType
    private let form: Form
    private let width: Int

    init(_ c: some NodeReader) throws {
        let targets: [String: ElementType] = ["TO_FLOAT": .float32, "TO_STRING": .string, "TO_INT64": .int64]
        let name = c.string("cast_to", default: "TO_FLOAT"), shape = c.string("map_form", default: "DENSE")
        guard let target = targets[name] else { throw Failure.invalid("cast_to is \(name), expected TO_FLOAT, TO_STRING or TO_INT64") }
        guard let form = Form(rawValue: shape) else { throw Failure.invalid("map_form is \(shape), expected DENSE or SPARSE") }
        self.target = target
        self.form = form
        width = c.int("max_map", default: 1)
        guard width >= 0 else { throw Failure.invalid("max_map is \(width)") }
    }

    func run(_ entries: (keys: Tensor, values: Tensor)) throws -> Tensor {
        guard entries.keys.type == .int64, entries.values.type == .string || entries.values.type.isFloat else {
            throw Failure.invalid(
                "expected a map from integers to texts or floats, found one from \(entries.keys.type) to \(entries.values.type)")
        }
        let keys = try entries.keys.integers(), values = try cast(entries.values)
        let order = keys.indices.sorted { keys[$0] < keys[$1] }
        if form == .dense { return try gathered(values, order) }
        guard keys.allSatisfy({ $0 >= 0 }) else { throw Failure.invalid("a sparse map has the negative key \(keys.min() ?? 0)") }
        _ = try Shape.count([width])
        var places = [Int?](repeating: nil, count: width)
        for index in order where keys[index] < width { places[keys[index]] = index }
        return try gathered(values, places)
    }

    private func cast(_ values: Tensor) throws -> Tensor {
        guard target == .string, values.type != .string else { return try values.converted(to: target) }
        return try Tensor(strings: values.doubles().map(MapCast.fixed), values.shape)
    }

    /// Six digits behind the point, as onnxruntime writes them here. The separator of the process's locale becomes a point.
    private static func fixed(_ x: Double) -> String {
        var buffer = [CChar](repeating: 0, count: 512)
        let count = Int(withVaList([x]) { vsnprintf(&buffer, buffer.count, "%f", $0) })
        let text = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard x.isFinite else { return text }
        let digits = text.filter { $0 == "-" || $0.isNumber }
        return digits.dropLast(6) + "." + digits.suffix(6)
    }

    private func gathered(_ values: Tensor, _ places: [Int?]) throws -> Tensor {
        if target == .string {
            // What onnxruntime fills up with.
            let texts = try values.strings()
            return try Tensor(strings: places.map { $0.map { texts[$0] } ?? "0.f" }, [1, places.count])
        }
        let result = try Tensor.zeros(target, [1, places.count])
        for (place, index) in places.enumerated() { if let index { Elements.copy(values, from: index, to: result, at: place, count: 1) } }
        return result
    }
}

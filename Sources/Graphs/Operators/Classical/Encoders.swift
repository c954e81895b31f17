internal import Tensors

/// LabelEncoder, CategoryMapper and OneHotEncoder.
extension Classical {
    static let encoders = [
        Operator(
            domain + "LabelEncoder", arity: 1...1,
            infer: { c in
                let x = try c.type(0)
                return [TensorType(try c.prepared(LabelTables.encoder).table(for: x.element).values.type, x.dims)]
            },
            compute: { c in
                let x = try c.tensor(0)
                return [try c.prepared(LabelTables.encoder).table(for: x.type).encode(x)]
            }, noGradient: isDiscrete,
            samples: [
                Sample([.strings([3], ["a", "b", "?"])], ["keys_strings": .strings(["a", "b"]), "values_int64s": .ints([4, 7])]),
                Sample(
                    [.values([2, 2], [0.5, 1, 2, 0.5])],
                    ["keys_floats": .floats([0.5, .nan]), "values_strings": .strings(["half", "none"])]),
                Sample(
                    [.integers([2], [3, 9])],
                    ["keys_int64s": .ints([3, 4]), "values_floats": .floats([0.25, 1]), "default_float": .float(7)]),
                Sample([.strings([2], ["x", "y"])], ["classes_strings": .strings(["y", "x"])]),
            ]),
        Operator(
            domain + "CategoryMapper", arity: 1...1,
            infer: { c in
                let x = try c.type(0)
                return [TensorType(try c.prepared(LabelTables.mapper).table(for: x.element).values.type, x.dims)]
            },
            compute: { c in
                let x = try c.tensor(0)
                return [try c.prepared(LabelTables.mapper).table(for: x.type).encode(x)]
            }, noGradient: isDiscrete,
            samples: [
                Sample([.strings([3], ["a", "b", "?"])], ["cats_strings": .strings(["a", "b"]), "cats_int64s": .ints([4, 7])]),
                Sample([.integers([2], [7, 1])], ["cats_strings": .strings(["a", "b"]), "cats_int64s": .ints([4, 7])]),
            ]),
        Operator(
            domain + "OneHotEncoder", arity: 1...1,
            infer: { c in
                let categories = try c.prepared(Categories.init)
                return [TensorType(.float32, try c.type(0).dims.map { $0 + [Dim(categories.count)] })]
            },
            compute: { c in [try c.prepared(Categories.init).encode(c.tensor(0))] },
            noGradient: isDiscrete,
            samples: [
                Sample([.integers([2, 2], [1, 5, 3, 1])], ["cats_int64s": .ints([1, 3])]),
                Sample([.strings([2], ["b", "?"])], ["cats_strings": .strings(["a", "b"]), "zeros": .int(1)]),
            ]),
    ]

    static let encoderPreparations = [
        preparing(domain + "LabelEncoder") { try LabelTables.encoder($0) },
        preparing(domain + "CategoryMapper") { try LabelTables.mapper($0) },
        preparing(domain + "OneHotEncoder") { try Categories($0) },
    ]
}

/// Something that is looked up: a text by its bytes, an integer, a real. All NaNs are one.
enum LookupKey: Hashable, Sendable {
    case text(TextKey)
    case integer(Int64)
    case real(Double)
    case nan

    /// The elements of a tensor as keys.
    static func all(_ x: Tensor) throws -> [LookupKey] {
        if x.type == .string { return try x.strings().map { .text(TextKey($0)) } }
        if x.type.isFloat { return try x.doubles().map { $0.isNaN ? .nan : .real($0) } }
        return try x.converted(to: .int64).array(Int64.self).map { .integer($0) }
    }
}

/// From keys to values, with a value for all other keys.
struct LabelTable: Sendable {
    private let places: [LookupKey: Int]
    private let keyType: ElementType
    let values: Tensor
    /// One element of the values' type.
    private let fallback: Tensor

    /// Of equal keys the first counts.
    init(_ keys: Tensor, _ values: Tensor, default fallback: Tensor) throws {
        guard keys.count == values.count else { throw Failure.invalid("there are \(keys.count) keys and \(values.count) values") }
        guard fallback.type == values.type, fallback.count >= 1 else {
            throw Failure.invalid("the default is of \(fallback.type), the values are of \(values.type)")
        }
        places = Dictionary(zip(try LookupKey.all(keys), 0...), uniquingKeysWith: { first, _ in first })
        keyType = keys.type
        self.values = values
        self.fallback = fallback
    }

    /// True when elements of the type can be looked up.
    func takes(_ element: ElementType) -> Bool {
        element == keyType || (element.isFloat && keyType.isFloat) || (element.isInteger && keyType.isInteger)
    }

    func encode(_ x: Tensor) throws -> Tensor {
        let found = try LookupKey.all(x).map { places[$0] }
        if values.type == .string {
            let texts = try values.strings(), other = try fallback.strings()[0]
            return try Tensor(strings: found.map { $0.map { texts[$0] } ?? other }, x.shape)
        }
        let result = try Tensor.empty(values.type, x.shape), own = try values.contiguous(), other = try fallback.contiguous()
        for (place, index) in found.enumerated() {
            Elements.copy(index != nil ? own : other, from: index ?? 0, to: result, at: place, count: 1)
        }
        return result
    }
}

/// The tables of a node, of which the input's type picks one.
struct LabelTables: Sendable {
    private let tables: [LabelTable]

    func table(for element: ElementType) throws -> LabelTable {
        guard let table = tables.first(where: { $0.takes(element) }) else {
            throw Failure.invalid("there are no keys for an input of \(element)")
        }
        return table
    }

    /// Of LabelEncoder: version 1 has texts and their places, later ones keys and values of a type each.
    static func encoder(_ c: Call) throws -> LabelTables {
        if let classes = c.strings("classes_strings") {
            return try both(c, Tensor(strings: classes, [classes.count]), Tensor(classes.indices.map { Int64($0) }))
        }
        guard let keys = try list(c, "keys"), let values = try list(c, "values") else {
            throw Failure.invalid("keys or values are missing")
        }
        return LabelTables(tables: [try LabelTable(keys, values, default: fallback(c, values.type))])
    }

    /// Of CategoryMapper: texts to integers, or back.
    static func mapper(_ c: Call) throws -> LabelTables {
        let texts = c.strings("cats_strings") ?? []
        return try both(c, Tensor(strings: texts, [texts.count]), Tensor((c.ints("cats_int64s") ?? []).map { Int64($0) }))
    }

    private static func both(_ c: Call, _ texts: Tensor, _ integers: Tensor) throws -> LabelTables {
        LabelTables(tables: [
            try LabelTable(texts, integers, default: fallback(c, .int64)), try LabelTable(integers, texts, default: fallback(c, .string)),
        ])
    }

    private static func list(_ c: Call, _ name: String) throws -> Tensor? {
        if let texts = c.strings("\(name)_strings"), !texts.isEmpty { return try Tensor(strings: texts, [texts.count]) }
        if let integers = c.ints("\(name)_int64s"), !integers.isEmpty { return try Tensor(integers.map { Int64($0) }) }
        if let floats = c.node.attributes["\(name)_floats"]?.floats, !floats.isEmpty { return try Tensor(floats.map { Float($0) }) }
        guard let tensor = c.node.attributes["\(name)_tensor"]?.tensor else { return nil }
        return try tensor.reshaped([tensor.count])
    }

    /// The default of the type, else ONNX's: "_Unused", -1, -0.0.
    private static func fallback(_ c: Call, _ type: ElementType) throws -> Tensor {
        if let tensor = c.node.attributes["default_tensor"]?.tensor, tensor.count > 0, tensor.type == type { return tensor }
        if type == .string { return try Tensor(strings: [c.string("default_string", default: "_Unused")], [1]) }
        if type.isFloat { return try Tensor([c.float("default_float", default: -0.0)]).converted(to: type) }
        return try Tensor([Int64(c.int("default_int64", default: -1))]).converted(to: type)
    }
}

/// The categories of OneHotEncoder.
struct Categories: Sendable {
    private let places: [LookupKey: Int]
    private let isText: Bool
    /// What is not in the list gives a row of zeros; otherwise it is an error.
    private let takesUnknown: Bool
    let count: Int

    init(_ c: Call) throws {
        let integers = c.ints("cats_int64s") ?? [], texts = c.strings("cats_strings") ?? []
        guard integers.isEmpty != texts.isEmpty else {
            throw Failure.invalid("there are \(integers.count) cats_int64s and \(texts.count) cats_strings, expected one list")
        }
        isText = integers.isEmpty
        let keys: [LookupKey] = isText ? texts.map { .text(TextKey($0)) } : integers.map { .integer(Int64($0)) }
        count = keys.count
        places = Dictionary(zip(keys, 0...), uniquingKeysWith: { _, last in last })
        takesUnknown = c.flag("zeros", default: true)
    }

    func encode(_ x: Tensor) throws -> Tensor {
        guard (x.type == .string) == isText else {
            throw Failure.invalid("the categories are \(isText ? "texts" : "integers"), the input is of \(x.type)")
        }
        let keys = try LookupKey.all(isText ? x : x.converted(to: .int64))
        let result = try Tensor.zeros(.float32, x.shape + [count])
        try result.write(Float.self) { y in
            for (row, key) in keys.enumerated() {
                if let place = places[key] {
                    y[row * count + place] = 1
                } else if !takesUnknown {
                    throw Failure.invalid("element \(row) is none of the \(count) categories, and zeros is 0")
                }
            }
        }
        return result
    }
}

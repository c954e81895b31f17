import CPellucid

/// Files of the command line as what a model is fed.
struct Inputs {
    let model: Model
    let preparation: Preparation
    private let known: [Value]

    init(model: Model, preparation: Preparation) throws {
        self.model = model
        self.preparation = preparation
        known = try model.values(PELLUCID_INPUT)
    }

    /// What one run is fed, read when it is asked for.
    struct Run {
        let label: String
        let feeds: () throws -> [(name: String, tensor: Tensor)]
    }

    /// One run for all named files, or one for each file without a name.
    func grouped(_ arguments: [String]) throws -> [Run] {
        let split = arguments.map(named)
        let named = split.compactMap { $0.name == nil ? nil : $0 }
        if named.isEmpty {
            return arguments.map { path in Run(label: path) { try feeds(path) } }
        }
        guard named.count == split.count else {
            throw ToolError(
                usage:
                    "some inputs have a name and '\(split.first { $0.name == nil }?.path ?? "")' has none")
        }
        return [
            Run(label: arguments.joined(separator: " ")) {
                try named.map { name, path in
                    let value = try input(name ?? "")
                    return (value.name, try tensor(path, for: value))
                }
            }
        ]
    }

    /// `name=file`, unless a file has that whole name.
    private func named(_ argument: String) -> (name: String?, path: String) {
        guard let equals = argument.firstIndex(of: "="), !Files.exists(argument) else {
            return (nil, argument)
        }
        let path = String(argument[argument.index(after: equals)...])
        let name = String(argument[..<equals])
        return name.contains("/") ? (nil, argument) : (name, path)
    }

    private func input(_ name: String) throws -> Value {
        if let found = known.first(where: { $0.name == name }) { return found }
        throw ToolError(
            usage:
                "the model has no input '\(name)'\(Suggestion.text(for: name, among: known.map(\.name)))")
    }

    /// All inputs from one file.
    private func feeds(_ path: String) throws -> [(name: String, tensor: Tensor)] {
        if path.hasSuffix(".npz") {
            let arrays = try NumpyArchive.arrays(Files.read(path), path)
            if known.count == 1, arrays.count == 1 {
                return [(known[0].name, try fed(arrays[0].array, to: known[0]))]
            }
            return try arrays.map { name, array in
                let value = try input(name)
                return (value.name, try fed(array, to: value))
            }
        }
        guard known.count == 1 else {
            let names = known.map { "\($0.name)=FILE" }.joined(separator: " ")
            throw ToolError(usage: "the model has \(known.count) inputs: give them as \(names)")
        }
        return [(known[0].name, try tensor(path, for: known[0]))]
    }

    private func tensor(_ path: String, for value: Value) throws -> Tensor {
        let bytes = try Files.read(path)
        if bytes.starts(with: [0x93] + Array("NUMPY".utf8)) {
            return try fed(NumpyArray(file: bytes, path), to: value)
        }
        if path.hasSuffix(".npy") { throw ToolError("\(path): this is no .npy file") }
        if path.hasSuffix(".npz") {
            let arrays = try NumpyArchive.arrays(bytes, path)
            guard
                let array = arrays.count == 1
                    ? arrays.first : arrays.first(where: { $0.name == value.name })
            else {
                throw ToolError("\(path): it has no array '\(value.name)'")
            }
            return try fed(array.array, to: value)
        }
        return try Picture(bytes, path).preprocessed(
            preparation, Frame(of: value, size: preparation.sizes()))
    }

    /// NumPy's numbers are doubles and 64-bit integers unless one says otherwise; they become what the model takes.
    private func fed(_ array: NumpyArray, to value: Value) throws -> Tensor {
        let tensor = try Tensor(array)
        guard value.dtype != array.dtype, let converted = try NumpyArray(tensor, as: value.dtype) else {
            return tensor
        }
        return try Tensor(converted)
    }
}

extension NumpyArray {
    /// The numbers as another type; nil where that would lose more than rounding of fractions.
    fileprivate init?(_ tensor: Tensor, as dtype: pellucid_dtype) throws {
        let values = try tensor.doubles()
        func fits(_ range: ClosedRange<Double>) -> Bool {
            values.allSatisfy { $0 == $0.rounded() && range.contains($0) }
        }
        let bytes: [UInt8]
        switch Int(dtype) {
        case PELLUCID_FLOAT32: bytes = values.map { Float($0) }.withUnsafeBytes { Array($0) }
        case PELLUCID_FLOAT64: bytes = values.withUnsafeBytes { Array($0) }
        case PELLUCID_INT64 where fits(-0x1p53...0x1p53):
            bytes = values.map { Int64($0) }.withUnsafeBytes { Array($0) }
        case PELLUCID_INT32 where fits(-0x1p31...0x1p31 - 1):
            bytes = values.map { Int32($0) }.withUnsafeBytes { Array($0) }
        case PELLUCID_UINT8 where fits(0...255): bytes = values.map { UInt8($0) }
        default: return nil
        }
        self.init(Int(dtype), tensor.shape, bytes)
    }
}

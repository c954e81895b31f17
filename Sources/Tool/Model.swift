import CPellucid

/// A value of a model: an input, an output, a layer or a weight.
struct Value {
    let name: String
    let node: String
    let op: String
    let module: String
    let dtype: pellucid_dtype
    /// nil when even the rank is unknown; sizes that depend on the input carry a symbol instead of a number.
    let dims: [Dim]?

    enum Dim {
        case size(Int)
        case symbol(String)
    }

    /// As people write shapes, `Nx3x224x224`.
    var shape: String {
        guard let dims else { return "?" }
        if dims.isEmpty { return "scalar" }
        return dims.map { dim in
            switch dim {
            case .size(let size): String(size)
            case .symbol(let symbol): symbol.isEmpty ? "?" : symbol
            }
        }.joined(separator: "x")
    }

    /// The size of an axis where the file states it.
    func size(_ axis: Int) -> Int? {
        guard let dims, dims.indices.contains(axis), case .size(let size) = dims[axis] else { return nil }
        return size
    }

    /// ONNX's name of the element type.
    var type: String {
        let names = [
            "?", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64", "uint32",
            "uint64",
            "complex64", "complex128", "bfloat16",
        ]
        return names.indices.contains(Int(dtype)) ? names[Int(dtype)] : "type \(dtype)"
    }
}

/// A loaded model.
final class Model {
    let handle: OpaquePointer
    let path: String
    private let runtime: Runtime

    init(_ path: String, runtime: Runtime, options: [(name: String, value: String)] = []) throws {
        self.path = path
        self.runtime = runtime
        let options = try Options(options)
        handle = try created { pellucid_model_load($0, runtime.handle, path, options.handle) }
    }

    deinit { pellucid_model_release(handle) }

    /// The values of one kind, in the model's order.
    func values(_ kind: Int) throws -> [Value] {
        let count = pellucid_model_value_count(handle, Int32(kind))
        if count < 0 { try check(count) }
        return try (0..<max(count, 0)).map { index in
            var info = pellucid_value_info()
            info.struct_size = MemoryLayout<pellucid_value_info>.stride
            try check(pellucid_model_value_at(handle, Int32(kind), index, &info))
            return Value(info)
        }
    }

    /// Text that the file holds under a key, or one of the library's own keys.
    func metadata(_ key: String) -> String? { pellucid_model_metadata(handle, key).map { String(cString: $0) } }

    /// All outputs for one feed of the only input.
    func run(_ input: Tensor) throws -> [Tensor] {
        let count = Int(pellucid_model_value_count(handle, Int32(PELLUCID_OUTPUT)))
        var outputs = [OpaquePointer?](repeating: nil, count: max(count, 1))
        var feed = pellucid_feed(name: nil, tensor: input.handle)
        try check(pellucid_model_run(handle, &feed, 1, nil, 0, &outputs, nil))
        return try outputs.compactMap { $0 }.map { try Tensor(taking: $0) }
    }
}

extension Value {
    init(_ info: pellucid_value_info) {
        name = text(info.name)
        node = text(info.node)
        op = text(info.op)
        module = text(info.module)
        dtype = info.dtype
        dims =
            info.rank < 0
            ? nil
            : (0..<Int(info.rank)).map { axis in
                let size = info.dims?[axis] ?? -1
                return size >= 0 ? .size(Int(size)) : .symbol(text(info.dim_names?[axis]))
            }
    }
}

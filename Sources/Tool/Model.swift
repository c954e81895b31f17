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

    /// Elements of the weights that the layer reads; a weight's own.
    let parameters: Int
    /// -1 where sizes are not known.
    let flops: Int
    let isDifferentiable: Bool
    /// What computes it.
    let backend: String

    var shape: String { Value.text(dims) }

    /// As people write shapes, `Nx3x224x224`.
    static func text(_ dims: [Dim]?) -> String {
        guard let dims else { return "?" }
        if dims.isEmpty { return "scalar" }
        return dims.map { dim in
            switch dim {
            case .size(let size): String(size)
            case .symbol(let symbol): symbol.isEmpty ? "?" : symbol
            }
        }.joined(separator: "x")
    }

    /// A list of numbers and symbols; null where even the rank is unknown.
    static func json(_ dims: [Dim]?) -> JSON {
        guard let dims else { return .null }
        return .array(
            dims.map { dim in
                switch dim {
                case .size(let size): .integer(size)
                case .symbol(let symbol): .string(symbol)
                }
            })
    }

    /// Sizes and symbols from the library's form; nil for a negative rank.
    static func dims(
        _ rank: Int32, _ sizes: UnsafePointer<Int64>?, _ names: UnsafePointer<UnsafePointer<CChar>?>?
    ) -> [Dim]? {
        guard rank >= 0 else { return nil }
        return (0..<Int(rank)).map { axis in
            let size = sizes?[axis] ?? -1
            return size >= 0 ? .size(Int(size)) : .symbol(names?[axis].map { String(cString: $0) } ?? "")
        }
    }

    /// The size of an axis where the file states it.
    func size(_ axis: Int) -> Int? {
        guard let dims, dims.indices.contains(axis), case .size(let size) = dims[axis] else {
            return nil
        }
        return size
    }

    var type: String { Value.typeName(dtype) }

    /// ONNX's name of an element type.
    static func typeName(_ dtype: pellucid_dtype) -> String {
        let names = [
            "?", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool",
            "float16", "float64", "uint32",
            "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz",
            "float8e5m2", "float8e5m2fnuz", "uint4",
            "int4", "float4e2m1", "float8e8m0", "uint2", "int2",
        ]
        return names.indices.contains(Int(dtype)) ? names[Int(dtype)] : "type \(dtype)"
    }

    var json: JSON {
        .object([("name", .string(name)), ("type", .string(type)), ("shape", Value.json(dims))])
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
    func metadata(_ key: String) -> String? {
        pellucid_model_metadata(handle, key).map { String(cString: $0) }
    }

    /// The wanted values, or all outputs, for tensors by input name ("" for the only input).
    func run(
        _ feeds: [(name: String, tensor: Tensor)], wanted: [String] = [], progress: Progress? = nil
    ) throws -> [Tensor] {
        let count =
            wanted.isEmpty
            ? Int(pellucid_model_value_count(handle, Int32(PELLUCID_OUTPUT))) : wanted.count
        var outputs = [OpaquePointer?](repeating: nil, count: max(count, 1))
        try Model.withFeeds(feeds) { feeds in
            try Model.withStrings(wanted) { names in
                try withControl(progress) { control in
                    try check(
                        pellucid_model_run(
                            handle, feeds.baseAddress, Int32(feeds.count), names, Int32(wanted.count), &outputs,
                            control))
                }
            }
        }
        return try outputs.compactMap { $0 }.map { try Tensor(taking: $0) }
    }

    /// Feeds in the library's form; a feed without a name is that of the only input.
    static func withFeeds<R>(
        _ feeds: [(name: String, tensor: Tensor)],
        _ body: (UnsafeBufferPointer<pellucid_feed>) throws -> R
    ) throws -> R {
        try withExtendedLifetime(feeds) {
            try withStrings(feeds.map(\.name)) { names in
                let records = feeds.indices.map { i in
                    pellucid_feed(
                        name: feeds[i].name.isEmpty ? nil : names?[i], tensor: feeds[i].tensor.handle)
                }
                return try records.withUnsafeBufferPointer(body)
            }
        }
    }

    /// C strings that live during the call; nil for none.
    private static func withStrings<R>(
        _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) throws -> R
    ) throws -> R {
        guard !texts.isEmpty else { return try body(nil) }
        let all = texts.flatMap { Array($0.utf8CString) }
        return try all.withUnsafeBufferPointer { buffer in
            var starts: [UnsafePointer<CChar>?] = []
            var at = 0
            for text in texts {
                starts.append(buffer.baseAddress.map { $0 + at })
                at += text.utf8.count + 1
            }
            return try starts.withUnsafeBufferPointer { try body($0.baseAddress) }
        }
    }
}

/// Progress and Ctrl-C for a call of the library.
func withControl<R>(_ progress: Progress?, _ body: (UnsafePointer<pellucid_control>) throws -> R)
    rethrows -> R
{
    var control = pellucid_control()
    control.struct_size = MemoryLayout<pellucid_control>.size
    control.cancel = UnsafePointer(Interrupt.flag)
    return try withExtendedLifetime(progress) {
        if let progress {
            control.payload = Unmanaged.passUnretained(progress).toOpaque()
            control.progress = report
        }
        return try body(&control)
    }
}

private func report(
    _ share: Double, _ stage: UnsafePointer<CChar>?, _ payload: UnsafeMutableRawPointer?
) -> Int32 {
    if let payload { Unmanaged<Progress>.fromOpaque(payload).takeUnretainedValue().update(share) }
    return 0
}

extension Value {
    init(_ info: pellucid_value_info) {
        name = string(info.name)
        node = string(info.node)
        op = string(info.op)
        module = string(info.module)
        dtype = info.dtype
        dims = Value.dims(info.rank, info.dims, info.dim_names)
        parameters = Int(info.parameters)
        flops = Int(info.flops)
        isDifferentiable = info.differentiable != 0
        backend = string(info.backend)
    }
}

import CPellucid

/// A call of the library that failed, with the library's own words.
struct LibraryError: Error, CustomStringConvertible {
    let status: pellucid_status
    let description: String
}

/// Throws the library's message unless the call succeeded.
func check(_ status: pellucid_status) throws {
    guard status != Int32(PELLUCID_OK) else { return }
    let message = text(pellucid_error_message())
    throw LibraryError(status: status, description: message.isEmpty ? text(pellucid_status_name(status)) : message)
}

/// The object that `call` made.
func created(_ call: (UnsafeMutablePointer<OpaquePointer?>) -> pellucid_status) throws -> OpaquePointer {
    var handle: OpaquePointer?
    try check(call(&handle))
    guard let handle else { throw LibraryError(status: Int32(PELLUCID_E_FAILED), description: "the library returned nothing") }
    return handle
}

/// A C string as text; empty for NULL.
func text(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }

/// What concerns the library as a whole.
enum Library {
    static var version: String { text(pellucid_version()) }
}

/// Named values for the calls that take options.
final class Options {
    let handle: OpaquePointer

    init(_ values: [(name: String, value: String)] = []) throws {
        handle = try created { pellucid_options_create($0) }
        for (name, value) in values { try set(name, value) }
    }

    /// The library reads numbers, booleans and lists from text.
    func set(_ name: String, _ value: String) throws { try check(pellucid_options_set_text(handle, name, value)) }

    deinit { pellucid_options_release(handle) }
}

/// A tensor of the library.
final class Tensor {
    let handle: OpaquePointer
    let shape: [Int]
    let dtype: pellucid_dtype
    private let view: pellucid_view

    /// Takes over one owner's share of the tensor.
    init(taking handle: OpaquePointer) throws {
        self.handle = handle
        var view = pellucid_view()
        let status = pellucid_tensor_view(handle, &view)
        self.view = view
        dtype = view.dtype
        shape = (0..<Int(max(view.rank, 0))).map { Int(view.shape?[$0] ?? 0) }
        try check(status)
    }

    convenience init(_ values: [Float], _ shape: [Int]) throws {
        try self.init(
            taking: created { pellucid_tensor_create($0, Int32(PELLUCID_FLOAT32), Int32(shape.count), shape.map(Int64.init), values) })
    }

    deinit { pellucid_tensor_release(handle) }

    /// The elements in row-major order, as float32.
    func floats() throws -> [Float] {
        switch Int(dtype) {
        case PELLUCID_FLOAT32: return elements(Float.self)
        case PELLUCID_FLOAT64: return elements(Double.self).map { Float($0) }
        case PELLUCID_INT32: return elements(Int32.self).map { Float($0) }
        case PELLUCID_INT64: return elements(Int64.self).map { Float($0) }
        case PELLUCID_UINT8, PELLUCID_BOOL: return elements(UInt8.self).map { Float($0) }
        default: throw LibraryError(status: Int32(PELLUCID_E_UNSUPPORTED), description: "cannot show elements of type \(dtype)")
        }
    }

    private func elements<T>(_: T.Type) -> [T] {
        let count = shape.reduce(1, *)
        guard count > 0, let data = view.data?.assumingMemoryBound(to: T.self) else { return [] }
        guard let strides = view.strides else { return Array(UnsafeBufferPointer(start: data, count: count)) }
        return (0..<count).map { flat in
            var rest = flat, offset = 0
            for axis in shape.indices.reversed() {
                offset += rest % shape[axis] * Int(strides[axis])
                rest /= shape[axis]
            }
            return data[offset]
        }
    }
}

/// Worker threads and backends.
final class Runtime {
    let handle: OpaquePointer

    init(threads: Int?) throws {
        let options = try Options(threads.map { [("threads", String($0))] } ?? [])
        handle = try created { pellucid_runtime_create($0, options.handle) }
    }

    deinit { pellucid_runtime_release(handle) }

    /// Loads a plugin for the models that are loaded afterwards.
    func loadBackend(_ path: String) throws { try check(pellucid_runtime_load_backend(handle, path)) }

    /// What computes on this machine, best first.
    func backends() throws -> [(name: String, version: String, score: Int, path: String, description: String)] {
        let count = pellucid_runtime_backend_count(handle)
        if count < 0 { try check(count) }
        return try (0..<max(count, 0)).map { index in
            var info = pellucid_backend_info()
            info.struct_size = MemoryLayout<pellucid_backend_info>.stride
            try check(pellucid_runtime_backend_at(handle, index, &info))
            return (text(info.name), text(info.version), Int(info.score), text(info.path), text(info.description))
        }
    }
}

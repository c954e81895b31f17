import CPellucid

/// A call of the library that failed, with the library's own words.
struct LibraryError: Error, CustomStringConvertible {
    let status: pellucid_status
    let description: String
}

/// Throws the library's message unless the call succeeded.
func check(_ status: pellucid_status) throws {
    guard status != Int32(PELLUCID_OK) else { return }
    let message = string(pellucid_error_message())
    throw LibraryError(
        status: status, description: message.isEmpty ? string(pellucid_status_name(status)) : message)
}

/// The object that `call` made.
func created(_ call: (UnsafeMutablePointer<OpaquePointer?>) -> pellucid_status) throws
    -> OpaquePointer
{
    var handle: OpaquePointer?
    try check(call(&handle))
    guard let handle else {
        throw LibraryError(
            status: Int32(PELLUCID_E_FAILED), description: "the library returned nothing")
    }
    return handle
}

/// A C string as text; empty for NULL.
func string(_ pointer: UnsafePointer<CChar>?) -> String {
    pointer.map { String(cString: $0) } ?? ""
}

/// What concerns the library as a whole.
enum Library {
    static var version: String { string(pellucid_version()) }
}

/// Named values for the calls that take options.
final class Options {
    let handle: OpaquePointer

    init(_ values: [(name: String, value: String)] = []) throws {
        handle = try created { pellucid_options_create($0) }
        for (name, value) in values { try set(name, value) }
    }

    /// The library reads numbers, booleans and lists from text.
    func set(_ name: String, _ value: String) throws {
        try check(pellucid_options_set_text(handle, name, value))
    }

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

    /// A copy of an array.
    convenience init(_ array: NumpyArray) throws {
        try self.init(
            taking: created { out in
                array.bytes.withUnsafeBytes {
                    pellucid_tensor_create(
                        out, array.dtype, Int32(array.shape.count), array.shape.map(Int64.init), $0.baseAddress)
                }
            })
    }

    deinit { pellucid_tensor_release(handle) }

    /// The elements in row-major order, as numbers.
    func doubles() throws -> [Double] {
        switch Int(dtype) {
        case PELLUCID_FLOAT32: return elements(Float.self).map(Double.init)
        case PELLUCID_FLOAT64: return elements(Double.self)
        case PELLUCID_FLOAT16: return elements(UInt16.self).map { Double(Tensor.half($0)) }
        case PELLUCID_INT8: return elements(Int8.self).map(Double.init)
        case PELLUCID_INT16: return elements(Int16.self).map(Double.init)
        case PELLUCID_INT32: return elements(Int32.self).map(Double.init)
        case PELLUCID_INT64: return elements(Int64.self).map(Double.init)
        case PELLUCID_UINT16: return elements(UInt16.self).map(Double.init)
        case PELLUCID_UINT32: return elements(UInt32.self).map(Double.init)
        case PELLUCID_UINT64: return elements(UInt64.self).map(Double.init)
        case PELLUCID_UINT8, PELLUCID_BOOL: return elements(UInt8.self).map(Double.init)
        default:
            throw LibraryError(
                status: Int32(PELLUCID_E_UNSUPPORTED),
                description: "cannot show elements of type \(Value.typeName(dtype))")
        }
    }

    func floats() throws -> [Float] {
        Int(dtype) == PELLUCID_FLOAT32 ? elements(Float.self) : try doubles().map { Float($0) }
    }

    /// The elements' memory in row-major order.
    func bytes() throws -> [UInt8] {
        let size =
            [1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16][
                Int(dtype)] ?? 0
        switch size {
        case 1: return elements(UInt8.self)
        case 2: return elements(UInt16.self).withUnsafeBytes { Array($0) }
        case 4: return elements(UInt32.self).withUnsafeBytes { Array($0) }
        case 8: return elements(UInt64.self).withUnsafeBytes { Array($0) }
        case 16: return elements(SIMD2<UInt64>.self).withUnsafeBytes { Array($0) }
        default:
            throw LibraryError(
                status: Int32(PELLUCID_E_UNSUPPORTED),
                description: "cannot copy elements of type \(Value.typeName(dtype))")
        }
    }

    /// IEEE 754 binary16.
    private static func half(_ bits: UInt16) -> Float {
        let sign: Float = bits >> 15 == 1 ? -1 : 1
        let exponent = Int(bits >> 10 & 31)
        let fraction = Float(bits & 1023)
        if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
        return exponent == 0
            ? sign * fraction * 0x1p-24
            : sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
    }

    private func elements<T>(_: T.Type) -> [T] {
        let count = shape.reduce(1, *)
        guard count > 0, let raw = view.data else { return [] }
        return (0..<count).map { flat in
            var rest = flat
            var offset = 0
            if let strides = view.strides {
                for axis in shape.indices.reversed() {
                    offset += rest % shape[axis] * Int(strides[axis])
                    rest /= shape[axis]
                }
            } else {
                offset = flat
            }
            return raw.loadUnaligned(fromByteOffset: offset * MemoryLayout<T>.stride, as: T.self)
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
    func backends() throws -> [(
        name: String, version: String, score: Int, path: String, description: String
    )] {
        let count = pellucid_runtime_backend_count(handle)
        if count < 0 { try check(count) }
        return try (0..<max(count, 0)).map { index in
            var info = pellucid_backend_info()
            info.struct_size = MemoryLayout<pellucid_backend_info>.stride
            try check(pellucid_runtime_backend_at(handle, index, &info))
            return (
                string(info.name), string(info.version), Int(info.score), string(info.path),
                string(info.description)
            )
        }
    }
}

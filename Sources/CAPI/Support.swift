internal import CPellucid
internal import CSupport
internal import Tensors

/// What every exported function does: check pointers, convert, and turn failures into a status and a message.

/// Runs `body` and reports its failure.
func guarded(_ body: () throws -> Void) -> pellucid_status {
    do {
        try body()
        support_set_message("")
        return pellucid_status(PELLUCID_OK)
    } catch {
        support_set_message((error as? Failure)?.message ?? "\(error)")
        return (error as? Failure)?.kind.rawValue ?? pellucid_status(PELLUCID_E_FAILED)
    }
}

/// The same for a call that makes an object: the out-parameter is NULL unless it succeeds.
func guarded(_ out: UnsafeMutablePointer<OpaquePointer?>?, _ body: () throws -> AnyObject) -> pellucid_status {
    out?.pointee = nil
    return guarded {
        guard let out else { throw Failure.invalid("the out-parameter is NULL") }
        out.pointee = retained(try body())
    }
}

/// A handle that owns the object.
func retained(_ object: AnyObject) -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(object).toOpaque()) }

/// The object behind a handle. NULL and handles of another kind are refused.
func object<T: AnyObject>(_ handle: OpaquePointer?, _: T.Type = T.self, _ what: String) throws -> T {
    guard let handle else { throw Failure.invalid("\(what) is NULL") }
    guard isInstance(handle, T.self) else { throw Failure.invalid("\(what) is not a handle of that kind") }
    return Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

/// An object's first word names its class; comparing it costs nothing and catches mixed-up handles.
private func isInstance<T: AnyObject>(_ handle: OpaquePointer, _: T.Type) -> Bool {
    let raw = UnsafeRawPointer(handle)
    guard UInt(bitPattern: raw) % UInt(MemoryLayout<UInt>.alignment) == 0, UInt(bitPattern: raw) >= 4096 else { return false }
    return raw.load(as: UInt.self) == unsafeBitCast(T.self as AnyClass, to: UInt.self)
}

func release<T: AnyObject>(_ handle: OpaquePointer?, _: T.Type) {
    guard let handle, isInstance(handle, T.self) else { return }
    Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).release()
}

func retain<T: AnyObject>(_ handle: OpaquePointer?, _: T.Type) {
    guard let handle, isInstance(handle, T.self) else { return }
    _ = Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).retain()
}

/// Text of the caller. Ill-formed UTF-8 is refused.
func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws -> String {
    guard let pointer else { throw Failure.invalid("\(what) is NULL") }
    guard let string = String(validatingCString: pointer) else { throw Failure.invalid("\(what) is not valid UTF-8") }
    return string
}

/// Elements of a caller's array.
func array<T>(_ start: UnsafePointer<T>?, _ count: Int32, _ what: String) throws -> UnsafeBufferPointer<T> {
    guard count >= 0 else { throw Failure.invalid("the number of \(what) is \(count)") }
    guard start != nil || count == 0 else { throw Failure.invalid("\(what) is NULL") }
    return UnsafeBufferPointer(start: start, count: Int(count))
}

/// Copies the members that the caller's struct covers. Both structs begin with `struct_size`.
func fill<T>(_ out: UnsafeMutablePointer<T>?, _ value: T, _ what: String) throws {
    guard let out else { throw Failure.invalid("\(what) is NULL") }
    let raw = UnsafeMutableRawPointer(out)
    let size = raw.load(as: Int.self)
    let header = MemoryLayout<Int>.size
    guard size > header, size <= 1 << 16 else { throw Failure.invalid("\(what): struct_size is \(size); use the struct's _INIT macro") }
    withUnsafeBytes(of: value) { bytes in
        let covered = min(size, bytes.count)
        guard let from = bytes.baseAddress else { return }
        (raw + header).copyMemory(from: from + header, byteCount: covered - header)
    }
}

/// A caller's struct, with the default for members that an older caller does not have.
func read<T>(_ pointer: UnsafePointer<T>, default value: T, _ what: String) throws -> T {
    let size = UnsafeRawPointer(pointer).load(as: Int.self)
    guard size > MemoryLayout<Int>.size, size <= 1 << 16 else {
        throw Failure.invalid("\(what): struct_size is \(size); use the struct's _INIT macro")
    }
    var result = value
    withUnsafeMutableBytes(of: &result) { bytes in
        bytes.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: min(size, bytes.count)))
    }
    return result
}

/// C strings and arrays that live as long as the object that owns them.
final class Arena: @unchecked Sendable {
    // Unchecked: filled under its owner's lock or before the owner is shared.
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit { for block in blocks { support_deallocate(block) } }

    func text(_ string: String) -> UnsafePointer<CChar>? { UnsafePointer(copy(Array(string.utf8CString))) }

    func copy<T>(_ elements: [T]) -> UnsafeMutablePointer<T>? {
        guard !elements.isEmpty, let block = support_allocate(MemoryLayout<T>.stride * elements.count) else { return nil }
        blocks.append(block)
        let start = block.bindMemory(to: T.self, capacity: elements.count)
        start.initialize(from: elements, count: elements.count)
        return start
    }
}

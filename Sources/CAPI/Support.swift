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
        support_set_message(((error as? Failure)?.message ?? "\(error)").withoutNul)
        return (error as? Failure)?.kind.rawValue ?? pellucid_status(PELLUCID_E_FAILED)
    }
}

/// The same for a call that makes an object: the out-parameter is NULL unless it succeeds.
func guarded(_ out: UnsafeMutablePointer<OpaquePointer?>?, _ body: () throws -> some Handle) -> pellucid_status {
    exported(out) { retained(try body()) }
}

/// The same where the object is not one of this library's.
func exported(_ out: UnsafeMutablePointer<OpaquePointer?>?, _ body: () throws -> OpaquePointer) -> pellucid_status {
    guarded {
        let out = try writable(out, "the out-parameter")
        out.pointee = nil
        out.pointee = try body()
    }
}

/// The same for a call that returns a number, or a negative status.
func counted(_ body: () throws -> Int) -> Int32 {
    var count: Int32 = 0
    let status = guarded { count = Int32(clamping: try body()) }
    return status == PELLUCID_OK ? count : status
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
    try checkAlignment(start, what)
    return UnsafeBufferPointer(start: start, count: Int(count))
}

/// Copies the members that the caller's struct covers. Both structs begin with `struct_size`.
func fill<T>(_ out: UnsafeMutablePointer<T>?, _ value: T, _ what: String) throws {
    guard let out else { throw Failure.invalid("\(what) is NULL") }
    try checkAlignment(out, what)
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
    try checkAlignment(pointer, what)
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

    func text(_ string: String) -> UnsafePointer<CChar>? { UnsafePointer(copy(Array(string.withoutNul.utf8CString))) }

    func copy<T>(_ elements: [T]) -> UnsafeMutablePointer<T>? {
        guard !elements.isEmpty, let block = support_allocate(MemoryLayout<T>.stride * elements.count) else { return nil }
        blocks.append(block)
        let start = block.bindMemory(to: T.self, capacity: elements.count)
        start.initialize(from: elements, count: elements.count)
        return start
    }
}

extension String {
    /// What C can read to its end: names out of a file may hold NUL, which would cut a message short.
    fileprivate var withoutNul: String { utf8.contains(0) ? String(map { $0 == "\0" ? "\u{FFFD}" : $0 }) : self }
}

/// Where the caller wants a result.
func writable<T>(_ pointer: UnsafeMutablePointer<T>?, _ what: String) throws -> UnsafeMutablePointer<T> {
    guard let pointer else { throw Failure.invalid("\(what) is NULL") }
    try checkAlignment(pointer, what)
    return pointer
}

/// Swift may not look at numbers that lie where their type may not.
func checkAlignment<T>(_ pointer: UnsafePointer<T>?, _ what: String) throws {
    guard UInt(bitPattern: pointer) % UInt(MemoryLayout<T>.alignment) == 0 else { throw Failure.invalid("\(what) is not aligned") }
}

/// The same for memory that is written.
func checkAlignment<T>(_ pointer: UnsafeMutablePointer<T>, _ what: String) throws { try checkAlignment(UnsafePointer(pointer), what) }

internal import CSupport
internal import Tensors

/// The objects behind C handles. The first word of a Swift object names its class, which tells kinds of handles apart; the
/// mark, its first property, tells released ones, as long as their memory has not been given to something else.
protocol Handle: AnyObject {
    /// Must be the first stored property.
    var mark: Mark { get }
}

/// Follows an object's header of two words.
struct Mark {
    private static let living: UInt = 0x70_65_6c_6c_75_63_69_64  // "pellucid"
    private static let offset = 2 * MemoryLayout<UInt>.size
    private let word = Mark.living

    /// Called by `deinit`, whose memory may be looked at again by a caller that releases twice.
    static func erase(_ object: some Handle) {
        support_erase(Unmanaged.passUnretained(object).toOpaque() + offset, MemoryLayout<Mark>.size)
    }

    static func isLiving(at object: UnsafeRawPointer) -> Bool { object.load(fromByteOffset: offset, as: UInt.self) == living }
}

/// A handle that owns the object.
func retained(_ object: some Handle) -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(object).toOpaque()) }

/// The object behind a handle. NULL, handles of another kind and released ones are refused.
func object<T: Handle>(_ handle: OpaquePointer?, _: T.Type = T.self, _ what: String) throws -> T {
    guard let handle else { throw Failure.invalid("\(what) is NULL") }
    guard isInstance(handle, T.self) else { throw Failure.invalid("\(what) is not a handle of that kind, or was released") }
    return Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

func release<T: Handle>(_ handle: OpaquePointer?, _: T.Type) {
    guard let handle, isInstance(handle, T.self) else { return }
    Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).release()
}

func retain<T: Handle>(_ handle: OpaquePointer?, _: T.Type) {
    guard let handle, isInstance(handle, T.self) else { return }
    _ = Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).retain()
}

private func isInstance<T: Handle>(_ handle: OpaquePointer, _: T.Type) -> Bool {
    let raw = UnsafeRawPointer(handle), address = UInt(bitPattern: raw)
    // What no allocator returns is not looked at: the first page, odd addresses, the half that belongs to the kernel.
    guard address >= 4096, address % UInt(MemoryLayout<UInt>.alignment) == 0, address < 1 << 56 else { return false }
    return raw.load(as: UInt.self) == unsafeBitCast(T.self as AnyClass, to: UInt.self) && Mark.isLiving(at: raw)
}

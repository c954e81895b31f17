public import CPellucid
internal import CSupport
internal import Tensors

/// Constant C strings; never freed.
func constant(_ string: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(string.utf8Start).assumingMemoryBound(to: CChar.self)
}

@_cdecl("pellucid_version") @implementation
public func pellucid_version() -> UnsafePointer<CChar>! { constant(Library.version) }

@_cdecl("pellucid_version_number") @implementation
public func pellucid_version_number() -> UInt32 { Library.number }

@_cdecl("pellucid_error_message") @implementation
public func pellucid_error_message() -> UnsafePointer<CChar>! { support_message() }

@_cdecl("pellucid_status_name") @implementation
public func pellucid_status_name(_ status: pellucid_status) -> UnsafePointer<CChar>! {
    switch Int(status) {
    case PELLUCID_OK: constant("PELLUCID_OK")
    case PELLUCID_E_FAILED: constant("PELLUCID_E_FAILED")
    case PELLUCID_E_INVALID: constant("PELLUCID_E_INVALID")
    case PELLUCID_E_NOTFOUND: constant("PELLUCID_E_NOTFOUND")
    case PELLUCID_E_UNSUPPORTED: constant("PELLUCID_E_UNSUPPORTED")
    case PELLUCID_E_PARSE: constant("PELLUCID_E_PARSE")
    case PELLUCID_E_SHAPE: constant("PELLUCID_E_SHAPE")
    case PELLUCID_E_MEMORY: constant("PELLUCID_E_MEMORY")
    case PELLUCID_E_BACKEND: constant("PELLUCID_E_BACKEND")
    case PELLUCID_E_CANCELLED: constant("PELLUCID_E_CANCELLED")
    case PELLUCID_E_IO: constant("PELLUCID_E_IO")
    case PELLUCID_E_CALLBACK: constant("PELLUCID_E_CALLBACK")
    default: constant("unknown status")
    }
}

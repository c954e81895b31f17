public import CPellucid
internal import Runtime
internal import Tensors

/// The object behind `pellucid_options`; used by one thread at a time.
final class OptionsHandle: Handle {
    let mark = Mark()
    var options = Options()

    deinit { Mark.erase(self) }
}

@_cdecl("pellucid_options_create") @implementation
public func pellucid_options_create(_ out: UnsafeMutablePointer<OpaquePointer?>!) -> pellucid_status { guarded(out) { OptionsHandle() } }

@_cdecl("pellucid_options_release") @implementation
public func pellucid_options_release(_ options: OpaquePointer!) { release(options, OptionsHandle.self) }

private func set(_ options: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ entry: () throws -> Options.Entry) -> pellucid_status {
    guarded {
        let handle = try object(options, OptionsHandle.self, "options")
        handle.options[try text(name, "option name")] = try entry()
    }
}

@_cdecl("pellucid_options_set_int") @implementation
public func pellucid_options_set_int(_ options: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ value: Int64) -> pellucid_status {
    set(options, name) { .integer(Int(value)) }
}

@_cdecl("pellucid_options_set_real") @implementation
public func pellucid_options_set_real(_ options: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ value: Double) -> pellucid_status {
    set(options, name) { .real(value) }
}

@_cdecl("pellucid_options_set_text") @implementation
public func pellucid_options_set_text(_ options: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ value: UnsafePointer<CChar>!)
    -> pellucid_status
{
    set(options, name) { .text(try text(value, "option value")) }
}

@_cdecl("pellucid_options_set_tensor") @implementation
public func pellucid_options_set_tensor(_ options: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ value: OpaquePointer!)
    -> pellucid_status
{
    set(options, name) { .tensor(try object(value, TensorHandle.self, "option value").tensor) }
}

/// Options of a caller; none when the handle is NULL.
func optional(_ options: OpaquePointer?) throws -> Options {
    guard let options else { return Options() }
    return try object(options, OptionsHandle.self, "options").options
}

/// The object behind `pellucid_runtime`.
final class RuntimeHandle: Handle, Sendable {
    let mark = Mark()
    let runtime: Runtime
    private struct Texts { var arena = Arena(); var known: [String: UInt] = [:] }
    private let texts = Mutex(Texts())

    init(_ runtime: Runtime) { self.runtime = runtime }

    deinit { Mark.erase(self) }

    /// A C string that lives as long as the runtime.
    func text(_ string: String) -> UnsafePointer<CChar>? {
        let address: UInt = texts.withLock { texts in
            if let known = texts.known[string] { return known }
            let address = UInt(bitPattern: texts.arena.text(string))
            texts.known[string] = address
            return address
        }
        return UnsafePointer(bitPattern: address)
    }
}

@_cdecl("pellucid_runtime_create") @implementation
public func pellucid_runtime_create(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ options: OpaquePointer!) -> pellucid_status {
    guarded(out) { RuntimeHandle(try Runtime(try optional(options))) }
}

@_cdecl("pellucid_runtime_release") @implementation
public func pellucid_runtime_release(_ runtime: OpaquePointer!) { release(runtime, RuntimeHandle.self) }

@_cdecl("pellucid_runtime_load_backend") @implementation
public func pellucid_runtime_load_backend(_ runtime: OpaquePointer!, _ path: UnsafePointer<CChar>!) -> pellucid_status {
    guarded { try object(runtime, RuntimeHandle.self, "runtime").runtime.loadBackend(try text(path, "path")) }
}

@_cdecl("pellucid_runtime_backend_count") @implementation
public func pellucid_runtime_backend_count(_ runtime: OpaquePointer!) -> Int32 {
    counted { try object(runtime, RuntimeHandle.self, "runtime").runtime.backends.count }
}

@_cdecl("pellucid_runtime_backend_at") @implementation
public func pellucid_runtime_backend_at(_ runtime: OpaquePointer!, _ index: Int32, _ out: UnsafeMutablePointer<pellucid_backend_info>!)
    -> pellucid_status
{
    guarded {
        let handle = try object(runtime, RuntimeHandle.self, "runtime")
        let backends = handle.runtime.backends
        guard backends.indices.contains(Int(index)) else { throw Failure.notFound("there is no backend \(index)") }
        let backend = backends[Int(index)]
        var info = pellucid_backend_info()
        info.name = handle.text(backend.name)
        info.version = handle.text(backend.version)
        info.description = handle.text(backend.summary)
        info.path = handle.text(backend.path)
        info.score = Int32(clamping: backend.score)
        try fill(out, info, "out")
    }
}

@_cdecl("pellucid_runtime_set_logger") @implementation
public func pellucid_runtime_set_logger(_ runtime: OpaquePointer!, _ fn: pellucid_log_fn!, _ payload: UnsafeMutableRawPointer!)
    -> pellucid_status
{
    guarded {
        let handle = try object(runtime, RuntimeHandle.self, "runtime")
        let address = UInt(bitPattern: payload)
        guard let fn = fn as pellucid_log_fn? else { return handle.runtime.setLogger(nil) }
        handle.runtime.setLogger { level, text in text.withCString { fn(Int32(level), $0, UnsafeMutableRawPointer(bitPattern: address)) } }
    }
}

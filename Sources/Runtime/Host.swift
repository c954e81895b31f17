internal import CPellucid
internal import CSupport
internal import Tensors

/// What a runtime offers its backends: worker threads, memory, a place for messages.
final class Host: @unchecked Sendable {
    // Unchecked: the C struct is written once, here; the pool is made for sharing.
    let pool: OpaquePointer
    let pointer: UnsafeMutablePointer<pellucid_host>
    /// Where backends' messages go; nil: nowhere.
    let log = Mutex<(@Sendable (Int, String) -> Void)?>(nil)

    /// `threads` 0: one per processor that this process may use.
    init?(threads: Int) {
        guard let pool = support_pool_create(Int32(clamping: threads)) else { return nil }
        self.pool = pool
        pointer = .allocate(capacity: 1)
        var host = pellucid_host()
        host.struct_size = MemoryLayout<pellucid_host>.size
        host.threads = support_pool_threads(pool)
        host.parallel = { host, count, grain, body, payload in
            guard let body, let host = Host.of(host) else { return }
            support_pool_run(host.pool, count, grain, body, payload)
        }
        host.allocate = { _, bytes in support_allocate(bytes) }
        host.deallocate = { _, memory in support_deallocate(memory) }
        host.fail = { _, message in if let message { support_set_message(message) } }
        host.log = { host, level, message in
            guard let message, let log = Host.of(host)?.log.withLock({ $0 }) else { return }
            log(Int(level), String(cString: message))
        }
        pointer.initialize(to: host)
        pointer.pointee.context = Unmanaged.passUnretained(self).toOpaque()
    }

    /// The object behind the C struct: alive, since backends are closed before their host goes.
    private static func of(_ host: UnsafePointer<pellucid_host>?) -> Host? {
        host?.pointee.context.map { Unmanaged<Host>.fromOpaque($0).takeUnretainedValue() }
    }

    deinit {
        support_pool_destroy(pool)
        pointer.deallocate()
    }

    var threads: Int { Int(support_pool_threads(pool)) }
}

internal import CPellucid
internal import CSupport

/// What a runtime offers its backends: worker threads, memory, a place for messages.
final class Host: @unchecked Sendable {
    // Unchecked: the C struct is written once, here; the pool is made for sharing.
    let pool: OpaquePointer
    let pointer: UnsafeMutablePointer<pellucid_host>

    /// `threads` 0: one per processor that this process may use.
    init?(threads: Int) {
        guard let pool = support_pool_create(Int32(clamping: threads)) else { return nil }
        self.pool = pool
        pointer = .allocate(capacity: 1)
        var host = pellucid_host()
        host.struct_size = MemoryLayout<pellucid_host>.size
        host.context = UnsafeMutableRawPointer(pool)
        host.threads = support_pool_threads(pool)
        host.parallel = { host, count, grain, body, payload in
            guard let body, let pool = host?.pointee.context else { return }
            support_pool_run(OpaquePointer(pool), count, grain, body, payload)
        }
        host.allocate = { _, bytes in support_allocate(bytes) }
        host.deallocate = { _, memory in support_deallocate(memory) }
        host.fail = { _, message in if let message { support_set_message(message) } }
        host.log = { _, _, _ in }
        pointer.initialize(to: host)
    }

    deinit {
        support_pool_destroy(pool)
        pointer.deallocate()
    }

    var threads: Int { Int(support_pool_threads(pool)) }
}

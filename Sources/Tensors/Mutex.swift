internal import Glibc

/// A value that one thread at a time may use. Swift's own `Synchronization.Mutex` waits on futexes that ThreadSanitizer does not
/// see, so that everything behind it would look like a race; this one is POSIX's.
package final class Mutex<Value>: @unchecked Sendable {
    // Unchecked: the value is only used with the lock held.
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        lock = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// Calls `body` with the lock held. Not to be nested.
    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body(&value)
    }
}

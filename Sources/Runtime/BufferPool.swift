internal import CSupport
internal import Tensors

/// Memory of activations, kept for the next run: fresh pages cost more than the arithmetic of small layers.
final class BufferPool: Sendable {
    private struct State {
        var free: [Int: [UInt]] = [:]
        var bytes = 0
    }
    private let state = Mutex(State())
    /// Bytes that may lie idle.
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// A tensor whose memory returns here when its last reader is gone. Not initialised.
    func tensor(_ type: ElementType, _ shape: [Int]) throws -> Tensor {
        let count = try Shape.count(shape)
        guard let bytes = type.byteCount(count) else { throw Failure.memory("tensor \(Shape.text(shape)) is too large") }
        let size = BufferPool.sizeClass(bytes)
        let memory = try take(size)
        let address = UInt(bitPattern: memory)
        let storage = Storage(bytes: .init(start: memory, count: bytes)) { [self] _ in give(address, size) }
        return try Tensor(type, shape, storage: storage)
    }

    /// Sizes are rounded up so that similar tensors share buffers: an eighth of waste at most.
    private static func sizeClass(_ bytes: Int) -> Int {
        guard bytes > 4096 else { return 4096 }
        let step = max(4096, 1 << (Int.bitWidth - 1 - bytes.leadingZeroBitCount - 3))
        return (bytes + step - 1) / step * step
    }

    private func take(_ size: Int) throws -> UnsafeMutableRawPointer {
        let found: UInt? = state.withLock { state in
            guard let address = state.free[size]?.popLast() else { return nil }
            state.bytes -= size
            return address
        }
        if let found, let memory = UnsafeMutableRawPointer(bitPattern: found) { return memory }
        guard size <= Memory.largest, let memory = support_allocate(size) else {
            throw Failure.memory("cannot allocate \(size) bytes for an activation")
        }
        return memory
    }

    private func give(_ address: UInt, _ size: Int) {
        let kept = state.withLock { state in
            guard state.bytes + size <= limit else { return false }
            state.free[size, default: []].append(address)
            state.bytes += size
            return true
        }
        if !kept { support_deallocate(UnsafeMutableRawPointer(bitPattern: address)) }
    }

    deinit {
        let idle = state.withLock { state in state.free.values.flatMap { $0 } }
        for address in idle { support_deallocate(UnsafeMutableRawPointer(bitPattern: address)) }
    }
}

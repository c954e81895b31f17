internal import CSupport

/// Memory of tensors: owned, borrowed from a file map or from the caller. Freed with its last tensor.
package final class Storage: @unchecked Sendable {
    // Unchecked: written only by the one that creates it, before it is shared.
    package let bytes: UnsafeMutableRawBufferPointer
    /// Elements of a string tensor, which have no bytes here.
    package let strings: [String]
    /// Elements of a container, which has neither bytes nor strings.
    package let items: [Tensor]
    /// Levels of containers, this one included, and bytes that the items take; 0 for anything else.
    let depth, footprint: Int
    private let free: (@Sendable (UnsafeMutableRawBufferPointer) -> Void)?

    /// Takes memory that `free` gives back; nil when something else keeps it alive (then `free` holds that owner).
    package init(bytes: UnsafeMutableRawBufferPointer, free: (@Sendable (UnsafeMutableRawBufferPointer) -> Void)?) {
        self.bytes = bytes
        self.strings = []
        self.items = []
        self.depth = 0
        self.footprint = 0
        self.free = free
    }

    package init(strings: [String]) {
        self.bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        self.strings = strings
        self.items = []
        self.depth = 0
        self.footprint = 0
        self.free = nil
    }

    /// Elements of a container. They must have been checked, see `Tensor.init(sequence:)`.
    init(items: [Tensor], depth: Int, footprint: Int) {
        self.bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        self.strings = []
        self.items = items
        self.depth = depth
        self.footprint = footprint
        self.free = nil
    }

    /// New memory, 64-byte aligned, not initialised unless `zeroed`.
    package static func allocate(_ count: Int, zeroed: Bool = false) throws -> Storage {
        guard count >= 0, count <= Memory.largest, let memory = support_allocate(count) else {
            throw Failure.memory("cannot allocate \(count) bytes")
        }
        if zeroed { _ = memory.initializeMemory(as: UInt8.self, repeating: 0, count: count) }
        return Storage(bytes: .init(start: memory, count: count)) { support_deallocate($0.baseAddress) }
    }

    /// A file, mapped read-only.
    package static func map(path: String) throws -> Storage {
        var start: UnsafeRawPointer?
        var size = 0
        let error = support_map_file(path, &start, &size)
        guard error == 0 else { throw Failure(error == 2 ? .notFound : .io, "\(path): \(systemMessage(error))") }
        return mapped(start, size, base: start, baseSize: size)
    }

    /// Part of a file below `folder`, mapped read-only; never follows links, never leaves the folder. `length` nil: to the end.
    package static func map(_ relative: String, inside folder: String, offset: Int, length: Int?) throws -> Storage {
        var start: UnsafeRawPointer?, base: UnsafeRawPointer?
        var size = 0, baseSize = 0
        let error = support_map_inside(folder, relative, Int64(offset), Int64(length ?? -1), &start, &size, &base, &baseSize)
        guard error == 0 else {
            throw Failure(error == 2 ? .notFound : .io, "external data '\(relative)': \(externalMessage(error))")
        }
        return mapped(start, size, base: base, baseSize: baseSize)
    }

    private static func mapped(_ start: UnsafeRawPointer?, _ size: Int, base: UnsafeRawPointer?, baseSize: Int) -> Storage {
        let address = base.map { UInt(bitPattern: $0) } ?? 0
        return Storage(bytes: .init(start: UnsafeMutableRawPointer(mutating: start), count: size)) { _ in
            support_unmap(UnsafeRawPointer(bitPattern: address), baseSize)
        }
    }

    deinit { free?(bytes) }
}

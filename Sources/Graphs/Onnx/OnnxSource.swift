internal import Tensors

/// The memory that a model was read from, and the folder of its external data.
package final class OnnxSource: Sendable {
    /// The model file.
    let storage: Storage
    /// The bytes of the model file.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(storage.bytes) }
    private let files: ExternalFiles?

    init(storage: Storage, external: ExternalFiles?) {
        self.storage = storage
        files = external
    }

    /// Part of the model file, which it keeps alive.
    func inner(_ offset: Int, _ size: Int) throws -> Storage { try storage.part(offset, size) }

    /// A file beside the model.
    func external(_ location: String) throws -> Storage {
        guard let files else {
            throw Failure.io("external data '\(location)' is not allowed, or the model was read from memory without a folder")
        }
        return try files.file(location)
    }
}

/// Maps each file of external data once, for all the tensors in it.
final class ExternalFiles: Sendable {
    private let folder: String
    private let files = Mutex<[String: Storage]>([:])

    init(folder: String) { self.folder = folder }

    /// The whole file; only below the folder, never through links.
    func file(_ location: String) throws -> Storage {
        try files.withLock { files in
            if let known = files[location] { return known }
            let storage = try Storage.map(location, inside: folder, offset: 0, length: nil)
            files[location] = storage
            return storage
        }
    }
}

extension Storage {
    /// Some of the bytes, keeping all of them alive.
    func part(_ offset: Int, _ size: Int) throws -> Storage {
        guard offset >= 0, size >= 0, offset <= bytes.count, size <= bytes.count - offset else {
            throw Failure.parse("offset \(offset) and length \(size) lie outside the \(bytes.count) bytes of the file")
        }
        let owner = self
        return Storage(bytes: .init(rebasing: bytes[offset..<offset + size])) { _ in withExtendedLifetime(owner) {} }
    }
}

internal import Graphs
internal import Tensors

extension Model {
    /// Loads a model file. Weights stay mapped from it, so the file must not be changed while the model lives.
    package convenience init(path: String, runtime: Runtime, options: Options = Options()) throws {
        let file = try Storage.map(path: path)
        let folder = try options.text("folder") ?? Model.folder(of: path)
        do {
            try self.init(file, folder: folder, runtime: runtime, options: options)
        } catch let failure as Failure where failure.kind == .parse {
            throw failure.at(path)
        }
    }

    /// Loads a model from memory, which is copied.
    package convenience init(bytes: UnsafeRawBufferPointer, runtime: Runtime, options: Options = Options()) throws {
        let copy = try Storage.allocate(bytes.count)
        copy.bytes.copyMemory(from: bytes)
        try self.init(copy, folder: try options.text("folder"), runtime: runtime, options: options)
    }

    private convenience init(_ file: Storage, folder: String?, runtime: Runtime, options: Options) throws {
        let allowsExternal = try options.boolean("external") ?? true
        let model = try OnnxReader.read(file, folder: allowsExternal ? folder : nil)
        let graph = try OnnxImport.importModel(model, operators: .standard)
        try self.init(graph: graph, metadata: model.facts, declared: model.declaredTypes, file: file, runtime: runtime, options: options)
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// SHA-256 of the model file, computed when it is first asked for.
final class FileHash: Sendable {
    private let file: Storage?
    private let known = Mutex<String?>(nil)

    init(_ file: Storage?) { self.file = file }

    var text: String? {
        guard let file else { return nil }
        return known.withLock { known in
            if known == nil { known = SHA256.hex(of: UnsafeRawBufferPointer(file.bytes)) }
            return known
        }
    }
}

internal import Graphs
internal import Tensors
extension Model {
    package func metadata(_ key: String) -> String? { metadata[key] }
    package convenience init(path: String, runtime: Runtime, options: Options) throws { try self.init(graph: Graph(), runtime: runtime, options: options) }
    package convenience init(bytes: UnsafeRawBufferPointer, runtime: Runtime, options: Options) throws { try self.init(graph: Graph(), runtime: runtime, options: options) }
}

internal import Graphs
enum PassList {
    static let beforeDifferentiation: [Pass] = []
    static let afterDifferentiation: [Pass] = []
    static func select(_ text: String, from: [Pass]) throws -> [Pass] { from }
    static func run(_ passes: [Pass], on graph: inout Graph, context: PassContext) throws {}
}
extension Model {
    package func metadata(_ key: String) -> String? { metadata[key] }
    package convenience init(path: String, runtime: Runtime, options: Options) throws { try self.init(graph: Graph(), runtime: runtime, options: options) }
    package convenience init(bytes: UnsafeRawBufferPointer, runtime: Runtime, options: Options) throws { try self.init(graph: Graph(), runtime: runtime, options: options) }
}

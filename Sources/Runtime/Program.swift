internal import CPellucid
internal import Glibc
internal import Graphs
internal import Tensors

/// One node in the form that backends read. Owns the memory of its C structs.
final class Program {
    private var blocks: [UnsafeMutableRawPointer] = []
    private(set) var table = pellucid_program()
    /// Values of the graph that `run` receives and fills, in order.
    private(set) var inputs: [ValueID] = []
    private(set) var outputs: [ValueID] = []
    /// Their views, data left out.
    private(set) var inputViews: [pellucid_view] = []
    private(set) var outputViews: [pellucid_view] = []

    /// nil when the node has no complete shapes, or attributes that C cannot carry (graphs, lists of text).
    init?(_ node: Node, in graph: Graph) {
        guard let attributes = encode(node.attributes) else { return nil }
        var indices: [ValueID: Int32] = [:]
        var views: [pellucid_view] = []
        func index(_ id: ValueID?, isOutput: Bool) -> Int32? {
            guard let id else { return -1 }
            if let known = indices[id] { return known }
            guard let view = view(of: graph[id]) else { return nil }
            indices[id] = Int32(views.count)
            views.append(view)
            if isOutput {
                outputs.append(id)
                outputViews.append(view)
            } else if graph[id].constant == nil {
                inputs.append(id)
                inputViews.append(view)
            }
            return Int32(views.count - 1)
        }
        let read = node.inputs.map { index($0, isOutput: false) }
        let written = node.outputs.map { index($0, isOutput: true) }
        guard !read.contains(nil), !written.contains(nil) else { return nil }
        var entry = pellucid_node()
        entry.op = UnsafePointer(copy(node.op))
        entry.name = UnsafePointer(copy(node.name))
        entry.inputs = UnsafePointer(copy(read.compactMap { $0 }))
        entry.input_count = Int32(read.count)
        entry.outputs = UnsafePointer(copy(written.compactMap { $0 }))
        entry.output_count = Int32(written.count)
        entry.attributes = UnsafePointer(copy(attributes))
        entry.attribute_count = Int32(attributes.count)
        table.struct_size = MemoryLayout<pellucid_program>.size
        table.nodes = UnsafePointer(copy([entry]))
        table.node_count = 1
        table.values = UnsafePointer(copy(views))
        table.value_count = Int32(views.count)
        table.inputs = UnsafePointer(copy(inputs.compactMap { indices[$0] }))
        table.input_count = Int32(inputs.count)
        table.outputs = UnsafePointer(copy(outputs.compactMap { indices[$0] }))
        table.output_count = Int32(outputs.count)
    }

    deinit { for block in blocks { free(block) } }

    /// Memory that lives as long as the program.
    private func copy<T>(_ elements: [T]) -> UnsafeMutablePointer<T>? {
        guard !elements.isEmpty, let block = malloc(MemoryLayout<T>.stride * elements.count) else { return nil }
        blocks.append(block)
        let start = block.bindMemory(to: T.self, capacity: elements.count)
        start.initialize(from: elements, count: elements.count)
        return start
    }

    private func copy(_ text: String) -> UnsafeMutablePointer<CChar>? { copy(Array(text.utf8CString)) }

    private func view(of value: Value) -> pellucid_view? {
        if let constant = value.constant {
            guard constant.type.bits > 0, let dense = try? constant.contiguous(), dense.storage === constant.storage else { return nil }
            return view(constant.type, constant.shape, constant.start)
        }
        guard let type = value.type, let shape = type.shape, type.element.bits > 0 else { return nil }
        return view(type.element, shape, nil)
    }

    private func view(_ type: ElementType, _ shape: [Int], _ data: UnsafeMutableRawPointer?) -> pellucid_view {
        pellucid_view(
            data: data, dtype: type.rawValue, rank: Int32(shape.count), shape: UnsafePointer(copy(shape.map { Int64($0) })), strides: nil)
    }

    private func encode(_ attributes: [String: Attribute]) -> [pellucid_attribute]? {
        var result: [pellucid_attribute] = []
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
            var entry = pellucid_attribute()
            entry.name = UnsafePointer(copy(name))
            switch value {
            case .int(let number):
                entry.kind = Int32(PELLUCID_ATTRIBUTE_INT)
                entry.integer = Int64(number)
            case .float(let number):
                entry.kind = Int32(PELLUCID_ATTRIBUTE_REAL)
                entry.real = number
            case .string(let text):
                entry.kind = Int32(PELLUCID_ATTRIBUTE_TEXT)
                entry.text = UnsafePointer(copy(text))
            case .ints(let numbers):
                entry.kind = Int32(PELLUCID_ATTRIBUTE_INTS)
                entry.ints = UnsafePointer(copy(numbers.map { Int64($0) }))
                entry.count = Int32(numbers.count)
            case .floats(let numbers):
                entry.kind = Int32(PELLUCID_ATTRIBUTE_REALS)
                entry.reals = UnsafePointer(copy(numbers))
                entry.count = Int32(numbers.count)
            case .tensor(let tensor):
                guard tensor.type.bits > 0 else { return nil }
                entry.kind = Int32(PELLUCID_ATTRIBUTE_TENSOR)
                entry.tensor = UnsafePointer(copy([view(tensor.type, tensor.shape, tensor.start)]))
            case .strings, .graph, .prepared: return nil
            }
            result.append(entry)
        }
        return result
    }
}

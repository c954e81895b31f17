internal import Glibc
internal import Tensors

extension Pass {
    /// Computes once what equal nodes compute, and reads one of equal constants. Values that the user asked for stand
    /// for themselves: they may be fed, and then differ from their equals.
    static let commonSubexpressions = Pass("common-subexpressions") { graph, context in
        let kept = context.pinned.union(graph.outputs)
        graph.replace(equalConstants(graph, kept))
        var known: [Signature: Node] = [:]
        var aliases: [ValueID: ValueID] = [:]
        let before = graph.nodes.count
        graph.nodes = graph.nodes.filter { node in
            guard context.operators[node.op]?.isPure ?? false, !node.outputs.contains(where: { $0.map(kept.contains) ?? false }),
                let signature = Signature(node, aliases)
            else { return true }
            guard let first = known[signature] else {
                known[signature] = node
                return true
            }
            for (mine, other) in zip(node.outputs, first.outputs) { if let mine, let other { aliases[mine] = other } }
            return false
        }
        graph.replace(aliases)
        return graph.nodes.count < before
    }

    /// Constants of equal type, shape and bytes, each with the first of them.
    private static func equalConstants(_ graph: Graph, _ kept: Set<ValueID>) -> [ValueID: ValueID] {
        var samples: [Int: [ValueID]] = [:]
        for id in Set(graph.nodes.flatMap { $0.inputs.compactMap { $0 } } + graph.outputs) {
            guard let tensor = graph[id].constant, !kept.contains(id), let hash = Content(tensor)?.hash(every: 61) else { continue }
            samples[hash, default: []].append(id)
        }
        var result: [ValueID: ValueID] = [:]
        // Only those that agree in a sample are read in full.
        for ids in samples.values where ids.count > 1 {
            var first: [Int: ValueID] = [:]
            for id in ids.sorted(by: { $0.index < $1.index }) {
                guard let content = graph[id].constant.flatMap(Content.init) else { continue }
                let hash = content.hash(every: 1)
                guard let other = first[hash] else { first[hash] = id; continue }
                if graph[other].constant.flatMap(Content.init)?.equals(content) ?? false { result[id] = other }
            }
        }
        return result
    }
}

/// What makes two nodes compute the same.
private struct Signature: Hashable {
    private let op: String
    private let inputs: [ValueID?]
    private let outputs: [Bool]
    private let attributes: [String]

    /// nil for nodes with branches, which are not compared.
    init?(_ node: Node, _ aliases: [ValueID: ValueID]) {
        op = node.op
        inputs = node.inputs.map { $0.map { aliases[$0] ?? $0 } }
        outputs = node.outputs.map { $0 != nil }
        var attributes: [String] = []
        for (name, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
            guard let text = Signature.text(attribute) else { return nil }
            attributes += [name, text]
        }
        self.attributes = attributes
    }

    private static func text(_ attribute: Attribute) -> String? {
        switch attribute {
        case .int(let value): "i\(value)"
        case .float(let value): "f\(value.bitPattern)"
        case .string(let value): "s\(value)"
        case .ints(let values): "I\(values)"
        case .floats(let values): "F\(values.map(\.bitPattern))"
        case .strings(let values): "S\(values)"
        // Told apart by their memory.
        case .tensor(let tensor): "t\(ObjectIdentifier(tensor.storage)) \(tensor.offset) \(tensor.type) \(tensor.shape) \(tensor.strides)"
        case .graph, .prepared: nil
        }
    }
}

/// The bytes of a constant; nil for strings, containers and strided views.
private struct Content {
    private let tensor: Tensor
    private let size: Int

    init?(_ tensor: Tensor) {
        guard tensor.type.bits > 0, tensor.isContiguous, let size = tensor.type.byteCount(tensor.count) else { return nil }
        self.tensor = tensor
        self.size = size
    }

    private var bytes: UnsafeRawBufferPointer { .init(start: tensor.start, count: tensor.start == nil ? 0 : size) }

    /// Of type, shape and every `step`-th block of 64 bytes.
    func hash(every step: Int) -> Int {
        var hasher = Hasher()
        hasher.combine(tensor.type)
        hasher.combine(tensor.shape)
        withExtendedLifetime(tensor) {
            if step == 1 { hasher.combine(bytes: bytes) }
            // At most some thousand blocks of a large weight.
            let stride = 64 * max(step, size >> 16)
            for start in Swift.stride(from: 0, to: step == 1 ? 0 : bytes.count, by: stride) {
                hasher.combine(bytes: .init(rebasing: bytes[start..<min(start + 64, bytes.count)]))
            }
        }
        return hasher.finalize()
    }

    func equals(_ other: Content) -> Bool {
        guard tensor.type == other.tensor.type, tensor.shape == other.tensor.shape, size == other.size else { return false }
        return withExtendedLifetime((tensor, other.tensor)) {
            guard let a = bytes.baseAddress, let b = other.bytes.baseAddress else { return size == 0 }
            return memcmp(a, b, size) == 0
        }
    }
}

/// Sequences, optionals and maps: tensors of rank 1 whose elements are tensors, as NumPy's object arrays.
extension Tensor {
    /// Containers within containers. ONNX's own nest three levels (an optional sequence of maps); freeing takes some
    /// of the stack for each.
    private static let deepest = 8

    /// What keeping a tensor takes besides its elements: the value, its sizes, its storage.
    package static let itemBytes = 512

    /// A sequence; all items must be of one type.
    package init(sequence items: [Tensor]) throws {
        if let first = items.first, let odd = items.firstIndex(where: { $0.type != first.type }) {
            throw Failure.invalid("a sequence of \(first.type) cannot hold item \(odd) of \(items[odd].type)")
        }
        self = try Tensor.container(.sequence, items)
    }

    /// An optional value that is there, or is not.
    package init(optional item: Tensor?) throws {
        guard item?.type != .optional else { throw Failure.invalid("an optional cannot hold an optional") }
        self = try Tensor.container(.optional, item.map { [$0] } ?? [])
    }

    /// A map from integers or text to the elements of a tensor of rank 1, or to the items of a sequence.
    package init(keys: Tensor, values: Tensor) throws {
        guard keys.type == .string || keys.type.isInteger, !keys.type.isPacked else {
            throw Failure.invalid("keys of a map must be integers or text, found \(keys.type)")
        }
        guard keys.shape.count == 1, values.shape.count == 1, keys.count == values.count, values.type != .optional, values.type != .map
        else {
            throw Failure.shape(
                "a map needs a list of keys and one of as many values, found \(keys.type) \(Shape.text(keys.shape)) and \(values.type) \(Shape.text(values.shape))"
            )
        }
        let keys = keys.type == .string ? keys : try keys.converted(to: .int64)
        self = try Tensor.container(.map, [try keys.contiguous(), try values.contiguous()])
    }

    private static func container(_ type: ElementType, _ items: [Tensor]) throws -> Tensor {
        let depth = 1 + (items.lazy.map(\.storage.depth).max() ?? 0)
        guard depth <= deepest else { throw Failure.unsupported("containers nest deeper than \(deepest)") }
        var size = 0
        for item in items {
            size += itemBytes + item.footprint
            guard size <= Memory.largest else {
                throw Failure.memory("a \(type) of \(items.count) items takes more than the \(Memory.largest) bytes that one value may")
            }
        }
        return try Tensor(type, [items.count], storage: Storage(items: items, depth: depth, footprint: size))
    }

    /// Bytes that the elements take, those of items included. Items that share memory count each for itself.
    package var footprint: Int {
        switch type {
        case .sequence, .optional, .map: storage.footprint
        case .string: storage.strings.count * MemoryLayout<String>.stride
        default: type.byteCount(count) ?? .max / 4
        }
    }

    // MARK: Reading

    /// Items of a sequence.
    package func sequence() throws -> [Tensor] {
        guard type == .sequence else { throw Failure.invalid("expected a sequence, found \(kind)") }
        return storage.items
    }

    /// Item of an optional; nil when it has none.
    package func optional() throws -> Tensor? {
        guard type == .optional else { throw Failure.invalid("expected an optional, found \(kind)") }
        return storage.items.first
    }

    /// Keys and values of a map.
    package func entries() throws -> (keys: Tensor, values: Tensor) {
        guard type == .map, storage.items.count == 2 else { throw Failure.invalid("expected a map, found \(kind)") }
        return (storage.items[0], storage.items[1])
    }

    /// `a float32 tensor`, `a sequence`: for messages.
    package var kind: String { type.kind }

    /// The container with each item replaced by what `body` makes of it.
    package func mapItems(_ body: (Tensor) throws -> Tensor) throws -> Tensor {
        let items = try storage.items.map(body)
        // Most hold nothing that changes; then the memory stays shared.
        if zip(items, storage.items).allSatisfy({ $0.storage === $1.storage && $0.type == $1.type }) { return self }
        return try Tensor.container(type, items)
    }
}

extension ElementType {
    /// `a float32 tensor`, `a sequence`: for messages.
    package var kind: String {
        switch self {
        case .optional: "an optional"
        case .sequence, .map: "a \(self)"
        case .int4, .int8, .int16, .int32, .int64, .int2: "an \(self) tensor"
        default: "a \(self) tensor"
        }
    }
}

package import Tensors

/// Types of sequences, optionals and maps.
extension TensorType {
    /// A sequence; `count` items where that is known.
    package static func sequence(of item: TensorType?, count: Dim = .unknown) -> TensorType {
        TensorType(.sequence, [count], items: item.map { [$0] } ?? [])
    }

    /// An optional value.
    package static func optional(of item: TensorType?) -> TensorType { TensorType(.optional, [.unknown], items: item.map { [$0] } ?? []) }

    /// A map to the elements, or the items, of `values`.
    package static func map(_ key: ElementType, to values: TensorType) -> TensorType {
        TensorType(.map, [2], items: [TensorType(key, [.unknown]), values])
    }

    /// The type of a tensor that exists; for a sequence what its items have in common.
    package init(of tensor: Tensor) {
        switch tensor.type {
        case .sequence:
            self = .sequence(of: TensorType.common(tensor.storage.items.map { TensorType(of: $0) }), count: Dim(tensor.count))
        case .optional, .map:
            self.init(tensor.type, [Dim(tensor.count)], items: tensor.storage.items.map { TensorType(of: $0) })
        default: self.init(tensor.type, shape: tensor.shape)
        }
    }

    /// What values of all these types have in common; nil when there are none, or their elements differ.
    package static func common(_ types: [TensorType]) -> TensorType? {
        guard let first = types.first else { return nil }
        return types.dropFirst().reduce(first) { joined, next in joined.flatMap { $0.joined(with: next) } }
    }

    /// What values of both types have in common; nil when their elements differ.
    package func joined(with other: TensorType) -> TensorType? {
        guard element == other.element else { return nil }
        if self == other { return self }
        var dims: [Dim]?
        if let a = self.dims, let b = other.dims, a.count == b.count { dims = zip(a, b).map { $0 == $1 ? $0 : .unknown } }
        var items: [TensorType] = []
        if self.items.count == other.items.count {
            let joined = zip(self.items, other.items).compactMap { $0.joined(with: $1) }
            if joined.count == self.items.count { items = joined }
        } else if self.items.isEmpty || other.items.isEmpty {
            // An empty sequence says nothing about what it could hold.
            items = self.items + other.items
        }
        return TensorType(element, dims, items: items)
    }

    /// True unless a value of `other` cannot be one of this type: other elements, another rank, other sizes.
    package func admits(_ other: TensorType) -> Bool {
        guard element == other.element else { return false }
        if let a = dims, let b = other.dims {
            guard a.count == b.count, zip(a, b).allSatisfy({ $0.value == nil || $1.value == nil || $0.value == $1.value }) else {
                return false
            }
        }
        return items.count != other.items.count || zip(items, other.items).allSatisfy { $0.admits($1) }
    }
}

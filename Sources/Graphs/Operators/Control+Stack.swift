internal import Tensors

/// What a loop's turns give for one collected output.
struct Stack {
    private(set) var items: [Tensor] = []
    private var held = 0
    private let watch: Watch?

    init(watch: Watch?) { self.watch = watch }

    /// Throws unless the tensor is like those before it, and when they are too many for the machine.
    mutating func append(_ tensor: Tensor) throws {
        guard !tensor.type.isContainer else { throw Failure.invalid("\(tensor.kind) cannot be collected over turns") }
        if let first = items.first, first.type != tensor.type || first.shape != tensor.shape {
            throw Failure.shape(
                "turn \(items.count) gives \(tensor.type) \(Shape.text(tensor.shape)), those before it gave \(first.type) \(Shape.text(first.shape))"
            )
        }
        // Each takes some memory of its own, and its part of the whole.
        let bytes = Tensor.itemBytes + 2 * tensor.footprint
        guard held + bytes <= 2 * Memory.largest else {
            throw Failure.memory("what \(items.count) turns give takes more than the \(Memory.largest) bytes that one value may")
        }
        try watch?.hold(bytes)
        held += bytes
        items.append(try tensor.contiguous())
    }

    /// Gives back what was counted.
    func letGo() { watch?.release(held) }

    /// All of them along a new axis. `emptyType`: type of one when there are none; sizes that it leaves open are 0.
    func stacked(emptyType: TensorType? = nil, axis: Int = 0, isReversed: Bool = false) throws -> Tensor {
        guard let first = items.first else {
            guard let type = emptyType else { throw Failure.unsupported("without turns, the type of a collected output is not known") }
            let dims = (type.dims ?? []).map { $0.value ?? 0 }
            let shape = Sequences.inserted(0, try Shape.axis(axis, rank: dims.count + 1), dims)
            return type.element == .string ? try Tensor(strings: [], shape) : try Tensor.empty(type.element, shape)
        }
        let ordered = isReversed ? items.reversed() : items
        let axis = try Shape.axis(axis, rank: first.shape.count + 1)
        let all: Tensor
        if first.type == .string {
            all = try Tensor(strings: ordered.flatMap(\.storage.strings), [items.count] + first.shape)
        } else {
            all = try Tensor.empty(first.type, [items.count] + first.shape)
            for (index, item) in ordered.enumerated() {
                Elements.copy(item, from: 0, to: all, at: index * first.count, count: first.count)
            }
        }
        if axis == 0 { return all }
        var order = Array(1...first.shape.count)
        order.insert(0, at: axis)
        return try all.transposed(order).contiguous()
    }
}

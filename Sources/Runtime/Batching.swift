internal import Graphs
package import Tensors

/// How a batch is cut so that every run fits the model's batch axis and the memory budget.
struct Batching {
    /// Bytes of activations that caches hold.
    private static let cached = 4 << 20

    /// Images in the batch; nil when the feeds have no common first axis to cut along.
    let count: Int?
    /// Images that the model's file fixes per run; nil: any number.
    let fixed: Int?

    /// `declared`: types of the fed values as the file states them.
    init(feeds: [String: Tensor], declared: (String) -> TensorType?) {
        let leading = feeds.map { (size: $0.value.shape.first, declared: declared($0.key)?.dims?.first?.value) }
        // A sequence is as long as it has items, whatever they are.
        let isWhole = feeds.values.contains { $0.type.isContainer }
        guard !isWhole, let first = leading.first?.size, leading.allSatisfy({ $0.size == first }), first > 0 else {
            count = nil
            fixed = nil
            return
        }
        count = first
        let fixedSizes = Set(leading.compactMap(\.declared))
        fixed = fixedSizes.count == 1 ? fixedSizes.first : nil
    }

    /// Images per run under a budget, `perImage` bytes each.
    func chunk(limit: Int?, budget: Int, perImage: () -> Int) -> Int {
        guard let count else { return 1 }
        if let fixed, fixed > 0 { return fixed }
        if let limit { return max(1, min(limit, count)) }
        if count == 1 { return 1 }
        // Beyond some images, or many small rows, a run gains nothing and leaves the caches.
        let bytes = max(1, perImage())
        return max(1, min(count, max(32, Batching.cached / bytes), budget / bytes))
    }

    /// Parts of the batch in order.
    func ranges(_ chunk: Int) throws -> [Range<Int>] {
        guard let count else { return [0..<1] }
        if let fixed, fixed > 1, count % fixed != 0 {
            throw Failure.shape("the model's file fixes a batch of \(fixed), \(count) images were given")
        }
        return stride(from: 0, to: count, by: chunk).map { $0..<min($0 + chunk, count) }
    }

    func slice(_ feeds: [String: Tensor], _ range: Range<Int>) throws -> [String: Tensor] {
        guard let count, range != 0..<count else { return feeds }
        return try feeds.mapValues { try $0.sliced(0, range) }
    }
}

extension Tensor {
    /// Tensors of one type joined along the first axis.
    package static func joined(_ parts: [Tensor]) throws -> Tensor {
        guard let first = parts.first, parts.count > 1 else {
            guard let only = parts.first else { throw Failure.failed("nothing to join") }
            return only
        }
        guard !first.shape.isEmpty, !first.type.isContainer,
            parts.allSatisfy({ $0.shape.dropFirst() == first.shape.dropFirst() && $0.type == first.type })
        else {
            throw Failure.shape("parts of a batch have different shapes; run the batch in one piece (batch_size)")
        }
        if first.type == .string {
            return try Tensor(
                strings: parts.flatMap { $0.storage.strings }, [parts.reduce(0) { $0 + $1.shape[0] }] + first.shape.dropFirst())
        }
        let result = try Tensor.empty(first.type, [parts.reduce(0) { $0 + $1.shape[0] }] + first.shape.dropFirst())
        guard var to = result.start else { return result }
        for part in parts {
            let dense = try part.contiguous()
            let size = dense.type.byteCount(dense.count) ?? 0
            if let from = dense.start { to.copyMemory(from: from, byteCount: size) }
            to += size
        }
        return result
    }

    /// Element-wise sum of two float tensors of one shape.
    static func sum(_ a: Tensor, _ b: Tensor) throws -> Tensor {
        if a.type == .float64 {
            return try a.read(Double.self) { x in
                try b.read(Double.self) { y in try Tensor.make(a.shape, Double.self) { z in for i in z.indices { z[i] = x[i] + y[i] } } }
            }
        }
        return try a.read(Float.self) { x in
            try b.read(Float.self) { y in try Tensor.make(a.shape, Float.self) { z in for i in z.indices { z[i] = x[i] + y[i] } } }
        }
    }
}

/// A typed n-dimensional array: a view of shared, immutable memory.
package struct Tensor: Sendable {
    package let type: ElementType
    package let shape: [Int]
    /// In elements; any sign; 0 along broadcast axes.
    package let strides: [Int]
    /// Of the first element, in elements from the start of the storage. Always 0 for packed types and strings.
    package let offset: Int
    package let storage: Storage
    package let count: Int

    /// A view of existing memory. Throws unless every element lies inside it.
    package init(_ type: ElementType, _ shape: [Int], strides: [Int]? = nil, offset: Int = 0, storage: Storage) throws {
        self.type = type
        self.shape = shape
        self.count = try Shape.count(shape)
        self.strides = strides ?? Shape.strides(shape)
        self.offset = offset
        self.storage = storage
        try checkBounds()
    }

    private init(unchecked type: ElementType, _ shape: [Int], _ strides: [Int], _ offset: Int, _ storage: Storage, _ count: Int) {
        self.type = type
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.storage = storage
        self.count = count
    }

    private func checkBounds() throws {
        guard strides.count == shape.count else { throw Failure.shape("\(shape.count) sizes but \(strides.count) strides") }
        if type.isContainer {
            guard storage.items.count == count, shape.count == 1, offset == 0, isContiguous else {
                throw Failure.shape("\(type) of shape \(Shape.text(shape)) with \(storage.items.count) items")
            }
        }
        guard count > 0, !type.isContainer else { return }
        if type == .string {
            guard storage.strings.count >= count, offset == 0, isContiguous else { throw Failure.shape("string tensor is too short") }
            return
        }
        var low = offset, high = offset
        for (size, step) in zip(shape, strides) {
            let (reach, overflow) = (size - 1).multipliedReportingOverflow(by: step)
            guard !overflow, reach.magnitude < 1 << 52 else { throw Failure.shape("strides are too large") }
            if reach < 0 { low += reach } else { high += reach }
        }
        guard low >= 0, let bytes = type.byteCount(high + 1), bytes <= storage.bytes.count else {
            throw Failure.shape("tensor \(Shape.text(shape)) of \(type) needs more than the \(storage.bytes.count) bytes there are")
        }
        guard !type.isPacked || (offset == 0 && isContiguous) else { throw Failure.unsupported("strided tensor of \(type)") }
    }

    /// New memory; call `mutate` on it before it is shared.
    package static func empty(_ type: ElementType, _ shape: [Int]) throws -> Tensor {
        let count = try Shape.count(shape)
        guard !type.isContainer else { throw Failure.unsupported("a \(type) where a tensor is expected") }
        guard let bytes = type.byteCount(count) else { throw Failure.memory("tensor \(Shape.text(shape)) is too large") }
        return Tensor(unchecked: type, shape, Shape.strides(shape), 0, try .allocate(bytes), count)
    }

    package static func zeros(_ type: ElementType, _ shape: [Int]) throws -> Tensor {
        let tensor = try empty(type, shape)
        tensor.storage.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        return tensor
    }

    /// From Swift values, converted to `type` (by default the elements' own).
    package init<T: Element>(_ values: [T], _ shape: [Int]? = nil) throws {
        self = try .empty(T.type, shape ?? [values.count])
        guard values.count == count else { throw Failure.shape("\(values.count) values for shape \(Shape.text(self.shape))") }
        values.withUnsafeBytes { storage.bytes.copyMemory(from: $0) }
    }

    package static func scalar<T: Element>(_ value: T) throws -> Tensor { try Tensor([value], []) }

    package init(strings: [String], _ shape: [Int]) throws {
        try self.init(.string, shape, storage: Storage(strings: strings))
    }

    /// True when the elements lie one after the other in row-major order.
    package var isContiguous: Bool {
        var expected = 1
        for axis in stride(from: shape.count - 1, through: 0, by: -1) where shape[axis] != 1 {
            if shape[axis] == 0 { return true }
            guard strides[axis] == expected else { return false }
            expected *= shape[axis]
        }
        return true
    }

    /// Address of the first element. The tensor must be kept alive while it is used.
    package var start: UnsafeMutableRawPointer? { storage.bytes.baseAddress.map { $0 + offset * (type.bits / 8) } }

    /// True when the first element's address suits the element's type (file maps may be unaligned).
    package var isAligned: Bool { UInt(bitPattern: start) % UInt(max(type.bits / 8, 1)) == 0 }

    /// The same elements in row-major order, aligned; copies only when needed.
    package func contiguous() throws -> Tensor {
        if type.bits == 0 || (isContiguous && isAligned) { return self }
        let copy = try Tensor.empty(type, shape)
        if isContiguous, let from = start {
            copy.storage.bytes.copyMemory(from: .init(start: from, count: copy.storage.bytes.count))
        } else {
            copyStrided(into: copy)
        }
        return copy
    }

    /// `step` is in bytes; the source may be unaligned (file maps).
    private static func copyRow<T: BitwiseCopyable>(
        _: T.Type, _ from: UnsafeMutableRawPointer, _ step: Int, _ to: UnsafeMutableRawPointer, _ count: Int
    ) {
        for i in 0..<count {
            to.storeBytes(of: from.loadUnaligned(fromByteOffset: i * step, as: T.self), toByteOffset: i * MemoryLayout<T>.size, as: T.self)
        }
    }

    private func copyStrided(into copy: Tensor) {
        guard count > 0, let from = start, let to = copy.start else { return }
        let width = type.bits / 8
        let inner = shape.last ?? 1
        let innerStride = (strides.last ?? 1) * width
        var index = [Int](repeating: 0, count: shape.count)
        var source = 0
        var target = 0
        while true {
            switch width {
            case 1: Tensor.copyRow(UInt8.self, from + source, innerStride, to + target, inner)
            case 2: Tensor.copyRow(UInt16.self, from + source, innerStride, to + target, inner)
            case 4: Tensor.copyRow(UInt32.self, from + source, innerStride, to + target, inner)
            case 8: Tensor.copyRow(UInt64.self, from + source, innerStride, to + target, inner)
            default:
                for i in 0..<inner { (to + target + i * width).copyMemory(from: from + source + i * innerStride, byteCount: width) }
            }
            target += inner * width
            var axis = shape.count - 2
            while axis >= 0 {
                index[axis] += 1
                source += strides[axis] * width
                if index[axis] < shape[axis] { break }
                source -= shape[axis] * strides[axis] * width
                index[axis] = 0
                axis -= 1
            }
            if axis < 0 { return }
        }
    }

    /// The same elements under another shape of equal count.
    package func reshaped(_ shape: [Int]) throws -> Tensor {
        if type.isContainer, shape != self.shape { throw Failure.unsupported("a \(type) has no other shape") }
        let source = try isContiguous ? self : contiguous()
        guard try Shape.count(shape) == count else {
            throw Failure.shape("cannot view \(Shape.text(self.shape)) as \(Shape.text(shape))")
        }
        return Tensor(unchecked: type, shape, Shape.strides(shape), source.offset, source.storage, count)
    }

    /// Axes in another order, without a copy. `order` must be a permutation of the axes.
    package func transposed(_ order: [Int]) throws -> Tensor {
        guard order.sorted() == Array(shape.indices), !type.isContainer else {
            throw Failure.shape("\(order) is not a permutation of \(shape.count) axes")
        }
        return try dense(order.map { shape[$0] }, order.map { strides[$0] }, offset, count)
    }

    /// Entries `range` along `axis`, without a copy.
    package func sliced(_ axis: Int, _ range: Range<Int>) throws -> Tensor {
        guard shape.indices.contains(axis), range.lowerBound >= 0, range.upperBound <= shape[axis] else {
            throw Failure.shape("slice \(range) of axis \(axis) lies outside \(Shape.text(shape))")
        }
        guard !type.isContainer, !type.isPacked else { throw Failure.unsupported("slice of a tensor of \(type)") }
        var shape = shape
        shape[axis] = range.count
        let moved = offset + range.lowerBound * strides[axis]
        return try dense(shape, strides, moved, try Shape.count(shape))
    }

    /// The tensor seen at a larger shape, without a copy (NumPy's broadcasting).
    package func broadcast(to result: [Int]) throws -> Tensor {
        guard result.count >= shape.count, Shape.broadcast(shape, result) == result else {
            throw Failure.shape("cannot broadcast \(Shape.text(shape)) to \(Shape.text(result))")
        }
        if type.isContainer, result != shape { throw Failure.unsupported("broadcasting of a \(type)") }
        let lead = result.count - shape.count
        let steps = result.indices.map { $0 < lead || (shape[$0 - lead] == 1 && result[$0] != 1) ? 0 : strides[$0 - lead] }
        return try dense(result, steps, offset, try Shape.count(result))
    }

    /// A view of this tensor's elements; a copy where they are text, which is always row-major.
    private func dense(_ shape: [Int], _ strides: [Int], _ offset: Int, _ count: Int) throws -> Tensor {
        guard type == .string else { return Tensor(unchecked: type, shape, strides, offset, storage, count) }
        var texts: [String] = []
        texts.reserveCapacity(count)
        var index = [Int](repeating: 0, count: shape.count), place = offset
        for _ in 0..<count {
            texts.append(storage.strings[place])
            var axis = shape.count - 1
            while axis >= 0 {
                index[axis] += 1
                place += strides[axis]
                if index[axis] < shape[axis] { break }
                place -= shape[axis] * strides[axis]
                index[axis] = 0
                axis -= 1
            }
        }
        return try Tensor(strings: texts, shape)
    }
}

public import CPellucid
internal import CSupport
internal import Tensors

/// Strings as C reads them: one block of bytes, each string followed by a zero.
struct CText: @unchecked Sendable {
    // Unchecked: written once, here.
    private final class Block {
        let start: UnsafeMutableRawPointer
        init(_ start: UnsafeMutableRawPointer) { self.start = start }
        deinit { support_deallocate(start) }
    }
    private let block: Block
    /// Where each string begins, and where the last one ends.
    private let offsets: [Int]

    init(_ strings: [String]) throws {
        var offsets = [0]
        offsets.reserveCapacity(strings.count + 1)
        for string in strings { offsets.append(offsets[offsets.count - 1] + string.utf8.count + 1) }
        let size = offsets[offsets.count - 1]
        guard let start = support_allocate(max(size, 1)) else { throw Failure.memory("cannot allocate \(size) bytes") }
        block = Block(start)
        self.offsets = offsets
        for (string, offset) in zip(strings, offsets) {
            var at = start + offset
            for byte in string.utf8 {
                at.storeBytes(of: byte, as: UInt8.self)
                at += 1
            }
            at.storeBytes(of: 0, as: UInt8.self)
        }
    }

    func text(_ index: Int) -> (start: UnsafePointer<CChar>, length: Int) {
        (UnsafePointer((block.start + offsets[index]).assumingMemoryBound(to: CChar.self)), offsets[index + 1] - offsets[index] - 1)
    }
}

@_cdecl("pellucid_tensor_create_text") @implementation
public func pellucid_tensor_create_text(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ rank: Int32, _ shape: UnsafePointer<Int64>!,
    _ texts: UnsafePointer<UnsafePointer<CChar>?>!, _ lengths: UnsafePointer<Int>!
) -> pellucid_status {
    guarded(out) {
        guard rank <= 64 else { throw Failure.invalid("rank \(rank) is too large") }
        let sizes = try array(shape, rank, "shape").map { Int($0) }, count = try Shape.count(sizes)
        let texts = texts as UnsafePointer<UnsafePointer<CChar>?>?, lengths = lengths as UnsafePointer<Int>?
        guard texts != nil || count == 0 else { throw Failure.invalid("texts is NULL") }
        try checkAlignment(texts, "texts")
        try checkAlignment(lengths, "lengths")
        var strings: [String] = []
        for index in 0..<count {
            guard let start = texts?[index] else { throw Failure.invalid("text \(index) is NULL") }
            strings.append(try lengths.map { try text(start, $0[index], index) } ?? text(start, "text \(index)"))
        }
        return TensorHandle(try Tensor(strings: strings, sizes))
    }
}

/// A caller's text of known length.
private func text(_ start: UnsafePointer<CChar>, _ length: Int, _ index: Int) throws -> String {
    guard length >= 0 else { throw Failure.invalid("the length of text \(index) is \(length)") }
    let bytes = UnsafeBufferPointer(start: UnsafeRawPointer(start).assumingMemoryBound(to: UInt8.self), count: length)
    guard let string = String(validating: bytes, as: UTF8.self) else { throw Failure.invalid("text \(index) is not valid UTF-8") }
    return string
}

@_cdecl("pellucid_tensor_text_at") @implementation
public func pellucid_tensor_text_at(
    _ tensor: OpaquePointer!, _ index: Int64, _ text: UnsafeMutablePointer<UnsafePointer<CChar>?>!, _ length: UnsafeMutablePointer<Int>!
) -> pellucid_status {
    guarded {
        let handle = try object(tensor, TensorHandle.self, "tensor")
        let text = try writable(text, "text")
        let length = try (length as UnsafeMutablePointer<Int>?).map { try writable($0, "length") }
        let found = try handle.text(Int(index))
        text.pointee = found.start
        length?.pointee = found.length
    }
}

@_cdecl("pellucid_tensor_create_container") @implementation
public func pellucid_tensor_create_container(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ dtype: pellucid_dtype, _ items: UnsafePointer<OpaquePointer?>!, _ count: Int64
) -> pellucid_status {
    guarded(out) {
        let items = items as UnsafePointer<OpaquePointer?>?
        guard count >= 0, count <= 1 << 24, items != nil || count == 0 else {
            throw Failure.invalid("items is NULL, or their number is \(count)")
        }
        try checkAlignment(items, "items")
        let tensors = try (0..<Int(count)).map { try object(items?[$0], TensorHandle.self, "item \($0)").tensor }
        switch ElementType(rawValue: dtype) {
        case .sequence: return TensorHandle(try Tensor(sequence: tensors))
        case .optional:
            guard tensors.count <= 1 else { throw Failure.invalid("an optional holds one item or none, found \(tensors.count)") }
            return TensorHandle(try Tensor(optional: tensors.first))
        case .map:
            guard tensors.count == 2 else { throw Failure.invalid("a map holds two items, keys and values, found \(tensors.count)") }
            return TensorHandle(try Tensor(keys: tensors[0], values: tensors[1]))
        default: throw Failure.invalid("element type \(dtype) is no container")
        }
    }
}

@_cdecl("pellucid_tensor_item_count") @implementation
public func pellucid_tensor_item_count(_ tensor: OpaquePointer!) -> Int64 {
    var count = 0
    let status = guarded { count = try container(tensor).storage.items.count }
    return status == PELLUCID_OK ? Int64(count) : Int64(status)
}

@_cdecl("pellucid_tensor_item_at") @implementation
public func pellucid_tensor_item_at(_ tensor: OpaquePointer!, _ index: Int64, _ out: UnsafeMutablePointer<OpaquePointer?>!)
    -> pellucid_status
{
    guarded(out) {
        let items = try container(tensor).storage.items
        guard items.indices.contains(Int(index)) else {
            throw Failure.notFound("there is no item \(index), the container has \(items.count)")
        }
        return TensorHandle(items[Int(index)])
    }
}

private func container(_ tensor: OpaquePointer?) throws -> Tensor {
    let tensor = try object(tensor, TensorHandle.self, "tensor").tensor
    guard tensor.type.isContainer else { throw Failure.invalid("expected a container, found \(tensor.kind)") }
    return tensor
}

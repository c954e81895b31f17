public import CPellucid
internal import CSupport
internal import Tensors

/// The object behind `pellucid_tensor`.
final class TensorHandle: Handle, @unchecked Sendable {
    // Unchecked: the sizes are written once, here.
    let mark = Mark()
    let tensor: Tensor
    /// Shape and strides for views.
    private let sizes: UnsafeMutablePointer<Int64>
    /// Copies of the strings that have been asked for, see `text`.
    private let texts = Mutex<CText?>(nil)

    init(_ tensor: Tensor) {
        self.tensor = tensor
        let rank = tensor.shape.count
        let sizes = UnsafeMutablePointer<Int64>.allocate(capacity: max(1, 2 * rank))
        sizes.initialize(from: (tensor.shape + tensor.strides).map { Int64($0) } + [0], count: max(1, 2 * rank))
        self.sizes = sizes
    }

    deinit {
        sizes.deallocate()
        Mark.erase(self)
    }

    /// Bytes and length of the string at a row-major position.
    func text(_ index: Int) throws -> (start: UnsafePointer<CChar>, length: Int) {
        guard tensor.type == .string else { throw Failure.invalid("expected a string tensor, found \(tensor.kind)") }
        guard (0..<tensor.count).contains(index) else {
            throw Failure.notFound("there is no string \(index), the tensor has \(tensor.count)")
        }
        return try texts.withLock { texts in
            let made = try texts ?? CText(tensor.storage.strings)
            texts = made
            return made
        }.text(index)
    }

    var view: pellucid_view {
        let rank = tensor.shape.count
        return pellucid_view(
            data: tensor.start, dtype: tensor.type.rawValue, rank: Int32(rank), shape: UnsafePointer(sizes),
            strides: tensor.isContiguous ? nil : UnsafePointer(sizes + rank))
    }
}

/// Type and shape as a caller gives them.
private func described(_ dtype: pellucid_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?) throws -> (ElementType, [Int]) {
    guard let type = ElementType(rawValue: dtype) else { throw Failure.invalid("element type \(dtype) is not known") }
    guard type != .string else { throw Failure.unsupported("strings cannot be made from memory: use pellucid_tensor_create_text") }
    guard !type.isContainer else { throw Failure.unsupported("a \(type) has no memory: use pellucid_tensor_create_container") }
    guard rank <= 64 else { throw Failure.invalid("rank \(rank) is too large") }
    return (type, try array(shape, rank, "shape").map { Int($0) })
}

@_cdecl("pellucid_tensor_create") @implementation
public func pellucid_tensor_create(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ dtype: pellucid_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>!,
    _ data: UnsafeRawPointer!
) -> pellucid_status {
    guarded(out) {
        let (type, sizes) = try described(dtype, rank, shape)
        let data: UnsafeRawPointer? = data
        guard let data else { return TensorHandle(try .zeros(type, sizes)) }
        let tensor = try Tensor.empty(type, sizes)
        tensor.storage.bytes.copyMemory(from: .init(start: data, count: type.byteCount(tensor.count) ?? 0))
        return TensorHandle(tensor)
    }
}

@_cdecl("pellucid_tensor_wrap") @implementation
public func pellucid_tensor_wrap(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ view: UnsafePointer<pellucid_view>!, _ release: pellucid_release_fn!,
    _ payload: UnsafeMutableRawPointer!
) -> pellucid_status {
    guarded(out) {
        guard let view = view as UnsafePointer<pellucid_view>? else { throw Failure.invalid("view is NULL") }
        try checkAlignment(view, "view")
        let release: pellucid_release_fn? = release
        let address = UInt(bitPattern: payload)
        return TensorHandle(try wrapped(view.pointee) { release?(UnsafeMutableRawPointer(bitPattern: address)) })
    }
}

/// A tensor over a caller's memory; `release` runs when it is no longer needed, and not at all when this throws.
func wrapped(_ view: pellucid_view, release: @escaping @Sendable () -> Void) throws -> Tensor {
    let (type, shape) = try described(view.dtype, view.rank, view.shape)
    let count = try Shape.count(shape)
    let strides = view.strides == nil ? Shape.strides(shape) : try array(view.strides, view.rank, "strides").map { Int($0) }
    guard view.data != nil || count == 0 else { throw Failure.invalid("data is NULL") }
    var low = 0, high = 0
    for (size, step) in zip(shape, strides) where count > 0 {
        let (reach, overflow) = (size - 1).multipliedReportingOverflow(by: step)
        guard !overflow, reach.magnitude < 1 << 48 else { throw Failure.shape("strides are too large") }
        if reach < 0 { low += reach } else { high += reach }
    }
    let start = view.data.map { $0 + low * (type.bits / 8) }
    let bytes = count == 0 ? 0 : type.byteCount(high - low + 1) ?? 0
    // Bounds are checked on a storage that frees nothing; only a tensor that stands takes over the memory.
    _ = try Tensor(type, shape, strides: strides, offset: -low, storage: Storage(bytes: .init(start: start, count: bytes), free: nil))
    return try Tensor(
        type, shape, strides: strides, offset: -low, storage: Storage(bytes: .init(start: start, count: bytes)) { _ in release() })
}

@_cdecl("pellucid_tensor_view") @implementation
public func pellucid_tensor_view(_ tensor: OpaquePointer!, _ out: UnsafeMutablePointer<pellucid_view>!) -> pellucid_status {
    guarded {
        let handle = try object(tensor, TensorHandle.self, "tensor")
        let out = try writable(out, "out")
        out.pointee = handle.view
    }
}

@_cdecl("pellucid_tensor_retain") @implementation
public func pellucid_tensor_retain(_ tensor: OpaquePointer!) { retain(tensor, TensorHandle.self) }

@_cdecl("pellucid_tensor_release") @implementation
public func pellucid_tensor_release(_ tensor: OpaquePointer!) { release(tensor, TensorHandle.self) }

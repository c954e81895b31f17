public import CPellucid
internal import CSupport
internal import Tensors

/// Exchange with other libraries by DLPack 1.x (https://dmlc.github.io/dlpack). The structs are laid out in
/// `CSupport/include/dlpack_layout.h`.

private let dlpackMajor: UInt32 = 1
private let hostDevice: Int32 = 1

@_cdecl("pellucid_tensor_from_dlpack") @implementation
public func pellucid_tensor_from_dlpack(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ managed: OpaquePointer!) -> pellucid_status {
    guarded(out) {
        guard let managed = managed as OpaquePointer? else { throw Failure.invalid("managed is NULL") }
        let box = UnsafeMutablePointer<support_dlpack>(managed)
        guard box.pointee.major == dlpackMajor else {
            throw Failure.unsupported("DLPack \(box.pointee.major).\(box.pointee.minor); this library reads version \(dlpackMajor)")
        }
        let source = box.pointee.tensor
        guard source.device_type == hostDevice else {
            throw Failure.unsupported("the DLPack tensor is not in host memory (device type \(source.device_type))")
        }
        guard source.lanes == 1, let type = ElementType(dlpack: source.code, bits: source.bits) else {
            throw Failure.unsupported("DLPack type code \(source.code) with \(source.bits) bits")
        }
        let view = pellucid_view(
            data: source.data.map { $0 + Int(truncatingIfNeeded: source.byte_offset) }, dtype: type.rawValue, rank: source.ndim,
            shape: source.shape, strides: source.strides)
        let address = UInt(bitPattern: box)
        return TensorHandle(
            try wrapped(view) {
                let box = UnsafeMutablePointer<support_dlpack>(bitPattern: address)
                box?.pointee.deleter?(box)
            })
    }
}

@_cdecl("pellucid_tensor_to_dlpack") @implementation
public func pellucid_tensor_to_dlpack(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ tensor: OpaquePointer!) -> pellucid_status {
    if let out = out as UnsafeMutablePointer<OpaquePointer?>? { out.pointee = nil }
    return guarded {
        let handle = try object(tensor, TensorHandle.self, "tensor")
        guard let out = out as UnsafeMutablePointer<OpaquePointer?>? else { throw Failure.invalid("out is NULL") }
        guard let type = handle.tensor.type.dlpack, !handle.tensor.type.isPacked else {
            throw Failure.unsupported("DLPack has no type for \(handle.tensor.type)")
        }
        let box = UnsafeMutablePointer<support_dlpack>.allocate(capacity: 1)
        let rank = handle.tensor.shape.count
        let sizes = UnsafeMutablePointer<Int64>.allocate(capacity: max(1, 2 * rank))
        sizes.initialize(from: (handle.tensor.shape + handle.tensor.strides).map { Int64($0) } + [0], count: max(1, 2 * rank))
        box.initialize(to: support_dlpack())
        box.pointee.major = dlpackMajor
        box.pointee.flags = 1  // read-only
        box.pointee.manager = Unmanaged.passRetained(handle).toOpaque()
        box.pointee.deleter = { box in
            guard let box else { return }
            box.pointee.manager.map { Unmanaged<TensorHandle>.fromOpaque($0).release() }
            box.pointee.tensor.shape?.deallocate()
            box.deallocate()
        }
        box.pointee.tensor = support_dlpack_tensor(
            data: handle.tensor.start, device_type: hostDevice, device_id: 0, ndim: Int32(rank), code: type.code, bits: type.bits, lanes: 1,
            shape: sizes, strides: sizes + rank, byte_offset: 0)
        out.pointee = OpaquePointer(box)
    }
}

extension ElementType {
    /// DLPack's type code and width; nil where it has none.
    fileprivate var dlpack: (code: UInt8, bits: UInt8)? {
        switch self {
        case .bool: (6, 8)
        case .bfloat16: (4, 16)
        case .float16, .float32, .float64: (2, UInt8(bits))
        case .int8, .int16, .int32, .int64: (0, UInt8(bits))
        case .uint8, .uint16, .uint32, .uint64: (1, UInt8(bits))
        case .complex64, .complex128: (5, UInt8(bits))
        default: nil
        }
    }

    fileprivate init?(dlpack code: UInt8, bits: UInt8) {
        guard let found = ElementType.allCases.first(where: { $0.dlpack?.code == code && $0.dlpack?.bits == bits }) else { return nil }
        self = found
    }
}

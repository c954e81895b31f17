public import CPellucid
internal import CSupport
internal import Tensors

/// Exchange with other libraries by DLPack (https://dmlc.github.io/dlpack), version 1.x and the struct of before. The structs
/// are laid out in `CSupport/include/dlpack_layout.h`.

private let dlpackMajor: UInt32 = 1
/// Version 1.1 brought float8, float6 and float4.
private let dlpackMinor: UInt32 = 1
private let readOnly: UInt64 = 1
/// Devices whose memory the processor reads: kDLCPU, and memory pinned for CUDA and ROCm.
private let hostDevices: Set<Int32> = [1, 3, 11]

@_cdecl("pellucid_tensor_from_dlpack") @implementation
public func pellucid_tensor_from_dlpack(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ managed: OpaquePointer!) -> pellucid_status {
    guarded(out) {
        guard let managed = managed as OpaquePointer? else { throw Failure.invalid("managed is NULL") }
        let box = UnsafeMutablePointer<support_dlpack>(managed)
        try checkAlignment(box, "managed")
        guard box.pointee.major == dlpackMajor else {
            throw Failure.unsupported("DLPack \(box.pointee.major).\(box.pointee.minor); this library reads version \(dlpackMajor)")
        }
        let address = UInt(bitPattern: box)
        return try adopt(box.pointee.tensor) {
            let box = UnsafeMutablePointer<support_dlpack>(bitPattern: address)
            box?.pointee.deleter?(box)
        }
    }
}

@_cdecl("pellucid_tensor_from_dlpack_legacy") @implementation
public func pellucid_tensor_from_dlpack_legacy(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ managed: OpaquePointer!) -> pellucid_status {
    guarded(out) {
        guard let managed = managed as OpaquePointer? else { throw Failure.invalid("managed is NULL") }
        let box = UnsafeMutablePointer<support_dlpack_legacy>(managed)
        try checkAlignment(box, "managed")
        let address = UInt(bitPattern: box)
        return try adopt(box.pointee.tensor) {
            let box = UnsafeMutablePointer<support_dlpack_legacy>(bitPattern: address)
            box?.pointee.deleter?(box)
        }
    }
}

/// A tensor over the memory of a DLPack tensor; `release` runs when it is no longer needed, and not when this throws.
private func adopt(_ source: support_dlpack_tensor, release: @escaping @Sendable () -> Void) throws -> TensorHandle {
    guard hostDevices.contains(source.device_type) else {
        throw Failure.unsupported("the DLPack tensor is not in host memory (device type \(source.device_type))")
    }
    guard let type = ElementType(dlpack: source.code, bits: source.bits, lanes: source.lanes) else {
        throw Failure.unsupported("DLPack type code \(source.code) with \(source.bits) bits and \(source.lanes) lanes")
    }
    guard source.byte_offset < 1 << 56 else { throw Failure.invalid("byte_offset is \(source.byte_offset)") }
    let start = source.data.flatMap { UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: $0) &+ UInt(source.byte_offset)) }
    return TensorHandle(
        try wrapped(
            pellucid_view(data: start, dtype: type.rawValue, rank: source.ndim, shape: source.shape, strides: source.strides),
            release: release))
}

@_cdecl("pellucid_tensor_to_dlpack") @implementation
public func pellucid_tensor_to_dlpack(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ tensor: OpaquePointer!) -> pellucid_status {
    exported(out) {
        let (described, keeper) = try lend(try object(tensor, TensorHandle.self, "tensor"))
        let box = UnsafeMutablePointer<support_dlpack>.allocate(capacity: 1)
        box.initialize(
            to: support_dlpack(
                major: dlpackMajor, minor: dlpackMinor, manager: keeper,
                deleter: { box in
                    guard let box else { return }
                    giveBack(box.pointee.manager, box.pointee.tensor)
                    box.deallocate()
                }, flags: readOnly, tensor: described))
        return OpaquePointer(box)
    }
}

@_cdecl("pellucid_tensor_to_dlpack_legacy") @implementation
public func pellucid_tensor_to_dlpack_legacy(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ tensor: OpaquePointer!) -> pellucid_status {
    exported(out) {
        let (described, keeper) = try lend(try object(tensor, TensorHandle.self, "tensor"))
        let box = UnsafeMutablePointer<support_dlpack_legacy>.allocate(capacity: 1)
        box.initialize(
            to: support_dlpack_legacy(
                tensor: described, manager: keeper,
                deleter: { box in
                    guard let box else { return }
                    giveBack(box.pointee.manager, box.pointee.tensor)
                    box.deallocate()
                }))
        return OpaquePointer(box)
    }
}

/// The tensor as DLPack describes it, and the owner that keeps it alive until `giveBack`.
private func lend(_ handle: TensorHandle) throws -> (support_dlpack_tensor, UnsafeMutableRawPointer) {
    let tensor = handle.tensor
    guard let type = tensor.type.dlpack else { throw Failure.unsupported("DLPack has no type for \(tensor.type)") }
    let rank = tensor.shape.count
    let sizes = UnsafeMutablePointer<Int64>.allocate(capacity: max(1, 2 * rank))
    sizes.initialize(from: (tensor.shape + tensor.strides).map { Int64($0) } + [0], count: max(1, 2 * rank))
    let described = support_dlpack_tensor(
        data: tensor.start, device_type: 1, device_id: 0, ndim: Int32(rank), code: type.code, bits: type.bits, lanes: 1, shape: sizes,
        strides: sizes + rank, byte_offset: 0)
    return (described, Unmanaged.passRetained(handle).toOpaque())
}

private func giveBack(_ manager: UnsafeMutableRawPointer?, _ tensor: support_dlpack_tensor) {
    if let manager { Unmanaged<TensorHandle>.fromOpaque(manager).release() }
    tensor.shape?.deallocate()
}

extension ElementType {
    /// DLPack's type code and width; nil where it has none. Types of less than a byte have no agreed packing.
    fileprivate var dlpack: (code: UInt8, bits: UInt8)? {
        switch self {
        case .int8, .int16, .int32, .int64: (0, UInt8(bits))
        case .uint8, .uint16, .uint32, .uint64: (1, UInt8(bits))
        case .float16, .float32, .float64: (2, UInt8(bits))
        case .bfloat16: (4, 16)
        case .complex64, .complex128: (5, UInt8(bits))
        case .bool: (6, 8)
        case .float8e4m3fn: (10, 8)
        case .float8e4m3fnuz: (11, 8)
        case .float8e5m2: (12, 8)
        case .float8e5m2fnuz: (13, 8)
        case .float8e8m0: (14, 8)
        default: nil
        }
    }

    fileprivate init?(dlpack code: UInt8, bits: UInt8, lanes: UInt16) {
        guard lanes == 1, let found = ElementType.allCases.first(where: { $0.dlpack?.code == code && $0.dlpack?.bits == bits }) else {
            return nil
        }
        self = found
    }
}

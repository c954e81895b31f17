/// Element types of tensors, numbered as ONNX's TensorProto.DataType. Containers, which ONNX has beside tensors, are
/// tensors whose elements are tensors; their numbers are Pellucid's.
package enum ElementType: Int32, Sendable, CaseIterable {
    case float32 = 1, uint8, int8, uint16, int16, int32, int64, string, bool, float16, float64
    case uint32, uint64, complex64, complex128, bfloat16
    case float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz
    case uint4, int4, float4e2m1, float8e8m0, uint2, int2, float6e2m3, float6e3m2
    case sequence = 100, optional, map

    /// Bits of one element in memory; strings and the items of containers are kept apart from the bytes and count none.
    package var bits: Int {
        switch self {
        case .string, .sequence, .optional, .map: 0
        case .uint2, .int2: 2
        case .uint4, .int4, .float4e2m1: 4
        case .float6e2m3, .float6e3m2: 6
        case .uint8, .int8, .bool, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 8
        case .uint16, .int16, .float16, .bfloat16: 16
        case .float32, .int32, .uint32: 32
        case .float64, .int64, .uint64, .complex64: 64
        case .complex128: 128
        }
    }

    /// True for the types that several elements of share a byte.
    package var isPacked: Bool { bits == 2 || bits == 4 || bits == 6 }

    /// True for sequences, optionals and maps, whose elements are tensors.
    package var isContainer: Bool { rawValue >= ElementType.sequence.rawValue }

    /// True for real floating-point types of every width.
    package var isFloat: Bool {
        switch self {
        case .float32, .float64, .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
            .float4e2m1, .float6e2m3, .float6e3m2, .float8e8m0:
            true
        default: false
        }
    }

    /// True for signed and unsigned integers of every width.
    package var isInteger: Bool {
        switch self {
        case .uint8, .int8, .uint16, .int16, .int32, .int64, .uint32, .uint64, .uint4, .int4, .uint2, .int2: true
        default: false
        }
    }

    /// Bytes that `count` elements take, or nil on overflow.
    package func byteCount(_ count: Int) -> Int? {
        let (total, overflow) = count.multipliedReportingOverflow(by: bits)
        return overflow || total > Int.max - 7 ? nil : (total + 7) / 8
    }
}

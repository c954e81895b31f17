/// Conversions between element types, with ONNX Cast's meaning: floats truncate to integers, any non-zero is true.
extension Tensor {
    /// The elements as `type`; numbers to text and back as ONNX writes them.
    package func converted(to target: ElementType) throws -> Tensor {
        if target == type { return self }
        guard !target.isContainer, !type.isContainer else { throw Failure.unsupported("conversion from \(type) to \(target)") }
        if type == .string { return try parsed(as: target) }
        if type.isPacked || isStoredOnly { return try widened().converted(to: target) }
        switch target {
        case .string: return try formatted()
        case .float32: return try cast(Float.self)
        case .float64: return try cast(Double.self)
        case .int8: return try cast(Int8.self)
        case .int16: return try cast(Int16.self)
        case .int32: return try cast(Int32.self)
        case .int64: return try cast(Int64.self)
        case .uint8: return try cast(UInt8.self)
        case .uint16: return try cast(UInt16.self)
        case .uint32: return try cast(UInt32.self)
        case .uint64: return try cast(UInt64.self)
        case .bool: return try map(Double.self) { Truth($0 != 0) }
        case .string, .complex64, .complex128: throw Failure.unsupported("conversion from \(type) to \(target)")
        default: return try narrowed(to: target)
        }
    }

    /// True for types that no kernel computes in.
    private var isStoredOnly: Bool {
        switch type {
        case .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: true
        default: false
        }
    }

    /// Small floats as float32, two- and four-bit integers as eight-bit ones, in containers too; everything else unchanged.
    package func widened() throws -> Tensor {
        switch type {
        case .float16: return try reinterpret(UInt16.self, as: .uint16) { SmallFloats.half($0) }
        case .bfloat16: return try reinterpret(UInt16.self, as: .uint16) { SmallFloats.bfloat($0) }
        case .float8e8m0: return try reinterpret(UInt8.self, as: .uint8) { SmallFloats.powerOfTwo($0) }
        case .uint4, .uint2: return try unpacked { UInt8($0) }
        case .int4: return try unpacked { Int8(bitPattern: $0 << 4) >> 4 }
        case .int2: return try unpacked { Int8(bitPattern: $0 << 6) >> 6 }
        case .sequence, .optional, .map: return try mapItems { try $0.widened() }
        case .float4e2m1, .float6e2m3, .float6e3m2:
            let layout = SmallFloats.Layout.of(type)
            return try unpacked { layout?.value($0) ?? 0 }
        default:
            guard let layout = SmallFloats.Layout.of(type) else { return self }
            return try reinterpret(UInt8.self, as: .uint8) { layout.value($0) }
        }
    }

    private func reinterpret<S: Element, R: Element>(_: S.Type, as raw: ElementType, _ body: (S) -> R) throws -> Tensor {
        let source = try Tensor(raw, shape, strides: strides, offset: offset, storage: storage)
        return try source.read(S.self) { from in
            try Tensor.make(shape, R.self) { to in for i in from.indices { to[i] = body(from[i]) } }
        }
    }

    /// ONNX packs the first element into the lowest bits.
    private func unpacked<R: Element>(_ body: (UInt8) -> R) throws -> Tensor {
        let bits = type.bits
        let mask = UInt16((1 << bits) - 1)
        return try Tensor.make(shape, R.self) { to in
            for i in to.indices {
                // Six-bit elements may lie across two bytes.
                let byte = i * bits / 8, shift = i * bits % 8
                let next = shift + bits > 8 ? UInt16(storage.bytes[byte + 1]) << 8 : 0
                to[i] = body(UInt8(truncatingIfNeeded: (UInt16(storage.bytes[byte]) | next) >> UInt16(shift) & mask))
            }
        }
    }

    /// Each element through `body`, read as `S`.
    package func map<S: Element, R: Element>(_: S.Type, _ body: (S) -> R) throws -> Tensor {
        try converted(to: S.type).read(S.self) { from in
            try Tensor.make(shape, R.self) { to in for i in from.indices { to[i] = body(from[i]) } }
        }
    }

    private func cast<R: Castable>(_: R.Type) throws -> Tensor {
        switch type {
        case .float32: try convert(Float.self, R.self) { R(floating: Double($0)) }
        case .float64: try convert(Double.self, R.self) { R(floating: $0) }
        case .int8: try convert(Int8.self, R.self) { R(integer: $0) }
        case .int16: try convert(Int16.self, R.self) { R(integer: $0) }
        case .int32: try convert(Int32.self, R.self) { R(integer: $0) }
        case .int64: try convert(Int64.self, R.self) { R(integer: $0) }
        case .uint8: try convert(UInt8.self, R.self) { R(integer: $0) }
        case .uint16: try convert(UInt16.self, R.self) { R(integer: $0) }
        case .uint32: try convert(UInt32.self, R.self) { R(integer: $0) }
        case .uint64: try convert(UInt64.self, R.self) { R(integer: $0) }
        case .bool: try convert(Truth.self, R.self) { R(integer: $0.isTrue ? 1 : 0) }
        default: throw Failure.unsupported("conversion from \(type) to \(R.type)")
        }
    }

    private func convert<S: Element, R: Element>(_: S.Type, _: R.Type, _ body: (S) -> R) throws -> Tensor {
        try read(S.self) { from in try Tensor.make(shape, R.self) { to in for i in from.indices { to[i] = body(from[i]) } } }
    }

    /// All elements as Swift integers; for axes, sizes and indices.
    package func integers() throws -> [Int] { try converted(to: .int64).read(Int64.self) { $0.map { Int($0) } } }

    /// All elements as doubles.
    package func doubles() throws -> [Double] { try converted(to: .float64).array(Double.self) }
}

/// Numbers that every other number converts to, without trapping.
protocol Castable: Element {
    init(floating: Double)
    init<I: BinaryInteger>(integer: I)
}

extension Castable where Self: FixedWidthInteger {
    /// Truncates; saturates where C leaves the result undefined, and NaN becomes 0.
    init(floating value: Double) {
        if value.isNaN {
            self = 0
        } else if value <= Double(Self.min) {
            self = .min
        } else if value >= Double(Self.max) {
            self = .max
        } else {
            self = Self(value)
        }
    }
    init<I: BinaryInteger>(integer: I) { self = Self(truncatingIfNeeded: integer) }
}

extension Castable where Self: BinaryFloatingPoint {
    init(floating value: Double) { self = Self(value) }
    init<I: BinaryInteger>(integer: I) { self = Self(integer) }
}

extension Float: Castable {}
extension Double: Castable {}
extension Int8: Castable {}
extension Int16: Castable {}
extension Int32: Castable {}
extension Int64: Castable {}
extension UInt8: Castable {}
extension UInt16: Castable {}
extension UInt32: Castable {}
extension UInt64: Castable {}

/// Conversion to the types that are stored but not computed in, by the rules of ONNX's Cast.
extension Tensor {
    /// The elements as a small type, rounded. Integers of less than a byte keep their lowest bits; `saturates` and
    /// `rounding` are Cast's attributes, the first for eight-bit floats only.
    package func narrowed(to target: ElementType, saturates: Bool = true, rounding: SmallFloats.PowerRounding = .up) throws -> Tensor {
        if target == type { return self }
        switch target {
        case .float16 where type == .float32: return try narrow(target, SmallFloats.half(from:))
        case .bfloat16 where type == .float32: return try narrow(target, SmallFloats.bfloat(from:))
        case .float8e8m0:
            return try patterns(target) { SmallFloats.power(of: $0, saturates: saturates, rounding: rounding) }
        case .uint4, .int4, .uint2, .int2: return try integers(target)
        default: break
        }
        if let layout = SmallFloats.Layout.wide(target) {
            let bits = try map(Double.self) { layout.code($0, saturates: false) }
            return try Tensor(target, shape, storage: bits.storage)
        }
        guard let layout = SmallFloats.Layout.of(target) else { return try converted(to: target) }
        return try patterns(target) { UInt8(truncatingIfNeeded: layout.code($0, saturates: saturates)) }
    }

    private func narrow(_ target: ElementType, _ body: (Float) -> UInt16) throws -> Tensor {
        let bits = try map(Float.self, body)
        return try Tensor(target, shape, storage: bits.storage)
    }

    /// The elements' patterns, which are made of real numbers.
    private func patterns(_ target: ElementType, _ body: (Double) -> UInt8) throws -> Tensor {
        let codes = try map(Double.self, body)
        return target.isPacked ? try codes.packed(target) : try Tensor(target, shape, storage: codes.storage)
    }

    private func integers(_ target: ElementType) throws -> Tensor {
        try converted(to: .int64).map(Int64.self) { UInt8(truncatingIfNeeded: $0) }.packed(target)
    }

    /// Bytes with one element in each, as a type that several of share a byte; ONNX packs the first into the lowest bits.
    package func packed(_ target: ElementType) throws -> Tensor {
        guard target.isPacked else { throw Failure.invalid("\(target) is not packed") }
        let result = try Tensor.zeros(target, shape), bits = target.bits
        try read(UInt8.self) { from in
            for (i, value) in from.enumerated() {
                let byte = i * bits / 8, shift = i * bits % 8
                let wide = UInt16(value & UInt8((1 << bits) - 1)) << UInt16(shift)
                result.storage.bytes[byte] |= UInt8(truncatingIfNeeded: wide)
                if shift + bits > 8 { result.storage.bytes[byte + 1] |= UInt8(wide >> 8) }
            }
        }
        return result
    }
}

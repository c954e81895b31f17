/// Bit patterns of the floating-point types that are stored but computed in float32.
package enum SmallFloats {
    package static func half(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 31
        let fraction = UInt32(bits & 0x3FF)
        switch (exponent, fraction) {
        case (0, _):
            let magnitude = Float(fraction) * 0x1p-24
            return sign == 0 ? magnitude : -magnitude
        case (31, _): return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }

    package static func half(from value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
        let magnitude = value.magnitude
        if value.isNaN { return sign | 0x7E00 }
        if magnitude >= 65520 { return sign | 0x7C00 }
        if magnitude < 0x1p-14 { return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven)) }
        let rounded = (bits & 0x7FFF_FFFF) &+ 0xFFF &+ (bits >> 13 & 1)
        return sign | UInt16(truncatingIfNeeded: (rounded >> 13) &- (112 << 10))
    }

    package static func bfloat(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    package static func bfloat(from value: Float) -> UInt16 {
        if value.isNaN { return UInt16(truncatingIfNeeded: value.bitPattern >> 16) | 0x40 }
        let bits = value.bitPattern
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }

    /// The types of ONNX of four, six and eight bits, by their bit layout.
    package struct Layout: Sendable {
        let exponentBits: Int
        let fractionBits: Int
        let bias: Int
        /// What the highest exponent and the pattern of negative zero mean.
        let specials: Specials
        enum Specials { case ieee, finiteWithNaN, unsignedZero, none }

        package static func of(_ type: ElementType) -> Layout? {
            switch type {
            case .float8e4m3fn: Layout(exponentBits: 4, fractionBits: 3, bias: 7, specials: .finiteWithNaN)
            case .float8e4m3fnuz: Layout(exponentBits: 4, fractionBits: 3, bias: 8, specials: .unsignedZero)
            case .float8e5m2: Layout(exponentBits: 5, fractionBits: 2, bias: 15, specials: .ieee)
            case .float8e5m2fnuz: Layout(exponentBits: 5, fractionBits: 2, bias: 16, specials: .unsignedZero)
            case .float4e2m1: Layout(exponentBits: 2, fractionBits: 1, bias: 1, specials: .none)
            case .float6e2m3: Layout(exponentBits: 2, fractionBits: 3, bias: 1, specials: .none)
            case .float6e3m2: Layout(exponentBits: 3, fractionBits: 2, bias: 3, specials: .none)
            default: nil
            }
        }

        package func value(_ bits: UInt8) -> Float {
            let top = exponentBits + fractionBits
            let negative = bits >> UInt8(top) & 1 == 1
            let exponent = Int(bits >> UInt8(fractionBits)) & ((1 << exponentBits) - 1)
            let fraction = Int(bits) & ((1 << fractionBits) - 1)
            let highest = (1 << exponentBits) - 1
            switch specials {
            case .ieee where exponent == highest:
                return fraction == 0 ? (negative ? -.infinity : .infinity) : .nan
            case .finiteWithNaN where exponent == highest && fraction == (1 << fractionBits) - 1: return .nan
            case .unsignedZero where negative && exponent == 0 && fraction == 0: return .nan
            default: break
            }
            let significand = exponent == 0 ? Float(fraction) : Float(fraction + (1 << fractionBits))
            let scale = max(exponent, 1) - bias - fractionBits
            let magnitude = significand * Float(sign: .plus, exponent: scale, significand: 1)
            return negative ? -magnitude : magnitude
        }
    }

    /// E8M0: a power of two, 255 is NaN.
    package static func powerOfTwo(_ bits: UInt8) -> Float {
        bits == 255 ? .nan : Float(sign: .plus, exponent: Int(bits) - 127, significand: 1)
    }
}

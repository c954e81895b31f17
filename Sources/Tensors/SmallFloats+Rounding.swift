/// Rounding to the floating-point types that are stored but not computed in, ties to even (ONNX Cast).
extension SmallFloats.Layout {
    /// The layout of float16 and bfloat16, whose patterns take two bytes.
    package static func wide(_ type: ElementType) -> SmallFloats.Layout? {
        switch type {
        case .float16: SmallFloats.Layout(exponentBits: 5, fractionBits: 10, bias: 15, specials: .ieee)
        case .bfloat16: SmallFloats.Layout(exponentBits: 8, fractionBits: 7, bias: 127, specials: .ieee)
        default: nil
        }
    }

    private var signBit: UInt16 { 1 << UInt16(exponentBits + fractionBits) }
    private var topExponent: Int { (1 << exponentBits) - 1 }

    /// Pattern of the largest finite number.
    private var largest: UInt16 {
        switch specials {
        case .ieee: UInt16(topExponent << fractionBits) - 1
        case .finiteWithNaN: signBit - 2
        case .unsignedZero, .none: signBit - 1
        }
    }

    private var infinity: UInt16? { specials == .ieee ? UInt16(topExponent << fractionBits) : nil }

    private func notANumber(_ sign: UInt16) -> UInt16 {
        switch specials {
        case .ieee: sign | UInt16(topExponent << fractionBits) | 1 << UInt16(fractionBits - 1)
        case .finiteWithNaN: sign | (signBit - 1)
        case .unsignedZero: signBit
        case .none: 0
        }
    }

    /// Pattern of the nearest number. What lies beyond the largest becomes the largest if that is wanted or the type has
    /// nothing else, otherwise infinity or NaN.
    package func code(_ value: Double, saturates: Bool) -> UInt16 {
        let sign: UInt16 = value.sign == .minus ? signBit : 0
        guard !value.isNaN else { return notANumber(sign) }
        let beyond = saturates || specials == .none ? sign | largest : infinity.map { sign | $0 } ?? notANumber(sign)
        guard value.isFinite else { return beyond }
        let magnitude = value.magnitude
        let exponent = magnitude == 0 ? 1 - bias : max(Int(magnitude.exponent), 1 - bias)
        guard exponent <= topExponent - bias else { return beyond }
        // Scaling by powers of two is exact; the last bit may carry into the exponent, which is as it should be.
        let steps = (magnitude * Double(sign: .plus, exponent: fractionBits - exponent, significand: 1)).rounded(.toNearestOrEven)
        let pattern = Int(steps) + (exponent + bias - 1) << fractionBits
        guard pattern <= Int(largest) else { return beyond }
        return pattern == 0 && specials == .unsignedZero ? 0 : sign | UInt16(pattern)
    }
}

extension SmallFloats {
    /// How a number between two powers of two becomes one of them (ONNX Cast, `round_mode`).
    package enum PowerRounding: String, Sendable { case up, down, nearest }

    /// E8M0 pattern of a number. Its sign has no meaning; what lies beyond the largest power is that power if it saturates, else NaN.
    package static func power(of value: Double, saturates: Bool, rounding: PowerRounding) -> UInt8 {
        let magnitude = value.magnitude
        if value.isNaN { return 255 }
        if magnitude.isInfinite { return saturates ? 254 : 255 }
        guard magnitude >= 0x1p-127 else { return saturates || magnitude > 0 && rounding == .up ? 0 : 255 }
        let fraction = magnitude.significand - 1
        let rises =
            switch rounding {
            case .up: fraction > 0
            case .down: false
            case .nearest: fraction >= 0.5
            }
        let code = Int(magnitude.exponent) + 127 + (rises ? 1 : 0)
        return code > 254 ? (saturates ? 254 : 255) : UInt8(code)
    }
}

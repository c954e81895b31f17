import Tensors

/// Colours for numbers from 0 to 1: evenly spaced anchors, straight lines between them.
package enum ColorMap: String, Sendable, CaseIterable {
    case turbo, viridis, inferno, rdbu, gray

    /// The 256 colours of the map.
    package var table: [RGB] {
        let anchors = anchors
        return (0..<256).map { step in
            let position = Double(step) / 255 * Double(anchors.count - 1)
            let low = min(Int(position), anchors.count - 2)
            return anchors[low].mixed(with: anchors[low + 1], Float(position - Double(low)))
        }
    }

    /// Turbo: Mikhailov 2019 (Apache-2.0). Viridis, inferno: Smith and van der Walt 2015 (CC0). RdBu: ColorBrewer
    /// (Apache-2.0), turned round so that red is positive.
    private var anchors: [RGB] {
        switch self {
        case .turbo:
            [
                0x30123B, 0x392A73, 0x4040A1, 0x4456C7, 0x466BE3, 0x467FF6, 0x4293FF, 0x37A7FA, 0x29BBEC, 0x1DCDD8, 0x18DCC3,
                0x1EE8B0, 0x31F299, 0x4CF97E, 0x6BFD64, 0x8AFF4D, 0xA3FD3C, 0xB8F735, 0xCCED34, 0xDEE037, 0xEDD03A, 0xF8C03A,
                0xFDAE35, 0xFE982C, 0xFB8022, 0xF56817, 0xEC520F, 0xE04009, 0xD23105, 0xC02302, 0xAC1701, 0x950D01, 0x7A0403,
            ]
        case .viridis:
            [
                0x440154, 0x470D60, 0x48186A, 0x482374, 0x472D7B, 0x453681, 0x424086, 0x3F4989, 0x3B528B, 0x375A8D, 0x33638D,
                0x2F6A8E, 0x2C728E, 0x297A8E, 0x26818E, 0x23898E, 0x21908C, 0x1F988B, 0x1F9F88, 0x21A685, 0x28AE80, 0x31B57B,
                0x3EBC74, 0x4CC26C, 0x5DC963, 0x6ECE58, 0x82D34C, 0x96D83F, 0xABDC32, 0xC0DF24, 0xD5E21A, 0xEAE51A, 0xFDE725,
            ]
        case .inferno:
            [
                0x000004, 0x040312, 0x0B0724, 0x150B37, 0x210C4A, 0x2E0A5A, 0x3C0965, 0x4A0C6B, 0x57106D, 0x63146E, 0x70196E,
                0x7D1E6D, 0x89226A, 0x962766, 0xA32B61, 0xAF315C, 0xBB3755, 0xC63E4D, 0xD14644, 0xDB4F3B, 0xE35932, 0xEB6528,
                0xF1711E, 0xF67F14, 0xF98D0A, 0xFB9C06, 0xFCAB0F, 0xFBBA1F, 0xF9CA32, 0xF5D949, 0xF2E865, 0xF3F586, 0xFCFFA4,
            ]
        case .rdbu:
            [0x053061, 0x2166AC, 0x4393C3, 0x92C5DE, 0xD1E5F0, 0xF7F7F7, 0xFDDBC7, 0xF4A582, 0xD6604D, 0xB2182B, 0x67001F]
        case .gray: [0x000000, 0xFFFFFF]
        }
    }
}

/// A colour with parts from 0 to 255.
package struct RGB: Sendable, ExpressibleByIntegerLiteral {
    package var red: Float
    package var green: Float
    package var blue: Float

    package init(integerLiteral hex: UInt32) {
        red = Float(hex >> 16 & 255)
        green = Float(hex >> 8 & 255)
        blue = Float(hex & 255)
    }

    init(red: Float, green: Float, blue: Float) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// `share` of the other colour, the rest of this one.
    package func mixed(with other: RGB, _ share: Float) -> RGB {
        RGB(
            red: red + (other.red - red) * share, green: green + (other.green - green) * share,
            blue: blue + (other.blue - blue) * share)
    }

    /// As light that went through both.
    func multiplied(by other: RGB) -> RGB {
        RGB(red: red * other.red / 255, green: green * other.green / 255, blue: blue * other.blue / 255)
    }

    /// The colour as three bytes.
    package var bytes: (UInt8, UInt8, UInt8) { (RGB.byte(red), RGB.byte(green), RGB.byte(blue)) }

    private static func byte(_ part: Float) -> UInt8 { UInt8(max(0, min(255, part.rounded()))) }
}

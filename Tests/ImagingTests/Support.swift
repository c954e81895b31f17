import Tensors

@testable import Imaging

/// The picture that generate.py computes too.
func pattern(_ height: Int, _ width: Int) throws -> Image {
    try Image.make(height: height, width: width) { pixels in
        for y in 0..<height {
            for x in 0..<width {
                for c in 0..<3 {
                    let sum = y * 53 + x * 29 + c * 101 + x * y * 7 + (x * 5 + y * 3) % 11 * 17
                    pixels[(y * width + x) * 3 + c] = UInt8(sum % 256)
                }
            }
        }
    }
}

extension Image {
    var bytes: [UInt8] { get throws { try tensor.array(UInt8.self) } }
    func pixel(_ y: Int, _ x: Int) throws -> [UInt8] { Array(try bytes[(y * width + x) * 3..<(y * width + x) * 3 + 3]) }
    static func decode(_ bytes: [UInt8], maxPixels: Int = ImageLimits.pixels) throws -> Image {
        try bytes.withUnsafeBytes { try decode($0, maxPixels: maxPixels) }
    }
}

/// Bytes written as hexadecimal digits.
func unhexed(_ text: String) -> [UInt8] {
    let digits = text.utf8.map { $0 < 0x60 ? $0 - 0x30 : $0 - 0x61 + 10 }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

extension Golden {
    static func file(_ name: String) -> [UInt8] { files.first { $0.name == name }.map { unhexed($0.bytes) } ?? [] }
}

/// What an expression throws, as the library's own error.
func failure(_ body: () throws -> Void) -> Failure? {
    do { try body() } catch { return error as? Failure }
    return nil
}

internal import CSupport
internal import Tensors

/// What a decoder accepts when the caller asks for nothing else.
package enum ImageLimits {
    /// Pixels that a file may claim: 300 MB of RGB.
    package static let pixels = 100_000_000
}

extension Image {
    /// Decodes PNG or JPEG, told apart by their first bytes. EXIF orientation is applied, alpha is blended over white.
    package static func decode(_ bytes: UnsafeRawBufferPointer, maxPixels: Int = ImageLimits.pixels) throws -> Image {
        guard maxPixels > 0 else { throw Failure.invalid("max_pixels must be positive, found \(maxPixels)") }
        var found = support_image()
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
            let code = support_png_decode(bytes.baseAddress, bytes.count, UInt64(maxPixels), &found)
            return try finish("PNG", code, found)
        }
        if bytes.starts(with: [0xFF, 0xD8]) {
            let code = support_jpeg_decode(bytes.baseAddress, bytes.count, UInt64(maxPixels), &found)
            return try finish("JPEG", code, found)
        }
        let start = bytes.prefix(4).map { hex($0) }.joined(separator: " ")
        throw Failure.parse("expected a PNG or JPEG file, found " + (bytes.isEmpty ? "an empty one" : "one that begins with \(start)"))
    }

    private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) }

    private static func finish(_ format: String, _ code: Int32, _ found: support_image) throws -> Image {
        guard code == 0, let pixels = found.pixels else {
            throw Failure(kind(code), "\(format) image: \(message(found.message))")
        }
        let size = Int(found.width) * Int(found.height) * 3
        let memory = UnsafeMutableRawBufferPointer(start: pixels, count: size)
        let storage = Storage(bytes: memory) { support_deallocate($0.baseAddress) }
        let image = try Image(Tensor(.uint8, [Int(found.height), Int(found.width), 3], storage: storage))
        return try image.upright(orientation: Int(found.orientation))
    }

    /// The failure kind for a SUPPORT_IMAGE_ code.
    private static func kind(_ code: Int32) -> Failure.Kind {
        switch Int(code) {
        case SUPPORT_IMAGE_DAMAGED: .parse
        case SUPPORT_IMAGE_UNSUPPORTED: .unsupported
        case SUPPORT_IMAGE_LARGE, SUPPORT_IMAGE_MEMORY: .memory
        case SUPPORT_IMAGE_STOPPED: .callback
        default: .failed
        }
    }

    /// A C array of characters, which Swift sees as a tuple or a buffer, as text.
    private static func message<T>(_ characters: T) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Receives pieces of an encoded file; non-zero ends the encoding.
    package typealias Sink = @convention(c) (UnsafeRawPointer?, Int, UnsafeMutableRawPointer?) -> Int32

    /// Encodes as PNG, handing the file to `sink` in pieces.
    package func encodePNG(to sink: Sink, payload: UnsafeMutableRawPointer?) throws {
        let text = UnsafeMutableBufferPointer<CChar>.allocate(capacity: Int(SUPPORT_IMAGE_MESSAGE))
        defer { text.deallocate() }
        let code = try read { pixels in
            support_png_encode(pixels.baseAddress, Int32(width), Int32(height), sink, payload, text.baseAddress)
        }
        guard code == 0 else {
            throw Failure(
                Image.kind(code), "PNG image: \(String(decoding: UnsafeRawBufferPointer(text).prefix { $0 != 0 }, as: UTF8.self))")
        }
    }

    /// The image as the bytes of a PNG file.
    package func encodedPNG() throws -> [UInt8] {
        let box = Bytes()
        // The box outlives the call, so the callback may borrow it.
        try withExtendedLifetime(box) {
            try encodePNG(to: collect, payload: Unmanaged.passUnretained(box).toOpaque())
        }
        return box.bytes
    }
}

private final class Bytes {
    var bytes: [UInt8] = []
}

private func collect(_ bytes: UnsafeRawPointer?, _ count: Int, _ payload: UnsafeMutableRawPointer?) -> Int32 {
    guard let payload else { return 1 }
    Unmanaged<Bytes>.fromOpaque(payload).takeUnretainedValue().bytes
        .append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

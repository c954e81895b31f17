internal import CSupport
internal import Tensors

/// What a decoder accepts when the caller asks for nothing else.
package enum ImageLimits {
    /// Pixels that a file may claim: 300 MB of RGB.
    package static let pixels = 100_000_000
    /// Bytes of a file.
    package static let bytes = 1 << 30
}

extension Image {
    /// Decodes PNG, JPEG or WebP, told apart by their first bytes. EXIF orientation is applied, alpha is blended over white.
    package static func decode(_ bytes: UnsafeRawBufferPointer, maxPixels: Int = ImageLimits.pixels) throws -> Image {
        guard maxPixels > 0 else { throw Failure.invalid("max_pixels must be positive, found \(maxPixels)") }
        guard bytes.count <= ImageLimits.bytes else {
            throw Failure.memory("the image file has \(bytes.count) bytes, more than the \(ImageLimits.bytes) allowed")
        }
        var found = support_image()
        guard let format = Format(of: bytes) else {
            let start = bytes.prefix(4).map { hex($0) }.joined(separator: " ")
            throw Failure.parse(
                "expected a PNG, JPEG or WebP file, found " + (bytes.isEmpty ? "an empty one" : "one that begins with \(start)"))
        }
        let code =
            switch format {
            case .png: support_png_decode(bytes.baseAddress, bytes.count, UInt64(maxPixels), &found)
            case .jpeg: support_jpeg_decode(bytes.baseAddress, bytes.count, UInt64(maxPixels), &found)
            case .webp: support_webp_decode(bytes.baseAddress, bytes.count, UInt64(maxPixels), &found)
            }
        return try finish(format, code, found)
    }

    /// The kinds of files that are read.
    private enum Format: String {
        case png = "PNG"
        case jpeg = "JPEG"
        case webp = "WebP"

        init?(of bytes: UnsafeRawBufferPointer) {
            if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
                self = .png
            } else if bytes.starts(with: [0xFF, 0xD8]) {
                self = .jpeg
            } else if bytes.starts(with: Array("RIFF".utf8)), bytes.dropFirst(8).starts(with: Array("WEBP".utf8)) {
                self = .webp
            } else {
                return nil
            }
        }
    }

    private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) }

    private static func finish(_ format: Format, _ code: Int32, _ found: support_image) throws -> Image {
        guard code == 0, let pixels = found.pixels else {
            throw Failure(kind(code), "\(format.rawValue) image: \(message(found.message))")
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
        try encode("PNG") { pixels, message in
            support_png_encode(pixels, Int32(width), Int32(height), sink, payload, message)
        }
    }

    /// Encodes as JPEG with colours at full resolution; `quality` from 1 to 100.
    package func encodeJPEG(quality: Int = 92, to sink: Sink, payload: UnsafeMutableRawPointer?) throws {
        guard (1...100).contains(quality) else { throw Failure.invalid("quality must lie in 1...100, found \(quality)") }
        guard height <= 65500, width <= 65500 else {
            throw Failure.unsupported("JPEG holds at most 65500 pixels in a row, found \(height)x\(width)")
        }
        try encode("JPEG") { pixels, message in
            support_jpeg_encode(pixels, Int32(width), Int32(height), Int32(quality), sink, payload, message)
        }
    }

    private func encode(_ format: String, _ call: (UnsafePointer<UInt8>?, UnsafeMutablePointer<CChar>?) -> Int32) throws {
        let text = UnsafeMutableBufferPointer<CChar>.allocate(capacity: Int(SUPPORT_IMAGE_MESSAGE))
        defer { text.deallocate() }
        let code = try read { call($0.baseAddress, text.baseAddress) }
        guard code == 0 else {
            let words = String(decoding: UnsafeRawBufferPointer(text).prefix { $0 != 0 }, as: UTF8.self)
            throw Failure(Image.kind(code), "\(format) image: \(words)")
        }
    }

    /// The image as the bytes of a PNG file.
    package func encodedPNG() throws -> [UInt8] { try collected { try encodePNG(to: collect, payload: $0) } }

    /// The image as the bytes of a JPEG file.
    package func encodedJPEG(quality: Int = 92) throws -> [UInt8] {
        try collected { try encodeJPEG(quality: quality, to: collect, payload: $0) }
    }

    private func collected(_ encode: (UnsafeMutableRawPointer) throws -> Void) throws -> [UInt8] {
        let box = Bytes()
        // The box outlives the call, so the callback may borrow it.
        try withExtendedLifetime(box) { try encode(Unmanaged.passUnretained(box).toOpaque()) }
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

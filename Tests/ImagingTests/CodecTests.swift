import Tensors
import Testing

@testable import Imaging

@Suite struct CodecTests {
    @Test func decodesAsPillow() throws {
        for golden in Golden.files {
            let image = try Image.decode(unhexed(golden.bytes))
            #expect(image.height == golden.size.0 && image.width == golden.size.1, "\(golden.name)")
            // The JPEG files may be read by another version of libjpeg than Pillow's; blending rounds differently in Pillow.
            let tolerance = golden.name.hasPrefix("jpeg") || golden.name.hasSuffix("Alpha") ? 1 : 0
            let worst = zip(try image.bytes, unhexed(golden.pixels)).map { abs(Int($0) - Int($1)) }.max()
            #expect(worst ?? 255 <= tolerance, "\(golden.name)")
        }
    }

    @Test func encodesWhatItDecodes() throws {
        for (height, width) in [(1, 1), (5, 3), (64, 300)] {
            let image = try pattern(height, width)
            #expect(try Image.decode(image.encodedPNG()).bytes == image.bytes)
        }
    }

    @Test func writesJPEG() throws {
        let photo = try pattern(40, 30).resized(height: 120, width: 90, .bicubic)
        let bytes = try photo.encodedJPEG()
        #expect(try bytes == photo.encodedJPEG())
        let decoded = try Image.decode(bytes)
        #expect(decoded.height == 120 && decoded.width == 90)
        let errors = zip(try decoded.bytes, try photo.bytes).map { abs(Int($0) - Int($1)) }
        #expect(errors.reduce(0, +) < 4 * errors.count)
        #expect(try photo.encodedJPEG(quality: 20).count < bytes.count)
        #expect(failure { _ = try photo.encodedJPEG(quality: 0) }?.kind == .invalid)
        #expect(failure { _ = try pattern(1, 65501).encodedJPEG() }?.kind == .unsupported)
    }

    @Test func aSinkCanStopTheEncoder() throws {
        #expect(failure { try pattern(9, 9).encodePNG(to: { _, _, _ in 7 }, payload: nil) }?.kind == .callback)
        #expect(failure { try pattern(9, 9).encodeJPEG(to: { _, _, _ in 7 }, payload: nil) }?.kind == .callback)
    }

    @Test func animationsAreRefusedInWords() {
        let found = failure { _ = try Image.decode(unhexed(Golden.animation)) }
        #expect(found?.kind == .unsupported && found?.message.contains("animation") == true)
    }

    @Test func everyTruncationIsAnError() throws {
        for golden in Golden.files {
            let bytes = unhexed(golden.bytes)
            for length in bytes.indices {
                let found = failure { _ = try Image.decode(Array(bytes[..<length])) }
                #expect(found != nil && found?.message.isEmpty == false, "\(golden.name) cut at \(length)")
            }
        }
    }

    @Test func changedBytesNeverTrap() throws {
        for golden in Golden.files {
            let bytes = unhexed(golden.bytes)
            for place in bytes.indices {
                for mask: UInt8 in [0xFF, 0x01, 0x80] {
                    var changed = bytes
                    changed[place] ^= mask
                    // Either an image or an error in words.
                    if let found = failure({ _ = try Image.decode(changed, maxPixels: 1 << 20) }) { #expect(!found.message.isEmpty) }
                }
            }
        }
    }

    @Test func saysWhatItFound() {
        #expect(failure { _ = try Image.decode([UInt8]()) }?.message == "expected a PNG, JPEG or WebP file, found an empty one")
        #expect(failure { _ = try Image.decode(Array("GIF89a".utf8)) }?.message.hasSuffix("one that begins with 47 49 46 38") == true)
    }

    /// A PNG whose header claims `width` x `height`, with the header's checksum.
    private func claim(_ width: UInt32, _ height: UInt32, interlaced: Bool = false) -> [UInt8] {
        var header = Array("IHDR".utf8)
        for value in [width, height] { header += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
        header += [8, 2, 0, 0, interlaced ? 1 : 0]
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in header {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        let check = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: ~crc >> $0) }
        let original = Golden.file("pngRGB")
        return Array(original[..<12]) + header + check + Array(original[33...])
    }

    @Test func bombsAreRefused() throws {
        #expect(failure { _ = try Image.decode(claim(8, 6)) } == nil)
        let huge = failure { _ = try Image.decode(claim(60_000, 60_000)) }
        #expect(huge?.kind == .memory && huge?.message.contains("60000x60000 pixels") == true)
        #expect(failure { _ = try Image.decode(claim(0x7FFF_FFFF, 0x7FFF_FFFF)) }?.kind == .memory)
        // Under the limit, but no file this short can hold so much.
        for interlaced in [false, true] {
            let found = failure { _ = try Image.decode(claim(9_000, 9_000, interlaced: interlaced)) }
            #expect(found?.message == "PNG image: the file is too short for its size in pixels")
        }
        #expect(failure { _ = try Image.decode(Golden.file("pngRGB"), maxPixels: 47) }?.kind == .memory)
        #expect(failure { _ = try Image.decode(Golden.file("jpegRGB"), maxPixels: 255) }?.kind == .memory)
        #expect(failure { _ = try Image.decode(Golden.file("webpLossy"), maxPixels: 255) }?.kind == .memory)
        #expect(failure { _ = try Image.decode(Golden.file("jpegRGB"), maxPixels: 0) }?.kind == .invalid)
        var large = Golden.file("jpegRGB")
        let frame = try #require(large.indices.dropLast(8).first { large[$0] == 0xFF && large[$0 + 1] == 0xC0 })
        large.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0x00, 0xFF, 0x00])
        #expect(failure { _ = try Image.decode(large) }?.kind == .memory)
    }

    /// A sound progressive JPEG of one colour whose scans after the first take a few bytes each: one for each of `bands` frequencies.
    private func progressive(_ side: Int, bands: Int) -> [UInt8] {
        func segment(_ marker: UInt8, _ body: [UInt8]) -> [UInt8] {
            [0xFF, marker, UInt8((body.count + 2) >> 8), UInt8((body.count + 2) & 255)] + body
        }
        let size = [UInt8(side >> 8), UInt8(side & 255)], blocks = (side + 7) / 8 * ((side + 7) / 8)
        // One code of one bit in each table: no difference, and the end of band for 2^14 blocks and up to as many more.
        let table: [UInt8] = [1] + [UInt8](repeating: 0, count: 15)
        var file: [UInt8] = [0xFF, 0xD8] + segment(0xDB, [0] + [UInt8](repeating: 1, count: 64))
        file += segment(0xC2, [8] + size + size + [1, 1, 0x11, 0]) + segment(0xC4, [0x00] + table + [0])
        file += segment(0xC4, [0x10] + table + [0xE0])
        file += segment(0xDA, [1, 1, 0, 0, 0, 0]) + [UInt8](repeating: 0, count: (blocks + 7) / 8)
        for band in 1...bands {
            file += segment(0xDA, [1, 1, 0, UInt8(band), UInt8(band), 0])
            // The code 0 and fourteen zeros, as often as it takes.
            file += [UInt8](repeating: 0, count: ((blocks + 16383) / 16384 * 15 + 7) / 8)
        }
        return file + [0xFF, 0xD9]
    }

    @Test func scansAreBounded() throws {
        let sound = try Image.decode(progressive(640, bands: 63))
        #expect(sound.height == 640 && sound.width == 640)
        let found = failure { _ = try Image.decode(progressive(9999, bands: 40)) }
        #expect(found?.kind == .unsupported && found?.message == "JPEG image: the file has too many scans")
    }

    @Test func orientations() throws {
        let file = Golden.file("jpegTurned")
        // Tag 0x0112, type 3, count 1, then the value, in the file's big-endian order.
        let entry: [UInt8] = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0]
        let at = try #require(file.indices.dropLast(10).first { Array(file[$0..<$0 + 9]) == entry }) + 9
        func turned(_ value: UInt8) throws -> Image {
            var copy = file
            copy[at] = value
            return try Image.decode(copy)
        }
        let plain = try turned(1)
        let h = plain.height, w = plain.width
        // Where the stored pixel (y, x) lies when upright, from the EXIF specification.
        let places: [UInt8: (Int, Int) -> (Int, Int)] = [
            2: { ($0, w - 1 - $1) }, 3: { (h - 1 - $0, w - 1 - $1) }, 4: { (h - 1 - $0, $1) }, 5: { ($1, $0) },
            6: { ($1, h - 1 - $0) }, 7: { (w - 1 - $1, h - 1 - $0) }, 8: { (w - 1 - $1, $0) },
        ]
        for (value, place) in places {
            let image = try turned(value)
            #expect(image.height == (value >= 5 ? w : h) && image.width == (value >= 5 ? h : w))
            for (y, x) in [(0, 0), (2, 5), (h - 1, 0), (h - 2, w - 1)] {
                let (v, u) = place(y, x)
                #expect(try image.pixel(v, u) == plain.pixel(y, x), "orientation \(value)")
            }
        }
        #expect(try turned(0).bytes == plain.bytes && turned(9).bytes == plain.bytes)
    }

    @Test func wrapsTensors() throws {
        let grey = try Image(Tensor([UInt8(1), 2, 3, 4], [2, 2]))
        #expect(try grey.bytes == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])
        #expect(failure { _ = try Image(Tensor([Float(1), 2, 3], [1, 1, 3])) }?.kind == .shape)
        #expect(failure { _ = try Image(Tensor([UInt8](repeating: 0, count: 4), [1, 1, 4])) }?.kind == .shape)
        #expect(failure { _ = try Image(Tensor([UInt8](), [0, 1, 3])) } != nil)
    }
}

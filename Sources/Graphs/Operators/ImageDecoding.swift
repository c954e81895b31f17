internal import CSupport
internal import Tensors

/// ONNX ImageDecoder (20): PNG, JPEG, WebP, BMP, PNM and plain TIFF files as pixels. What is damaged gives an empty image,
/// as ONNX wants; JPEG 2000 is refused.
enum ImageDecoding {
    static let operators = [
        Operator(
            "ImageDecoder", arity: 1...1,
            infer: { [TensorType(.uint8, [.unknown, .unknown, Dim(try PixelFormat($0).channels)])] },
            compute: { call in
                let format = try PixelFormat(call)
                let image = try call.tensor(0).converted(to: .uint8).read(UInt8.self) {
                    try DecodedImage.decode(UnsafeRawBufferPointer($0))
                }
                return [try format.tensor(image)]
            }, noGradient: "files hold integers",
            samples: [Sample([.integers([17], Array("P5 3 2 255\n".utf8).map { Int($0) } + [0, 50, 100, 150, 200, 250])])])
    ]
}

/// What is asked of a decoder.
private enum PixelFormat: String {
    case rgb = "RGB", bgr = "BGR", gray = "Grayscale"

    init(_ c: some NodeReader) throws {
        let name = c.string("pixel_format", default: "RGB")
        guard let format = PixelFormat(rawValue: name) else {
            throw Failure.invalid("pixel_format is \(name), expected RGB, BGR or Grayscale")
        }
        self = format
    }

    var channels: Int { self == .gray ? 1 : 3 }

    func tensor(_ image: DecodedImage?) throws -> Tensor {
        guard let image else { return try Tensor.zeros(.uint8, [0, 0, channels]) }
        return try Tensor.make([image.height, image.width, channels], UInt8.self) { to in
            for pixel in 0..<image.height * image.width {
                let (r, g, b) = (image.rgb[3 * pixel], image.rgb[3 * pixel + 1], image.rgb[3 * pixel + 2])
                switch self {
                case .rgb: (to[3 * pixel], to[3 * pixel + 1], to[3 * pixel + 2]) = (r, g, b)
                case .bgr: (to[3 * pixel], to[3 * pixel + 1], to[3 * pixel + 2]) = (b, g, r)
                // ITU-R 601-2 luma in fixed point, as Pillow computes it.
                case .gray:
                    let luma: Int = Int(r) * 19595 + Int(g) * 38470 + Int(b) * 7471
                    to[pixel] = UInt8((luma + 0x8000) >> 16)
                }
            }
        }
    }
}

/// Rows of RGB.
struct DecodedImage {
    let width: Int, height: Int
    let rgb: [UInt8]

    private static let limit = 100_000_000

    /// nil: the file is damaged.
    static func decode(_ file: UnsafeRawBufferPointer) throws -> DecodedImage? {
        func begins(_ bytes: [UInt8], at start: Int = 0) -> Bool { file.dropFirst(start).starts(with: bytes) }
        if begins([0x89, 0x50, 0x4E, 0x47]) { return try coded { support_png_decode(file.baseAddress, file.count, UInt64(limit), &$0) } }
        if begins([0xFF, 0xD8]) { return try coded { support_jpeg_decode(file.baseAddress, file.count, UInt64(limit), &$0) } }
        if begins([0x42, 0x4D]) { return try bitmap(ImageBytes(file)) }
        if begins([0x49, 0x49, 0x2A, 0]) || begins([0x4D, 0x4D, 0, 0x2A]) { return try tagged(ImageBytes(file)) }
        if begins([0x50]), file.count > 2, (0x31...0x36).contains(file[1]) { return try portable(file) }
        if begins([0x52, 0x49, 0x46, 0x46]), begins([0x57, 0x45, 0x42, 0x50], at: 8) {
            return try coded { support_webp_decode(file.baseAddress, file.count, UInt64(limit), &$0) }
        }
        if begins([0, 0, 0, 12, 0x6A, 0x50]) || begins([0xFF, 0x4F, 0xFF, 0x51]) { throw Failure.unsupported("images in JPEG 2000") }
        return nil
    }

    private static func coded(_ decode: (inout support_image) -> Int32) throws -> DecodedImage? {
        var found = support_image()
        let code = decode(&found)
        if Int(code) == SUPPORT_IMAGE_UNSUPPORTED { throw Failure.unsupported("an image of a kind that the decoder does not know") }
        guard code == 0, let pixels = found.pixels else { return nil }
        defer { support_deallocate(pixels) }
        let (width, height) = (Int(found.width), Int(found.height))
        return DecodedImage(width: width, height: height, rgb: Array(UnsafeBufferPointer(start: pixels, count: width * height * 3)))
    }

    /// From a function of the pixel; nil where the sizes are none.
    private static func make(_ width: Int, _ height: Int, _ pixel: (Int, Int) -> (UInt8, UInt8, UInt8)?) -> DecodedImage? {
        guard width > 0, height > 0, width <= limit, height <= limit / width else { return nil }
        var rgb: [UInt8] = []
        rgb.reserveCapacity(width * height * 3)
        for y in 0..<height {
            for x in 0..<width {
                guard let (r, g, b) = pixel(x, y) else { return nil }
                rgb.append(r)
                rgb.append(g)
                rgb.append(b)
            }
        }
        return DecodedImage(width: width, height: height, rgb: rgb)
    }

    /// Windows bitmaps of 8 (with a palette), 24 and 32 bits.
    private static func bitmap(_ file: ImageBytes) throws -> DecodedImage? {
        guard let start = file.number(10, 4), let header = file.number(14, 4), header >= 40, let width = file.number(18, 4),
            let tall = file.number(22, 4), let bits = file.number(28, 2), let compression = file.number(30, 4)
        else { return nil }
        let isTopDown = tall >= 1 << 31, height = isTopDown ? (1 << 32) - tall : tall
        guard compression == 0 || (compression == 3 && bits == 32), [8, 24, 32].contains(bits) else {
            throw Failure.unsupported("a BMP image of \(bits) bits with compression \(compression)")
        }
        guard width <= limit else { return nil }
        let pitch = (width * bits / 8 + 3) / 4 * 4
        return make(width, height) { x, y in
            var at = start + (isTopDown ? y : height - 1 - y) * pitch + x * bits / 8
            if bits == 8 {
                guard let index = file.byte(at) else { return nil }
                at = 14 + header + 4 * Int(index)
            }
            guard let b = file.byte(at), let g = file.byte(at + 1), let r = file.byte(at + 2) else { return nil }
            return (r, g, b)
        }
    }

    /// Portable maps: bits, grey and colours, as text or bytes.
    private static func portable(_ file: UnsafeRawBufferPointer) throws -> DecodedImage? {
        var at = 2
        func next() -> Int? {
            while at < file.count, file[at] <= 0x20 || file[at] == 0x23 {
                if file[at] == 0x23 { while at < file.count, file[at] != 0x0A { at += 1 } } else { at += 1 }
            }
            var number: Int?
            while at < file.count, (0x30...0x39).contains(file[at]) {
                number = (number ?? 0) * 10 + Int(file[at] - 0x30)
                if let found = number, found > limit { return nil }
                at += 1
            }
            return number
        }
        let kind = Int(file[1] - 0x30), isText = kind <= 3, channels = kind % 3 == 0 ? 3 : 1
        guard kind % 3 != 1 else { throw Failure.unsupported("a PNM image of bits") }
        guard let width = next(), let height = next(), let top = next(), (1...65535).contains(top) else { return nil }
        at += 1
        func sample() -> UInt8? {
            var value: Int?
            if isText {
                value = next()
            } else if top < 256, at < file.count {
                value = Int(file[at])
                at += 1
            } else if at + 1 < file.count {
                value = Int(file[at]) << 8 | Int(file[at + 1])
                at += 2
            }
            return value.map { UInt8(min($0, top) * 255 / top) }
        }
        return make(width, height) { _, _ in
            guard let r = sample() else { return nil }
            guard channels == 3 else { return (r, r, r) }
            guard let g = sample(), let b = sample() else { return nil }
            return (r, g, b)
        }
    }

    /// TIFF 6.0, baseline: grey or RGB of 8 bits in strips, uncompressed.
    private static func tagged(_ file: ImageBytes) throws -> DecodedImage? {
        guard let directory = file.number(4, 4), let count = file.number(directory, 2) else { return nil }
        /// The numbers of a tag.
        func tag(_ wanted: Int) -> [Int]? {
            for entry in 0..<count {
                let at = directory + 2 + 12 * entry
                guard file.number(at, 2) == wanted, let type = file.number(at + 2, 2), let length = file.number(at + 4, 4) else { continue }
                let size = type == 3 ? 2 : type == 4 ? 4 : 1
                guard length <= limit, let start = length * size <= 4 ? at + 8 : file.number(at + 8, 4) else { return nil }
                let numbers = (0..<length).prefix { file.number(start + $0 * size, size) != nil }
                return numbers.compactMap { file.number(start + $0 * size, size) }
            }
            return nil
        }
        guard let width = tag(256)?.first, let height = tag(257)?.first, let starts = tag(273), let color = tag(262)?.first else {
            return nil
        }
        let bits = tag(258) ?? [1], channels = tag(277)?.first ?? 1, compression = tag(259)?.first ?? 1
        guard compression == 1, bits.allSatisfy({ $0 == 8 }), (0...2).contains(color), channels == 1 || channels >= 3, channels <= 8,
            tag(284)?.first ?? 1 == 1
        else { throw Failure.unsupported("a TIFF image of \(bits) bits with compression \(compression)") }
        let rows = max(tag(278)?.first ?? height, 1)
        guard width <= limit else { return nil }
        return make(width, height) { x, y in
            guard y / rows < starts.count else { return nil }
            let at = starts[y / rows] + ((y % rows) * width + x) * channels
            guard let r = file.byte(at) else { return nil }
            guard channels > 1 else { return color == 0 ? (255 - r, 255 - r, 255 - r) : (r, r, r) }
            guard let g = file.byte(at + 1), let b = file.byte(at + 2) else { return nil }
            return (r, g, b)
        }
    }
}

/// Numbers in a file; big-endian after the mark `MM`.
private struct ImageBytes {
    private let file: UnsafeRawBufferPointer
    private let isBig: Bool

    init(_ file: UnsafeRawBufferPointer) {
        self.file = file
        isBig = file.first == 0x4D
    }

    func byte(_ at: Int) -> UInt8? { file.indices.contains(at) ? file[at] : nil }

    func number(_ at: Int, _ size: Int) -> Int? {
        guard at >= 0, at <= file.count - size else { return nil }
        return (0..<size).reduce(0) { $0 << 8 | Int(file[at + (isBig ? $1 : size - 1 - $1)]) }
    }
}

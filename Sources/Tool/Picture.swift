import CPellucid

/// A photo in the library's form.
struct Picture {
    let tensor: Tensor

    /// Decodes a PNG or JPEG file.
    init(file path: String) throws {
        let bytes = try Files.read(path)
        do {
            tensor = try Tensor(
                taking: created { out in bytes.withUnsafeBytes { pellucid_image_decode(out, $0.baseAddress, $0.count, nil) } })
        } catch let error as LibraryError {
            throw LibraryError(status: error.status, description: "\(path): \(error.description)")
        }
    }

    private init(_ tensor: Tensor) { self.tensor = tensor }

    /// The part that a network sees, at `height` x `width`.
    func fitted(_ preset: String, height: Int, width: Int) throws -> Picture {
        let options = try Options([("preset", preset), ("size", "\(height),\(width)")])
        return Picture(try Tensor(taking: created { pellucid_image_fit($0, tensor.handle, options.handle) }))
    }

    /// The numbers that a network is fed.
    func preprocessed(_ preset: String, _ frame: Frame) throws -> Tensor {
        let options = try Options([
            ("preset", preset), ("size", "\(frame.height),\(frame.width)"), ("layout", frame.isChannelLast ? "nhwc" : "nchw"),
        ])
        let input = try Tensor(taking: created { pellucid_image_preprocess($0, tensor.handle, options.handle) })
        return frame.channels == 1 ? try grey(input, frame) : input
    }

    /// Networks with one channel get the brightness (ITU-R 601) of the prepared colours.
    private func grey(_ input: Tensor, _ frame: Frame) throws -> Tensor {
        let values = try input.floats(), planes = frame.height * frame.width
        let (pixel, channel) = frame.isChannelLast ? (3, 1) : (1, planes)
        let light = (0..<planes).map { i in
            0.299 * values[i * pixel] + 0.587 * values[i * pixel + channel] + 0.114 * values[i * pixel + 2 * channel]
        }
        return try Tensor(light, frame.isChannelLast ? [1, frame.height, frame.width, 1] : [1, 1, frame.height, frame.width])
    }

    /// The heat map drawn over the photo.
    func overlaid(with heat: Tensor, options: [(name: String, value: String)]) throws -> Picture {
        let options = try Options(options)
        return Picture(try Tensor(taking: created { pellucid_image_overlay($0, tensor.handle, heat.handle, options.handle) }))
    }

    /// The bytes of a PNG file.
    func png() throws -> [UInt8] {
        let box = Bytes()
        try withExtendedLifetime(box) {
            try check(pellucid_image_encode(tensor.handle, "png", collect, Unmanaged.passUnretained(box).toOpaque()))
        }
        return box.bytes
    }
}

/// Height, width and layout of a network's image input.
struct Frame {
    let height: Int
    let width: Int
    let channels: Int
    let isChannelLast: Bool

    /// From the model's only input: `size` where given, else the model's own, else 224.
    init(of model: Model, size: (height: Int, width: Int)?) throws {
        let inputs = try model.values(PELLUCID_INPUT)
        guard inputs.count == 1, let input = inputs.first else {
            throw ToolError(
                "the model has \(inputs.count) inputs (\(inputs.map(\.name).joined(separator: ", "))); an image can only be fed to a model with one"
            )
        }
        guard input.dims?.count ?? 4 == 4 else {
            throw ToolError("input '\(input.name)' has the shape \(input.shape), which is not that of an image")
        }
        let isLast = [1, 3].contains(input.size(3)) && ![1, 3].contains(input.size(1))
        isChannelLast = isLast
        channels = input.size(isLast ? 3 : 1) ?? 3
        guard channels == 1 || channels == 3 else {
            throw ToolError("input '\(input.name)' has \(channels) channels (\(input.shape)); images have 1 or 3")
        }
        height = size?.height ?? input.size(isLast ? 1 : 2) ?? 224
        width = size?.width ?? input.size(isLast ? 2 : 3) ?? 224
    }
}

private final class Bytes {
    var bytes: [UInt8] = []
}

/// Not a closure: those of an isolated context may not be called by C from elsewhere.
private func collect(_ bytes: UnsafeRawPointer?, _ count: Int, _ payload: UnsafeMutableRawPointer?) -> Int32 {
    guard let payload else { return 1 }
    Unmanaged<Bytes>.fromOpaque(payload).takeUnretainedValue().bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

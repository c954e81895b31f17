import ArgumentParser
import CPellucid

/// How photos become inputs.
struct Preparation: ParsableArguments {
    @Option(
        help: "Preprocessing: imagenet, lite, inception, clip, caffe, unit or raw.",
        completion: .list(["imagenet", "lite", "inception", "clip", "caffe", "unit", "raw"]))
    var preset = "imagenet"
    @Option(help: "Input size, 224 or 224,320 for height,width; default: the model's, or 224.")
    var size: String?
    @Option(
        name: .customLong("prepare"),
        help:
            "Another detail of preprocessing: framing, resize, filter, fill, scale, mean, std or order, as mean=0.5."
    )
    var details: [String] = []

    private static let fitting = ["framing", "resize", "filter", "fill"]

    func validate() throws {
        _ = try sizes()
        for detail in details where !detail.contains("=") {
            throw ValidationError("--prepare takes name=value, found '\(detail)'")
        }
    }

    /// The size that was asked for.
    func sizes() throws -> (height: Int, width: Int)? {
        guard let size else { return nil }
        let parts = size.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard parts.count == 1 || parts.count == 2, parts.allSatisfy({ $0 > 0 }) else {
            throw ValidationError(
                "--size takes one or two positive numbers, as 224 or 224,320; found '\(size)'")
        }
        return (parts[0], parts[parts.count - 1])
    }

    /// The details that were given, in order.
    var settings: [(name: String, value: String)] {
        details.map { detail in
            let parts = detail.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
        }
    }

    /// The library's options for a picture of this size, with or without those of normalisation.
    func options(height: Int, width: Int, onlyFit: Bool) throws -> Options {
        let chosen = settings.filter { !onlyFit || Preparation.fitting.contains($0.name) }
        return try Options([("preset", preset), ("size", "\(height),\(width)")] + chosen)
    }
}

/// A photo in the library's form.
struct Picture {
    let tensor: Tensor

    /// Decodes a PNG, JPEG or WebP file.
    init(_ bytes: [UInt8], _ path: String) throws {
        do {
            tensor = try Tensor(
                taking: created { out in
                    bytes.withUnsafeBytes { pellucid_image_decode(out, $0.baseAddress, $0.count, nil) }
                })
        } catch let error as LibraryError {
            throw LibraryError(status: error.status, description: "\(path): \(error.description)")
        }
    }

    /// Pixels of height x width x 3.
    init(_ tensor: Tensor) { self.tensor = tensor }

    /// The part that a network sees, at `height` x `width`.
    func fitted(_ preparation: Preparation, height: Int, width: Int) throws -> Picture {
        let options = try preparation.options(height: height, width: width, onlyFit: true)
        return Picture(
            try Tensor(taking: created { pellucid_image_fit($0, tensor.handle, options.handle) }))
    }

    /// The numbers that a network is fed.
    func preprocessed(_ preparation: Preparation, _ frame: Frame) throws -> Tensor {
        let options = try preparation.options(height: frame.height, width: frame.width, onlyFit: false)
        try options.set("layout", frame.isChannelLast ? "nhwc" : "nchw")
        try options.set("channels", String(frame.channels))
        return try Tensor(
            taking: created { pellucid_image_preprocess($0, tensor.handle, options.handle) })
    }

    /// The heat map drawn over the photo.
    func overlaid(with heat: Tensor, options: [(name: String, value: String)]) throws -> Picture {
        let options = try Options(options)
        return Picture(
            try Tensor(
                taking: created { pellucid_image_overlay($0, tensor.handle, heat.handle, options.handle) }))
    }

    /// The bytes of a PNG file, or of a JPEG file.
    func file(_ format: String = "png") throws -> [UInt8] {
        let box = Bytes()
        try withExtendedLifetime(box) {
            try check(
                pellucid_image_encode(
                    tensor.handle, format, collect, Unmanaged.passUnretained(box).toOpaque()))
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

    /// From an input of the model: `size` where given, else the model's own, else 224.
    init(of input: Value, size: (height: Int, width: Int)?) throws {
        guard input.dims?.count ?? 4 == 4 else {
            throw ToolError(
                "input '\(input.name)' has the shape \(input.shape), which is not that of an image")
        }
        let isLast = [1, 3].contains(input.size(3)) && ![1, 3].contains(input.size(1))
        isChannelLast = isLast
        channels = input.size(isLast ? 3 : 1) ?? 3
        guard channels == 1 || channels == 3 else {
            throw ToolError(
                "input '\(input.name)' has \(channels) channels (\(input.shape)); images have 1 or 3")
        }
        height = size?.height ?? input.size(isLast ? 1 : 2) ?? 224
        width = size?.width ?? input.size(isLast ? 2 : 3) ?? 224
    }

    /// From the model's only input.
    init(of model: Model, size: (height: Int, width: Int)?) throws {
        let inputs = try model.values(PELLUCID_INPUT)
        guard inputs.count == 1, let input = inputs.first else {
            throw ToolError(
                "the model has \(inputs.count) inputs (\(inputs.map(\.name).joined(separator: ", "))); an image can only be fed to a model with one"
            )
        }
        try self.init(of: input, size: size)
    }
}

private final class Bytes {
    var bytes: [UInt8] = []
}

/// Not a closure: those of an isolated context may not be called by C from elsewhere.
private func collect(_ bytes: UnsafeRawPointer?, _ count: Int, _ payload: UnsafeMutableRawPointer?)
    -> Int32
{
    guard let payload else { return 1 }
    Unmanaged<Bytes>.fromOpaque(payload).takeUnretainedValue().bytes.append(
        contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

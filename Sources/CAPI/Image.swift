public import CPellucid
internal import Imaging
internal import Runtime
internal import Tensors

@_cdecl("pellucid_image_decode") @implementation
public func pellucid_image_decode(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ bytes: UnsafeRawPointer!, _ size: Int, _ options: OpaquePointer!
) -> pellucid_status {
    guarded(out) {
        let bytes: UnsafeRawPointer? = bytes
        guard size >= 0, bytes != nil || size == 0 else { throw Failure.invalid("bytes is NULL or size is too large") }
        let options = try optional(options)
        try options.reject(unlessIn: ["max_pixels"], of: "pellucid_image_decode")
        let limit = try options.integer("max_pixels") ?? ImageLimits.pixels
        return TensorHandle(try Image.decode(.init(start: bytes, count: size), maxPixels: limit).tensor)
    }
}

@_cdecl("pellucid_image_fit") @implementation
public func pellucid_image_fit(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ image: OpaquePointer!, _ options: OpaquePointer!
) -> pellucid_status {
    guarded(out) {
        let options = try optional(options)
        try options.reject(unlessIn: fitOptions, of: "pellucid_image_fit")
        return TensorHandle(try fit(options).apply(to: picture(image)).tensor)
    }
}

@_cdecl("pellucid_image_preprocess") @implementation
public func pellucid_image_preprocess(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ image: OpaquePointer!, _ options: OpaquePointer!
) -> pellucid_status {
    guarded(out) {
        let options = try optional(options)
        try options.reject(unlessIn: fitOptions + ["scale", "mean", "std", "order", "layout", "channels"], of: "pellucid_image_preprocess")
        let numbers = try normalization(options)
        return TensorHandle(try numbers.apply(to: fit(options).apply(to: picture(image))))
    }
}

@_cdecl("pellucid_image_overlay") @implementation
public func pellucid_image_overlay(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ image: OpaquePointer!, _ heat: OpaquePointer!, _ options: OpaquePointer!
) -> pellucid_status {
    guarded(out) {
        let options = try optional(options)
        try options.reject(unlessIn: overlayOptions, of: "pellucid_image_overlay")
        let photo = image == nil ? nil : try picture(image)
        let heat = try object(heat, TensorHandle.self, "heat").tensor
        return TensorHandle(try overlay(options).draw(heat, over: photo).tensor)
    }
}

@_cdecl("pellucid_image_encode") @implementation
public func pellucid_image_encode(
    _ image: OpaquePointer!, _ format: UnsafePointer<CChar>!, _ write: pellucid_write_fn!, _ payload: UnsafeMutableRawPointer!
) -> pellucid_status {
    guarded {
        let photo = try picture(image)
        let format = try text(format, "format")
        guard let write = write as pellucid_write_fn? else { throw Failure.invalid("write is NULL") }
        switch format {
        case "png": try photo.encodePNG(to: write, payload: payload)
        case "jpeg": try photo.encodeJPEG(to: write, payload: payload)
        default:
            throw Failure.unsupported("format '\(format)' cannot be written\(Suggestion.text(for: format, among: ["png", "jpeg"]))")
        }
    }
}

@_cdecl("pellucid_image_upsample") @implementation
public func pellucid_image_upsample(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ map: OpaquePointer!, _ options: OpaquePointer!
) -> pellucid_status {
    guarded(out) {
        let options = try optional(options)
        try options.reject(unlessIn: ["size", "interp"], of: "pellucid_image_upsample")
        guard let (height, width) = try size(options) else {
            throw Failure.invalid("option 'size' is missing: the result's height and width")
        }
        let interpolation = try choice(options, "interp", InterpolationWord.self)?.meaning ?? .halfPixel
        let map = try object(map, TensorHandle.self, "map").tensor
        return TensorHandle(try upsample(map, height: height, width: width, interpolation))
    }
}

private let fitOptions = ["preset", "size", "framing", "resize", "filter", "fill"]
private let overlayOptions = [
    "colormap", "alpha", "blend", "signed", "percentile", "limit", "interp", "contours", "legend", "caption",
]

private func picture(_ handle: OpaquePointer?) throws -> Image {
    try Image(object(handle, TensorHandle.self, "image").tensor)
}

/// One of a few words; nil when the option is not set.
private func choice<T: RawRepresentable & CaseIterable>(_ options: Options, _ name: String, _: T.Type = T.self) throws -> T?
where T.RawValue == String {
    guard let word = try options.text(name) else { return nil }
    // Colour maps are known as RdBu, layouts as NCHW.
    if let value = T(rawValue: word) ?? T(rawValue: word.lowercased()) { return value }
    throw Failure.invalid("option '\(name)' has no choice '\(word)'\(Suggestion.text(for: word, among: T.allCases.map(\.rawValue)))")
}

/// "224" or "224,224", height first; nil when the option is not set.
private func size(_ options: Options) throws -> (height: Int, width: Int)? {
    guard let text = try options.text("size") else { return nil }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0.filter { $0 != " " }) ?? 0 }
    guard parts.count == 1 || parts.count == 2, parts.allSatisfy({ $0 > 0 }) else {
        throw Failure.invalid("option 'size': expected one or two positive numbers, found '\(text)'")
    }
    return (parts[0], parts[parts.count - 1])
}

/// The words of the option "framing".
private enum FramingWord: String, CaseIterable { case crop, stretch, pad }

private func fit(_ options: Options) throws -> Fit {
    let (height, width) = try size(options) ?? (224, 224)
    let preset = try choice(options, "preset", Preset.self) ?? .imagenet
    var fit = preset.fit(height: height, width: width)
    let framing = try choice(options, "framing", FramingWord.self), side = try options.integer("resize")
    switch framing {
    case .stretch: fit.framing = .stretched
    case .pad: fit.framing = .padded
    case .crop: if fit.framing == .stretched { fit.framing = .factor(1) }
    case nil: break
    }
    if let side {
        guard framing != .pad, framing != .stretch else {
            throw Failure.invalid("option 'resize' is the side before a crop, and 'framing' is '\(framing?.rawValue ?? "")'")
        }
        fit.framing = side == 0 ? .stretched : .pixels(side)
    }
    fit.filter = try choice(options, "filter") ?? fit.filter
    fit.fill = try fill(options) ?? fit.fill
    return fit
}

/// One or three bytes.
private func fill(_ options: Options) throws -> Fit.Fill? {
    guard let parts = try options.reals("fill") else { return nil }
    guard parts.count == 1 || parts.count == 3, parts.allSatisfy({ (0...255).contains($0) && $0 == $0.rounded() }) else {
        throw Failure.invalid("option 'fill': expected one or three whole numbers from 0 to 255, found \(parts)")
    }
    return Fit.Fill(red: UInt8(parts[0]), green: UInt8(parts[parts.count / 2]), blue: UInt8(parts[parts.count - 1]))
}

private func normalization(_ options: Options) throws -> Normalization {
    var numbers = (try choice(options, "preset", Preset.self) ?? .imagenet).normalization
    numbers.scale = try options.real("scale") ?? numbers.scale
    numbers.mean = try options.reals("mean") ?? numbers.mean
    numbers.std = try options.reals("std") ?? numbers.std
    numbers.order = try choice(options, "order") ?? numbers.order
    numbers.layout = try choice(options, "layout") ?? numbers.layout
    numbers.channels = try options.integer("channels") ?? numbers.channels
    return numbers
}

/// The words of the option "interp", which are those that people know rather than torch's.
private enum InterpolationWord: String, CaseIterable {
    case bilinear, nearest, bicubic, corners

    var meaning: Interpolation {
        switch self {
        case .bilinear: .halfPixel
        case .nearest: .nearest
        case .bicubic: .bicubic
        case .corners: .alignCorners
        }
    }
}

private func overlay(_ options: Options) throws -> Overlay {
    var overlay = Overlay()
    overlay.colorMap = try choice(options, "colormap")
    overlay.alpha = try options.real("alpha") ?? overlay.alpha
    overlay.sign = try choice(options, "signed") ?? overlay.sign
    overlay.percentile = try options.real("percentile") ?? overlay.percentile
    overlay.blend = try choice(options, "blend") ?? overlay.blend
    overlay.limit = try options.real("limit")
    overlay.contours = try options.reals("contours") ?? []
    overlay.legend = try options.text("legend")
    overlay.caption = try options.text("caption")
    overlay.interpolation = try choice(options, "interp", InterpolationWord.self)?.meaning ?? overlay.interpolation
    return overlay
}

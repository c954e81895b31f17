package import Tensors

/// How bytes become the numbers that a network was trained on: (pixel / scale - mean) / std.
package struct Normalization: Sendable, Equatable {
    package enum Order: String, Sendable, CaseIterable { case rgb, bgr }
    package enum Layout: String, Sendable, CaseIterable { case nchw, nhwc }

    package var scale: Double
    /// One number, or one per channel in the order of the result.
    package var mean: [Double]
    package var std: [Double]
    package var order: Order
    package var layout: Layout
    /// 3, or 1 for networks that see brightness alone.
    package var channels = 3

    package init(scale: Double, mean: [Double], std: [Double], order: Order = .rgb, layout: Layout = .nchw) {
        self.scale = scale
        self.mean = mean
        self.std = std
        self.order = order
        self.layout = layout
    }

    /// A float32 tensor of the image with a batch axis of 1.
    package func apply(to image: Image) throws -> Tensor {
        try check()
        let planes = image.height * image.width
        let shape = layout == .nchw ? [1, channels, image.height, image.width] : [1, image.height, image.width, channels]
        let tables = (0..<channels).map(table)
        return try Tensor.make(shape, Float.self) { to in
            try image.read { from in
                if channels == 1 {
                    for i in 0..<planes { to[i] = tables[0][Int(Normalization.grey(from, i))] }
                    return
                }
                for channel in 0..<3 {
                    let source = order == .rgb ? channel : 2 - channel, table = tables[channel]
                    let start = layout == .nchw ? channel * planes : channel, step = layout == .nchw ? 1 : 3
                    for i in 0..<planes { to[start + i * step] = table[Int(from[3 * i + source])] }
                }
            }
        }
    }

    /// Brightness by ITU-R 601-2, rounded as by Pillow's conversion to "L".
    private static func grey(_ pixels: UnsafeBufferPointer<UInt8>, _ i: Int) -> UInt8 {
        let sum = 19595 * UInt32(pixels[3 * i]) + 38470 * UInt32(pixels[3 * i + 1]) + 7471 * UInt32(pixels[3 * i + 2]) + 0x8000
        return UInt8(truncatingIfNeeded: sum >> 16)
    }

    /// What each byte becomes in a channel of the result.
    private func table(_ channel: Int) -> [Float] {
        let mean = number(mean, channel), std = number(std, channel)
        return (0..<256).map { Float((Double($0) / scale - mean) / std) }
    }

    /// A channel's number; for a single channel three numbers are averaged.
    private func number(_ values: [Double], _ channel: Int) -> Double {
        if values.count == 1 { return values[0] }
        return channels == 3 ? values[channel] : values.reduce(0, +) / Double(values.count)
    }

    private func check() throws {
        guard channels == 1 || channels == 3 else { throw Failure.invalid("channels must be 1 or 3, found \(channels)") }
        for (name, values) in [("mean", mean), ("std", std)] where values.count != 1 && values.count != 3 {
            throw Failure.invalid("\(name) takes one or three numbers, found \(values.count)")
        }
        guard scale.isFinite, scale != 0 else { throw Failure.invalid("scale must be a number other than 0, found \(scale)") }
        guard (std + mean).allSatisfy(\.isFinite), !std.contains(0) else {
            throw Failure.invalid("mean and std must be finite, and std not 0")
        }
    }
}

/// Preprocessing by the name of the convention that a network was trained with.
package enum Preset: String, Sendable, CaseIterable {
    /// torchvision's classifiers.
    case imagenet
    /// EfficientNet-Lite.
    case lite
    /// Inception and other networks of TensorFlow's "tf" mode: -1 to 1.
    case inception
    /// OpenAI's CLIP.
    case clip
    /// Networks that came from Caffe: blue first, mean subtracted, not scaled.
    case caffe
    /// 0 to 1, the whole image.
    case unit
    /// 0 to 255, the whole image.
    case raw

    /// Resize and crop for a network whose input has this size.
    package func fit(height: Int, width: Int) -> Fit {
        let framing: Fit.Framing =
            switch self {
            case .unit, .raw: .stretched
            case .clip: .factor(1)
            // 256 for 224 and 342 for 299, as published.
            case .imagenet, .lite, .inception, .caffe: .factor(256.0 / 224.0)
            }
        return Fit(height: height, width: width, framing: framing, filter: self == .lite || self == .clip ? .bicubic : .bilinear)
    }

    package var normalization: Normalization {
        switch self {
        case .imagenet: Normalization(scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
        case .lite: Normalization(scale: 1, mean: [127], std: [128])
        case .inception: Normalization(scale: 1, mean: [127.5], std: [127.5])
        case .clip:
            Normalization(scale: 255, mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711])
        case .caffe: Normalization(scale: 1, mean: [103.939, 116.779, 123.68], std: [1], order: .bgr)
        case .unit: Normalization(scale: 255, mean: [0], std: [1])
        case .raw: Normalization(scale: 1, mean: [0], std: [1])
        }
    }
}

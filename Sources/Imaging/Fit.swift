package import Tensors

/// What a network sees of a photo: which part, at which size.
package struct Fit: Sendable, Equatable {
    package var height: Int
    package var width: Int
    /// Length of the photo's shorter side before the centre crop.
    package var shorter: Shorter
    package var filter: Filter

    package enum Shorter: Sendable, Equatable {
        /// No crop: the photo is stretched to the size.
        case stretched
        /// So many pixels, as torchvision's Resize.
        case pixels(Int)
        /// So long that the crop's shape fits in it with this factor to spare.
        case factor(Double)
    }

    package init(height: Int, width: Int, shorter: Shorter, filter: Filter) {
        self.height = height
        self.width = width
        self.shorter = shorter
        self.filter = filter
    }

    /// Resizes and crops like torchvision's Resize and CenterCrop over Pillow.
    package func apply(to image: Image) throws -> Image {
        try Plane.check(height: height, width: width)
        let whole = try scaled(image)
        guard whole.height >= height, whole.width >= width else {
            throw Failure.invalid(
                "resize makes the image \(whole.height)x\(whole.width), which is smaller than the size \(height)x\(width)")
        }
        let top = Fit.centre(whole.height - height), left = Fit.centre(whole.width - width)
        return try image.resized(
            Resize(height: whole.height, width: whole.width, rows: top..<top + height, columns: left..<left + width), filter)
    }

    private func scaled(_ image: Image) throws -> (height: Int, width: Int) {
        switch shorter {
        case .stretched: return (height, width)
        case .pixels(let side):
            guard (1...1 << 20).contains(side) else { throw Failure.invalid("resize must lie in 1...1048576, found \(side)") }
            return image.height <= image.width
                ? (side, side * image.width / image.height) : (side * image.height / image.width, side)
        case .factor(let factor):
            // The axis with the least to spare decides; for a square crop this is the shorter side.
            let byHeight = height * image.width >= width * image.height
            let side = Int((Double(byHeight ? height : width) * factor).rounded())
            return byHeight ? (side, side * image.width / image.height) : (side * image.height / image.width, side)
        }
    }

    /// Half of the surplus as Python's `round` gives it: ties to even.
    private static func centre(_ surplus: Int) -> Int { Int((Double(surplus) / 2).rounded(.toNearestOrEven)) }
}

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
        let shape = layout == .nchw ? [1, 3, image.height, image.width] : [1, image.height, image.width, 3]
        let tables = (0..<3).map(table)
        return try Tensor.make(shape, Float.self) { to in
            try image.read { from in
                for channel in 0..<3 {
                    let source = order == .rgb ? channel : 2 - channel, table = tables[channel]
                    let start = layout == .nchw ? channel * planes : channel, step = layout == .nchw ? 1 : 3
                    for i in 0..<planes { to[start + i * step] = table[Int(from[3 * i + source])] }
                }
            }
        }
    }

    /// What each byte becomes in a channel of the result.
    private func table(_ channel: Int) -> [Float] {
        let mean = mean.count == 1 ? mean[0] : mean[channel], std = std.count == 1 ? std[0] : std[channel]
        return (0..<256).map { Float((Double($0) / scale - mean) / std) }
    }

    private func check() throws {
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
    /// Networks that came from Caffe: blue first, mean subtracted, not scaled.
    case caffe
    /// 0 to 1, the whole image.
    case unit
    /// 0 to 255, the whole image.
    case raw

    /// Resize and crop for a network whose input has this size.
    package func fit(height: Int, width: Int) -> Fit {
        // 256 for 224 and 342 for 299, as published.
        let shorter: Fit.Shorter = self == .unit || self == .raw ? .stretched : .factor(256.0 / 224.0)
        return Fit(height: height, width: width, shorter: shorter, filter: self == .lite ? .bicubic : .bilinear)
    }

    package var normalization: Normalization {
        switch self {
        case .imagenet: Normalization(scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
        case .lite: Normalization(scale: 1, mean: [127], std: [128])
        case .inception: Normalization(scale: 1, mean: [127.5], std: [127.5])
        case .caffe: Normalization(scale: 1, mean: [103.939, 116.779, 123.68], std: [1], order: .bgr)
        case .unit: Normalization(scale: 255, mean: [0], std: [1])
        case .raw: Normalization(scale: 1, mean: [0], std: [1])
        }
    }
}

internal import Imaging
internal import Tensors

/// Versions of one image from blurred to sharp, between which a mask chooses at each pixel: 0 the most blurred, 1 the image.
/// Fong, Patrick & Vedaldi 2019, section 3 ("perturbation operators").
struct BlurPyramid {
    private let layout: ImageLayout
    private let type: ElementType
    /// Levels x channels x height x width, the image last.
    private let levels: Tensor
    private let count: Int

    /// `sigma`: of the most blurred of `count` levels; the others lie evenly between it and 0.
    init(_ image: Tensor, layout: ImageLayout, levels count: Int, sigma: Double) throws {
        let planes = try layout.planes(image)
        let made = try (0..<count).map { level in
            let strength = sigma * (1 - Double(level) / Double(count - 1))
            return strength > 0 ? try GaussianBlur(sigma: strength, taps: 2 * Int((4 * strength).rounded(.up)) + 1)(planes) : planes
        }
        self.init(levels: try Maps.stack(made), count: count, layout: layout, type: image.type)
    }

    /// From a baseline to the image, without blur.
    init(_ image: Tensor, baseline: Tensor, layout: ImageLayout) throws {
        let both = try Maps.stack([layout.planes(baseline), layout.planes(image)])
        self.init(levels: both, count: 2, layout: layout, type: image.type)
    }

    private init(levels: Tensor, count: Int, layout: ImageLayout, type: ElementType) {
        self.levels = levels
        self.count = count
        self.layout = layout
        self.type = type
    }

    /// One version of the image for each mask, mirrored from left to right where asked.
    func versions(_ masks: [[Float]], mirrored: Bool) throws -> Tensor {
        let size = layout.channels * layout.pixels
        let planes = try levels.read(Float.self) { y in
            try Tensor.make([masks.count, layout.channels, layout.height, layout.width], Float.self) { out in
                for (row, mask) in masks.enumerated() {
                    eachPixel(mask, mirrored) { pixel, target, level, share in
                        for channel in 0..<layout.channels {
                            let from = level * size + channel * layout.pixels + pixel
                            let next = level + 1 < count ? y[from + size] : y[from]
                            out[row * size + channel * layout.pixels + target] = y[from] + share * (next - y[from])
                        }
                    }
                }
            }
        }
        return try layout.images(planes, type)
    }

    /// The gradients at the masks, from that at their versions.
    func gradients(_ masks: [[Float]], _ gradient: Tensor, mirrored: Bool) throws -> [[Float]] {
        let size = layout.channels * layout.pixels
        let planes = try layout.planes(gradient)
        guard planes.count == masks.count * size else { throw Failure.shape("a gradient of another size than its images") }
        return try levels.read(Float.self) { y in
            try planes.read(Float.self) { g in
                masks.enumerated().map { row, mask in
                    var result = [Float](repeating: 0, count: layout.pixels)
                    eachPixel(mask, mirrored) { pixel, target, level, _ in
                        guard level + 1 < count else { return }
                        for channel in 0..<layout.channels {
                            let from = level * size + channel * layout.pixels + pixel
                            result[pixel] += (y[from + size] - y[from]) * g[row * size + channel * layout.pixels + target]
                        }
                        result[pixel] *= Float(count - 1)
                    }
                    return result
                }
            }
        }
    }

    /// The level below a pixel's mask and the share of the next one; `target` is where the pixel goes.
    private func eachPixel(_ mask: [Float], _ mirrored: Bool, _ body: (_ pixel: Int, _ target: Int, _ level: Int, _ share: Float) -> Void) {
        for y in 0..<layout.height {
            for x in 0..<layout.width {
                let pixel = y * layout.width + x
                let position = min(max(mask[pixel], 0), 1) * Float(count - 1)
                let level = Int(position)
                body(pixel, mirrored ? y * layout.width + layout.width - 1 - x : pixel, level, position - Float(level))
            }
        }
    }
}

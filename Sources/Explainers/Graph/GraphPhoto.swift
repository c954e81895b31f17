internal import Imaging
internal import Tensors

/// What stands for the image in drawings.
enum GraphPhoto {
    /// The caller's picture of one image, or the input scaled from its smallest to its largest number.
    static func image(_ picture: Tensor?, _ x: Tensor, _ index: Int, _ layout: ImageLayout) throws -> Image {
        guard let picture else { return try scaled(x, index, layout) }
        let isBatch = picture.shape.count == 4
        guard picture.type == .uint8, picture.shape.last == 3, picture.shape.count == 3 || isBatch, !isBatch || picture.shape[0] > index
        else {
            throw Failure.shape(
                "option 'picture' is \(picture.type) of \(Shape.text(picture.shape)), expected uint8 of height x width x 3, or images x height x width x 3"
            )
        }
        return try Image(isBatch ? picture.sliced(0, index..<(index + 1)).reshaped(Array(picture.shape.dropFirst())) : picture)
    }

    /// Three channels are red, green and blue; of any other number the mean is shown in grey.
    private static func scaled(_ x: Tensor, _ index: Int, _ layout: ImageLayout) throws -> Image {
        let planes = try layout.planes(x.sliced(0, index..<(index + 1))), pixels = layout.pixels, channels = layout.channels
        return try planes.read(Float.self) { x in
            let low = x.min() ?? 0, range = max((x.max() ?? 0) - low, .leastNormalMagnitude)
            let bytes = try Tensor.make([layout.height, layout.width, 3], UInt8.self) { out in
                for i in 0..<pixels {
                    var sum: Float = 0
                    if channels != 3 { for c in 0..<channels { sum += (x[c * pixels + i] - low) / range / Float(channels) } }
                    for c in 0..<3 {
                        let value = channels == 3 ? (x[c * pixels + i] - low) / range : sum
                        out[3 * i + c] = UInt8(max(0, min(255, (value * 255).rounded())))
                    }
                }
            }
            return try Image(bytes)
        }
    }

    /// Pictures of different sizes as one tensor, with a border where one is smaller; one picture as it is.
    static func stacked(_ images: [Image], ground: RGB) throws -> Tensor {
        guard let first = images.first, images.count > 1 else {
            guard let only = images.first else { throw Failure.invalid("no images") }
            return only.tensor
        }
        let height = images.map(\.height).max() ?? first.height, width = images.map(\.width).max() ?? first.width
        let padded = try images.map { image in
            var canvas = try Canvas(height: height, width: width, ground: ground)
            try canvas.place(image, top: 0, left: 0)
            return try canvas.image().tensor.array(UInt8.self)
        }
        return try Tensor(padded.flatMap { $0 }, [images.count, height, width, 3])
    }
}

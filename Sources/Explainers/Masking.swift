internal import Runtime
internal import Tensors

/// One image behind masks: `x * m + b * (1 - m)`, where 1 keeps a pixel and 0 puts the baseline in its place.
struct Masking {
    let layout: ImageLayout
    private let type: ElementType
    /// Channels x height x width.
    private let x: Tensor
    private let baseline: Tensor

    /// `baseline`: of the input's shape, for all images.
    init(_ request: Request, image: Int, baseline: Tensor, _ layout: ImageLayout) throws {
        let images = try request.x
        self.layout = layout
        type = images.type
        x = try layout.planes(images.sliced(0, image..<(image + 1)))
        self.baseline = try layout.planes(baseline.sliced(0, image..<(image + 1)))
    }

    /// The image and the baseline change places: 1 shows the baseline.
    private init(swapping other: Masking) {
        layout = other.layout
        type = other.type
        x = other.baseline
        baseline = other.x
    }

    var swapped: Masking { Masking(swapping: self) }

    /// One version of the image for each mask; masks are n x height x width. `noise`, of the versions' size with channels
    /// first, is added.
    func versions(_ masks: Tensor, noise: Tensor? = nil) throws -> Tensor {
        let count = masks.shape.first ?? 0, pixels = layout.pixels
        guard masks.count == count * pixels else {
            throw Failure.shape("masks are \(Shape.text(masks.shape)), expected n x \(layout.height) x \(layout.width)")
        }
        let planes = try x.read(Float.self) { x in
            try baseline.read(Float.self) { b in
                try masks.read(Float.self) { m in
                    try Tensor.make([count, layout.channels, layout.height, layout.width], Float.self) { out in
                        for row in 0..<count * layout.channels {
                            let mask = row / layout.channels * pixels, plane = row % layout.channels * pixels, to = row * pixels
                            for i in 0..<pixels { out[to + i] = b[plane + i] + m[mask + i] * (x[plane + i] - b[plane + i]) }
                        }
                    }
                }
            }
        }
        guard let noise else { return try layout.images(planes, type) }
        return try layout.images(try Maps.zip(planes, noise) { $0 + $1 }, type)
    }

    /// The gradient with respect to the masks, from that with respect to their versions: `sum over channels of (x - b) g`.
    func maskGradient(_ gradient: Tensor) throws -> Tensor {
        let g = try layout.planes(gradient), count = g.shape[0], pixels = layout.pixels
        return try x.read(Float.self) { x in
            try baseline.read(Float.self) { b in
                try g.read(Float.self) { g in
                    try Tensor.make([count, layout.height, layout.width], Float.self) { out in
                        out.update(repeating: 0)
                        for row in 0..<count * layout.channels {
                            let mask = row / layout.channels * pixels, plane = row % layout.channels * pixels, from = row * pixels
                            for i in 0..<pixels { out[mask + i] += (x[plane + i] - b[plane + i]) * g[from + i] }
                        }
                    }
                }
            }
        }
    }
}

internal import Runtime
internal import Tensors

/// One version of the images for test-time augmentation: mirrored, brighter or darker.
struct AugmentedView {
    /// What pytorch-grad-cam's `aug_smooth` multiplies the input with.
    private static let factors = [1, 0.9, 1.1]

    let feeds: [String: Tensor]
    private let isMirrored: Bool

    /// The images as they are.
    init(_ request: Request) {
        feeds = request.feeds
        isMirrored = false
    }

    private init(_ request: Request, isMirrored: Bool, factor: Double) throws {
        self.isMirrored = isMirrored
        let x = try request.x, layout = try ImageLayout(request)
        let planes = try isMirrored ? Maps.mirrored(layout.planes(x)) : layout.planes(x)
        let scaled = factor == 1 ? planes : try Maps.map(planes) { $0 * Float(factor) }
        feeds = request.feeds.merging([request.input: try layout.images(scaled, x.type)]) { $1 }
    }

    static let count = 2 * factors.count

    /// Every version; the unchanged images come first.
    static func all(_ request: Request) throws -> [AugmentedView] {
        try [false, true].flatMap { isMirrored in
            try factors.map {
                try isMirrored || $0 != 1 ? AugmentedView(request, isMirrored: isMirrored, factor: $0) : AugmentedView(request)
            }
        }
    }

    /// A map of this version as one of the unchanged images.
    func restored(_ map: Tensor) throws -> Tensor { isMirrored ? try Maps.mirrored(map) : map }
}

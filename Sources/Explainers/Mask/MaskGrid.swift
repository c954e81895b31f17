internal import Imaging
internal import Runtime
internal import Tensors

/// A coarse mask and its way to the image's size and back (bilinear, corners aligned, as in the papers' code).
struct MaskGrid {
    /// Of the mask.
    let height: Int
    let width: Int
    let layout: ImageLayout
    private let interp = Interpolation.alignCorners

    init(height: Int, width: Int, layout: ImageLayout) {
        self.height = height
        self.width = width
        self.layout = layout
    }

    /// As the option `mask_size` says: square, 28 cells along each side or as many as the image has pixels.
    init(_ settings: Settings, _ layout: ImageLayout) throws {
        let most = min(layout.height, layout.width)
        let size = try settings.integer("mask_size") ?? min(28, most)
        guard size <= most else {
            throw Failure.invalid("option 'mask_size' is \(size), the image has \(layout.height) x \(layout.width) pixels: at most \(most)")
        }
        self.init(height: size, width: size, layout: layout)
    }

    var count: Int { height * width }

    /// A mask at the image's size: height x width.
    func enlarged(_ mask: [Double]) throws -> [Float] {
        try upsample(tensor(mask), height: layout.height, width: layout.width, interp).array(Float.self)
    }

    /// The adjoint of `enlarged`: a gradient at the image's size, brought to the mask.
    func reduced(_ gradient: [Double]) throws -> [Double] {
        let large = try Tensor(gradient.map { Float($0) }, [layout.height, layout.width])
        return try upsampleAdjoint(large, height: height, width: width, interp).array(Float.self).map { Double($0) }
    }

    /// As `[height, width]`.
    func tensor(_ mask: [Double]) throws -> Tensor { try Tensor(mask.map { Float($0) }, [height, width]) }

    /// `1 - U(mask)` as one image's map: salient parts have small masks, maps have large values there.
    func map(_ mask: [Double]) throws -> Tensor { try Tensor(enlarged(mask).map { 1 - $0 }, [1, 1, layout.height, layout.width]) }
}

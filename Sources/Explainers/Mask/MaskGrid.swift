internal import Imaging
internal import Tensors

/// A coarse mask and its way to the image's size and back (bilinear, corners aligned, as in the papers' code).
struct MaskGrid {
    /// Of the mask.
    let height: Int
    let width: Int
    let layout: ImageLayout
    var interp = Interpolation.alignCorners

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

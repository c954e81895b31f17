internal import Runtime
internal import Tensors

/// Copies of one image, of any shape and type, in which elements give way to a baseline.
struct Removal {
    /// The image as it is.
    let original: Tensor
    private let baseline: Tensor
    private let width: Int

    /// `baseline`: of the input's shape and type, for all images.
    init(_ images: Tensor, image: Int, baseline: Tensor) throws {
        guard images.type.bits >= 8, images.type.bits % 8 == 0 else {
            throw Failure.unsupported("elements of type \(images.type) cannot be replaced; feed numbers")
        }
        original = try images.sliced(0, image..<(image + 1)).contiguous()
        self.baseline = try baseline.converted(to: images.type).sliced(0, image..<(image + 1)).contiguous()
        width = images.type.bits / 8
    }

    /// One copy for each entry, without its elements.
    func versions(_ removed: [ElementRuns]) throws -> Tensor {
        let copies = try Tensor.empty(original.type, [removed.count] + original.shape.dropFirst())
        guard let from = original.start, let fill = baseline.start, let to = copies.start else { return copies }
        let size = original.count * width
        for (index, runs) in removed.enumerated() {
            let copy = to + index * size
            copy.copyMemory(from: from, byteCount: size)
            for start in runs.starts {
                (copy + start * width).copyMemory(from: fill + start * width, byteCount: runs.length * width)
            }
        }
        return withExtendedLifetime((original, baseline)) { copies }
    }
}

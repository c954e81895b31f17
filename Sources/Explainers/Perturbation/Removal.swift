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

    /// Parts of the image, of one size, in which boxes give way to the baseline: `starts` are the parts' first elements, one
    /// along each axis of the image, `boxes` lie within them.
    func parts(_ boxes: [[Range<Int>]], starts: [[Int]], size: [Int]) throws -> Tensor {
        let shape = Array(original.shape.dropFirst())
        let copies = try Tensor.empty(original.type, [boxes.count] + size)
        guard let from = original.start, let fill = baseline.start, let to = copies.start else { return copies }
        let count = try Shape.count(size), strides = Shape.strides(shape), inner = Shape.strides(size)
        func copy(_ source: UnsafeMutableRawPointer, _ box: [Range<Int>], _ start: [Int], _ part: Int) {
            let runs = ElementRuns.rows(box)
            for row in runs {
                let source = source + zip(row, strides).reduce(0) { $0 + $1.0 * $1.1 } * width
                let place = part * count + row.indices.reduce(0) { $0 + (row[$1] - start[$1]) * inner[$1] }
                (to + place * width).copyMemory(from: source, byteCount: (box.last?.count ?? 1) * width)
            }
        }
        for (part, (box, start)) in zip(boxes, starts).enumerated() {
            copy(from, zip(start, size).map { $0..<($0 + $1) }, start, part)
            copy(fill, box, start, part)
        }
        return withExtendedLifetime((original, baseline)) { copies }
    }
}

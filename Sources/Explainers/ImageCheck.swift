internal import Runtime
internal import Tensors

extension Request {
    /// A constant image has no part that differs from another: a map of it would show the network's borders and nothing else.
    /// Rows, signals and tokens may be constant.
    func checkImagesVary() throws {
        guard try x.shape.count == 4 else { return }
        let x = try x.converted(to: .float32), size = x.count / max(1, images)
        guard size > 1 else { return }
        try x.read(Float.self) { x in
            for image in 0..<images {
                let part = x[image * size..<(image + 1) * size]
                guard let first = part.first, part.allSatisfy({ $0 == first }) else { continue }
                throw Failure.invalid(
                    "image \(image) of input '\(input)' is constant (every element is \(first)): no part of it differs from another; feed a picture, or its predictions with 'run'"
                )
            }
        }
    }
}

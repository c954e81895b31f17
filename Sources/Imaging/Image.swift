internal import CSupport
package import Tensors

/// A photo or a drawing: height x width x 3 bytes, RGB.
package struct Image: Sendable {
    /// Contiguous, uint8, of rank 3 with three channels.
    package let tensor: Tensor
    package var height: Int { tensor.shape[0] }
    package var width: Int { tensor.shape[1] }

    /// Throws unless the tensor is uint8 of height x width x 3 (or grey: height x width, or x 1) and not empty.
    package init(_ tensor: Tensor) throws {
        guard tensor.type == .uint8 else { throw Failure.shape("an image has elements of uint8, found \(tensor.type)") }
        let shape = tensor.shape
        guard shape.count == 3 || shape.count == 2, shape.count == 2 || shape[2] == 3 || shape[2] == 1 else {
            throw Failure.shape("an image is height x width x 3, found \(Shape.text(shape))")
        }
        try Plane.check(height: shape[0], width: shape[1])
        let grey = shape.count == 2 ? try tensor.contiguous().reshaped(shape + [1]) : tensor
        self.tensor = try grey.broadcast(to: [shape[0], shape[1], 3]).contiguous()
    }

    /// A new image whose pixels `body` writes, three bytes each.
    static func make(height: Int, width: Int, _ body: (UnsafeMutableBufferPointer<UInt8>) throws -> Void) throws -> Image {
        try Plane.check(height: height, width: width)
        return try Image(.make([height, width, 3], UInt8.self, body))
    }

    /// The pixels, three bytes each, row by row.
    package func read<R>(_ body: (UnsafeBufferPointer<UInt8>) throws -> R) throws -> R { try tensor.read(UInt8.self, body) }

    /// The part of the image that begins at `top`, `left`; shares its memory with the whole where rows are kept.
    package func cropped(top: Int, left: Int, height: Int, width: Int) throws -> Image {
        guard top >= 0, left >= 0, height > 0, width > 0, top <= self.height - height, left <= self.width - width else {
            throw Failure.invalid("a crop of \(height)x\(width) at \(top), \(left) lies outside the image of \(self.height)x\(self.width)")
        }
        return try Image(tensor.sliced(0, top..<top + height).sliced(1, left..<left + width))
    }
}

/// The photo upright, for an EXIF orientation from 1 to 8; any other value changes nothing.
extension Image {
    func upright(orientation: Int) throws -> Image {
        guard (2...8).contains(orientation) else { return self }
        let swaps = orientation >= 5
        // Of the picture as stored: whether its columns, its rows run backwards.
        let mirrored = [2, 3, 7, 8].contains(orientation), flipped = [3, 4, 6, 7].contains(orientation)
        let size = swaps ? (height: width, width: height) : (height: height, width: width)
        let stored = (height: height, width: width)
        return try Image.make(height: size.height, width: size.width) { to in
            try read { from in
                for y in 0..<size.height {
                    for x in 0..<size.width {
                        let row = swaps ? x : y, column = swaps ? y : x
                        let source =
                            (flipped ? stored.height - 1 - row : row) * stored.width + (mirrored ? stored.width - 1 - column : column)
                        let target = y * size.width + x
                        for c in 0..<3 { to[3 * target + c] = from[3 * source + c] }
                    }
                }
            }
        }
    }
}

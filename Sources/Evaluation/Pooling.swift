internal import Tensors

/// Planes seen through a coarser or finer grid.
enum Pooling {
    /// Each cell the mean of the part of the plane that it covers, as adaptive average pooling: N x height x width.
    static func mean(_ planes: Tensor, height: Int, width: Int) throws -> Tensor {
        let images = planes.shape[0], rows = planes.shape[1], columns = planes.shape[2]
        if rows == height, columns == width { return planes }
        return try planes.read(Float.self) { source in
            try Tensor.make([images, height, width], Float.self) { out in
                for image in 0..<images {
                    for y in 0..<height {
                        let top = y * rows / height, bottom = ((y + 1) * rows + height - 1) / height
                        for x in 0..<width {
                            let left = x * columns / width, right = ((x + 1) * columns + width - 1) / width
                            var sum = 0.0
                            for row in top..<bottom {
                                for column in left..<right { sum += Double(source[(image * rows + row) * columns + column]) }
                            }
                            out[(image * height + y) * width + x] = Float(sum / Double((bottom - top) * (right - left)))
                        }
                    }
                }
            }
        }
    }
}

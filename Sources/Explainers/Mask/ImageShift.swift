internal import Tensors

/// A translation by whole pixels; what comes in from outside repeats the border.
struct ImageShift {
    let down: Int
    let right: Int

    /// Planes of n x channels x height x width, moved.
    func moved(_ planes: Tensor) throws -> Tensor { try mapped(planes) { from, to, values, out in out[to] = values[from] } }

    /// The adjoint of `moved`.
    func movedBack(_ gradient: Tensor) throws -> Tensor { try mapped(gradient) { from, to, values, out in out[from] += values[to] } }

    private func mapped(
        _ planes: Tensor, _ body: (Int, Int, UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<Float>) -> Void
    ) throws -> Tensor {
        let height = planes.shape[planes.shape.count - 2], width = planes.shape[planes.shape.count - 1]
        guard down != 0 || right != 0, height > 0, width > 0 else { return planes }
        return try planes.read(Float.self) { values in
            try Tensor.make(planes.shape, Float.self) { out in
                out.update(repeating: 0)
                for row in 0..<(planes.count / width) {
                    let plane = row / height * height, y = min(max(row % height - down, 0), height - 1)
                    for x in 0..<width {
                        body((plane + y) * width + min(max(x - right, 0), width - 1), row * width + x, values, out)
                    }
                }
            }
        }
    }
}

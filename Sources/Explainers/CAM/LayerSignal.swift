internal import Runtime
internal import Tensors

/// One layer at one input: its activation `A`, and the derivatives of the score `S` by it. Tensors are images x channels x
/// space, float32.
struct LayerSignal {
    /// What a method reads besides the activation.
    enum Derivatives { case none, gradient, curvature }

    /// One channel of one image over space.
    struct Channel {
        let a: UnsafeBufferPointer<Float>
        let g: UnsafeBufferPointer<Float>

        /// Sum over space.
        static func sum(_ values: UnsafeBufferPointer<Float>) -> Double { values.reduce(0.0) { $0 + Double($1) } }
    }

    let activation: Tensor
    /// `g = dS/dA`; zeros where the method asks for none.
    let gradient: Tensor
    /// `H A`, with `H` the second derivative of `S` by `A`.
    let curvature: Tensor?

    init(activation: Tensor, gradient: Tensor? = nil, curvature: Tensor? = nil) throws {
        guard activation.shape.count >= 3, (gradient ?? activation).shape == activation.shape else {
            throw Failure.shape("a layer of \(Shape.text(activation.shape)) with a gradient of \(Shape.text(gradient?.shape ?? []))")
        }
        self.activation = try activation.contiguous()
        self.gradient = try gradient?.contiguous() ?? .zeros(.float32, activation.shape)
        self.curvature = curvature
    }

    /// One weight for every channel: images x channels.
    func perChannel(_ weight: (Channel) -> Double) throws -> Tensor {
        try channels(activation.shape.prefix(2)) { channel, out in out[0] = Float(weight(channel)) }
    }

    /// One weight for every position of every channel: images x channels x space.
    func perPosition(_ weights: (Channel, UnsafeMutableBufferPointer<Float>) -> Void) throws -> Tensor {
        try channels(activation.shape[...], weights)
    }

    /// Writes each channel's own part of a tensor of `shape`.
    private func channels(_ shape: ArraySlice<Int>, _ body: (Channel, UnsafeMutableBufferPointer<Float>) -> Void) throws -> Tensor {
        let inner = activation.shape.dropFirst(2).reduce(1, *), rows = activation.shape[0] * activation.shape[1]
        return try activation.read(Float.self) { a in
            try gradient.read(Float.self) { g in
                try Tensor.make(Array(shape), Float.self) { out in
                    let width = rows > 0 ? out.count / rows : 0
                    for row in 0..<rows {
                        let space = row * inner..<(row + 1) * inner
                        body(
                            Channel(a: UnsafeBufferPointer(rebasing: a[space]), g: UnsafeBufferPointer(rebasing: g[space])),
                            UnsafeMutableBufferPointer(rebasing: out[row * width..<(row + 1) * width]))
                    }
                }
            }
        }
    }
}

internal import Runtime
internal import Tensors

/// Normal noise on the points of a path: drawn anew in every outer iteration, and the same for all that is evaluated
/// within one, so that a line search compares like with like.
struct PathNoise {
    private let layout: ImageLayout
    private let sigma: [Float]
    /// Noise to use in place of random numbers, taken in turn: K x channels x height x width.
    private let given: Tensor?
    private let seed: UInt64
    private let image: Int
    /// Points of an iteration.
    private let points: Int
    /// How many points' noise is kept for the further evaluations of an iteration; the rest is drawn again.
    private let room: Int
    private var kept: [Int: [Float]] = [:]
    private var iteration = -1

    init(_ settings: Settings, _ request: Request, image: Int, layout: ImageLayout, scale: [Double], points: Int) throws {
        let noise = try settings.real("noise", or: 0.2)
        self.layout = layout
        self.image = image
        self.points = points
        seed = request.seed
        sigma = scale.map { Float(noise * $0) }
        given = try settings.tensor("noise_samples").map { try PathNoise.planes($0, layout) }
        room = request.memory / 8 / max(1, layout.channels * layout.pixels * 4)
    }

    /// False: the points have no noise.
    var isSome: Bool { given != nil || sigma.contains { $0 != 0 } }

    private static func planes(_ samples: Tensor, _ layout: ImageLayout) throws -> Tensor {
        guard samples.shape.count == 4, samples.shape[0] > 0, Array(samples.shape.dropFirst()) == layout.shape else {
            throw Failure.shape("option 'noise_samples' is \(Shape.text(samples.shape)), expected K x \(Shape.text(layout.shape))")
        }
        return try layout.planes(samples)
    }

    /// Noise of some points of an iteration, one behind the other, channels first.
    mutating func planes(iteration: Int, points chosen: [Int]) throws -> Tensor {
        if iteration != self.iteration {
            kept.removeAll(keepingCapacity: true)
            self.iteration = iteration
        }
        let size = layout.channels * layout.pixels
        return try Tensor.make([chosen.count, layout.channels, layout.height, layout.width], Float.self) { out in
            for (row, point) in chosen.enumerated() {
                let to = UnsafeMutableBufferPointer(rebasing: out[(row * size)..<((row + 1) * size)])
                if let known = kept[point] {
                    _ = to.update(fromContentsOf: known)
                    continue
                }
                try draw(point, into: to)
                if kept.count < room { kept[point] = Array(to) }
            }
        }
    }

    private func draw(_ point: Int, into to: UnsafeMutableBufferPointer<Float>) throws {
        if let given {
            let sample = (iteration * points + point) % given.shape[0]
            return try given.read(Float.self) { for i in to.indices { to[i] = $0[sample * to.count + i] } }
        }
        Random(seed: seed, stream: UInt64(image) << 36 | UInt64(iteration) << 18 | UInt64(point)).fillNormal(to)
        for channel in 0..<layout.channels {
            for i in channel * layout.pixels..<(channel + 1) * layout.pixels { to[i] *= sigma[channel] }
        }
    }
}

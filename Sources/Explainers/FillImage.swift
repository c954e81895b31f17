internal import Glibc
internal import Imaging
internal import Runtime
internal import Tensors

/// Baselines that are made from the image that they stand in for.
struct FillImage {
    private let name: String
    private let layout: ImageLayout
    private let blur: GaussianBlur
    private let seed: UInt64

    /// `detail`: what follows the colon, as `50` or `50,51` for blur.
    init(_ name: String, _ detail: Substring, layout: ImageLayout, seed: UInt64) throws {
        self.name = name
        self.layout = layout
        self.seed = seed
        let numbers = detail.isEmpty ? [] : try Options.reals(String(detail), of: "baseline")
        guard numbers.count <= 2, numbers.allSatisfy({ $0 > 0 && $0 <= 4096 }), name == "blur" || numbers.isEmpty else {
            throw Failure.invalid("option 'baseline' is '\(name):\(detail)', expected blur, blur:SIGMA or blur:SIGMA,TAPS")
        }
        let sigma = numbers.first ?? FillImage.usualSigma(max(layout.height, layout.width))
        let taps = numbers.count == 2 ? Int(numbers[1]) : numbers.isEmpty ? Int(sigma) + 1 : 2 * Int((3 * sigma).rounded(.up)) + 1
        blur = GaussianBlur(sigma: sigma, taps: taps)
    }

    /// The strength that I-GOS uses for an image of that many pixels across; taps are one more.
    private static func usualSigma(_ size: Int) -> Double { size < 500 ? 50 : size < 800 ? 150 : 200 }

    func filled(_ x: Tensor) throws -> Tensor {
        let planes = try layout.planes(x)
        return try layout.images(try fill(planes), x.type)
    }

    private func fill(_ planes: Tensor) throws -> Tensor {
        switch name {
        case "blur": return try blur(planes)
        case "inpaint":
            throw Failure.invalid("option 'baseline': inpaint fills the regions that a method removes; this method needs one whole image")
        default: break
        }
        return try planes.read(Float.self) { x in
            try Tensor.make(planes.shape, Float.self) { out in
                for plane in 0..<(planes.count / layout.pixels) {
                    let range = plane * layout.pixels..<(plane + 1) * layout.pixels
                    let part = UnsafeBufferPointer(rebasing: x[range])
                    let to = UnsafeMutableBufferPointer(rebasing: out[range])
                    switch name {
                    case "min": to.update(repeating: part.min() ?? 0)
                    case "noise":
                        let (mean, deviation) = FillImage.statistics(part)
                        Random(seed: seed, stream: UInt64(plane % layout.channels) | 1 << 40).fillNormal(to)
                        for i in to.indices { to[i] = Float(mean) + Float(deviation) * to[i] }
                    default: to.update(repeating: Float(FillImage.statistics(part).mean))
                    }
                }
            }
        }
    }

    private static func statistics(_ values: UnsafeBufferPointer<Float>) -> (mean: Double, deviation: Double) {
        let count = Double(max(1, values.count))
        let mean = values.reduce(0.0) { $0 + Double($1) } / count
        return (mean, sqrt(values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count))
    }
}

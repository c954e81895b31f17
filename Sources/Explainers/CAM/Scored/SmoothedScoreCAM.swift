internal import Imaging
internal import Runtime
internal import Tensors

/// SS-CAM: Score-CAM whose channel scores are means over masks with Gaussian noise, `f(x * (H_k + d))`, `d ~ N(0, sigma^2)`.
/// Wang, Naidu, Michael & Kundu 2020, "SS-CAM: smoothed Score-CAM for sharper visual feature localization", equation 6
/// (noise on the input mask).
struct SmoothedScoreCAM: Explainer {
    static let method = Method(
        "ss-cam", family: "cam", summary: "Score-CAM with each channel's score averaged over noisy masks.",
        reference: "Wang, Naidu, Michael, Kundu: SS-CAM (2020)", needs: [.layer],
        parameters: [
            Parameter("n_samples", .integer(1...1_000_000), default: "35", "noisy masks of each channel (35 in the paper and torch-cam)"),
            Parameter(
                "noise", .real(0...Double.infinity), default: "2", "standard deviation of the noise on masks between 0 and 1 (torch-cam: 2)"
            ),
            Parameter(
                "noise_samples", .tensor, "noise to add in place of random numbers: n_samples x channels x input height x width"),
            ScoredChannels.mode,
        ] + ScoredChannels.common)

    private let channels: ScoredChannels
    private let sigma: Float
    private let given: Tensor?

    init(_ settings: Settings) throws {
        given = try settings.tensor("noise_samples")?.converted(to: .float32).contiguous()
        if let given, given.shape.count != 4 || given.count == 0 {
            throw Failure.shape(
                "option 'noise_samples' is \(Shape.text(given.shape)), expected n_samples x channels x input height x input width")
        }
        var recipe = try ScoredChannels.Recipe(settings)
        recipe.views = try given?.shape[0] ?? settings.integer("n_samples", or: 35)
        sigma = Float(try settings.real("noise", or: 2))
        channels = ScoredChannels(settings, recipe)
    }

    func explain(_ request: Request) throws -> Findings {
        var noise = [Float]()
        return try channels.explain(request) { place, mask in
            if let given {
                try add(given, place, mask)
                return
            }
            if noise.count != mask.count { noise = [Float](repeating: 0, count: mask.count) }
            // A stream of its own for each mask, so that neither batch size nor other images change it.
            let stream = UInt64(place.channel) << 20 ^ UInt64(place.view)
            noise.withUnsafeMutableBufferPointer { noise in
                Random(seed: request.seed, stream: stream).fillNormal(noise)
                for i in mask.indices { mask[i] += sigma * noise[i] }
            }
        }
    }

    func work(_ request: Request) throws -> [Work] { try channels.work(request) }

    private func add(_ given: Tensor, _ place: ScoredChannels.Place, _ mask: UnsafeMutableBufferPointer<Float>) throws {
        guard given.shape[1] == place.channels, given.shape[2] * given.shape[3] == mask.count else {
            throw Failure.shape(
                "option 'noise_samples' is \(Shape.text(given.shape)), the layer has \(place.channels) channels and the input \(mask.count) pixels"
            )
        }
        try given.read(Float.self) { noise in
            let start = (place.view * place.channels + place.channel) * mask.count
            for i in mask.indices { mask[i] += noise[start + i] }
        }
    }
}

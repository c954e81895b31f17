internal import Imaging
internal import Runtime
internal import Tensors

/// Integrated gradients along a path of blurs: `BlurIG_i = -sum_s (sigma_{s+1} - sigma_s) dL_i/dsigma dF(L(sigma_s))/dL_i`,
/// where `L(sigma)` is the image behind a Gaussian, from the image itself to `max_sigma`.
/// Xu, Venugopalan & Sundararajan 2020, "Attribution in scale and space", equation 5 and section 3.
struct BlurIG: GradientMethod {
    static let method = Method(
        "blur-ig", family: "gradient", summary: "Integrated gradients from a blurred image to the image; no baseline colour enters.",
        reference: "Xu, Venugopalan, Sundararajan: Attribution in Scale and Space (2020)", needs: [.gradient],
        parameters: [
            Parameter("n_steps", .integer(1...100_000), default: "100", "blurs on the path (as in PAIR's saliency)"),
            Parameter("max_sigma", .real(1e-3...4096), default: "50", "the strongest blur, in pixels (as in PAIR's saliency)"),
            Parameter("grad_step", .real(1e-6...1), default: "0.01", "step of the difference that stands for dL/dsigma"),
            Parameter("sqrt", .boolean, default: "false", "blurs spaced as square roots, closer together where they are strong"),
            ImageLayout.parameter,
        ])

    static let takesLayer = false

    private let settings: Settings
    private let sigmas: [Double]
    private let step: Double

    init(_ settings: Settings) throws {
        self.settings = settings
        let count = try settings.integer("n_steps", or: 100), most = try settings.real("max_sigma", or: 50)
        let isRoot = try settings.flag("sqrt")
        step = try settings.real("grad_step", or: 0.01)
        sigmas = (0...count).map {
            let share = Double($0) * most / Double(count)
            return isRoot ? share.squareRoot() : share
        }
    }

    func explain(_ request: Request) throws -> Findings {
        let x = try request.x, layout = try ImageLayout(request, settings)
        let target = try request.scoredTarget()
        var maps: [Tensor] = [], gaps: [Float] = []
        for image in 0..<request.images {
            let one = try x.sliced(0, image..<(image + 1))
            let map = try integrate(request, image, try layout.planes(one).doubles(), one, layout, target)
            let planes = try blurred(layout.planes(one).doubles(), sigmas.last ?? 0, layout)
            let start = try layout.images(Tensor(planes.map { Float($0) }, [1, layout.channels, layout.height, layout.width]), x.type)
            let baseline = try request.evaluate(image: image, start, target: target).scores.first ?? 0
            gaps.append(Float((try Maps.sums(map).first ?? 0) - (request.scores[image] - baseline)))
            maps.append(map)
        }
        var findings = Findings(map: try Maps.stack(maps))
        findings.tensors["completeness_gaps"] = try Tensor(gaps)
        findings.numbers["completeness_gap"] = Double(gaps.max { abs($0) < abs($1) } ?? 0)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let steps = sigmas.count - 1
        return try [request.work()] + request.work(versions: steps, chunk: request.chunk(of: steps), gradient: true)
            + request.work(versions: 1, chunk: 1, gradient: false)
    }

    /// One image; sums in double, memory does not grow with the steps.
    private func integrate(
        _ request: Request, _ image: Int, _ planes: [Double], _ x: Tensor, _ layout: ImageLayout, _ target: Target
    ) throws -> Tensor {
        let steps = sigmas.count - 1, size = planes.count, chunk = try request.chunk(of: steps)
        var sum = [Double](repeating: 0, count: size)
        for first in stride(from: 0, to: steps, by: chunk) {
            let range = first..<min(first + chunk, steps)
            try request.control.begin(
                "gradients on the path of blurs", image * steps + range.lowerBound, to: image * steps + range.upperBound,
                of: steps * request.images)
            var blurs: [Float] = [], slopes: [Double] = []
            for index in range {
                try request.control.poll(0)
                let here = try blurred(planes, sigmas[index], layout), next = try blurred(planes, sigmas[index] + step, layout)
                blurs += here.map { Float($0) }
                let share = (sigmas[index + 1] - sigmas[index]) / step
                slopes += zip(next, here).map { share * ($0 - $1) }
            }
            let versions = try Tensor(blurs, [range.count, layout.channels, layout.height, layout.width])
            let gradient = try request.evaluate(
                image: image, layout.images(versions, x.type), target: target, gradient: true
            ).gradient(request.input)
            try layout.planes(gradient).read(Float.self) { g in
                for i in 0..<range.count * size { sum[i % size] -= slopes[i] * Double(g[i]) }
            }
        }
        let dense = try Tensor(sum.map { Float($0) }, [1, layout.channels, layout.height, layout.width])
        return try layout.images(dense, .float32)
    }

    /// The image behind a Gaussian; beyond its edges are zeros, as in PAIR's saliency.
    private func blurred(_ planes: [Double], _ sigma: Double, _ layout: ImageLayout) throws -> [Double] {
        try GaussianFilter(sigma: sigma, border: .zero)(planes, height: layout.height, width: layout.width)
    }
}

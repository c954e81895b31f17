internal import Runtime
internal import Tensors

/// Grad-CAM: `L = ReLU(sum_k a_k A_k)` with `a_k` the mean over space of `dS/dA_k`.
/// Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
struct GradCAM: Explainer {
    static let method = Method(
        "grad-cam", family: "cam", summary: "A layer's channels weighted by the mean gradient of the score.",
        reference: "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM (2017)", needs: [.gradient, .layer],
        parameters: [
            Parameter(
                "layer", .value,
                "one layer, or several separated by commas (their normalised maps are averaged); default: what the network pools, or what enters its last attention block"
            ),
            Parameter(
                "negative", .boolean, default: "false", "weights of -dS/dA: what speaks against the target (section 3.3 of the paper)"),
        ] + LayerLayout.parameters + CAMPipeline.finishing)

    private let pipeline: CAMPipeline
    private let isNegative: Bool

    init(_ settings: Settings) throws {
        pipeline = CAMPipeline(settings)
        isNegative = try settings.flag("negative")
    }

    func explain(_ request: Request) throws -> Findings {
        let layers = try pipeline.layers(request)
        let outcome = try request.evaluate(wanted: layers, gradients: layers)
        var maps: [Tensor] = [], layouts: [String] = []
        for layer in layers {
            let activation = try outcome.value(layer)
            let layout = try pipeline.layout(layer, activation, request)
            layouts.append(layout.text)
            let weights = try GradCAM.meanOverSpace(try layout.canonical(try outcome.gradient(layer)), sign: isNegative ? -1 : 1)
            maps.append(try CAMPipeline.combine(try layout.canonical(activation), weights: weights))
        }
        var findings = Findings(map: try pipeline.finish(maps, request))
        findings.chosen["layer"] = .string(layers.joined(separator: ","))
        findings.chosen["layout"] = .string(layouts.joined(separator: "; "))
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let layers = try pipeline.layers(request)
        return [request.work(wanted: layers, gradients: layers)]
    }

    /// Equation 1: images x channels.
    private static func meanOverSpace(_ gradient: Tensor, sign: Double) throws -> Tensor {
        let inner = gradient.shape.dropFirst(2).reduce(1, *)
        return try gradient.read(Float.self) { g in
            try Tensor.make(Array(gradient.shape.prefix(2)), Float.self) { out in
                for row in out.indices {
                    var sum = 0.0
                    for i in 0..<inner { sum += Double(g[row * inner + i]) }
                    out[row] = Float(sign * sum / Double(max(inner, 1)))
                }
            }
        }
    }
}

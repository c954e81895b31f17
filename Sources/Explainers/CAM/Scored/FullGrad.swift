internal import Graphs
internal import Imaging
internal import Runtime
internal import Tensors

/// FullGrad: a score is the sum of `x * dS/dx` and of `b * dS/db` over the network's biases; the map adds up the images of
/// the input's part and of each spatial bias, `L = P(x * g) + sum_l sum_c P(b_lc * g_lc)`, `P` absolute values scaled to
/// [0, 1] and enlarged. Srinivas & Fleuret 2019, "Full-gradient representation", equations 4 and 8. The decomposition is
/// exact for networks of linear layers, rectifiers, max-pools and batch normalisations; `completeness_gap` is what it misses.
struct FullGrad: Explainer {
    static let method = Method(
        "full-grad", family: "cam", summary: "Gradient parts of the input and of every bias, added up.",
        reference: "Srinivas, Fleuret: Full-Gradient Representation for Neural Network Visualization (2019)", needs: [.gradient],
        parameters: [
            Parameter(
                "variant", .choice(["full", "simple"]), default: "full",
                "simple: Simple FullGrad, where every bias counts as 1 and no completeness holds"),
            Parameter(
                "scale", .choice(["layer", "channel"]), default: "layer",
                "what is scaled to [0, 1] before it is added: all channels of a layer together (official) or each one (pytorch-grad-cam)"),
            Parameter(
                "interp", .choice(Interpolation.allCases.map(\.rawValue)), default: "align_corners",
                "how a layer is enlarged to the input (official: align_corners, pytorch-grad-cam: half_pixel)"),
            Parameter(
                "epsilon", .real(0...1), default: "1e-6",
                "added to the largest value when scaling (official: 1e-6, pytorch-grad-cam: 1e-7); it dims layers of small gradients"),
            Parameter("normalize", .boolean, default: "false", "each image's map to [0, 1]"),
        ])

    private let settings: Settings
    private let isSimple: Bool
    private let scalesChannels: Bool
    private let interp: Interpolation
    private let epsilon: Float

    init(_ settings: Settings) throws {
        self.settings = settings
        isSimple = try settings.choice("variant") == "simple"
        scalesChannels = try settings.choice("scale") == "channel"
        interp = try Interpolation(rawValue: settings.choice("interp")) ?? .alignCorners
        epsilon = Float(try settings.real("epsilon", or: 1e-6))
    }

    func explain(_ request: Request) throws -> Findings {
        let layout = try ImageLayout(request)
        let terms = try terms(request)
        guard terms.contains(where: \.isSpatial) else {
            throw Failure.unsupported(
                "no convolution or batch normalisation with a bias leads to the score; input-x-gradient shows the input's part, which is all there is"
            )
        }
        var maps: [Tensor] = [], gaps: [Float] = []
        try request.evaluateInParts("gradients", gradients: [request.input] + outputs(terms)) { range, outcome in
            let x = try request.x.sliced(0, range)
            let input = try Maps.zip(x.contiguous(), outcome.gradient(request.input)) { $0 * $1 }
            var map = try enlarged(layout.planes(input), layout)
            var totals = try Maps.sums(input)
            for term in terms {
                let gradient = try outcome.gradient(term.output).converted(to: .float32).contiguous()
                let part = try isSimple ? gradient : Maps.zip(gradient, term.bias.broadcast(to: gradient.shape).contiguous()) { $0 * $1 }
                for (image, sum) in try Maps.sums(part).enumerated() where image < totals.count { totals[image] += sum }
                if term.isSpatial { map = try Maps.zip(map, enlarged(part, layout)) { $0 + $1 } }
            }
            maps.append(map)
            gaps += zip(totals, request.scores[range]).map { Float($1 - $0) }
        }
        var findings = Findings(map: try CAMPipeline(settings).finish([Tensor.joined(maps)], request))
        findings.data = .object(["biases": .array(terms.filter(\.isSpatial).map { .string($0.output) })])
        if !isSimple {
            findings.tensors["completeness_gaps"] = try Tensor(gaps)
            findings.numbers["completeness_gap"] = Double(gaps.max { abs($0) < abs($1) } ?? 0)
            findings.warnings += warnings(gaps, request.scores)
        }
        return findings
    }

    private func warnings(_ gaps: [Float], _ scores: [Double]) -> [String] {
        guard let worst = zip(gaps, scores).first(where: { abs(Double($0)) > 0.1 * abs($1) }) else { return [] }
        return [
            "the parts miss \(worst.0) of the score \(worst.1): the network has activations or normalisations with parts of their own, which the map does not show (see completeness_gaps)"
        ]
    }

    func work(_ request: Request) throws -> [Work] {
        try request.workInParts(gradients: [request.input] + outputs(terms(request)))
    }

    /// A value may have several biases, as an Add of two constants would; its gradient is asked for once.
    private func outputs(_ terms: [BiasTerm]) -> [String] { terms.map(\.output) }

    private func terms(_ request: Request) throws -> [BiasTerm] {
        let found = try BiasTerms(request.model.outline).found(before: CAMPipeline.output(request))
        return isSimple ? found.filter(\.isSpatial) : found
    }

    /// Equation 8's `P`, summed over channels: images x 1 x input height x input width.
    private func enlarged(_ part: Tensor, _ layout: ImageLayout) throws -> Tensor {
        let inner = max(1, part.shape.dropFirst(scalesChannels ? 2 : 1).reduce(1, *))
        let scaled = try part.read(Float.self) { x in
            try Tensor.make(part.shape, Float.self) { out in
                for start in stride(from: 0, to: x.count, by: inner) {
                    let range = start..<(start + inner)
                    var low = Float.infinity, high: Float = 0
                    for i in range { low = min(low, abs(x[i])); high = max(high, abs(x[i])) }
                    let scale = high > low ? 1 / (high - low + epsilon) : 0
                    for i in range { out[i] = (abs(x[i]) - low) * scale }
                }
            }
        }
        // Enlarging is linear, and so one plane is enlarged in place of many.
        return try upsample(Maps.reduceChannels(scaled, "sum"), height: layout.height, width: layout.width, interp)
    }
}

internal import Graphs
internal import Imaging
internal import Runtime
internal import Tensors

/// Guided Grad-CAM: guided backpropagation times the enlarged Grad-CAM, fine detail within the region of the class.
/// Selvaraju et al. 2017, "Grad-CAM", section 3.2.
struct GuidedGradCAM: Explainer {
    static let method = Method(
        "guided-grad-cam", family: "cam", summary: "Guided backpropagation where Grad-CAM is positive.",
        reference: "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM (2017)", needs: [.gradient, .layer],
        parameters: [
            Parameter("layer", .value, "layer of Grad-CAM; default: what the network pools, or what enters its last attention block"),
            Parameter(
                "interp", .choice(Interpolation.allCases.map(\.rawValue)), default: "half_pixel",
                "how the map is enlarged (bilinear in the paper; Captum's default is nearest)"),
            Parameter(
                "apply_to", .choice(BackwardRules.Rectifiers.allCases.map(\.rawValue)), default: "rectifiers",
                "activations that get the rule of guided backpropagation: Relu alone (as in Captum), Relu and ReLU6, or every activation like them"
            ),
            .channelReduce,
        ] + LayerLayout.parameters)

    private let gradCAM: GradCAM
    private let rules: BackwardRules
    private let reduce: String

    init(_ settings: Settings) throws {
        gradCAM = try GradCAM(settings)
        rules = .guidedBackprop(BackwardRules.Rectifiers(rawValue: try settings.choice("apply_to")) ?? .rectifiers)
        reduce = try settings.choice("channel_reduce")
    }

    func explain(_ request: Request) throws -> Findings {
        let run = try self.run(request)
        var layouts: [String] = []
        let map = try CAMPipeline.rectified(Maps.joined(run.maps(layouts: &layouts, of: 2).target))
        let enlarged = try gradCAM.pipeline.resized(map, nil, request)
        let layout = try ImageLayout(request)
        try request.control.begin("guided backpropagation", 1, to: 2, of: 2)
        let gradient = try request.evaluate(gradients: [request.input], rules: rules).gradient(request.input)
        let planes = try layout.planes(gradient)
        let product = try Maps.zip(planes, enlarged.broadcast(to: planes.shape).contiguous()) { $0 * $1 }
        var findings = Findings(map: try Maps.reduceChannels(layout.images(product, .float32), reduce))
        findings.chosen["layer"] = .string(run.layers.joined(separator: ","))
        findings.chosen["layout"] = .string(layouts.joined(separator: "; "))
        return findings
    }

    func work(_ request: Request) throws -> [Work] { try run(request).work() + [request.work(gradients: [request.input], rules: rules)] }

    private func run(_ request: Request) throws -> CAMRun<GradCAM> {
        let run = try CAMRun(gradCAM, request)
        guard run.layers.count == 1 else {
            throw Failure.invalid("option 'layer' names \(run.layers.count) layers, guided-grad-cam takes one")
        }
        return run
    }
}

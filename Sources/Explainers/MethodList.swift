package import Runtime
package import Tensors

/// The methods of this library; a new one adds its line to its family.
package enum MethodList {
    package static let explainers: [any Explainer.Type] = cam + scored + attention + gradient + relevance + perturbation + mask + graph

    /// Class activation maps from activations and gradients.
    private static let cam: [any Explainer.Type] = [
        CAM.self, GradCAM.self, GradCAMPlusPlus.self, XGradCAM.self, HiResCAM.self, LayerCAM.self, GradCAMElementWise.self, EigenCAM.self,
        EigenGradCAM.self, GuidedGradCAM.self, FinerCAM.self, ShapleyCAM.self,
    ]

    /// Class activation maps whose weights come from changed images or layers.
    private static let scored: [any Explainer.Type] = [
        ScoreCAM.self, SmoothedScoreCAM.self, IntegratedScoreCAM.self, AblationCAM.self, ReciproCAM.self, FullGrad.self,
    ]

    /// Maps read off the attention of transformers.
    private static let attention: [any Explainer.Type] = [
        AttentionRollout.self, AttentionRelevance.self, LeGrad.self,
    ]

    /// Gradients of the input, at one point or along a path.
    private static let gradient: [any Explainer.Type] = [
        Extended<Saliency>.self, Extended<InputXGradient>.self, Extended<IntegratedGradients>.self, Extended<ExpectedGradients>.self,
        Extended<SmoothGrad>.self, Extended<BlurIG>.self, Extended<GuidedIG>.self, XRAI.self,
    ]

    /// Other rules on the way back.
    private static let relevance: [any Explainer.Type] = [
        Extended<Deconvolution>.self, Extended<GuidedBackprop>.self,
        Extended<LRP>.self, ExcitationBackprop.self, Extended<RectGrad>.self, Extended<DeepLIFT>.self,
    ]

    /// Parts of the input taken away or sampled.
    private static let perturbation: [any Explainer.Type] = [
        Occlusion.self, FeatureAblation.self, RISE.self, Sobol.self, HSIC.self,
    ]

    /// Masks found by optimisation.
    private static let mask: [any Explainer.Type] = [
        MeaningfulPerturbation.self, ExtremalPerturbation.self, IGOS.self, IGOSPlus.self, IGOSPlusPlus.self,
    ]

    /// Explanations that are graphs of parts.
    private static let graph: [any Explainer.Type] = [
        StructuredAttentionGraph.self
    ]

    package static func find(_ name: String) throws -> any Explainer.Type {
        if let found = explainers.first(where: { $0.method.name == name }) { return found }
        throw Failure.notFound("no method '\(name)'\(Suggestion.text(for: name, among: explainers.map { $0.method.name }))")
    }

    /// Explains by name: checks input and options, runs the method, writes the manifest.
    package static func explain(
        _ name: String, model: Model, feeds: [String: Tensor], target: Target, options: Options, control: Control
    ) throws -> Explanation {
        let type = try find(name)
        let settings = try Settings(options, type.method.parameters, of: name)
        let request = try Request(
            method: type.method, model: model, feeds: feeds, target: target, settings: settings, control: control)
        try request.checkFinite()
        // These compare parts of one image with one another, or with a blurred form of it.
        if ["cam", "attention", "mask"].contains(type.method.family) { try request.checkImagesVary() }
        do {
            let findings = try type.init(settings).explain(request)
            return try Manifest(method: type.method, request: request, settings: settings).explanation(findings)
        } catch let failure as Failure where failure.kind != .callback && failure.kind != .cancelled {
            throw advised(failure).at(name)
        }
    }

    /// Names the methods that work without gradients where a gradient does not exist.
    private static func advised(_ failure: Failure) -> Failure {
        guard failure.kind == .unsupported, failure.message.contains("has no gradient") else { return failure }
        let others = explainers.map { $0.method }.filter { !$0.needs.contains(.gradient) }.map(\.name)
        return others.isEmpty ? failure : Failure(.unsupported, "\(failure.message): \(others.joined(separator: ", "))")
    }
}

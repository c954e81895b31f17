package import Runtime
package import Tensors

/// What the registry says of a method.
package struct Method: Sendable {
    package enum Need: String, Sendable { case gradient, layer, globalPooling = "global-pooling" }

    /// As in the literature: `grad-cam`.
    package let name: String
    package let family: String
    package let summary: String
    package let reference: String
    package let needs: [Need]
    package let parameters: [Parameter]

    package init(_ name: String, family: String, summary: String, reference: String, needs: [Need], parameters: [Parameter]) {
        self.name = name
        self.family = family
        self.summary = summary
        self.reference = reference
        self.needs = needs
        self.parameters = parameters + Parameter.common
    }
}

/// Turns a model and an input into an explanation.
package protocol Explainer: Sendable {
    static var method: Method { get }
    /// Reads the options; they have passed the checks that the parameters declare.
    init(_ settings: Settings) throws
    func explain(_ request: Request) throws -> Findings
    /// The evaluations that `explain` makes at most, from which its cost is estimated.
    func work(_ request: Request) throws -> [Work]
}

/// What a method found; `Explanation` adds the account of the call.
package struct Findings: Sendable {
    /// `map` exists for every picture-making method.
    package var tensors: [String: Tensor] = [:]
    package var numbers: [String: Double] = [:]
    /// Options that the method chose itself, by parameter name.
    package var chosen: [String: JSON] = [:]
    package var warnings: [String] = []

    package init(map: Tensor) { tensors["map"] = map }
}

/// A finished explanation: what was found, and everything needed to find it again.
package struct Explanation: Sendable {
    package let tensors: [String: Tensor]
    package let numbers: [String: Double]
    /// One JSON object, described in `docs/manifest.md`.
    package let manifest: String
}

/// The methods of this library; a new one adds its line here.
package enum MethodList {
    package static let explainers: [any Explainer.Type] = [
        CAM.self, GradCAM.self,
        Saliency.self, InputXGradient.self, IntegratedGradients.self, SmoothGrad.self,
        Deconvolution.self, GuidedBackprop.self,
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
        let request = try Request(model: model, feeds: feeds, target: target, settings: settings, control: control)
        try request.checkFinite()
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

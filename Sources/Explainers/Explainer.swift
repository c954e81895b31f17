package import Runtime
package import Tensors

/// What the registry says of a method.
package struct Method: Sendable {
    package enum Need: String, Sendable { case gradient, layer, globalPooling = "global-pooling", attention }

    /// As in the literature: `grad-cam`.
    package let name: String
    package let family: String
    package let summary: String
    package let reference: String
    package let needs: [Need]
    package let parameters: [Parameter]
    /// What the paper explains: the logit, or where inputs are masked the probability. In force for a target that says `auto`.
    package let score: Target.Score

    package init(
        _ name: String, family: String, summary: String, reference: String, needs: [Need], score: Target.Score = .logit,
        parameters: [Parameter]
    ) {
        self.name = name
        self.family = family
        self.summary = summary
        self.reference = reference
        self.needs = needs
        self.parameters = parameters + Parameter.common
        self.score = score
    }

    /// Without those that every method has.
    var ownParameters: [Parameter] { Array(parameters.dropLast(Parameter.common.count)) }

    /// The same method with other parameters of its own.
    func with(_ parameters: [Parameter]) -> Method {
        Method(name, family: family, summary: summary, reference: reference, needs: needs, score: score, parameters: parameters)
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
    /// Structured results, such as a graph: `data` of the manifest.
    package var data: JSON = .null

    package init(map: Tensor) { tensors["map"] = map }
    /// For methods whose result is no map.
    package init() {}
}

/// A finished explanation: what was found, and everything needed to find it again.
package struct Explanation: Sendable {
    package let tensors: [String: Tensor]
    package let numbers: [String: Double]
    /// One JSON object, described in `docs/manifest.md`.
    package let manifest: String
    /// What it takes to explain again; nil for one that was not made here.
    package let origin: Origin?

    package init(tensors: [String: Tensor], numbers: [String: Double], manifest: String, origin: Origin? = nil) {
        self.tensors = tensors
        self.numbers = numbers
        self.manifest = manifest
        self.origin = origin
    }
}

/// The question behind an explanation: metrics that judge a method ask it again of other inputs or other weights.
package struct Origin: Sendable {
    package let method: String
    package let options: Options
    /// With the class that was best on the clean image.
    package let target: Target
    package let images: Int
}

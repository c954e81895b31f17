internal import Runtime
internal import Tensors

/// A class activation map `L = sum_k w_k A_k` that is told by its weights; layers, classes, smoothing and finishing are
/// `CAMRun`'s and `CAMPipeline`'s.
protocol WeightedCAM: Explainer {
    /// What the weights are made of besides the activation.
    static var derivatives: LayerSignal.Derivatives { get }
    /// Whether something else than the target's score is differentiated, see `objective`.
    static var hasObjective: Bool { get }
    /// Whether the default layer of a transformer is a normalisation's output: activation times gradient adds up to zero over the
    /// channels of its input, because the score does not change with their scale.
    static var readsNormalized: Bool { get }
    var pipeline: CAMPipeline { get }
    /// How the weighted channels become one map: nil adds them up.
    var component: PrincipalComponent? { get }
    /// Images x channels, or images x channels x space.
    func weights(_ layer: LayerSignal) throws -> Tensor
    /// The weights of the classes' scores in what is differentiated for class `c`, at `scores`.
    func objective(of c: Int, scores: [Double]) throws -> [Double]
}

extension WeightedCAM {
    static var derivatives: LayerSignal.Derivatives { .gradient }
    static var hasObjective: Bool { false }
    static var readsNormalized: Bool { false }
    var component: PrincipalComponent? { pipeline.smoothing }

    func objective(of c: Int, scores: [Double]) throws -> [Double] { scores.indices.map { $0 == c ? 1 : 0 } }
    func explain(_ request: Request) throws -> Findings { try CAMRun(self, request).findings() }
    func work(_ request: Request) throws -> [Work] { try CAMRun(self, request).work() }
}

extension Method {
    /// A method of this family: its own parameters, then those that all of it have.
    static func cam(
        _ name: String, _ summary: String, reference: String, needs: [Need] = [.gradient, .layer], score: Target.Score = .logit,
        layer: Parameter = CAMPipeline.layer, fusion: String = "mean", isSmoothed: Bool = true, isOfClass: Bool = true,
        _ parameters: [Parameter] = []
    ) -> Method {
        Method(
            name, family: "cam", summary: summary, reference: reference, needs: needs, score: score,
            parameters: [layer, CAMPipeline.fusion(default: fusion)] + parameters + LayerLayout.parameters
                + (isOfClass ? [CAMPipeline.classes] : []) + (isSmoothed ? [CAMPipeline.eigenSmooth] : []) + [CAMPipeline.augSmooth]
                + CAMPipeline.finishing)
    }
}

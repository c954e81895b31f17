internal import Runtime
internal import Tensors

/// Gradient-weighted attention relevance for self-attention: `A_ = mean over heads of (dS/dA * A)^+`, `R <- R + A_ R` from
/// `R = I`; the map is the row of what the score reads.
/// Chefer, Gur & Wolf 2021, "Generic attention-model explainability", equations 5 and 6.
struct AttentionRelevance: Explainer {
    static let method = Method(
        "attention-relevance", family: "attention", summary: "Attention weighted by its gradient, carried through the layers.",
        reference: "Chefer, Gur, Wolf: Generic Attention-Model Explainability (2021)", needs: [.gradient, .attention],
        parameters: AttentionFlowMethod.parameters)

    private let shared: AttentionFlowMethod

    init(_ settings: Settings) throws { shared = AttentionFlowMethod(settings) }

    func explain(_ request: Request) throws -> Findings {
        let graph = try AttentionGraph(request)
        let layers = try shared.layers(graph), names = layers.map(\.matrix)
        var rows: [[Float]] = []
        try request.evaluateInParts("attention", wanted: names, gradients: names) { range, outcome in
            rows += try shared.rows(layers, graph, outcome, images: range.count, adds: true, request) { matrices, layer, image in
                let gradient = try AttentionMatrices(outcome.gradient(layer.matrix), layer, images: range.count)
                return try matrices.fused(with: gradient, image) { max(0, $0 * $1) }
            }
        }
        return try shared.findings(rows, layers, request)
    }

    func work(_ request: Request) throws -> [Work] {
        let names = try shared.layers(AttentionGraph(request)).map(\.matrix)
        return try request.workInParts(wanted: names, gradients: names)
    }
}

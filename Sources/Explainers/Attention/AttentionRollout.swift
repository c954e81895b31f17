internal import Runtime
internal import Tensors

/// Attention rollout: `R = A^_L ... A^_1` with `A^ = (A + I) / 2`, rows scaled to sum 1 and A fused over the heads; the map
/// is the row of what the score reads. Abnar & Zuidema 2020, "Quantifying attention flow in transformers", section 3. It
/// does not depend on the class.
struct AttentionRollout: Explainer {
    static let method = Method(
        "attention-rollout", family: "attention", summary: "Attention multiplied through the layers of a transformer.",
        reference: "Abnar, Zuidema: Quantifying Attention Flow in Transformers (2020)", needs: [.attention],
        parameters: [
            Parameter(
                "head_fusion", .choice(["mean", "max", "min"]), default: "mean", "how the heads are put together (the paper: mean)"),
            Parameter(
                "discard_ratio", .real(0...0.999_999), default: "0",
                "share of the smallest entries of each matrix that are set to zero before the residual is added (0 in the paper, 0.9 in Gildenblat's implementation)"
            ),
            Parameter("residual", .boolean, default: "true", "add the identity for the path around each attention"),
        ] + AttentionFlowMethod.parameters)

    private let shared: AttentionFlowMethod
    private let fusion: String
    private let discard: Double
    private let hasResidual: Bool

    init(_ settings: Settings) throws {
        shared = AttentionFlowMethod(settings)
        fusion = try settings.choice("head_fusion")
        discard = try settings.real("discard_ratio", or: 0)
        hasResidual = try settings.flag("residual")
    }

    func explain(_ request: Request) throws -> Findings {
        let graph = try AttentionGraph(request)
        let layers = try shared.layers(graph)
        var rows: [[Float]] = []
        try request.evaluateInParts("attention", wanted: layers.map(\.matrix)) { range, outcome in
            rows += try shared.rows(layers, graph, outcome, images: range.count, adds: false, request) { matrices, _, image in
                transition(try matrices.fused(image) { fuse($0, into: &$1, heads: matrices.heads) }, matrices)
            }
        }
        return try shared.findings(rows, layers, request)
    }

    func work(_ request: Request) throws -> [Work] {
        try request.workInParts(wanted: shared.layers(AttentionGraph(request)).map(\.matrix))
    }

    private func fuse(_ a: UnsafeBufferPointer<Float>, into out: inout [Double], heads: Int) {
        let size = out.count
        for i in 0..<size { out[i] = Double(a[i]) }
        for head in 1..<max(heads, 1) {
            for i in 0..<size {
                let value = Double(a[head * size + i])
                switch fusion {
                case "max": out[i] = max(out[i], value)
                case "min": out[i] = min(out[i], value)
                default: out[i] += value
                }
            }
        }
        if fusion == "mean" { for i in 0..<size { out[i] /= Double(heads) } }
    }

    /// Discards the least entries, adds the residual, and scales the rows.
    private func transition(_ fused: [Double], _ matrices: AttentionMatrices) -> [Double] {
        var a = fused
        let dropped = Int(Double(a.count) * discard)
        if dropped > 0 {
            // The first entry, the class token's attention to itself, always stays (as in Gildenblat's implementation).
            for i in a.indices.sorted(by: { a[$0] != a[$1] ? a[$0] < a[$1] : $0 < $1 }).prefix(dropped) where i != 0 { a[i] = 0 }
        }
        let isSquare = matrices.queries == matrices.keys
        for row in 0..<matrices.queries {
            let start = row * matrices.keys
            if hasResidual, isSquare { a[start + row] += 1 }
            let sum = a[start..<(start + matrices.keys)].reduce(0, +)
            guard sum > 0 else { continue }
            for i in start..<(start + matrices.keys) { a[i] /= sum }
        }
        return a
    }
}

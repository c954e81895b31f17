internal import Runtime
internal import Tensors

/// What the attention methods share: options, the way from rows over tokens to a map, and which rows are read.
struct AttentionFlowMethod {
    static let parameters: [Parameter] =
        [
            Parameter(
                "query", .choice(["auto", "class", "mean"]), default: "auto",
                "whose attention is shown: the first token's, or the mean of all patches'; auto reads off the graph which of them the score uses"
            ),
            Parameter(
                "start_layer", .integer(0...10_000), default: "0", "the first attention that counts; those before it are left out"),
            LayerLayout.parameters[1], LayerLayout.parameters[2],
        ] + CAMPipeline.finishing

    let settings: Settings
    private let pipeline: CAMPipeline

    init(_ settings: Settings) {
        self.settings = settings
        pipeline = CAMPipeline(settings)
    }

    /// The attentions that count.
    func layers(_ graph: AttentionGraph) throws -> [AttentionGraph.Layer] {
        let start = try settings.integer("start_layer", or: 0)
        guard start < graph.layers.count else {
            throw Failure.invalid("option 'start_layer' is \(start), the network has \(graph.layers.count) attentions")
        }
        return Array(graph.layers[start...])
    }

    /// What is read of the product of the layers' matrices: one row over tokens for each image of a part. `matrix` is one
    /// layer's contribution to one image; with `adds` the identity belongs to it.
    func rows(
        _ layers: [AttentionGraph.Layer], _ graph: AttentionGraph, _ outcome: Outcome, images: Int, adds: Bool, _ request: Request,
        _ matrix: (AttentionMatrices, AttentionGraph.Layer, Int) throws -> [Double]
    ) throws -> [[Float]] {
        let matrices = try layers.map { try AttentionMatrices(outcome.value($0.matrix), $0, images: images) }
        guard let tokens = matrices.first?.keys else { throw Failure.invalid("no attention") }
        for (index, found) in matrices.enumerated() {
            // A pool that ends in one vector asks with a single query.
            let isPool = index == matrices.count - 1 && found.queries == 1
            guard found.keys == tokens, found.queries == tokens || isPool else {
                throw Failure.unsupported(
                    "attention '\(layers[index].matrix)' relates \(found.queries) to \(found.keys) tokens, the first one \(tokens): tokens are pooled or windowed in between; use grad-cam or another class activation map"
                )
            }
        }
        let layout = try LayerLayout.tokens([images, tokens, 1], request.model, settings)
        return try (0..<images).map { image in
            // From the last layer to the first a row stays a row: no product of matrices is needed.
            var row: [Double]?
            for (layer, found) in zip(layers, matrices).reversed() {
                try request.control.poll(0)
                let factor = try matrix(found, layer, image)
                if found.queries == tokens {
                    row = try AttentionFlowMethod.times(row ?? queries(graph, layout, tokens), factor, adds: adds)
                } else {
                    row = factor
                }
            }
            return try (row ?? queries(graph, layout, tokens)).map { Float($0) }
        }
    }

    /// A row times a square matrix, to which the identity is added where `adds`.
    private static func times(_ row: [Double], _ matrix: [Double], adds: Bool) -> [Double] {
        var product = adds ? row : [Double](repeating: 0, count: row.count)
        matrix.withUnsafeBufferPointer { matrix in
            product.withUnsafeMutableBufferPointer { product in
                for (query, weight) in row.enumerated() where weight != 0 {
                    for key in product.indices { product[key] += weight * matrix[query * product.count + key] }
                }
            }
        }
        return product
    }

    /// Weights over the tokens whose rows are read.
    private func queries(_ graph: AttentionGraph, _ layout: LayerLayout, _ tokens: Int) throws -> [Double] {
        guard case .tokens(let prefix, _, _) = layout else { throw Failure.invalid("no grid of tokens") }
        let choice = try settings.choice("query")
        var weights = [Double](repeating: 0, count: tokens)
        if choice == "class" || (choice == "auto" && graph.readout == .token) {
            guard prefix > 0 else {
                throw Failure.unsupported("the network has no class token; give query=mean")
            }
            weights[0] = 1
        } else {
            for token in prefix..<tokens { weights[token] = 1 / Double(tokens - prefix) }
        }
        return weights
    }

    /// Rows over tokens as maps of the patches, after the finishing steps.
    func findings(_ rows: [[Float]], _ layers: [AttentionGraph.Layer], _ request: Request) throws -> Findings {
        let tokens = rows.first?.count ?? 0
        let layout = try LayerLayout.tokens([rows.count, tokens, 1], request.model, settings)
        let map = try layout.canonical(try Tensor(rows.flatMap { $0 }, [rows.count, tokens, 1]))
        var findings = Findings(map: try pipeline.finish([map], request))
        findings.chosen["layout"] = .string(layout.text)
        findings.data = .object(["attentions": .array(layers.map { .string($0.matrix) })])
        return findings
    }
}

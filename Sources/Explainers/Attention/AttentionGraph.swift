internal import Graphs
internal import Runtime
internal import Tensors

/// The self-attentions of a transformer, read off its graph: exporters spell attention out as a Softmax whose result
/// multiplies the values, and fused operators are taken apart into the same at import.
struct AttentionGraph {
    /// One attention.
    struct Layer {
        /// The value that holds the matrices: images x heads x queries x keys, or images * heads x queries x keys.
        let matrix: String
        /// What enters the block: the residual stream in front of its normalisation; nil where none is found.
        let input: String?
        /// How many tokens enter, where the graph tells.
        let tokens: Int?
        /// Whether a single query gathers all tokens, as in an attention pool.
        let isPool: Bool
    }

    /// How the score reads the last block's tokens.
    enum Readout: Equatable {
        /// One token, the class token.
        case token
        /// All of them, averaged.
        case mean
    }

    let layers: [Layer]
    let readout: Readout
    /// The residual stream behind the last block; nil where none is found.
    let output: String?

    init(_ request: Request) throws {
        let structure = Structure(try request.model.outline)
        let score = try CAMPipeline.output(request)
        let finder = AttentionFinder(structure.graph)
        layers = finder.layers(structure.ancestors(of: score).reversed())
        guard !layers.isEmpty else {
            throw Failure.unsupported(
                "no self-attention leads to '\(structure.graph[score].name)': no Softmax whose result multiplies values; grad-cam and the other class activation maps work on convolutional networks"
            )
        }
        let end = structure.collapse(before: score)
        readout = ["Gather", "Slice", "Split"].contains(end?.node.op ?? "") ? .token : .mean
        output = (structure.pooledTokens(before: score) ?? end?.input).map { structure.graph[finder.beforeNormalization($0)].name }
    }
}

/// Walks over a graph for attentions.
private struct AttentionFinder {
    let graph: Graph
    private let producers: [Int]
    private let readers: [[Int]]

    init(_ graph: Graph) {
        self.graph = graph
        producers = graph.producers()
        readers = graph.readers()
    }

    func layers(_ nodes: [Node]) -> [AttentionGraph.Layer] {
        nodes.compactMap { node in
            guard node.op == "Softmax", let output = node.outputs.first, let output, isAlongLast(node, output),
                let matrix = matrix(from: output)
            else { return nil }
            let input = node.inputs.first.flatMap { $0 }.flatMap(streamBefore)
            return AttentionGraph.Layer(
                matrix: graph[matrix].name, input: input.map { graph[$0].name }, tokens: input.flatMap { graph[$0].type?.dims?[1].value },
                isPool: graph[matrix].type?.dims?.dropLast().last?.value == 1)
        }
    }

    private func isAlongLast(_ node: Node, _ output: ValueID) -> Bool {
        guard let rank = graph[output].type?.rank, rank == 3 || rank == 4 else { return false }
        let axis = node.attributes["axis"]?.int ?? -1
        return axis == -1 || axis == rank - 1
    }

    private static let transparent: Set<String> = [
        "Identity", "Dropout", "Cast", "Where", "QuantizeLinear", "DequantizeLinear", "FakeQuantize",
    ]
    private static let reshaping: Set<String> = ["Reshape", "Squeeze", "Unsqueeze", "Expand"]

    /// The last form of the matrices before they multiply the values; nil when they never do.
    private func matrix(from softmax: ValueID) -> ValueID? {
        var at = softmax, matrix = softmax, isReshaped = false
        for _ in 0..<16 {
            for index in readers[at.index] where ["MatMul", "Einsum"].contains(graph.nodes[index].op) {
                let inputs = graph.nodes[index].inputs
                guard inputs.count == 2, graph.nodes[index].op == "Einsum" || inputs[0] == at else { continue }
                let other = inputs[0] == at ? inputs[1] : inputs[0]
                if let other, graph[other].constant == nil { return matrix }
            }
            let next = readers[at.index].map { graph.nodes[$0] }.first {
                AttentionFinder.transparent.contains($0.op) || AttentionFinder.reshaping.contains($0.op)
            }
            guard let next, let output = next.outputs.first, let output else { return nil }
            isReshaped = isReshaped || AttentionFinder.reshaping.contains(next.op)
            at = output
            if !isReshaped { matrix = at }
        }
        return nil
    }

    /// What enters the normalisation in front of the scores: the nearest LayerNormalization behind them.
    private func streamBefore(_ scores: ValueID) -> ValueID? {
        Structure(graph).ancestors(of: scores).first { isTokenNormalization($0) }?.inputs.first.flatMap { $0 }
    }

    /// A normalisation of whole tokens (rank 3), not of the heads' queries and keys (rank 4).
    private func isTokenNormalization(_ node: Node) -> Bool {
        guard ["LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"].contains(node.op), let input = node.inputs.first,
            let input
        else { return false }
        return graph[input].type?.rank == 3
    }

    /// The residual stream in front of the final normalisation, where there is one, with the tokens that a head leaves out.
    func beforeNormalization(_ value: ValueID) -> ValueID {
        var at = value
        for _ in 0..<8 {
            guard producers[at.index] >= 0 else { break }
            let producer = graph.nodes[producers[at.index]]
            guard isTokenNormalization(producer) || ["Slice", "Identity", "Cast"].contains(producer.op), let input = producer.inputs.first,
                let input, graph[input].type?.rank == 3
            else { break }
            at = input
        }
        return at
    }
}

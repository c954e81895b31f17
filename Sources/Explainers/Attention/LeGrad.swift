internal import Graphs
internal import Runtime
internal import Tensors

/// LeGrad: `E = mean over layers l, heads and queries of (ds_l / dA_l)^+`, where `s_l` is the score that the network's head
/// gives to the tokens behind block l. Bousselham, Boggust, Chaybouti, Strobelt & Kuehne 2024, "LeGrad: an explainability
/// method for vision transformers via feature formation sensitivity", equations 6 to 10.
struct LeGrad: Explainer {
    static let method = Method(
        "legrad", family: "attention", summary: "Sensitivity of each block's score to its attention, averaged over blocks.",
        reference: "Bousselham, Boggust, Chaybouti, Strobelt, Kuehne: LeGrad (2024)", needs: [.gradient, .attention],
        parameters: [
            Parameter(
                "pool", .choice(["mean", "head"]), default: "mean",
                "what the head reads of a block: the mean of its tokens (official code, torch-cam), or head: what it reads of the last block"
            ),
            Parameter("start_layer", .integer(0...10_000), default: "0", "the first block that counts; those before it are left out"),
            LayerLayout.parameters[1], LayerLayout.parameters[2],
        ] + CAMPipeline.finishing)

    private let shared: AttentionFlowMethod
    private let takesMean: Bool

    init(_ settings: Settings) throws {
        shared = AttentionFlowMethod(settings)
        takesMean = try settings.choice("pool") == "mean"
    }

    func explain(_ request: Request) throws -> Findings {
        let blocks = try Blocks(request, shared)
        let target = try request.scoredTarget()
        var rows: [[Float]] = []
        for range in try request.parts() {
            var sums: [[Double]] = []
            let streams = try request.ask(
                Evaluation(request.feeds(images: range), wanted: blocks.streams, batch: request.batchSize, memory: request.memory))
            try checkTokens(streams, blocks, range.count)
            for (index, block) in blocks.list.enumerated() {
                try request.control.begin(
                    "blocks", range.lowerBound * blocks.list.count + index * range.count,
                    to: range.lowerBound * blocks.list.count + (index + 1) * range.count, of: request.images * blocks.list.count)
                let stream = try streams.value(block.output)
                let seed = try headGradient(stream, blocks, request.target(target, ofImages: range), request, range)
                let inner = Target(.weights(seed), score: .output, output: block.output)
                var feeds = try request.feeds(images: range)
                feeds[block.input] = try streams.value(block.input)
                let outcome = try request.ask(
                    Evaluation(feeds, target: inner, gradients: [block.layer.matrix], batch: request.batchSize, memory: request.memory))
                let gradient = try AttentionMatrices(outcome.gradient(block.layer.matrix), block.layer, images: range.count)
                try add(gradient, block.layer.matrix, range.count, &sums)
            }
            rows += sums.map { $0.map { Float($0 / Double(blocks.list.count)) } }
        }
        return try shared.findings(rows, blocks.layers, request)
    }

    func work(_ request: Request) throws -> [Work] {
        let blocks = try Blocks(request, shared)
        var result = [request.work()]
        for range in try request.parts() {
            let feeds = try request.feeds(images: range)
            result.append(Work(Evaluation(feeds, wanted: blocks.streams, batch: request.batchSize, memory: request.memory)))
            for block in blocks.list {
                let stream = try Tensor.placeholder(.float32, request.model.shape(of: block.output, feeds))
                result.append(
                    Work(
                        try head(
                            stream, blocks, Target(.index(0), score: request.target.score, output: request.target.output), request, range)))
                var inner = feeds
                inner[block.input] = stream
                result.append(
                    Work(
                        Evaluation(
                            inner, target: Target(.weights(stream), score: .output, output: block.output), gradients: [block.layer.matrix],
                            batch: request.batchSize, memory: request.memory)))
            }
        }
        return result
    }

    /// Every block must carry the same tokens, for the head reads any of them.
    private func checkTokens(_ streams: Outcome, _ blocks: Blocks, _ images: Int) throws {
        let expected = try streams.value(blocks.last).shape
        for name in blocks.streams {
            let shape = try streams.value(name).shape
            guard shape.count == 3, shape[0] == images, shape == expected else {
                throw Failure.unsupported(
                    "'\(name)' between two blocks is \(Shape.text(shape)), what the head reads is \(Shape.text(expected)): LeGrad needs the same tokens throughout (no windows, no tokens added on the way); use attention-relevance, grad-cam or another class activation map"
                )
            }
        }
    }

    /// The network's own head, on other tokens than the last block's; it may read sizes off the input.
    private func head(_ tokens: Tensor, _ blocks: Blocks, _ target: Target, _ request: Request, _ range: Range<Int>) throws -> Evaluation {
        Evaluation(
            try request.feeds(images: range).merging([blocks.last: tokens]) { $1 }, target: target, gradients: [blocks.last],
            batch: request.batchSize, memory: request.memory)
    }

    /// `ds_l` over the tokens behind a block. Where the mean counts, every token is the mean, so that any head reads it.
    private func headGradient(_ stream: Tensor, _ blocks: Blocks, _ target: Target, _ request: Request, _ range: Range<Int>) throws
        -> Tensor
    {
        guard takesMean else { return try request.ask(head(stream, blocks, target, request, range)).gradient(blocks.last) }
        let mean = try LeGrad.overTokens(stream.converted(to: .float32).contiguous(), scale: 1 / Double(max(1, stream.shape[1])))
        let gradient = try request.ask(head(mean.converted(to: stream.type), blocks, target, request, range)).gradient(blocks.last)
        let total = try LeGrad.overTokens(gradient.converted(to: .float32).contiguous(), scale: 1 / Double(max(1, stream.shape[1])))
        return try total.converted(to: stream.type)
    }

    /// The sum over tokens times `scale`, at every token.
    private static func overTokens(_ a: Tensor, scale: Double) throws -> Tensor {
        let tokens = a.shape[1], width = a.shape[2]
        return try a.read(Float.self) { a in
            try Tensor.make([a.count / max(1, tokens * width), tokens, width], Float.self) { out in
                for start in stride(from: 0, to: a.count, by: max(1, tokens * width)) {
                    for i in 0..<width {
                        var sum = 0.0
                        for token in 0..<tokens { sum += Double(a[start + token * width + i]) }
                        for token in 0..<tokens { out[start + token * width + i] = Float(sum * scale) }
                    }
                }
            }
        }
    }

    /// Mean over heads and queries of the positive part, for each key.
    private func add(_ gradient: AttentionMatrices, _ name: String, _ images: Int, _ sums: inout [[Double]]) throws {
        guard gradient.queries == gradient.keys, sums.first.map({ $0.count == gradient.keys }) ?? true else {
            throw Failure.unsupported(
                "attention '\(name)' relates \(gradient.queries) to \(gradient.keys) tokens: LeGrad needs self-attention over the same tokens in every block; use grad-cam or another class activation map"
            )
        }
        if sums.isEmpty { sums = [[Double]](repeating: [Double](repeating: 0, count: gradient.keys), count: images) }
        for image in 0..<images {
            let positive = try gradient.fused(image) { g, out in
                for i in g.indices { out[i % out.count] += Double(max(0, g[i])) }
            }
            for i in positive.indices { sums[image][i % gradient.keys] += positive[i] / Double(gradient.heads * gradient.queries) }
        }
    }
}

/// The blocks of a transformer by the residual streams between them.
private struct Blocks {
    struct Block {
        let layer: AttentionGraph.Layer
        let input: String
        let output: String
    }

    let list: [Block]
    let layers: [AttentionGraph.Layer]
    /// What the head reads.
    let last: String

    /// Every stream once.
    var streams: [String] { list.map(\.input) + [last] }

    init(_ request: Request, _ shared: AttentionFlowMethod) throws {
        let graph = try AttentionGraph(request)
        let counted = try shared.layers(graph).filter { !$0.isPool }
        guard let last = graph.output, !counted.isEmpty, counted.allSatisfy({ $0.input != nil }) else {
            throw Failure.unsupported(
                "the residual streams between the blocks cannot be read off the graph (no LayerNormalization in front of each attention, as in Swin's windows); use attention-relevance, grad-cam or another class activation map"
            )
        }
        let layers = counted, inputs = layers.compactMap(\.input)
        guard Set(inputs + [last]).count == inputs.count + 1 else {
            throw Failure.unsupported("two attentions read the same residual stream; attention-relevance works on such blocks")
        }
        self.last = last
        self.layers = layers
        list = layers.indices.map { index in
            Block(layer: layers[index], input: inputs[index], output: index + 1 < inputs.count ? inputs[index + 1] : last)
        }
    }
}

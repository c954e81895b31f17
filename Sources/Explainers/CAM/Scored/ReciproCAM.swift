internal import Graphs
internal import Runtime
internal import Tensors

/// Recipro-CAM: the map at a position is the score of the network behind the layer when nothing but that position's features
/// is left of the layer. Byun & Lee 2022, "Recipro-CAM: fast gradient-free visual explanations for convolutional neural
/// networks", section 3; on tokens ViT-Recipro-CAM (Byun & Lee 2023): the class token stays, and the block's normalised
/// features are masked with those that its residual path carries.
struct ReciproCAM: Explainer {
    static let method = Method(
        "recipro-cam", family: "cam", summary: "Score of each position's features alone; on tokens ViT-Recipro-CAM.",
        reference: "Byun, Lee: Recipro-CAM (2022); ViT-ReciproCAM (2023)", needs: [.layer], score: .probability,
        parameters: [
            CAMPipeline.layer, CAMPipeline.fusion(default: "mean"),
            Parameter(
                "kernel", .choice(["point", "gaussian", "spread"]),
                "point: one position; gaussian: it and its 3 x 3 neighbours, weighted by a Gaussian; spread: its features written over the neighbours with those weights (official Gaussian variant for maps); default: point on maps, gaussian on tokens"
            ),
            Parameter(
                "class_token", .boolean, default: "true", "with tokens: prefix tokens stay as they are; false: they are removed too"),
        ] + LayerLayout.parameters + ScoredClasses.parameters + CAMPipeline.finishing)

    private let settings: Settings
    private let pipeline: CAMPipeline
    private let keepsPrefix: Bool

    init(_ settings: Settings) throws {
        self.settings = settings
        pipeline = CAMPipeline(settings)
        keepsPrefix = try settings.flag("class_token")
    }

    func explain(_ request: Request) throws -> Findings {
        let layers = try pipeline.layers(request)
        let besides = try layers.map { try normalized($0, request) }
        let outcome = try request.evaluate(wanted: layers + besides.compactMap { $0 })
        let target = try request.scoredTarget(), classes = try ScoredClasses(settings, target)
        var maps: [ScoredMaps] = [], layouts: [String] = [], kernels: [String] = []
        for (layer, norm) in zip(layers, besides) {
            let activation = try outcome.value(layer)
            let layout = try pipeline.layout(layer, activation, request)
            let kernel = try kernel(for: layout)
            layouts.append(layout.text)
            kernels.append(kernel)
            let mosaic = try Mosaic(activation.shape, layout, kernel: kernel, keepsPrefix: keepsPrefix, layer: layer)
            var values = [(layer, activation)]
            if let norm, case .tokens = layout { values.append((norm, try outcome.value(norm))) }
            maps.append(try self.maps(values, mosaic, target, classes, request))
        }
        var findings = try pipeline.findings(maps, request)
        findings.chosen["layer"] = .string(layers.joined(separator: ","))
        findings.chosen["layout"] = .string(layouts.joined(separator: "; "))
        findings.chosen["kernel"] = .string(kernels.joined(separator: "; "))
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let layers = try pipeline.layers(request)
        let besides = try layers.map { try normalized($0, request) }
        var result = [request.work(wanted: layers + besides.compactMap { $0 })]
        for (layer, norm) in zip(layers, besides) {
            let shape = try request.model.shape(of: layer, request.feeds)
            let layout = try pipeline.layout(layer, Tensor.placeholder(.float32, shape), request)
            let mosaic = try Mosaic(shape, layout, kernel: "point", keepsPrefix: true, layer: layer)
            var beside: [String] = []
            if let norm, case .tokens = layout { beside = [norm] }
            result += try Tail(request, after: layer).work(
                versions: mosaic.count, chunk: request.chunk(of: mosaic.count), activation: shape, beside: beside)
        }
        return result
    }

    private func kernel(for layout: LayerLayout) throws -> String {
        let given = try settings.choice("kernel")
        guard given.isEmpty else { return given }
        if case .tokens = layout { return "gaussian" }
        return "point"
    }

    /// What a LayerNormalization makes of the layer: behind it a mask's weights would be lost.
    private func normalized(_ layer: String, _ request: Request) throws -> String? {
        let graph = try request.model.outline
        guard let id = graph.id(of: layer) else { return nil }
        let reader = graph.nodes.first { $0.op == "LayerNormalization" && $0.inputs.first == id }
        return reader?.outputs.first.flatMap { $0 }.map { graph[$0].name }
    }

    /// `values`: the layer first.
    private func maps(
        _ values: [(name: String, activation: Tensor)], _ mosaic: Mosaic, _ target: Target, _ classes: ScoredClasses, _ request: Request
    ) throws -> ScoredMaps {
        guard let layer = values.first else { throw Failure.invalid("no layer") }
        let tail = try Tail(request, after: layer.name)
        let images = request.images, size = try request.chunk(of: mosaic.count)
        /// Of every position of every image, a score for each class.
        var scores: [[Double]] = []
        for image in 0..<images {
            for start in stride(from: 0, to: mosaic.count, by: size) {
                let range = start..<min(start + size, mosaic.count)
                try request.control.begin(
                    "positions", image * mosaic.count + start, to: image * mosaic.count + range.upperBound, of: images * mosaic.count)
                let versions = try values.map { try mosaic.versions(of: $0.activation.sliced(0, image..<(image + 1)), range) }
                let beside = Dictionary(zip(values, versions).dropFirst().map { ($0.name, $1) }, uniquingKeysWith: { first, _ in first })
                scores += try classes.rows(
                    tail.evaluate(
                        image: image, versions[0], beside: beside, target: target, wantsEveryScore: classes.wantsEveryScore))
            }
        }
        return try (0..<(scores.first?.count ?? 0)).map { slot in
            try Tensor(scores.map { Float($0[slot]) }, [images, 1, mosaic.height, mosaic.width])
        }
    }
}

/// Versions of a layer's activation of which one position is left.
private struct Mosaic {
    let height: Int
    let width: Int
    private let cells: LayerCells
    private let kernel: String
    private let keepsPrefix: Bool
    var count: Int { height * width }

    init(_ shape: [Int], _ layout: LayerLayout, kernel: String, keepsPrefix: Bool, layer: String) throws {
        cells = LayerCells(shape, layout)
        self.kernel = kernel
        self.keepsPrefix = keepsPrefix
        switch layout {
        case .tokens(_, let rows, let columns): (height, width) = (rows, columns)
        case .channelsFirst where shape.count == 4: (height, width) = (shape[2], shape[3])
        case .channelsLast where shape.count == 4: (height, width) = (shape[1], shape[2])
        default: throw Failure.unsupported("layer '\(layer)' is \(Shape.text(shape)); Recipro-CAM needs height and width")
        }
    }

    /// One version of one image's activation for each position of the range.
    func versions(of activation: Tensor, _ positions: Range<Int>) throws -> Tensor {
        let dense = try activation.converted(to: .float32).contiguous()
        let versions = try dense.read(Float.self) { a in
            try Tensor.make([positions.count] + activation.shape.dropFirst(), Float.self) { out in
                out.update(repeating: 0)
                for (row, position) in positions.enumerated() {
                    let version = UnsafeMutableBufferPointer(rebasing: out[(row * a.count)..<((row + 1) * a.count)])
                    if keepsPrefix { for place in 0..<cells.map.lowerBound { copy(a, place, to: version, place, 1) } }
                    write(a, position, version)
                }
            }
        }
        return try versions.converted(to: activation.type)
    }

    private func write(_ a: UnsafeBufferPointer<Float>, _ position: Int, _ version: UnsafeMutableBufferPointer<Float>) {
        let first = cells.map.lowerBound
        guard kernel != "point" else { return copy(a, first + position, to: version, first + position, 1) }
        let (y, x) = position.quotientAndRemainder(dividingBy: width)
        for row in max(0, y - 1)...min(height - 1, y + 1) {
            for column in max(0, x - 1)...min(width - 1, x + 1) {
                // [1 2 1] x [1 2 1] / 16, cut off at the borders.
                let weight = Float((row == y ? 2 : 1) * (column == x ? 2 : 1)) / 16
                let place = first + row * width + column
                copy(a, kernel == "spread" ? first + position : place, to: version, place, weight)
            }
        }
    }

    private func copy(
        _ a: UnsafeBufferPointer<Float>, _ from: Int, to version: UnsafeMutableBufferPointer<Float>, _ place: Int, _ weight: Float
    ) {
        for channel in 0..<cells.channels {
            version[place * cells.placeStride + channel * cells.channelStride] =
                weight * a[from * cells.placeStride + channel * cells.channelStride]
        }
    }
}

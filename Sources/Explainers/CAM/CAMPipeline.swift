internal import Glibc
internal import Graphs
internal import Imaging
internal import Runtime
internal import Tensors

/// What class activation maps share: weigh the channels of a layer, add them up, then the steps that options ask for.
struct CAMPipeline {
    /// The steps after the sum; off by default, so that raw values can be compared and the steps are explicit.
    static let finishing: [Parameter] = [
        Parameter("relu", .boolean, default: "true", "keep what speaks for the target only"),
        Parameter("normalize", .boolean, default: "false", "each image's map to [0, 1]"),
        Parameter("resize", .choice(["none", "input"]), default: "none", "input: enlarge the map to the input's height and width"),
        Parameter(
            "interp", .choice(Interpolation.allCases.map(\.rawValue)), default: "half_pixel",
            "how resize interpolates; half_pixel is align_corners=False"),
    ]

    static let layer = Parameter(
        "layer", .value,
        "one layer, or several separated by commas, whose maps are fused; default: what the network pools, or what enters its last attention block"
    )
    /// For methods that are blind in front of a normalisation.
    static let normalizedLayer = Parameter(
        "layer", .value,
        "one layer, or several separated by commas, whose maps are fused; default: what the network pools, or the normalised input of its last attention block (by what only a LayerNormalization reads, activation times gradient adds up to zero)"
    )
    static let classes = Parameter(
        "classes", .text,
        "further classes, as 3,7, or all: the result has their maps as 'maps', images x classes x height x width, from one forward to the layer"
    )
    static let eigenSmooth = Parameter(
        "eigen_smooth", .boolean, default: "false",
        "the weighted channels' first principal component (centred) in place of their sum, as in pytorch-grad-cam")
    static let augSmooth = Parameter(
        "aug_smooth", .boolean, default: "false",
        "mean of the finished maps of six versions: the image and its mirror image, times 0.9, 1 and 1.1, as in pytorch-grad-cam")

    static func fusion(default value: String) -> Parameter {
        Parameter(
            "fusion", .choice(["mean", "max"]), default: value,
            "how normalised maps of several layers become one, at the size of the largest or of the input")
    }

    private let settings: Settings

    init(_ settings: Settings) { self.settings = settings }

    /// In force for `eigen_smooth`.
    var smoothing: PrincipalComponent? { (try? settings.flag("eigen_smooth")) ?? false ? PrincipalComponent(isCentred: true) : nil }

    /// The unchanged images, then what augmentation adds.
    func views(_ request: Request) throws -> [AugmentedView] {
        try settings.flag("aug_smooth") ? AugmentedView.all(request) : [AugmentedView(request)]
    }

    var viewCount: Int { (try? settings.flag("aug_smooth")) ?? false ? AugmentedView.count : 1 }

    /// Of the option `classes`.
    func classes(_ request: Request) throws -> [Int] {
        guard let text = try settings.text("classes") else { return [] }
        if text == "all" {
            let output = request.model.graph[try CAMPipeline.output(request)]
            guard let dims = output.type?.dims, dims.count > 1, let count = dims[1].value else {
                throw Failure.unsupported(
                    "option 'classes': the file does not say how many classes '\(output.name)' has; give their numbers")
            }
            return Array(0..<count)
        }
        return try CAMPipeline.classes(text, of: "classes")
    }

    /// Class numbers separated by commas.
    static func classes(_ text: String, of option: String) throws -> [Int] {
        try Options.reals(text, of: option).map { number in
            guard let index = Int(exactly: number), index >= 0 else {
                throw Failure.invalid("option '\(option)' is '\(text)', expected class numbers such as 3,7")
            }
            return index
        }
    }

    /// Layers named by the option, or the default one.
    func layers(_ request: Request, isNormalized: Bool = false) throws -> [String] {
        if let text = try settings.text("layer") {
            return try text.split(separator: ",").map { try request.model.names.resolve(String($0.drop { $0 == " " })) }
        }
        return [try Structure(try request.model.outline).defaultLayer(before: try CAMPipeline.output(request), isNormalized: isNormalized)]
    }

    /// The value that the target reads.
    static func output(_ request: Request) throws -> ValueID {
        let graph = request.model.graph
        let named = try request.target.output.map { try request.model.names.resolve($0) }.flatMap { graph.id(of: $0) }
        guard let output = named ?? graph.outputs.first else { throw Failure.unsupported("the model has no output") }
        return output
    }

    func layout(_ name: String, _ activation: Tensor, _ request: Request) throws -> LayerLayout {
        let layout = try LayerLayout(of: name, shape: activation.shape, model: request.model, settings: settings)
        guard activation.shape.contains(0) || layout.positions(activation.shape) > 1 else {
            throw Failure.unsupported(
                "layer '\(name)' is \(Shape.text(activation.shape)) and has a single position; choose an earlier layer, such as the last convolution or block"
            )
        }
        guard activation.shape[0] == request.images else {
            throw Failure.unsupported(
                "layer '\(name)' is \(Shape.text(activation.shape)): its first axis is not the \(request.images) images (windows of a windowed attention?); choose a layer outside the windows"
            )
        }
        return layout
    }

    /// The channels times their weights (images x channels, or one for every position), added up or projected.
    static func combine(_ activation: Tensor, weights: Tensor, by component: PrincipalComponent?) throws -> Tensor {
        if component == nil, weights.shape.count == 2 { return try combine(activation, weights: weights) }
        let aligned = try weights.reshaped(weights.shape + [Int](repeating: 1, count: max(0, activation.shape.count - weights.shape.count)))
        let products = try Maps.zip(activation, aligned.broadcast(to: activation.shape).contiguous()) { $0 * $1 }
        return try component.map { try $0(products) } ?? Maps.reduceChannels(products, "sum")
    }

    /// `sum_k w_k A_k` of each image: activation images x channels x space, weights images x channels; one map per image.
    static func combine(_ activation: Tensor, weights: Tensor) throws -> Tensor {
        let images = activation.shape[0], channels = activation.shape[1], inner = activation.shape.dropFirst(2).reduce(1, *)
        guard weights.shape == [images, channels] else {
            throw Failure.shape("\(Shape.text(weights.shape)) weights for a layer of \(channels) channels")
        }
        return try activation.read(Float.self) { a in
            try weights.read(Float.self) { w in
                try Tensor.make([images, 1] + activation.shape.dropFirst(2), Float.self) { out in
                    var sum = [Double](repeating: 0, count: inner)
                    for image in 0..<images {
                        for i in 0..<inner { sum[i] = 0 }
                        for channel in 0..<channels {
                            let row = image * channels + channel
                            let weight = Double(w[row])
                            for i in 0..<inner { sum[i] += weight * Double(a[row * inner + i]) }
                        }
                        for i in 0..<inner { out[image * inner + i] = Float(sum[i]) }
                    }
                }
            }
        }
    }

    /// The steps after the sum, in pytorch-grad-cam's order: rectify, normalise small, enlarge. Several maps (of several
    /// layers) are normalised, enlarged to the largest, and fused.
    func finish(_ maps: [Tensor], _ request: Request) throws -> Tensor {
        let several = maps.count > 1
        let isNormalized = try settings.flag("normalize")
        var finished = try maps.map { map in
            let rectified = try settings.flag("relu") ? CAMPipeline.rectified(map) : map
            return try isNormalized || several ? Maps.minmax(rectified) : rectified
        }
        if several, try settings.choice("fusion") == "max", let gamma = try settings.real("gamma"), gamma > 0 {
            finished = try finished.map { try Maps.map($0) { Float(tanh(gamma * Double($0))) } }
        }
        if try settings.choice("resize") == "input" || several {
            let size = try several ? CAMPipeline.largest(finished) : nil
            finished = try finished.map { try resized($0, try settings.choice("resize") == "input" ? nil : size, request) }
        }
        let fused = try settings.choice("fusion") == "max" ? Maps.largest(finished) : Maps.mean(finished)
        return isNormalized ? try Maps.minmax(fused) : fused
    }

    /// NaN stays what it is, to be seen.
    static func rectified(_ map: Tensor) throws -> Tensor { try Maps.map(map) { $0.isNaN ? $0 : max($0, 0) } }

    private static func largest(_ maps: [Tensor]) throws -> [Int] {
        maps.map { Array($0.shape.dropFirst(2)) }.max { $0.reduce(1, *) < $1.reduce(1, *) } ?? []
    }

    /// nil: to the input's own height and width.
    func resized(_ map: Tensor, _ size: [Int]?, _ request: Request) throws -> Tensor {
        let target = try size ?? CAMPipeline.space(of: request)
        guard map.shape.count == 4, target.count == 2 else {
            throw Failure.unsupported("resize needs maps of height and width, this one is \(Shape.text(map.shape))")
        }
        return try upsample(map, height: target[0], width: target[1], Interpolation(rawValue: try settings.choice("interp")) ?? .halfPixel)
    }

    /// Height and width of an image input, channels first or last.
    private static func space(of request: Request) throws -> [Int] {
        let layout = try ImageLayout(request)
        return [layout.height, layout.width]
    }
}

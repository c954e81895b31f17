internal import Graphs
internal import Imaging
internal import Runtime
internal import Tensors

/// How far the score falls when a feature is replaced by the baseline: `a_i = f(x) - f(x without the elements of feature i)`,
/// the same number at each of its elements. Features are single elements, or what a mask gives the same number, in inputs of
/// any shape and type.
/// Captum's FeatureAblation; the oldest idea of the field, see Zeiler & Fergus 2014, section 4.2, for images.
struct FeatureAblation: Explainer {
    static let method = Method(
        "feature-ablation", family: "perturbation",
        summary: "How far the score falls when one feature is replaced, in inputs of any shape: rows, texts, signals, images.",
        reference: "Kokhlikyan et al.: Captum, A Unified and Generic Model Interpretability Library for PyTorch (2020)", needs: [],
        score: .probability,
        parameters: [
            Parameter(
                "feature_mask", .tensor,
                "whole numbers, of the input's shape (or of one image, or broadcast to it): elements with the same number are one feature; default: each element is one"
            ),
            Parameter(
                "segments", .integer(0...1_000_000), default: "0",
                "about so many superpixels of each image (SLIC) are its features, in place of feature_mask; 0: none"),
            Parameter(
                "inputs", .text,
                "several inputs, by name and separated by commas, or all: their elements are counted one input behind the other, and feature_mask is images x all these elements (or one image's); equal numbers in different inputs are one feature; default: the input alone"
            ),
        ] + RegionAblation.parameters)

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func explain(_ request: Request) throws -> Findings {
        let inputs = try inputs(request)
        let features = try Features(try mask(request, inputs), request, inputs)
        let ablation = try RegionAblation(request, settings, inputs: inputs)
        let outcomes = try ablation("features", features.regions)
        let maps = try Maps.stack(outcomes.maps)
        var findings = Findings()
        var start = 0
        for (index, name) in inputs.enumerated() {
            guard let x = request.feeds[name] else { continue }
            let size = x.count / max(1, request.images)
            let map = try maps.sliced(1, start..<start + size).contiguous().reshaped(x.shape)
            if index == 0 { findings.tensors["map"] = map }
            if inputs.count > 1 { findings.tensors["map.\(name)"] = map }
            start += size
        }
        findings.tensors["features"] = try Tensor(features.numbers.map { Int64($0) })
        findings.tensors["feature_attributions"] = try Maps.stack(outcomes.falls)
        let shape = try inputs.count == 1 ? Array(request.x.shape.dropFirst()) : [start]
        try ablation.add(outcomes, regions: [features.numbers.count], shape: shape, to: &findings)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let inputs = try inputs(request)
        let features = try Features(try mask(request, inputs), request, inputs)
        return try RegionAblation(request, settings, inputs: inputs).work(features.regions)
    }

    /// The option's, or the superpixels of every image in the input's shape.
    private func mask(_ request: Request, _ inputs: [String]) throws -> Tensor? {
        let segments = try settings.integer("segments", or: 0), given = try settings.tensor("feature_mask")
        guard segments > 0 else { return given }
        guard given == nil, inputs.count == 1 else {
            throw Failure.invalid("option 'segments': superpixels are features of one input, without feature_mask")
        }
        let layout = try ImageLayout(request, settings)
        let planes = try (0..<request.images).map { image in
            let picture = try layout.planes(request.x.sliced(0, image..<(image + 1))).reshaped([
                layout.channels, layout.height, layout.width,
            ])
            let labels = try SLIC(segments: segments)(picture) { try request.control.poll(0) }.tensor.converted(to: .float32)
            return try labels.broadcast(to: [1, layout.channels, layout.height, layout.width]).contiguous()
        }
        return try layout.images(try Maps.stack(planes), .float32)
    }

    private func inputs(_ request: Request) throws -> [String] {
        guard let text = try settings.text("inputs") else { return [request.input] }
        let names =
            text == "all"
            ? request.model.inputs.map(\.name).filter { request.feeds[$0] != nil }
            : text.split(separator: ",").map { String($0.drop { $0 == " " }) }
        for name in names {
            guard let tensor = request.feeds[name] else {
                throw Failure.notFound(
                    "option 'inputs': '\(name)' was not fed\(Suggestion.text(for: name, among: request.feeds.keys.sorted()))")
            }
            guard tensor.shape.first == request.images else {
                throw Failure.shape(
                    "input '\(name)' is \(Shape.text(tensor.shape)), expected \(request.images) images along the first axis")
            }
        }
        guard !names.isEmpty, Set(names).count == names.count else {
            throw Failure.invalid("option 'inputs': expected different names separated by commas, found '\(text)'")
        }
        return names
    }
}

/// Which elements of each image belong together.
private struct Features {
    /// The mask's numbers, sorted; positions where there is no mask.
    let numbers: [Int]
    /// For each image.
    let regions: [Regions]

    init(_ mask: Tensor?, _ request: Request, _ inputs: [String]) throws {
        let tensors = inputs.compactMap { request.feeds[$0] }
        guard let first = tensors.first, first.shape.count > 0, request.images > 0 else {
            throw Failure.unsupported("input '\(inputs.first ?? "")' has no axis of images, rows or texts")
        }
        let size = try Shape.count([tensors.reduce(0) { $0 + $1.count / request.images }])
        guard let mask else {
            numbers = Array(0..<size)
            regions = [Regions](repeating: Regions(count: size, size: size) { ElementRuns([$0]) }, count: request.images)
            return
        }
        let values = try Features.values(mask, like: tensors.count == 1 ? first.shape : [request.images, size])
        numbers = Set(values).sorted()
        let places = Dictionary(uniqueKeysWithValues: numbers.enumerated().map { ($0.element, $0.offset) })
        regions = (0..<request.images).map { image in
            var members = [[Int]](repeating: [], count: places.count)
            for element in 0..<size {
                if let place = places[values[image * size + element]] { members[place].append(element) }
            }
            return Regions(count: members.count, size: size) { [members] in ElementRuns(members[$0]) }
        }
    }

    private static func values(_ mask: Tensor, like shape: [Int]) throws -> [Int] {
        guard mask.shape.count <= shape.count, Shape.broadcast(mask.shape, shape) == shape else {
            throw Failure.shape("option 'feature_mask' is \(Shape.text(mask.shape)), expected \(Shape.text(shape)) or one image of it")
        }
        return try mask.broadcast(to: shape).doubles().map { number in
            guard let value = Int(exactly: number) else {
                throw Failure.invalid("option 'feature_mask': expected whole numbers, found \(number)")
            }
            return value
        }
    }
}

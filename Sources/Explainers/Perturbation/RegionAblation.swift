internal import Runtime
internal import Tensors

/// How far scores fall when regions are taken away one at a time: what occlusion and feature ablation share.
struct RegionAblation {
    /// Options of both.
    static let parameters: [Parameter] =
        [
            .baseline, ClassScores.parameter,
            Parameter(
                "class_scores", .boolean, default: "false",
                "true: also the score of every class without each region (class_scores) and of the unchanged input (clean_class_scores)"),
            RegionPatches.parameter, ImageLayout.parameter,
        ] + Baseline.preparation

    /// One row for each image.
    struct Outcomes {
        /// Regions: `f(x) - f(x without it)`.
        var falls: [Tensor] = []
        /// Elements.
        var maps: [Tensor] = []
        /// Chosen classes x elements.
        var classMaps: [Tensor] = []
        /// Regions x classes.
        var classScores: [Tensor] = []
        /// Classes.
        var cleanScores: [Tensor] = []
    }

    private let request: Request
    private let settings: Settings
    private let inputs: [String]
    private let givesClassScores: Bool
    private let isSum: Bool

    /// `inputs`: whose elements are counted, one input behind the other.
    init(_ request: Request, _ settings: Settings, inputs: [String], isSum: Bool = false) throws {
        (self.request, self.settings, self.inputs, self.isSum) = (request, settings, inputs, isSum)
        givesClassScores = try settings.flag("class_scores")
    }

    func callAsFunction(_ stage: String, _ regions: [Regions]) throws -> Outcomes {
        let baselines = try Removal.baselines(request, inputs: inputs, settings)
        let target = try request.scoredTarget()
        let classes = try ClassScores(settings, target, always: givesClassScores)
        var outcomes = Outcomes()
        for (image, regions) in regions.enumerated() {
            let removal = try Removal(request, image: image, inputs: inputs, baselines: baselines, settings)
            let without = try evaluate(stage, image, removal, regions, target, classes)
            let falls = try Tensor(without.scores.map { Float(request.scores[image] - $0) }, [1, regions.count])
            outcomes.falls.append(falls)
            outcomes.maps.append(try regions.spread(falls, isSum: isSum))
            guard classes.isWanted else { continue }
            let unchanged = try request.evaluate(image: image, changed: removal.versions([ElementRuns([])]), target, wantsEveryScore: true)
            let clean = try classes.scores(unchanged)
            let classFalls = try self.classFalls(without.classes, clean, try classes.chosen(of: clean.shape[1]))
            if classFalls.count > 0 { outcomes.classMaps.append(try regions.spread(classFalls, isSum: isSum)) }
            outcomes.classScores.append(without.classes)
            outcomes.cleanScores.append(clean)
        }
        return outcomes
    }

    /// The tensors that options ask for besides; `space`: the regions' own axes, `shape`: that of one image's elements.
    func add(_ outcomes: Outcomes, regions space: [Int], shape: [Int], to findings: inout Findings) throws {
        let images = outcomes.falls.count
        if let first = outcomes.classMaps.first {
            let maps = try Maps.stack(outcomes.classMaps.map { try $0.reshaped([1] + $0.shape) })
            findings.tensors["maps"] = try maps.reshaped([images, first.shape[0]] + shape)
        }
        guard givesClassScores, let classes = outcomes.cleanScores.first?.shape[1] else { return }
        let scores = try Maps.stack(outcomes.classScores.map { try $0.reshaped([1] + $0.shape) })
        findings.tensors["class_scores"] = try scores.reshaped([images] + space + [classes])
        findings.tensors["clean_class_scores"] = try Maps.stack(outcomes.cleanScores)
    }

    /// `callAsFunction`.
    func work(_ regions: [Regions]) throws -> [Work] {
        let isClean = try givesClassScores || settings.text(ClassScores.parameter.name) != nil
        let fixed = Target(.index(0), score: request.target.score, output: request.target.output)
        return try regions.enumerated().reduce([request.work()]) { work, each in
            if let patches = try RegionPatches(request, settings, image: each.offset, inputs: inputs, each.element, fixed) {
                return work + [Work(patches.cost)]
            }
            return try work
                + request.work(versions: each.element.count, chunk: request.chunk(of: each.element.count), gradient: false, images: 1)
        } + (isClean ? request.work(versions: 1, chunk: 1, gradient: false) : [])
    }

    /// The scores of one image without each region: the one place where regions are evaluated. `classes`: regions x classes.
    private func evaluate(
        _ stage: String, _ image: Int, _ removal: Removal, _ regions: Regions, _ target: Target, _ classes: ClassScores
    ) throws -> (scores: [Double], classes: Tensor) {
        let patches = try RegionPatches(request, settings, image: image, inputs: inputs, regions, target), base = try patches?.base(image)
        var scores: [Double] = [], every: [Float] = []
        let chunk = try patches?.chunk ?? request.chunk(of: regions.count)
        for first in stride(from: 0, to: regions.count, by: chunk) {
            let range = first..<min(first + chunk, regions.count)
            let done = image * regions.count + first
            try request.control.begin(stage, done, to: done + range.count, of: regions.count * request.images)
            let versions = try removal.versions(range.map(regions.elements))
            let outcome =
                if let patches, let base, let changed = versions[request.input] {
                    try patches.evaluate(image, range, changed, over: base, wantsEveryScore: classes.isWanted)
                } else {
                    try request.evaluate(image: image, changed: versions, target, wantsEveryScore: classes.isWanted)
                }
            scores += outcome.scores
            if classes.isWanted { every += try classes.scores(outcome).array(Float.self) }
        }
        return (scores, try Tensor(every, [regions.count, every.count / max(1, regions.count)]))
    }

    /// Chosen classes x regions: scores of the unchanged input (1 x classes) less those without each region.
    private func classFalls(_ without: Tensor, _ clean: Tensor, _ chosen: [Int]) throws -> Tensor {
        let regions = without.shape[0], all = without.shape[1]
        return try without.read(Float.self) { without in
            try clean.read(Float.self) { clean in
                try Tensor.make([chosen.count, regions], Float.self) { out in
                    for (row, index) in chosen.enumerated() {
                        for region in 0..<regions { out[row * regions + region] = clean[index] - without[region * all + index] }
                    }
                }
            }
        }
    }
}

extension Request {
    /// Evaluates versions of some inputs of one image for its class, the other inputs being that image's own.
    func evaluate(image: Int, changed: [String: Tensor], _ target: Target, wantsEveryScore: Bool = false) throws -> Outcome {
        let count = changed.values.first?.shape.first ?? 1
        let feeds = try Dictionary(
            uniqueKeysWithValues: feeds.map { name, tensor in
                (name, try changed[name] ?? repeated(name, tensor, image: image, count))
            })
        let outcome = try ask(
            Evaluation(
                feeds, target: try self.target(target, ofImage: image), batch: batchSize, memory: memory, wantsEveryScore: wantsEveryScore))
        guard outcome.scores.count == count else {
            throw Failure.unsupported("\(count) versions of the input gave \(outcome.scores.count) scores")
        }
        return outcome
    }
}

internal import Glibc
internal import Runtime
internal import Tensors

/// Randomised input sampling: a pixel matters as much as the score is high where random masks keep it,
/// `S = sum_i f(x * M_i) M_i / (N E[M])`.
/// Petsiuk, Das & Saenko 2018, "RISE", equation 6.
struct RISE: Explainer {
    static let method = Method(
        "rise", family: "perturbation", summary: "The score behind random soft masks, averaged over the masks that keep a pixel.",
        reference: "Petsiuk, Das, Saenko: RISE, Randomized Input Sampling for Explanation of Black-box Models (2018)", needs: [],
        score: .probability,
        parameters: [
            Parameter("n_samples", .integer(1...10_000_000), default: "4000", "masks (4000 for VGG-16, 8000 for ResNet-50 in the paper)"),
            Parameter("grid_size", .integer(1...4096), default: "7", "cells of the small grid along each axis (7 in the paper)"),
            Parameter("preservation_probability", .real(0.000001...1), default: "0.5", "of a cell to be kept (0.5 in the paper)"),
            Parameter(
                "normalization", .choice(MaskStatistics.Normalization.allCases.map(\.rawValue)), default: "empirical",
                "the sum is divided by what the masks add up to at each pixel (empirical, without the bias of border and chance) or by n_samples x preservation_probability (expected: the paper's equation 6)"
            ),
            Parameter(
                "tolerance", .real(0...1), default: "0",
                "stops when the standard error (root mean square over the pixels) is at most this share of the map's max - min, looked at after every 100 masks; 0: never"
            ),
            Parameter("masks", .tensor, "masks in place of random ones: n x height x width, between 0 and 1"),
            .baseline,
            ClassScores.parameter,
            ImageLayout.parameter,
        ] + Baseline.preparation)

    /// Masks between two looks at the standard error.
    private static let interval = 100

    private let settings: Settings
    private let normalization: MaskStatistics.Normalization
    private let probability: Double
    private let tolerance: Double
    private let samples: Int

    init(_ settings: Settings) throws {
        self.settings = settings
        normalization = MaskStatistics.Normalization(rawValue: try settings.choice("normalization")) ?? .empirical
        probability = try settings.real("preservation_probability", or: 0.5)
        tolerance = try settings.real("tolerance", or: 0)
        samples = try settings.tensor("masks").map { $0.shape.first ?? 0 } ?? settings.integer("n_samples", or: 4000)
        guard samples > 0 else { throw Failure.invalid("option 'masks' is empty") }
    }

    func explain(_ request: Request) throws -> Findings {
        let layout = try ImageLayout(request, settings)
        let masks = try masks(layout, request.seed)
        let baseline = try Baseline.tensor(settings, like: request.x, seed: request.seed)
        let maskings = try (0..<request.images).map { try Masking(request, image: $0, baseline: baseline, layout) }
        let target = try request.scoredTarget()
        let classes = try ClassScores(settings, target)
        var statistics = [MaskStatistics](repeating: MaskStatistics(pixels: layout.pixels), count: request.images)
        var sums = [ClassMaps](repeating: ClassMaps(pixels: layout.pixels), count: request.images)
        var isPrecise = [Bool](repeating: false, count: request.images)
        _ = try request.sample("masks", samples, isEnough: { isPrecise[$0] }) { image, range in
            let part = try masks(range)
            let outcome = try request.evaluate(
                image: image, maskings[image].versions(part), target: target, wantsEveryScore: classes.isWanted)
            guard outcome.scores.count == range.count else {
                throw Failure.unsupported("\(range.count) versions of the input gave \(outcome.scores.count) scores")
            }
            let used = try add(outcome.scores, part, to: &statistics[image], isPrecise: &isPrecise[image])
            if classes.isWanted { try sums[image].add(classes, outcome, part, count: used) }
        }
        return try findings(statistics, classes.isWanted ? sums : [], layout)
    }

    func work(_ request: Request) throws -> [Work] {
        [request.work()] + (try request.work(versions: samples, chunk: request.chunk(of: samples), gradient: false))
    }

    /// Random masks, or those of the option.
    private func masks(_ layout: ImageLayout, _ seed: UInt64) throws -> (Range<Int>) throws -> Tensor {
        let grid = try settings.integer("grid_size", or: 7)
        guard let given = try settings.tensor("masks")?.converted(to: .float32) else {
            let size = (rows: min(grid, layout.height), columns: min(grid, layout.width))
            let random = RandomMasks(height: layout.height, width: layout.width, grid: size, probability: probability, seed: seed)
            return { try random($0) }
        }
        guard given.count == samples * layout.pixels else {
            throw Failure.shape("option 'masks' is \(Shape.text(given.shape)), expected n x \(layout.height) x \(layout.width)")
        }
        guard try given.read(Float.self, { $0.allSatisfy { (0...1).contains($0) } }) else {
            throw Failure.invalid("option 'masks' has elements outside 0 to 1")
        }
        let planes = try given.reshaped([samples, layout.height, layout.width])
        return { try planes.sliced(0, $0).contiguous() }
    }

    /// Adds masks one by one until the map is precise enough, so that no batch size changes where sampling ends; returns
    /// how many were used.
    private func add(_ scores: [Double], _ masks: Tensor, to statistics: inout MaskStatistics, isPrecise: inout Bool) throws -> Int {
        let pixels = masks.count / max(1, scores.count)
        return try masks.read(Float.self) { values in
            for (row, score) in scores.enumerated() {
                statistics.add(UnsafeBufferPointer(rebasing: values[row * pixels..<(row + 1) * pixels]), score: score)
                guard tolerance > 0, statistics.count % RISE.interval == 0 else { continue }
                let map = statistics.map(normalization, expected: probability)
                let spread = (map.max() ?? 0) - (map.min() ?? 0)
                isPrecise = rootMeanSquare(statistics.standardError(normalization, expected: probability)) <= tolerance * spread
                if isPrecise { return row + 1 }
            }
            return scores.count
        }
    }

    private func findings(_ statistics: [MaskStatistics], _ classes: [ClassMaps], _ layout: ImageLayout) throws -> Findings {
        let shape = [statistics.count, 1, layout.height, layout.width]
        let errors = statistics.flatMap { $0.standardError(normalization, expected: probability) }
        let map = statistics.flatMap { $0.map(normalization, expected: probability) }
        var findings = Findings(map: try Tensor(map.map { Float($0) }, shape))
        findings.tensors["standard_error"] = try Tensor(errors.map { Float($0) }, shape)
        let error = rootMeanSquare(errors)
        if error.isFinite { findings.numbers["standard_error"] = error }
        findings.numbers["samples"] = Double(statistics.map(\.count).min() ?? 0)
        findings.chosen["n_samples"] = .integer(samples)
        guard !classes.isEmpty else { return findings }
        let maps = zip(classes, statistics).flatMap { classes, statistics in
            classes.maps(normalization == .expected ? nil : statistics.maskSums, expected: Double(statistics.count) * probability)
        }
        let count = maps.count / max(1, shape.reduce(1, *))
        findings.tensors["maps"] = try Tensor(maps, [shape[0], count] + shape.dropFirst())
        return findings
    }
}

/// Root of the mean square.
private func rootMeanSquare(_ values: [Double]) -> Double {
    sqrt(values.reduce(0) { $0 + $1 * $1 } / Double(max(1, values.count)))
}

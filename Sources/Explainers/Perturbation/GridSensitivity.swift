internal import Imaging
internal import Runtime
internal import Tensors

/// Sensitivity of the score to the cells of a small grid over the image: what Sobol and HSIC attribution share.
struct GridSensitivity {
    /// Options of both; `designs`: the default number of points.
    static func parameters(designs: Int, _ note: String, masks: String) -> [Parameter] {
        [
            Parameter("nb_design", .integer(2...65536), default: String(designs), note),
            Parameter("grid_size", .integer(1...256), default: "8", "cells of the grid along each axis (xplique's default)"),
            Parameter(
                "sampler", .choice(PointSet.Sampler.allCases.map(\.rawValue)), default: "sobol",
                "how the masks are chosen: Sobol's sequence (xplique's default; without chance), Halton's with permuted digits, a Latin hypercube, or independent numbers"
            ),
            Parameter("masks", .tensor, masks),
            Parameter(
                "interp", .choice(Interpolation.allCases.map(\.rawValue)), default: "bicubic",
                "how the grid becomes a map of the image's size"),
            .baseline, ClassScores.parameter, ImageLayout.parameter,
        ] + Baseline.preparation
    }

    /// A cell's importance and its standard error, cell by cell.
    typealias Estimate = (values: [Double], errors: [Double])

    let rows: Int
    let columns: Int
    var cells: Int { rows * columns }
    private let request: Request
    private let settings: Settings
    private let layout: ImageLayout

    init(_ request: Request, _ settings: Settings) throws {
        (self.request, self.settings) = (request, settings)
        layout = try ImageLayout(request, settings)
        let size = try settings.integer("grid_size", or: 8)
        (rows, columns) = (min(size, layout.height), min(size, layout.width))
    }

    /// Points x dimensions: the option's, or those of the sampler. `dimensions` counts cells once for each matrix of the
    /// design; the option has these matrices one behind the other.
    func design(matrices: Int) throws -> Tensor {
        guard let given = try settings.tensor("masks")?.converted(to: .float32) else {
            let sampler = PointSet.Sampler(rawValue: try settings.choice("sampler")) ?? .sobol
            return try PointSet(sampler: sampler, dimensions: matrices * cells, seed: request.seed)(settings.integer("nb_design", or: 2))
        }
        let count = (given.shape.first ?? 0) / matrices
        guard count > 1, given.count == matrices * count * cells else {
            throw Failure.shape(
                "option 'masks' is \(Shape.text(given.shape)), expected \(matrices > 1 ? "2 n" : "n") x \(rows) x \(columns)")
        }
        guard try given.read(Float.self, { $0.allSatisfy { (0...1).contains($0) } }) else {
            throw Failure.invalid("option 'masks' has elements outside 0 to 1")
        }
        return try given.reshaped([matrices, count, cells]).transposed([1, 0, 2]).contiguous().reshaped([count, matrices * cells])
    }

    /// Evaluates every image behind masks of the grid. `masks`: n x cells for a range of them; `estimate`: from the scores
    /// behind the first masks, nil where these are too few.
    func callAsFunction(_ total: Int, masks: (Range<Int>) throws -> Tensor, estimate: ([Double]) throws -> Estimate?) throws -> Findings {
        let baseline = try Baseline.tensor(settings, like: request.x, seed: request.seed)
        let maskings = try (0..<request.images).map { try Masking(request, image: $0, baseline: baseline, layout) }
        let target = try request.scoredTarget()
        let classes = try ClassScores(settings, target)
        var scores = [[Double]](repeating: [], count: request.images), every = [[Float]](repeating: [], count: request.images)
        let taken = try request.sample("masks", total) { image, range in
            let large = try upsample(
                try masks(range).reshaped([range.count, rows, columns]), height: layout.height, width: layout.width, .nearest)
            let outcome = try request.evaluate(
                image: image, changed: [request.input: maskings[image].versions(large)], target, wantsEveryScore: classes.isWanted)
            if classes.isWanted { every[image] += try classes.scores(outcome).array(Float.self) }
            scores[image] += outcome.scores
        }
        let estimates = try scores.map { scores in try enough(try estimate(scores)) }
        var findings = Findings(map: try map(estimates.flatMap(\.values), [request.images, 1]))
        findings.tensors["grid"] = try Tensor(estimates.flatMap(\.values).map { Float($0) }, [request.images, 1, rows, columns])
        findings.tensors["standard_error"] = try Tensor(estimates.flatMap(\.errors).map { Float($0) }, [request.images, 1, rows, columns])
        findings.numbers["samples"] = Double(taken.min() ?? 0)
        if classes.isWanted { findings.tensors["maps"] = try classMaps(classes, scores.map(\.count), every, estimate) }
        return findings
    }

    private func enough(_ estimate: Estimate?) throws -> Estimate {
        guard let estimate else { throw Failure(.cancelled, "the deadline has passed, and too few masks were evaluated to give anything") }
        return estimate
    }

    /// Images x classes x map. `every`: for each image, masks x all classes.
    private func classMaps(
        _ classes: ClassScores, _ counts: [Int], _ every: [[Float]], _ estimate: ([Double]) throws -> Estimate?
    ) throws -> Tensor {
        var values: [Double] = [], chosen: [Int] = []
        for (count, every) in zip(counts, every) {
            let all = every.count / max(1, count)
            chosen = try classes.chosen(of: all)
            for index in chosen {
                try request.pollForCancelling()
                values += try enough(try estimate((0..<count).map { Double(every[$0 * all + index]) })).values
            }
        }
        return try map(values, [request.images, chosen.count])
    }

    private func map(_ values: [Double], _ lead: [Int]) throws -> Tensor {
        let grid = try Tensor(values.map { Float($0) }, lead + [rows, columns])
        let interp = Interpolation(rawValue: try settings.choice("interp")) ?? .bicubic
        let map = try upsample(grid, height: layout.height, width: layout.width, interp)
        return lead[1] == 1 ? map : try map.reshaped(lead + [1, layout.height, layout.width])
    }
}

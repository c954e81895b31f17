internal import Explainers
internal import Tensors

/// Selectivity: whole regions are replaced, the most relevant first, and the score should fall at once; the value is the mean
/// height of the curve. Montavon, Samek & Mueller 2018, section 6.2; region perturbation: Samek et al. 2017, equation 12.
struct Selectivity: Metric {
    static let info = MetricInfo(
        "selectivity", .faithfulness, .lower, range: "0...1",
        summary: "Area under the score while square regions are replaced, the most relevant first.",
        reference:
            "Montavon, Samek, Mueller: Methods for interpreting and understanding deep neural networks (2018); Samek, Binder, Montavon, Lapuschkin, Mueller: Evaluating the visualization of what a deep neural network has learned (2017)",
        cost: "1 F + one F for each region, three times the latter with references", undefined: "never",
        parameters: [
            Parameter(
                "patch_size", .integer(1...4096), default: "8", "side of a region in pixels (8 in Quantus); of other inputs, elements"),
            Parameter("regions", .integer(0...1_000_000), default: "0", "how many regions are replaced; 0: all (100 in Samek et al.)"),
        ] + Removal.parameters(baseline: "0"))

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let removal = try Removal(settings, request, subject)
        let regions = try Regions(removal.surface, side: settings.integer("patch_size", or: 8))
        let steps = try self.steps(regions)
        let scoring = try Scoring(request, "selectivity", total: request.images * steps * removal.maps.count)
        let x = try request.x, baseline = try removal.baseline()
        var values: [[Double]] = [], curves: [Double] = [], gains: [Double] = []
        for image in 0..<request.images {
            let one = image..<(image + 1)
            let replacing = try Replacing(removal.surface, from: x.sliced(0, one), to: baseline.sliced(0, one))
            values.append([])
            for map in removal.maps.indices {
                let positions = try regions.positions(removal.map(map, image))
                let curve = [request.scores[image]] + (try scoring.scores(image: image, replacing, positions, Array(1...steps)))
                values[image].append(CurveRule.trapezoid.area(curve, Array(0...steps)))
                guard map == 0 else { continue }
                curves += curve
                gains.append(curve.reduce(0.0) { $0 + curve[0] - $1 } / Double(curve.count))
            }
        }
        var verdict = removal.verdict(values)
        verdict.numbers["aopc"] = Verdict.mean(gains)
        verdict.tensors["curve"] = try Tensor(curves, [request.images, steps + 1])
        verdict.tensors["fractions"] = try Tensor((0...steps).map { Double($0) / Double(regions.count) })
        verdict.chosen["regions"] = .integer(steps)
        return verdict
    }

    private func steps(_ regions: Regions) throws -> Int {
        let asked = try settings.integer("regions", or: 0)
        return asked > 0 ? min(asked, regions.count) : regions.count
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] {
        let removal = try Removal(settings, request, subject)
        let steps = try steps(try Regions(removal.surface, side: settings.integer("patch_size", or: 8)))
        var work = [request.work()]
        for _ in removal.maps { work += try request.work(scores: steps) }
        return work
    }

    /// Squares that tile the surface; those at the right and the bottom may be smaller.
    private struct Regions {
        let count: Int
        /// Region of each place.
        private let of: [Int]

        init(_ surface: Surface, side: Int) throws {
            let across = (surface.width + side - 1) / side, down = (surface.height + side - 1) / side
            count = across * down
            of = (0..<surface.places).map { $0 / surface.width / side * across + $0 % surface.width / side }
        }

        /// For each place the position of its region by the mean of the map, the largest first.
        func positions(_ map: Tensor) throws -> [Int32] {
            var sums = [Double](repeating: 0, count: count), sizes = [Double](repeating: 0, count: count)
            try map.read(Float.self) { values in
                for place in of.indices {
                    sums[of[place]] += Double(values[place])
                    sizes[of[place]] += 1
                }
            }
            let means = zip(sums, sizes).map { Float($0 / $1) }
            let ranks = means.withUnsafeBufferPointer { Ranking.descending($0) }
            return of.map { ranks[$0] }
        }
    }
}

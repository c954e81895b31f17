internal import Explainers
internal import Imaging
internal import Runtime
internal import Tensors

/// What deletion and insertion share: the score while the image is replaced by a baseline, or the other way round, the most
/// important places first. Petsiuk et al. 2018, section 4.1; Qi et al. 2020, section 4; Khorram et al. 2021, section 4.
struct ReplacementCurve {
    enum Way: String { case deletion, insertion }

    /// Presets of the other options.
    private enum Preset: String, CaseIterable { case igos, petsiuk, igosRepo = "igos_repo" }

    static let parameters: [Parameter] =
        [
            Parameter(
                "protocol", .choice(Preset.allCases.map(\.rawValue)), default: Preset.igos.rawValue,
                "what the other options are where they are not given. igos: cells of the map, softly, 50 steps, blurred baseline, trapezoid; petsiuk: pixels, one image row a step, baseline zero for deletion and RISE's blur for insertion, trapezoid; igos_repo: igos with the sum of the authors' repository, whose last step counts as if its score were 1"
            ),
            Parameter(
                "unit", .choice(["auto", "pixel", "cell"]), default: "auto",
                "what is ranked: pixels of the enlarged map, or cells of the map, whose mask is enlarged with soft edges (align_corners)"),
            Parameter(
                "cells", .integer(0...4096), default: "0", "cells of each side; 0: the map's own, at most the input's pixels"),
            Parameter("n_steps", .integer(0...1_000_000), default: "0", "steps; 0: as the protocol has it (50, or one image row a step)"),
            Parameter("units_per_step", .integer(0...Int.max), default: "0", "pixels or cells replaced at each step, in place of n_steps"),
            Parameter(
                "rule", .choice(["auto"] + CurveRule.allCases.map(\.rawValue)), default: "auto", "how the area under the curve is counted"),
            Parameter("relative", .boolean, default: "false", "scores as shares of the unchanged image's"),
            Baseline.parameter(default: ""),
        ] + Baseline.preparation + MapReader.parameters + [MapReader.interpolation, ReferenceMaps.parameter]

    private let way: Way
    private let settings: Settings
    private let reader: MapReader
    private let preset: Preset

    init(_ way: Way, _ settings: Settings) throws {
        self.way = way
        self.settings = settings
        reader = try MapReader(settings)
        preset = Preset(rawValue: try settings.choice("protocol")) ?? .igos
    }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let surface = try Surface(request)
        let plan = try Plan(self, request, subject, surface)
        let scoring = try Scoring(request, way.rawValue, total: request.images * plan.versionsPerImage)
        let x = try request.x
        let (baseline, name) = try baseline(request, surface)
        var curves: [[[Double]]] = []
        for image in 0..<request.images {
            let one = image..<(image + 1)
            let whole = try x.sliced(0, one), absent = try baseline.sliced(0, one)
            let last = try scoring.scores(image: image, 1) { _ in absent }[0]
            let ends = way == .deletion ? (request.scores[image], last) : (last, request.scores[image])
            let replacing =
                way == .deletion
                ? try Replacing(surface, from: whole, to: absent) : try Replacing(surface, from: absent, to: whole)
            curves.append(
                try plan.maps.map { map in
                    let positions = try Ranking.descending(map.sliced(0, one).contiguous())[0]
                    let inner = plan.counts.dropFirst().dropLast()
                    let between = try scoring.scores(image: image, inner.count) { range in
                        let counts = inner[(inner.startIndex + range.lowerBound)..<(inner.startIndex + range.upperBound)]
                        return try versions(replacing, positions, counts, plan, surface)
                    }
                    return [ends.0] + between + [ends.1]
                })
        }
        return try verdict(curves, plan, request, name)
    }

    private func versions(_ replacing: Replacing, _ positions: [Int32], _ counts: ArraySlice<Int>, _ plan: Plan, _ surface: Surface) throws
        -> Tensor
    {
        guard plan.isSoft else { return try replacing.versions(positions, counts) }
        let masks = try Tensor.make([counts.count, plan.height, plan.width], Float.self) { out in
            for (row, count) in counts.enumerated() {
                for cell in positions.indices { out[row * positions.count + cell] = positions[cell] < count ? 1 : 0 }
            }
        }
        return try replacing.versions(try upsample(masks, height: surface.height, width: surface.width, .alignCorners))
    }

    private func verdict(_ curves: [[[Double]]], _ plan: Plan, _ request: Request, _ baseline: String) throws -> Verdict {
        let isRelative = try settings.flag("relative")
        let scaled = curves.enumerated().map { image, curves in
            curves.map { curve in isRelative ? curve.map { request.scores[image] == 0 ? .nan : $0 / request.scores[image] } : curve }
        }
        func areas(_ map: Int) -> [Double] {
            plan.maps.indices.contains(map) ? scaled.map { plan.rule.area($0[map], plan.counts) } : []
        }
        var verdict = Verdict(areas(0))
        verdict.constant = areas(1)
        verdict.random = areas(2)
        for (map, name) in ["curve", "reference_constant_curve", "reference_random_curve"].enumerated() where map < plan.maps.count {
            verdict.tensors[name] = try Tensor(scaled.flatMap { $0[map] }, [request.images, plan.counts.count])
        }
        let all = Double(plan.counts.last ?? 1)
        verdict.tensors["fractions"] = try Tensor(plan.counts.map { Double($0) / all })
        verdict.warnings = try Ranking.warnings(plan.maps[0])
        verdict.chosen = [
            "n_steps": .integer(plan.counts.count - 1), "unit": .string(plan.isCells ? "cell" : "pixel"), "baseline": .string(baseline),
            "rule": .string(plan.rule.rawValue), "units_per_step": .integer(plan.each), "cells": .integer(plan.isCells ? plan.height : 0),
        ]
        return verdict
    }

    func work(_ request: Request, _ subject: Subject) throws -> [Work] {
        let plan = try Plan(self, request, subject, try Surface(request))
        var work = [request.work()] + (try request.work(scores: 1))
        for _ in plan.maps { work += try request.work(scores: max(0, plan.counts.count - 2)) }
        return work
    }

    /// What stands for an image without content, with its name.
    private func baseline(_ request: Request, _ surface: Surface) throws -> (Tensor, String) {
        let x = try request.x
        if try settings.tensor("baseline") != nil { return (try Baseline.tensor(settings, like: x, seed: request.seed), "tensor") }
        if let text = try settings.text("baseline") { return (try Baseline.tensor(settings, like: x, seed: request.seed), text) }
        guard surface.isImage else { return (try .zeros(x.type, x.shape), "0") }
        switch (preset, way) {
        case (.petsiuk, .deletion): return (try .zeros(x.type, x.shape), "0")
        case (.petsiuk, .insertion):
            let blurred = try RiseBlur.apply(surface.planes(x), height: surface.height, width: surface.width)
            return (try surface.inputs(blurred), "rise_blur")
        default:
            var options = Options()
            options["baseline"] = .text("blur")
            let blur = try Settings(options, [Baseline.parameter(default: "blur")], of: way.rawValue)
            return (try Baseline.tensor(blur, like: x, seed: request.seed), "blur")
        }
    }

    /// What is ranked, and how it is cut into steps.
    private struct Plan {
        /// The judged map, then the constant and the random one; N x height x width.
        let maps: [Tensor]
        let isCells: Bool
        /// Cells that are fewer than pixels have soft edges.
        let isSoft: Bool
        let height: Int
        let width: Int
        let each: Int
        let counts: [Int]
        let rule: CurveRule

        var versionsPerImage: Int { 1 + maps.count * max(0, counts.count - 2) }

        init(_ curve: ReplacementCurve, _ request: Request, _ subject: Subject, _ surface: Surface) throws {
            let settings = curve.settings, preset = curve.preset
            let unit = try settings.choice("unit")
            isCells = surface.isImage && (unit == "cell" || (unit == "auto" && preset != .petsiuk))
            let own = try curve.reader.planes(subject, request, surface)
            let ranked: Tensor
            if isCells {
                let side = try settings.integer("cells", or: 0)
                (height, width) =
                    side > 0
                    ? (min(side, surface.height), min(side, surface.width))
                    : (min(own.shape[1], surface.height), min(own.shape[2], surface.width))
                ranked = try Pooling.mean(own, height: height, width: width)
            } else {
                (height, width) = (surface.height, surface.width)
                ranked = try curve.reader.enlarged(own, surface)
            }
            isSoft = height != surface.height || width != surface.width
            maps =
                try settings.flag("references")
                ? [ranked, ReferenceMaps.constant(like: ranked), ReferenceMaps.random(like: ranked, seed: request.seed)] : [ranked]
            let units = height * width, steps = try settings.integer("n_steps", or: 0),
                given = try settings.integer("units_per_step", or: 0)
            let usual = preset == .petsiuk ? surface.width : max(1, units / 50)
            each = min(units, given > 0 ? given : steps > 0 ? max(1, units / steps) : usual)
            counts = Steps.counts(of: units, each: each)
            let usualRule: CurveRule = preset == .petsiuk ? .unitTrapezoid : preset == .igos ? .trapezoid : .igosRepo
            rule = CurveRule(rawValue: try settings.choice("rule")) ?? usualRule
        }
    }
}

internal import Runtime
internal import Tensors

/// The published settings of I-GOS and its successors, and the options that replace them.
struct Profile {
    /// Options of the three methods.
    static let parameters: [Parameter] =
        [
            Parameter(
                "mask_size", .integer(1...4096), default: "",
                "cells of the mask along each side: 7, 14, 28, 112, 224 in the papers; default: 28, or as many as the image has pixels"),
            Parameter("iterations", .integer(1...100_000), default: "15", "outer iterations (15 in the papers' runs)"),
            Parameter("ig_steps", .integer(1...10_000), default: "20", "points on each path of integrated gradients (20 in the papers)"),
            Parameter(
                "lambda_l1", .real(0...Double.infinity), default: "",
                "weight of mean|1 - M|; default: the published 1, and 10 from mask_size 224 on (igos_aaai20: 3 from 112 on)"),
            Parameter(
                "lambda_tv", .real(0...Double.infinity), default: "",
                "weight of the variation; default: the published 20 (igos_aaai20: 60 from mask_size 112 on)"),
            Parameter(
                "noise", .real(0...Double.infinity), default: "0.2",
                "standard deviation of the noise on each point, for images normalised as ImageNet's; scaled with input_std"),
            Parameter("noise_samples", .tensor, "noise to add in place of random numbers, taken in turn: K x one image"),
            Parameter(
                "optimizer", .choice(["line_search", "nag"]), default: "line_search",
                "nag: Nesterov's steps of a constant size, no search (Jiang, Khorram, Li 2023)"),
            Parameter(
                "step_init", .real(0...Double.infinity), default: "",
                "first step of the search, step size of nag; default: 1000 (igos_aaai20: 200)"),
            Parameter(
                "line_search_objective", .choice(["interval", "end_point"]), default: "",
                "what the search compares: the mean over the noisy path, or its end without noise; default: interval (igos_aaai20, fast: end_point)"
            ),
            Parameter(
                "warm_start", .boolean, default: "false", "begin each search at 25 times the last step, at most step_init; fast implies it"),
            Parameter("fast", .boolean, default: "false", "the cheap search: line_search_objective end_point, and warm_start"),
            Parameter(
                "ladder", .integer(0...64), default: "0",
                "steps of a search that are evaluated together; 0: 4 for end_point, 1 for interval; the result is the same"),
            Parameter(
                "floor_step", .choice(["skip", "take"]), default: "skip",
                "when no step down to 1e-5 helps: none is made, or the last one all the same, as in the published code"),
            Parameter("term_weights", .numbers, default: "", "one factor for each term of the objective; default: 1 for each"),
        ] + MaskStart.parameters + [Baseline.parameter(default: "blur")] + Baseline.preparation + [ImageLayout.parameter]

    /// Of iGOS+ and iGOS++ only.
    static let bilateral: [Parameter] = [
        Parameter(
            "btv", .choice(["paper", "igospp_repo", "none"]), default: "paper",
            "bilateral variation: the same weight along both axes; as the published code computes it; none: the mask's own variation, as in I-GOS"
        ),
        Parameter(
            "btv_sigma", .real(1e-9...Double.infinity), default: "0.1",
            "image differences of this size count 1/e (0.1, the published code's divisor 0.01), for images normalised as ImageNet's; scaled with input_std"
        ),
        Parameter(
            "halved", .boolean, default: "false", "the data's part of the direction counts half, as in the published code and not the paper"
        ),
    ]

    let iterations: Int
    private let isAAAI: Bool
    private let isFast: Bool

    init(_ settings: Settings) throws {
        iterations = try settings.integer("iterations", or: 15)
        isAAAI = try settings.choice("profile") == "igos_aaai20"
        isFast = try settings.flag("fast")
    }

    func lambdas(_ settings: Settings, _ grid: MaskGrid) throws -> (l1: Double, tv: Double) {
        let isLarge = grid.width >= 112
        let l1 = isAAAI ? (isLarge ? 3.0 : 1) : grid.width >= 224 ? 10 : 1
        return (try settings.real("lambda_l1", or: l1), try settings.real("lambda_tv", or: isAAAI && isLarge ? 60 : 20))
    }

    private func form(_ settings: Settings) throws -> MaskObjective.Form {
        let given = MaskObjective.Form(rawValue: try settings.choice("line_search_objective"))
        return given ?? (isAAAI || isFast ? .endPoint : .interval)
    }

    private func first(_ settings: Settings) throws -> Double { try settings.real("step_init", or: isAAAI ? 200 : 1000) }

    func rule(_ settings: Settings, terms: Int) throws -> MaskDescent.Rule {
        let form = try form(settings)
        let ladder = try settings.integer("ladder", or: 0)
        let search = LineSearch(
            ladder: ladder > 0 ? ladder : form == .endPoint ? 4 : 1, takesFloorStep: try settings.choice("floor_step") == "take")
        return MaskDescent.Rule(
            isNesterov: try settings.choice("optimizer") == "nag", search: search, form: form, first: try first(settings),
            isWarm: try isFast || settings.flag("warm_start"), adapts: isAAAI, iterations: iterations)
    }

    /// What the options leave open, for the manifest.
    func chosen(_ settings: Settings, _ grid: MaskGrid, terms: Int) throws -> [String: JSON] {
        let rule = try rule(settings, terms: terms), lambdas = try lambdas(settings, grid)
        return [
            "mask_size": .integer(grid.width), "lambda_l1": .number(lambdas.l1), "lambda_tv": .number(lambdas.tv),
            "step_init": .number(rule.first), "line_search_objective": .string(rule.form.rawValue), "warm_start": .bool(rule.isWarm),
            "ladder": .integer(rule.search.ladder),
        ]
    }

    /// What one unit of an ImageNet-normalised image is in the input, per channel.
    static func scale(_ settings: Settings, channels: Int) throws -> [Double] {
        guard let std = try settings.numbers("input_std") else { return [Double](repeating: 1, count: channels) }
        guard std.count == 1 || std.count == channels, std.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw Failure.invalid("option 'input_std' has \(std.count) numbers, expected 1 or \(channels), all above 0")
        }
        let usual = [0.229, 0.224, 0.225]
        return (0..<channels).map { (channels == 3 ? usual[$0] : 0.226) / (std.count == 1 ? std[0] : std[$0]) }
    }
}

extension MaskDescent {
    /// The objective where the descent stands, as far as it is known.
    var reached: Double { records.last.map { $0.after ?? $0.before } ?? .infinity }
}

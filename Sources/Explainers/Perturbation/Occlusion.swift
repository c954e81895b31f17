internal import Glibc
internal import Runtime
internal import Tensors

/// How far the score falls when a window of the input is covered: `d_p = f(x) - f(x with window p replaced)`; an element's
/// importance is the mean (or sum) of `d_p` over the windows that cover it.
/// Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2; positions as in Captum.
struct Occlusion: Explainer {
    static let method = Method(
        "occlusion", family: "perturbation", summary: "How far the score falls when a window that slides over the input is covered.",
        reference: "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks (2014)", needs: [], score: .probability,
        parameters: [
            Parameter(
                "sliding_window_shapes", .numbers,
                "the window: one length for all axes of space, one for each of them, or one for each axis with channels; default: all channels, and a seventh of height and width (32 of 224 pixels: one cell of the last feature map of usual networks; an 85th of a signal, a third of a volume's axes)"
            ),
            Parameter(
                "strides", .numbers,
                "steps of the window, in the same forms; default: half the window, so that an image of any size has about 13 x 13 windows (Captum's default is 1)"
            ),
            Parameter(
                "partial_last", .choice(Windows.PartialLast.allCases.map(\.rawValue)), default: "truncate",
                "a last window that does not fit: truncate cuts it at the border (Captum), shift moves it back, drop leaves it out (xplique)"
            ),
            Parameter(
                "combine", .choice(["mean", "sum"]), default: "mean",
                "how the windows over an element are combined: mean (Captum) or sum (xplique), which grows with their number"),
            .baseline,
            ClassScores.parameter,
            Parameter(
                "class_scores", .boolean, default: "false",
                "true: also the score of every class behind every window (class_scores) and without one (clean_class_scores)"),
            .channelReduce,
            WindowScores.parameter,
            ImageLayout.parameter,
        ] + Baseline.preparation)

    private let settings: Settings
    private let isSum: Bool
    private let givesClassScores: Bool

    init(_ settings: Settings) throws {
        self.settings = settings
        isSum = try settings.choice("combine") == "sum"
        givesClassScores = try settings.flag("class_scores")
    }

    func explain(_ request: Request) throws -> Findings {
        let axes = try InputAxes(request, settings)
        let windows = try windows(axes)
        let baseline = try Baseline.tensor(settings, like: request.x, seed: request.seed)
        let target = try request.scoredTarget()
        let classes = try ClassScores(settings, target, always: givesClassScores)
        let scorer = try WindowScores(request, windows, axes, target, settings)
        var grids: [Tensor] = [], behind: [Tensor] = [], clean: [Tensor] = []
        for image in 0..<request.images {
            let removal = try Removal(try request.x, image: image, baseline: baseline)
            let evaluated = try scorer.evaluate(image, removal, classes)
            grids.append(try Tensor(evaluated.scores.map { Float(request.scores[image] - $0) }, [1] + windows.counts))
            guard classes.isWanted else { continue }
            behind.append(evaluated.classes)
            clean.append(
                try classes.scores(request.evaluate(image: image, removal.original, target: target, wantsEveryScore: true)))
        }
        let grid = try Maps.stack(grids)
        var findings = Findings(map: try map(grid, windows, axes))
        findings.tensors["grid"] = grid
        findings.chosen["sliding_window_shapes"] = .array(windows.window.map { .integer($0) })
        findings.chosen["strides"] = .array(windows.strides.map { .integer($0) })
        findings.chosen["incremental"] = .string(scorer.isIncremental ? "always" : "never")
        if classes.isWanted { try add(classes, try Maps.stack(behind), try Maps.stack(clean), windows, axes, to: &findings) }
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let windows = try windows(try InputAxes(request, settings))
        let isClean = try givesClassScores || settings.text("classes") != nil
        return try [request.work()]
            + request.work(versions: windows.count, chunk: request.chunk(of: windows.count), gradient: false)
            + (isClean ? request.work(versions: 1, chunk: 1, gradient: false) : [])
    }

    /// A side of an axis of which `2 n - 1` windows, half a window apart, make about as many windows in all whatever the
    /// number of axes: 13 x 13 for an image.
    private func windows(_ axes: InputAxes) throws -> Windows {
        let parts = ((pow(169, 1 / Double(max(1, axes.space.count))) + 1) / 2).rounded()
        let usual = axes.shape.indices.map { axis in
            axis == axes.channel ? axes.shape[axis] : Int((Double(axes.shape[axis]) / parts).rounded(.up))
        }
        let channels = axes.channel.map { axes.shape[$0] } ?? 1
        let window = try axes.lengths("sliding_window_shapes", settings, channels: channels, default: usual)
        let steps = axes.shape.indices.map { $0 == axes.channel ? window[$0] : (window[$0] + 1) / 2 }
        let strides = try axes.lengths("strides", settings, channels: axes.channel.map { window[$0] } ?? 1, default: steps)
        let partial = Windows.PartialLast(rawValue: try settings.choice("partial_last")) ?? .truncate
        return try Windows(shape: axes.shape, window: window, strides: strides, partial: partial)
    }

    /// Images x grid spread over the elements that each window covers: images x input.
    private func map(_ grid: Tensor, _ windows: Windows, _ axes: InputAxes) throws -> Tensor {
        let images = grid.shape[0], size = try Shape.count(windows.shape)
        var covered = [Double](repeating: 0, count: size), sum = [Double](repeating: 0, count: images * size)
        try grid.read(Float.self) { falls in
            for window in 0..<windows.count {
                let elements = windows.elements(window)
                elements.add(1, to: &covered)
                for image in 0..<images { elements.add(Double(falls[image * windows.count + window]), to: &sum, at: image * size) }
            }
        }
        let map = try Tensor.make([images] + windows.shape, Float.self) { out in
            for i in out.indices { out[i] = Float(isSum ? sum[i] : sum[i] / max(1, covered[i % size])) }
        }
        return try axes.reduceChannels(map, try settings.choice("channel_reduce"))
    }

    /// Maps of other classes, and their scores. `behind`: images x windows x classes; `clean`: images x classes.
    private func add(
        _ classes: ClassScores, _ behind: Tensor, _ clean: Tensor, _ windows: Windows, _ axes: InputAxes, to findings: inout Findings
    ) throws {
        if givesClassScores {
            findings.tensors["class_scores"] = try behind.reshaped([behind.shape[0]] + windows.counts + [clean.shape[1]])
            findings.tensors["clean_class_scores"] = clean
        }
        let all = clean.shape[1], images = clean.shape[0], chosen = try classes.chosen(of: all)
        guard !chosen.isEmpty else { return }
        let falls = try behind.read(Float.self) { behind in
            try clean.read(Float.self) { clean in
                try Tensor.make([images * chosen.count, windows.count], Float.self) { out in
                    for i in out.indices {
                        let window = i % windows.count, row = i / windows.count
                        let image = row / chosen.count, index = chosen[row % chosen.count]
                        out[i] = clean[image * all + index] - behind[(image * windows.count + window) * all + index]
                    }
                }
            }
        }
        let maps = try map(falls, windows, axes)
        findings.tensors["maps"] = try maps.reshaped([images, chosen.count] + maps.shape.dropFirst())
    }
}

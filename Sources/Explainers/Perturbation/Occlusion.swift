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
            .channelReduce,
        ] + RegionAblation.parameters)

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func explain(_ request: Request) throws -> Findings {
        let axes = try InputAxes(request, settings)
        let windows = try windows(axes)
        let ablation = try ablation(request)
        let outcomes = try ablation("windows", [Regions](repeating: windows.regions, count: request.images))
        let how = try settings.choice("channel_reduce")
        let map = try Maps.stack(outcomes.maps).reshaped([request.images] + axes.shape)
        var findings = Findings(map: try axes.reduceChannels(map, how))
        findings.tensors["grid"] = try Maps.stack(outcomes.falls).reshaped([request.images] + windows.counts)
        try ablation.add(outcomes, regions: windows.counts, shape: axes.shape, to: &findings)
        if let maps = findings.tensors["maps"] {
            let (images, classes) = (maps.shape[0], maps.shape[1])
            let folded = try axes.reduceChannels(try maps.reshaped([images * classes] + axes.shape), how)
            findings.tensors["maps"] = try folded.reshaped([images, classes] + folded.shape.dropFirst())
        }
        findings.chosen["sliding_window_shapes"] = .array(windows.window.map { .integer($0) })
        findings.chosen["strides"] = .array(windows.strides.map { .integer($0) })
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let windows = try windows(try InputAxes(request, settings))
        return try ablation(request).work([Regions](repeating: windows.regions, count: request.images))
    }

    private func ablation(_ request: Request) throws -> RegionAblation {
        try RegionAblation(request, settings, inputs: [request.input], isSum: try settings.choice("combine") == "sum")
    }

    private func windows(_ axes: InputAxes) throws -> Windows {
        // 2 n - 1 windows, half a window apart, lie along an axis that n windows cover: about 169 in all for any number of axes.
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
}

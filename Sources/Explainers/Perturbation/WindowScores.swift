internal import Runtime
internal import Tensors

/// The scores of images behind the places of a window: by evaluating what the window reaches of the network, where that
/// pays, or whole images.
struct WindowScores {
    static let parameter = Parameter(
        "incremental", .choice(["auto", "never", "always"]), default: "auto",
        "auto: compute only what each window reaches in the network, where that is less work (Nakandala et al. 2019; the result is the same to rounding); always: also where it is not; never: whole images"
    )

    /// Patches evaluated together: more gain nothing.
    private static let batch = 32

    private let request: Request
    private let windows: Windows
    private let axes: InputAxes
    private let target: Target
    private let patches: PatchModel?

    var isIncremental: Bool { patches != nil }

    init(_ request: Request, _ windows: Windows, _ axes: InputAxes, _ target: Target, _ settings: Settings) throws {
        (self.request, self.windows, self.axes, self.target) = (request, windows, axes, target)
        let choice = try settings.choice(WindowScores.parameter.name)
        // A hook must see every value as a whole.
        guard choice != "never", axes.shape.count == 3, request.control.hooks.isEmpty, windows.count > 1 else {
            patches = nil
            return
        }
        let x = try request.x
        patches = try PatchModel(
            request.model, feeds: request.feeds(image: 0, x.sliced(0, 0..<1)), input: request.input, axes: axes.space.map { $0 + 1 },
            size: axes.space.map { windows.window[$0] }, limit: min(request.batchSize ?? WindowScores.batch, windows.count),
            target: try request.target(target, ofImage: 0), memory: request.memory, always: choice == "always")
    }

    /// `classes`: windows x classes, where they are wanted.
    func evaluate(_ image: Int, _ removal: Removal, _ classes: ClassScores) throws -> (scores: [Double], classes: Tensor) {
        let base = try patches.map { try $0.base(request.feeds(image: image, removal.original), request.control) }
        var scores: [Double] = [], every: [Tensor] = []
        let chunk = try patches?.batch ?? request.chunk(of: windows.count)
        for first in stride(from: 0, to: windows.count, by: chunk) {
            let range = first..<min(first + chunk, windows.count)
            let done = image * windows.count + first
            try request.control.begin("windows", done, to: done + range.count, of: windows.count * request.images)
            let outcome: Outcome
            if let patches, let base {
                outcome = try evaluate(patches, over: base, image, removal, range, classes)
            } else {
                outcome = try request.evaluate(
                    image: image, removal.versions(range.map(windows.elements)), target: target, wantsEveryScore: classes.isWanted)
            }
            guard outcome.scores.count >= range.count else {
                throw Failure.unsupported("\(range.count) versions of the input gave \(outcome.scores.count) scores")
            }
            scores += outcome.scores.prefix(range.count)
            if classes.isWanted { every.append(try classes.scores(outcome).sliced(0, 0..<range.count).contiguous()) }
        }
        return (scores, classes.isWanted ? try ClassScores.joined(every) : try Tensor.zeros(.float32, [0]))
    }

    /// Patches as large as a whole window, moved inwards where the window is cut at the border; the last one fills the batch.
    private func evaluate(
        _ patches: PatchModel, over base: PatchModel.Base, _ image: Int, _ removal: Removal, _ range: Range<Int>, _ classes: ClassScores
    ) throws -> Outcome {
        let boxes = (range.lowerBound..<(range.lowerBound + patches.batch)).map { windows.box(min($0, range.upperBound - 1)) }
        let size = axes.shape.indices.map { $0 == axes.channel ? axes.shape[$0] : windows.window[$0] }
        let starts = boxes.map { box in
            box.indices.map { $0 == axes.channel ? 0 : min(box[$0].lowerBound, axes.shape[$0] - windows.window[$0]) }
        }
        let rows = axes.space[0], columns = axes.space[1]
        return try patches.evaluate(
            try removal.parts(boxes, starts: starts, size: size), starts: starts.map { (row: $0[rows], column: $0[columns]) }, over: base,
            target: try request.target(target, ofImage: image), wantsEveryScore: classes.isWanted, request.control)
    }
}

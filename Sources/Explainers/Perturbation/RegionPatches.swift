internal import Runtime
internal import Tensors

/// The scores of images without small regions, from what each region reaches in the network alone.
/// Nakandala, Kumar & Papakonstantinou, SIGMOD 2019, "Incremental and approximate inference for faster occlusion-based deep
/// CNN explanations", without the approximations: the result is that of whole images, to rounding.
struct RegionPatches {
    static let parameter = Parameter(
        "incremental", .choice(["auto", "never", "always"]), default: "auto",
        "auto: compute only what each region reaches in the network, where that is less work (the result is the same to rounding); always: also where it is not; never: whole images"
    )

    /// Patches evaluated together: more gain nothing.
    private static let most = 32

    private let request: Request
    private let layout: ImageLayout
    private let regions: Regions
    private let target: Target
    private let patches: PatchModel
    /// Rows and columns of a patch: those of the largest region.
    private let size: [Int]
    /// The first row and column of each region's patch.
    private let starts: [(row: Int, column: Int)]

    /// nil where whole images must be evaluated, or where that is less work.
    init?(_ request: Request, _ settings: Settings, image: Int, inputs: [String], _ regions: Regions, _ target: Target) throws {
        let choice = try settings.choice(RegionPatches.parameter.name)
        // A hook must see every value as a whole.
        guard choice != "never", inputs == [request.input], request.control.hooks.isEmpty, regions.count > 1,
            let layout = try? ImageLayout(request, settings), regions.size == layout.pixels * layout.channels
        else { return nil }
        (self.request, self.layout, self.regions, self.target) = (request, layout, regions, target)
        let boxes = (0..<regions.count).map { regions.elements($0).box(in: layout) }
        let size = [boxes.map(\.rows.count).max() ?? 1, boxes.map(\.columns.count).max() ?? 1]
        self.size = size
        starts = boxes.map { (min($0.rows.lowerBound, layout.height - size[0]), min($0.columns.lowerBound, layout.width - size[1])) }
        let feeds = try request.feeds(image: image, request.x.sliced(0, image..<(image + 1)))
        guard
            let patches = try PatchModel(
                request.model, feeds: feeds, input: request.input, axes: layout.isChannelsLast ? [1, 2] : [2, 3], size: size,
                limit: min(request.batchSize ?? RegionPatches.most, regions.count), target: request.target(target, ofImage: image),
                memory: request.memory, always: choice == "always")
        else { return nil }
        self.patches = patches
    }

    /// Regions evaluated together.
    var chunk: Int { patches.batch }

    /// What evaluating all regions takes, the run of the unchanged image included.
    var cost: Cost { patches.baseCost + patches.cost * ((regions.count + chunk - 1) / chunk) }

    /// The activations of the unchanged image.
    func base(_ image: Int) throws -> PatchModel.Base {
        try patches.base(try request.feeds(image: image, request.x.sliced(0, image..<(image + 1))), request.control)
    }

    /// The scores of one image without the regions of a range; `versions`: the image without each of them.
    func evaluate(_ image: Int, _ range: Range<Int>, _ versions: Tensor, over base: PatchModel.Base, wantsEveryScore: Bool) throws
        -> Outcome
    {
        // The last patch fills the batch.
        let places = (0..<patches.batch).map { min($0, range.count - 1) }
        var outcome = try patches.evaluate(
            try cut(versions, places, range), starts: places.map { starts[range.lowerBound + $0] }, over: base,
            target: try request.target(target, ofImage: image), wantsEveryScore: wantsEveryScore, request.control)
        outcome.scores = Array(outcome.scores.prefix(range.count))
        outcome.everyScore = try outcome.everyScore?.sliced(0, 0..<range.count).contiguous()
        return outcome
    }

    /// The part of each version that the network is given anew.
    private func cut(_ versions: Tensor, _ places: [Int], _ range: Range<Int>) throws -> Tensor {
        let outer = layout.isChannelsLast ? 1 : layout.channels, inner = layout.isChannelsLast ? layout.channels : 1
        let shape = layout.isChannelsLast ? size + [layout.channels] : [layout.channels] + size
        return try versions.read(Float.self) { from in
            try Tensor.make([places.count] + shape, Float.self) { to in
                var at = 0
                for place in places {
                    let start = starts[range.lowerBound + place]
                    for plane in 0..<outer {
                        for y in 0..<size[0] {
                            let row = ((place * outer + plane) * layout.height + start.row + y) * layout.width + start.column
                            for i in 0..<size[1] * inner { to[at + i] = from[row * inner + i] }
                            at += size[1] * inner
                        }
                    }
                }
            }
        }
    }
}

extension ElementRuns {
    /// The rows and columns of an image that hold all of the elements.
    fileprivate func box(in layout: ImageLayout) -> (rows: Range<Int>, columns: Range<Int>) {
        var top = layout.height, bottom = 0, left = layout.width, right = 0
        for start in starts {
            let end = start + max(0, length - 1)
            var first = layout.isChannelsLast ? start / layout.channels : start % layout.pixels
            var last = layout.isChannelsLast ? end / layout.channels : end % layout.pixels
            if !layout.isChannelsLast, start / layout.pixels != end / layout.pixels { (first, last) = (0, layout.pixels - 1) }
            let isOneRow = first / layout.width == last / layout.width
            top = min(top, first / layout.width)
            bottom = max(bottom, last / layout.width)
            left = min(left, isOneRow ? first % layout.width : 0)
            right = max(right, isOneRow ? last % layout.width : layout.width - 1)
        }
        return starts.isEmpty ? (0..<1, 0..<1) : (top..<(bottom + 1), left..<(right + 1))
    }
}

internal import Runtime
internal import Tensors

/// One image with some of its patches shown, put to the network a batch at a time.
struct PatchImages {
    let grid: PatchGrid
    private let request: Request
    private let image: Int
    private let target: Target
    private let masking: Masking

    init(_ request: Request, image: Int, target: Target, baseline: Tensor, grid: PatchGrid, layout: ImageLayout) throws {
        self.request = request
        self.image = image
        self.target = target
        self.grid = grid
        masking = try Masking(request, image: image, baseline: baseline, layout)
    }

    /// The class explained; nil where the target is not one class.
    static func explainedClass(_ request: Request, _ image: Int, _ target: Target) throws -> Int? {
        if case .index(let index) = try request.target(target, ofImage: image).kind { return index }
        return nil
    }

    /// The score of the whole image, whose best class must be the one explained.
    func checkedTop() throws -> Double {
        guard let score = try scores([.all(grid.count)], ranks: true).first, score.isTop else {
            throw Failure.invalid("option 'require_top1': the class explained is not the best one of image \(image)")
        }
        return score.probability
    }

    /// Scores of the sets in their order, whatever the batch; sizes of batches are powers of two, as each needs a plan.
    /// `ranks`: whether the explained class is the best one is found out too.
    func scores(_ sets: [PatchSet], ranks: Bool) throws -> [PatchScore] {
        let largest = try request.chunk(of: sets.count)
        var found: [PatchScore] = []
        found.reserveCapacity(sets.count)
        while found.count < sets.count {
            let left = sets.count - found.count
            let size = left >= largest ? largest : 1 << (Int.bitWidth - 1 - left.leadingZeroBitCount)
            found += try evaluated(Array(sets[found.count..<(found.count + size)]), ranks)
        }
        return found
    }

    private func evaluated(_ sets: [PatchSet], _ ranks: Bool) throws -> [PatchScore] {
        let masks = try grid.masks(sets, height: masking.layout.height, width: masking.layout.width)
        let outcome = try request.evaluate(image: image, try masking.versions(masks), target: target, wantsEveryScore: ranks)
        guard outcome.scores.count == sets.count else {
            throw Failure.unsupported(
                "the target gives \(outcome.scores.count) scores for \(sets.count) images; this method needs one for each")
        }
        let tops = try ranks ? isTop(outcome, sets.count) : nil
        return sets.indices.map { PatchScore(probability: outcome.scores[$0], isTop: tops?[$0] ?? true) }
    }

    private func isTop(_ outcome: Outcome, _ count: Int) throws -> [Bool] {
        guard let index = try PatchImages.explainedClass(request, image, target) else {
            throw Failure.unsupported("option 'require_top1': the target is not one class")
        }
        guard let every = outcome.everyScore, every.shape.count == 2, every.shape[0] == count, (0..<every.shape[1]).contains(index) else {
            throw Failure.unsupported("option 'require_top1': the output is not images x classes")
        }
        let classes = every.shape[1]
        return try every.converted(to: .float32).read(Float.self) { values in
            (0..<count).map { row in
                let own = values[row * classes + index]
                return (0..<classes).allSatisfy { values[row * classes + $0] <= own }
            }
        }
    }
}

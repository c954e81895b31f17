internal import Explainers
internal import Runtime
internal import Tensors

/// Scores of versions of images, a chunk at a time, with an account of how far it is.
final class Scoring {
    let target: Target
    private let request: Request
    private let stage: String
    private let total: Int
    private var done = 0

    /// Evaluates the unchanged input; `total`: versions of all images that will be asked for.
    init(_ request: Request, _ stage: String, total: Int) throws {
        self.request = request
        self.stage = stage
        self.total = total
        target = try request.scoredTarget()
    }

    /// Of versions `0..<count` of one image; memory does not grow with their number.
    func scores(image: Int, _ count: Int, _ versions: (Range<Int>) throws -> Tensor) throws -> [Double] {
        guard count > 0 else { return [] }
        var scores: [Double] = []
        let chunk = try request.chunk(of: count)
        for first in stride(from: 0, to: count, by: chunk) {
            let range = first..<min(first + chunk, count)
            try request.control.begin(stage, done, to: done + range.count, of: total)
            scores += try request.evaluate(image: image, try versions(range), target: target).scores
            done += range.count
        }
        guard scores.allSatisfy(\.isFinite) else {
            throw Failure.invalid("the model gives no finite score for a changed version of image \(image); choose another baseline")
        }
        return scores
    }
}

extension Request {
    /// `Scoring.scores`, foreseen, for every image.
    func work(scores count: Int) throws -> [Work] {
        count > 0 ? try work(versions: count, chunk: chunk(of: count), gradient: false) : []
    }
}

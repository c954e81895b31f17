internal import Explainers
internal import Tensors

/// The absolute values of a map at its own size, for metrics that look at nothing else.
struct Distribution {
    private let planes: Tensor
    private let seed: UInt64

    init(_ settings: Settings, _ request: Request, _ subject: Subject) throws {
        planes = try MapReader(settings).planes(subject, request, Surface(request))
        seed = request.seed
    }

    /// `value`: of positive sums; a map of zeros has none.
    func verdict(_ value: ([Double]) -> Double) throws -> Verdict {
        var verdict = Verdict(try values(planes, value))
        verdict.constant = try values(ReferenceMaps.constant(like: planes), value)
        verdict.random = try values(ReferenceMaps.random(like: planes, seed: seed), value)
        return verdict
    }

    private func values(_ planes: Tensor, _ value: ([Double]) -> Double) throws -> [Double] {
        let places = planes.count / max(1, planes.shape[0])
        return try planes.read(Float.self) { all in
            stride(from: 0, to: all.count, by: max(1, places)).map { start in
                let part = all[start..<(start + places)].map { abs(Double($0)) }
                return part.contains { $0 > 0 } ? value(part) : .nan
            }
        }
    }
}

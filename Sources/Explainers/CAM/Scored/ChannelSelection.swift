internal import Glibc
internal import Tensors

/// pytorch-grad-cam's choice of channels worth ablating: those that lie most, and least, in the region that the first
/// principal component of the layer covers.
struct ChannelSelection {
    private static let threshold = 0.01
    private let channels: Int
    private let places: Int
    private let a: [Float]

    /// One image x channels x space.
    init(_ activation: Tensor) throws {
        channels = activation.shape[1]
        places = activation.shape.dropFirst(2).reduce(1, *)
        a = try activation.array(Float.self)
    }

    /// Channel numbers in order, `share` of all from either end.
    func ends(share: Double) -> [Int] {
        let region = region(), count = Int(Double(channels) * share)
        let overlaps = (0..<channels).map { overlap($0, region) }
        let ranked = (0..<channels).sorted { overlaps[$0] != overlaps[$1] ? overlaps[$0] < overlaps[$1] : $0 < $1 }
        return Set(ranked.prefix(count) + ranked.suffix(count)).sorted()
    }

    /// How much of a channel's absolute, scaled values lies in the region.
    private func overlap(_ channel: Int, _ region: [Bool]) -> Double {
        let plane = a[(channel * places)..<((channel + 1) * places)].map { abs(Double($0)) }
        let low = plane.min() ?? 0
        let total = plane.reduce(0) { $0 + $1 - low }
        guard total > 0 else { return 0 }
        return zip(plane, region).reduce(0) { $0 + ($1.1 ? $1.0 - low : 0) } / total
    }

    /// Where the projection on the first principal component, as a share of its range, exceeds the threshold.
    private func region() -> [Bool] {
        let projection = principalProjection().map { abs($0) }
        guard let low = projection.min(), let high = projection.max(), high > low else { return projection.map { _ in false } }
        return projection.map { ($0 - low) / (high - low) > ChannelSelection.threshold }
    }

    /// `R v`, R the centred positions x channels matrix and v its first right singular vector, by power iteration on `R R^T`.
    private func principalProjection() -> [Double] {
        var centred = [Double](repeating: 0, count: a.count)
        for channel in 0..<channels {
            let range = channel * places..<(channel + 1) * places
            let mean = a[range].reduce(0.0) { $0 + Double($1) } / Double(places)
            for i in range { centred[i] = Double(a[i]) - mean }
        }
        // Any start that is not orthogonal to the answer: the strongest channel.
        let norms = (0..<channels).map { channel in (0..<places).reduce(0.0) { $0 + pow(centred[channel * places + $1], 2) } }
        let strongest = norms.indices.max { norms[$0] < norms[$1] } ?? 0
        var u = Array(centred[(strongest * places)..<((strongest + 1) * places)])
        for _ in 0..<500 {
            let length = sqrt(u.reduce(0) { $0 + $1 * $1 })
            guard length > 0 else { return u }
            let unit = u.map { $0 / length }
            var next = [Double](repeating: 0, count: places)
            for channel in 0..<channels {
                let start = channel * places
                let along = (0..<places).reduce(0.0) { $0 + centred[start + $1] * unit[$1] }
                for i in 0..<places { next[i] += along * centred[start + i] }
            }
            let change = zip(next, u).reduce(0.0) { $0 + abs($1.0 - $1.1) }
            u = next
            if change <= 1e-12 * length { break }
        }
        return u
    }
}

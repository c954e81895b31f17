internal import Tensors

/// pytorch-grad-cam's choice of channels worth ablating: those that lie most, and least, in the region that the first
/// principal component of the layer covers.
struct ChannelSelection {
    private static let threshold = 0.01
    private let channels: Int
    private let places: Int
    private let a: [Float]
    /// The projection on the component.
    private let projection: [Double]

    /// One image x channels x space.
    init(_ activation: Tensor) throws {
        channels = activation.shape[1]
        places = activation.shape.dropFirst(2).reduce(1, *)
        a = try activation.array(Float.self)
        projection = try PrincipalComponent(isCentred: true)(activation).doubles()
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
        let projection = projection.map { abs($0) }
        guard let low = projection.min(), let high = projection.max(), high > low else { return projection.map { _ in false } }
        return projection.map { ($0 - low) / (high - low) > ChannelSelection.threshold }
    }
}

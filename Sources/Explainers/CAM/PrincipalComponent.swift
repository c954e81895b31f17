internal import Glibc
internal import Runtime
internal import Tensors

/// The projection of a layer's channels on their first principal component: with `R` the positions x channels of one image and
/// `R = U S V^T`, the map is `R v_1 = s_1 u_1`. Muhammad & Yeasin 2020, "Eigen-CAM", section 3.
struct PrincipalComponent {
    /// Takes each channel's mean over space away first, as pytorch-grad-cam does.
    let isCentred: Bool
    /// A singular vector has no sign of its own: true takes the other one.
    var isFlipped = false

    /// From images x channels x space to images x 1 x space.
    func callAsFunction(_ weighted: Tensor) throws -> Tensor {
        let images = weighted.shape[0], channels = weighted.shape[1], area = weighted.shape.dropFirst(2).reduce(1, *)
        return try weighted.read(Float.self) { r in
            try Tensor.make([images, 1] + weighted.shape.dropFirst(2), Float.self) { out in
                for image in 0..<images {
                    let matrix = ChannelMatrix(r[image * channels * area..<(image + 1) * channels * area], channels, area, isCentred)
                    let map = signed(matrix.projection())
                    for i in 0..<area { out[image * area + i] = Float(map[i]) }
                }
            }
        }
    }

    /// Without centring the sum is positive (of activations that are not negative, so is then every entry). A centred map adds up
    /// to zero; its larger end is positive (Chung & Ying 2025, "Seg-Eigen-CAM", equation 13).
    private func signed(_ map: [Double]) -> [Double] {
        let isNegative = isCentred ? -(map.min() ?? 0) > (map.max() ?? 0) : map.reduce(0, +) < 0
        return isNegative != isFlipped ? map.map { -$0 } : map
    }
}

/// One image's channels as rows, positions as columns, and its leading singular pair.
private struct ChannelMatrix {
    private let values: [Double]
    private let channels: Int
    private let area: Int

    init(_ source: Slice<UnsafeBufferPointer<Float>>, _ channels: Int, _ area: Int, _ isCentred: Bool) {
        self.channels = channels
        self.area = area
        var values = source.map { Double($0) }
        if isCentred {
            for start in stride(from: 0, to: values.count, by: max(1, area)) {
                let mean = values[start..<(start + area)].reduce(0, +) / Double(area)
                for i in start..<(start + area) { values[i] -= mean }
            }
        }
        self.values = values
    }

    /// `s_1 u_1`: the vector is sought on the shorter side, over positions or over channels, so that no matrix larger than what
    /// was given is ever formed.
    func projection() -> [Double] {
        let isOverSpace = area <= channels
        guard let vector = Krylov.leading(isOverSpace ? area : channels, { isOverSpace ? spread(gather($0)) : gather(spread($0)) }) else {
            return [Double](repeating: 0, count: area)
        }
        if !isOverSpace { return spread(vector) }
        let length = Krylov.length(gather(vector))
        return vector.map { length * $0 }
    }

    /// Positions to channels.
    private func gather(_ x: [Double]) -> [Double] {
        (0..<channels).map { row in
            var sum = 0.0
            for i in 0..<area { sum += values[row * area + i] * x[i] }
            return sum
        }
    }

    /// Channels to positions.
    private func spread(_ x: [Double]) -> [Double] {
        var result = [Double](repeating: 0, count: area)
        for row in 0..<channels { for i in 0..<area { result[i] += values[row * area + i] * x[row] } }
        return result
    }
}

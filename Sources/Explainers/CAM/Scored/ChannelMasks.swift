internal import Imaging
internal import Tensors

/// The masks of Score-CAM and its relatives: channels of one image's layer, enlarged to the input and scaled to [0, 1].
struct ChannelMasks {
    /// What comes first: enlarging, or scaling to [0, 1].
    enum Order: String, CaseIterable {
        case resizeThenMinmax = "resize-minmax"
        case minmaxThenResize = "minmax-resize"
    }

    /// Channels x height x width.
    private let activation: Tensor
    private let layout: ImageLayout
    private let order: Order
    private let interp: Interpolation

    /// `activation`: one image x channels x height x width.
    init(_ activation: Tensor, layer: String, layout: ImageLayout, order: Order, interp: Interpolation) throws {
        guard activation.shape.count == 4, activation.count > 0 else {
            throw Failure.unsupported(
                "layer '\(layer)' is \(Shape.text(activation.shape)) (images x channels x space); masks need height and width")
        }
        self.activation = try activation.reshaped(Array(activation.shape.dropFirst()))
        self.layout = layout
        self.order = order
        self.interp = interp
    }

    /// Channels by falling mean activation; constant ones, whose mask would say nothing, only where `keepsConstant`.
    func ranking(keepsConstant: Bool) throws -> [Int] {
        let channels = activation.shape[0], inner = activation.count / channels
        return try activation.read(Float.self) { a in
            var means = [Double](repeating: 0, count: channels)
            var found: [Int] = []
            for channel in 0..<channels {
                let plane = UnsafeBufferPointer(rebasing: a[(channel * inner)..<((channel + 1) * inner)])
                let (low, high) = ChannelMasks.bounds(plane)
                means[channel] = plane.reduce(0.0) { $0 + Double($1) }
                if keepsConstant || high > low { found.append(channel) }
            }
            return found.sorted { means[$0] != means[$1] ? means[$0] > means[$1] : $0 < $1 }
        }
    }

    /// n x input height x input width, which nobody else has seen.
    func masks(_ channels: some Collection<Int>) throws -> Tensor {
        let inner = activation.shape[1] * activation.shape[2]
        let planes = try activation.read(Float.self) { a in
            try Tensor.make([channels.count, activation.shape[1], activation.shape[2]], Float.self) { out in
                for (row, channel) in channels.enumerated() {
                    for i in 0..<inner { out[row * inner + i] = a[channel * inner + i] }
                }
                if order == .minmaxThenResize { ChannelMasks.minmax(out, inner) }
            }
        }
        let masks = try upsample(planes, height: layout.height, width: layout.width, interp)
        if order == .resizeThenMinmax { try masks.write(Float.self) { ChannelMasks.minmax($0, layout.pixels) } }
        return masks
    }

    private static func bounds(_ plane: UnsafeBufferPointer<Float>) -> (Float, Float) {
        var low = Float.infinity, high = -Float.infinity
        for value in plane { low = min(low, value); high = max(high, value) }
        return (low, high)
    }

    /// Rows of `inner` to [0, 1]; a constant one becomes zeros.
    private static func minmax(_ values: UnsafeMutableBufferPointer<Float>, _ inner: Int) {
        for start in stride(from: 0, to: values.count, by: inner) {
            let row = UnsafeMutableBufferPointer(rebasing: values[start..<(start + inner)])
            let (low, high) = bounds(UnsafeBufferPointer(row))
            let range = high - low
            for i in row.indices { row[i] = range > 0 ? (row[i] - low) / range : 0 }
        }
    }
}

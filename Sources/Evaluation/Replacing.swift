internal import Tensors

/// One image turned into another place by place.
struct Replacing {
    private let surface: Surface
    /// Channels x height x width.
    private let from: Tensor
    private let to: Tensor

    /// Both are one entry of the input.
    init(_ surface: Surface, from: Tensor, to: Tensor) throws {
        self.surface = surface
        self.from = try surface.planes(from)
        self.to = try surface.planes(to)
    }

    /// For each count a version that shows `to` at the places whose position is below it.
    func versions(_ positions: [Int32], _ counts: ArraySlice<Int>) throws -> Tensor {
        let places = surface.places, channels = surface.channels
        guard positions.count == places else { throw Failure.shape("\(positions.count) positions for \(places) places") }
        let planes = try from.read(Float.self) { from in
            try to.read(Float.self) { to in
                try positions.withUnsafeBufferPointer { positions in
                    try Tensor.make([counts.count, channels, surface.height, surface.width], Float.self) { out in
                        for (row, count) in counts.enumerated() {
                            let limit = Int32(clamping: count)
                            for channel in 0..<channels {
                                let start = channel * places, at = (row * channels + channel) * places
                                for i in 0..<places { out[at + i] = positions[i] < limit ? to[start + i] : from[start + i] }
                            }
                        }
                    }
                }
            }
        }
        return try surface.inputs(planes)
    }

    /// For each mask a version `from + mask (to - from)`; masks are n x height x width.
    func versions(_ masks: Tensor) throws -> Tensor {
        let places = surface.places, channels = surface.channels, count = masks.shape.first ?? 0
        guard masks.count == count * places else {
            throw Failure.shape("masks are \(Shape.text(masks.shape)), expected n x \(surface.height) x \(surface.width)")
        }
        let planes = try from.read(Float.self) { from in
            try to.read(Float.self) { to in
                try masks.read(Float.self) { m in
                    try Tensor.make([count, channels, surface.height, surface.width], Float.self) { out in
                        for row in 0..<count * channels {
                            let mask = row / channels * places, start = row % channels * places, at = row * places
                            for i in 0..<places { out[at + i] = from[start + i] + m[mask + i] * (to[start + i] - from[start + i]) }
                        }
                    }
                }
            }
        }
        return try surface.inputs(planes)
    }
}

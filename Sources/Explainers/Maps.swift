internal import Glibc
internal import Tensors

/// Small computations on maps; real tensors are read as float32, sums are kept in double.
enum Maps {
    /// Element by element.
    static func map(_ a: Tensor, _ body: (Float) -> Float) throws -> Tensor { try a.map(Float.self, body) }

    static func zip(_ a: Tensor, _ b: Tensor, _ body: (Float, Float) -> Float) throws -> Tensor {
        guard a.shape == b.shape else { throw Failure.shape("\(Shape.text(a.shape)) against \(Shape.text(b.shape))") }
        let x = try a.converted(to: .float32), y = try b.converted(to: .float32)
        return try x.read(Float.self) { x in
            try y.read(Float.self) { y in try Tensor.make(a.shape, Float.self) { z in for i in z.indices { z[i] = body(x[i], y[i]) } } }
        }
    }

    /// Element-wise mean of tensors of one shape.
    static func mean(_ parts: [Tensor]) throws -> Tensor {
        guard let first = parts.first else { throw Failure.invalid("no maps") }
        if parts.count == 1 { return first }
        let sum = try parts.dropFirst().reduce(first) { try zip($0, $1) { $0 + $1 } }
        return try map(sum) { $0 / Float(parts.count) }
    }

    /// Element-wise largest of tensors of one shape.
    static func largest(_ parts: [Tensor]) throws -> Tensor {
        guard let first = parts.first else { throw Failure.invalid("no maps") }
        return try parts.dropFirst().reduce(first) { try zip($0, $1) { max($0, $1) } }
    }

    /// Folds the channel axis, which becomes axis 1 with size 1; `none` returns the tensor.
    static func reduceChannels(_ a: Tensor, _ how: String, axis: Int = 1) throws -> Tensor {
        guard how != "none", a.shape.count > 2, a.shape.indices.contains(axis) else { return a }
        let a = axis == 1 ? a : try a.transposed([0, axis] + a.shape.indices.dropFirst().filter { $0 != axis }).contiguous()
        let images = a.shape[0], channels = a.shape[1], inner = a.shape.dropFirst(2).reduce(1, *)
        guard channels > 0 else { return a }
        return try a.converted(to: .float32).read(Float.self) { x in
            try Tensor.make([images, 1] + a.shape.dropFirst(2), Float.self) { out in
                for image in 0..<images {
                    for i in 0..<inner {
                        var value = how == "max" ? -Double.infinity : 0
                        for channel in 0..<channels {
                            let v = Double(x[(image * channels + channel) * inner + i])
                            switch how {
                            case "max": value = max(value, v)
                            case "l2": value += v * v
                            default: value += v
                            }
                        }
                        out[image * inner + i] = Float(how == "mean" ? value / Double(channels) : how == "l2" ? sqrt(value) : value)
                    }
                }
            }
        }
    }

    /// Each image to [0, 1]; a constant one becomes zeros.
    static func minmax(_ a: Tensor) throws -> Tensor {
        let inner = a.shape.dropFirst().reduce(1, *)
        return try a.converted(to: .float32).read(Float.self) { x in
            try Tensor.make(a.shape, Float.self) { out in
                for start in stride(from: 0, to: x.count, by: max(inner, 1)) {
                    let part = x[start..<(start + inner)]
                    guard let low = part.min(), let high = part.max() else { continue }
                    let range = high - low
                    for i in part.indices { out[i] = range > 0 ? (x[i] - low) / range : 0 }
                }
            }
        }
    }

    /// Sum of each image.
    static func sums(_ a: Tensor) throws -> [Double] {
        let inner = max(1, a.shape.dropFirst().reduce(1, *))
        return try a.converted(to: .float32).read(Float.self) { x in
            stride(from: 0, to: x.count, by: inner).map { start in x[start..<(start + inner)].reduce(0.0) { $0 + Double($1) } }
        }
    }

    /// The last axis in reverse.
    static func mirrored(_ a: Tensor) throws -> Tensor {
        let width = max(1, a.shape.last ?? 1)
        return try a.converted(to: .float32).read(Float.self) { x in
            try Tensor.make(a.shape, Float.self) { out in
                for row in stride(from: 0, to: x.count, by: width) { for i in 0..<width { out[row + i] = x[row + width - 1 - i] } }
            }
        }
    }

    /// Tensors of any number of images, one behind the other.
    static func joined(_ parts: [Tensor]) throws -> Tensor {
        guard let first = parts.first, !first.shape.isEmpty else { throw Failure.invalid("no maps") }
        guard parts.allSatisfy({ $0.shape.dropFirst() == first.shape.dropFirst() }) else { throw Failure.shape("maps of different shapes") }
        return try Tensor.make([parts.reduce(0) { $0 + $1.shape[0] }] + first.shape.dropFirst(), Float.self) { out in
            var start = 0
            for part in parts {
                try part.converted(to: .float32).read(Float.self) { x in for i in x.indices { out[start + i] = x[i] } }
                start += part.count
            }
        }
    }

    /// Tensors of one image each, one behind the other.
    static func stack(_ images: [Tensor]) throws -> Tensor {
        guard let first = images.first else { throw Failure.invalid("no images") }
        let inner = first.count
        return try Tensor.make([images.count] + first.shape.dropFirst(), Float.self) { out in
            for (index, image) in images.enumerated() {
                guard image.shape == first.shape else { throw Failure.shape("images of different shapes") }
                try image.converted(to: .float32).read(Float.self) { x in for i in 0..<inner { out[index * inner + i] = x[i] } }
            }
        }
    }
}

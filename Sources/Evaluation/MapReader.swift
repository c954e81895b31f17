internal import Explainers
internal import Glibc
internal import Imaging
internal import Tensors

/// Reads a map as one plane of numbers for each image.
struct MapReader {
    static let map = Parameter(
        "map", .tensor, "the map to judge in place of an explanation's: N x 1 x height x width of any size, or shaped as the input")
    /// How a map becomes one number per place.
    static let parameters: [Parameter] = [
        map,
        Parameter(
            "channel_reduce", .choice(["sum", "mean", "max", "l2"]), default: "sum",
            "how a map with a number for each channel becomes one per pixel"),
        Parameter("abs", .boolean, default: "false", "judge the map's absolute values, where the sign has no meaning"),
    ]
    static let interpolation = Parameter(
        "interp", .choice(Interpolation.allCases.map(\.rawValue)), default: "half_pixel",
        "how a map that is smaller than the input is enlarged; half_pixel is align_corners=False")

    private let reduce: String
    private let isAbsolute: Bool
    private let interpolation: Interpolation

    init(_ settings: Settings) throws {
        reduce = try settings.choice("channel_reduce")
        isAbsolute = try settings.flag("abs")
        interpolation = Interpolation(rawValue: try settings.choice("interp")) ?? .halfPixel
    }

    /// N x height x width at the map's own size. NaN and infinity are refused: they have no place in an order.
    func planes(_ subject: Subject, _ request: Request, _ surface: Surface) throws -> Tensor {
        let planes = try reduced(try MapReader.canonical(subject.map, request, surface))
        guard try planes.read(Float.self, { $0.allSatisfy(\.isFinite) }) else {
            throw Failure.invalid("the map has NaN or infinite elements: it ranks nothing")
        }
        return planes
    }

    /// A number for each element of the input, N x channels x height x width: a map with one number per pixel gives each
    /// channel an equal share of it.
    static func elements(_ subject: Subject, _ request: Request, _ surface: Surface, _ settings: Settings) throws -> Tensor {
        let map = try canonical(subject.map, request, surface)
        guard try map.read(Float.self, { $0.allSatisfy(\.isFinite) }) else { throw Failure.invalid("the map has NaN or infinite elements") }
        let large = try upsample(
            map, height: surface.height, width: surface.width, Interpolation(rawValue: try settings.choice("interp")) ?? .halfPixel)
        if large.shape[1] == surface.channels { return large }
        guard large.shape[1] == 1 else {
            throw Failure.shape("the map has \(large.shape[1]) channels, the input \(surface.channels)")
        }
        let share = 1 / Float(surface.channels)
        return try large.map(Float.self) { $0 * share }.broadcast(to: [large.shape[0], surface.channels] + large.shape.dropFirst(2))
            .contiguous()
    }

    /// The same at the input's size.
    func enlarged(_ planes: Tensor, _ surface: Surface) throws -> Tensor {
        try upsample(planes, height: surface.height, width: surface.width, interpolation)
    }

    /// N x channels x height x width, from every form that methods give.
    private static func canonical(_ map: Tensor, _ request: Request, _ surface: Surface) throws -> Tensor {
        let x = try request.x, images = request.images, shape = map.shape
        guard map.type.isFloat, map.count > 0 else {
            throw Failure.shape("the map is \(map.type) \(Shape.text(shape)), expected real numbers")
        }
        if shape == x.shape || (!surface.isImage && map.count == x.count) { return try surface.planes(map.reshaped(x.shape)) }
        let dense = try map.converted(to: .float32)
        if surface.isImage {
            let isLast = shape.count == 4 && shape[3] == 1 && shape[1] != 1
            switch shape.count {
            case 2 where images == 1: return try dense.reshaped([1, 1] + shape)
            case 3: return try dense.reshaped([shape[0], 1] + shape.dropFirst())
            case 4: return isLast ? try dense.reshaped([shape[0], 1, shape[1], shape[2]]) : dense
            default: break
            }
        }
        let expected = surface.isImage ? "N x 1 x height x width, or \(Shape.text(x.shape))" : Shape.text(x.shape)
        throw Failure.shape("the map is \(Shape.text(shape)), expected \(expected)")
    }

    private func reduced(_ map: Tensor) throws -> Tensor {
        let images = map.shape[0], channels = map.shape[1], places = map.shape[2] * map.shape[3]
        return try map.read(Float.self) { m in
            try Tensor.make([images] + map.shape.dropFirst(2), Float.self) { out in
                for image in 0..<images {
                    for place in 0..<places {
                        var value = reduce == "max" ? -Double.infinity : 0
                        for channel in 0..<channels {
                            let each = Double(m[(image * channels + channel) * places + place])
                            switch reduce {
                            case "max": value = Swift.max(value, each)
                            case "l2": value += each * each
                            default: value += each
                            }
                        }
                        if reduce == "mean" { value /= Double(channels) }
                        if reduce == "l2" && channels > 1 { value = sqrt(value) }
                        out[image * places + place] = Float(isAbsolute ? Swift.abs(value) : value)
                    }
                }
            }
        }
    }
}

/// Maps that know nothing, to compare values with.
enum ReferenceMaps {
    static let parameter = Parameter(
        "references", .boolean, default: "true",
        "also judge a constant map (ties keep their order) and a random one: reference_constant, reference_random; the cost is three times as large"
    )

    /// Uniform random numbers in [0, 1), of the same shape; each image has a stream of its own.
    static func random(like planes: Tensor, seed: UInt64) throws -> Tensor {
        let images = planes.shape.first ?? 1, places = planes.count / max(1, images)
        return try Tensor.make(planes.shape, Float.self) { out in
            for image in 0..<images {
                let random = Random(seed: seed, stream: 1 << 48 | UInt64(image))
                for place in 0..<places { out[image * places + place] = Float(random.uniform(UInt64(place))) }
            }
        }
    }

    /// One everywhere.
    static func constant(like planes: Tensor) throws -> Tensor {
        try Tensor.make(planes.shape, Float.self) { $0.update(repeating: 1) }
    }
}

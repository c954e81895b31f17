internal import Runtime
internal import Tensors

/// The axes of one image, signal, volume or row of the explained input: which one holds channels, and which are space.
struct InputAxes {
    /// Without the first axis, that of the images.
    let shape: [Int]
    /// In `shape`; nil for rows of features.
    let channel: Int?

    init(_ request: Request, _ settings: Settings) throws {
        let x = try request.x
        guard x.shape.count > 1, x.shape.allSatisfy({ $0 > 0 }) else {
            throw Failure.unsupported(
                "input '\(request.input)' is \(Shape.text(x.shape)), expected images, signals or rows along the first axis")
        }
        shape = Array(x.shape.dropFirst())
        if x.shape.count == 4 {
            channel = try ImageLayout(request, settings).isChannelsLast ? 2 : 0
        } else {
            channel = shape.count > 1 ? 0 : nil
        }
    }

    /// The axes that are not channels.
    var space: [Int] { shape.indices.filter { $0 != channel } }

    /// One length for each axis from an option that gives one for all axes of space, one for each of them, or one for each
    /// axis; `channels` is the one along the channels where the option does not say.
    func lengths(_ name: String, _ settings: Settings, channels: Int, default values: [Int]) throws -> [Int] {
        guard let given = try settings.numbers(name) else { return values }
        let numbers = try given.map { number in
            guard let length = Int(exactly: number), length > 0 else {
                throw Failure.invalid("option '\(name)': expected positive whole numbers, found \(number)")
            }
            return length
        }
        if numbers.count == shape.count { return numbers }
        guard numbers.count == space.count || numbers.count == 1 else {
            throw Failure.invalid(
                "option '\(name)': \(numbers.count) numbers, expected 1, \(space.count) or \(shape.count) for \(Shape.text(shape))")
        }
        var result = [Int](repeating: channels, count: shape.count)
        for (index, axis) in space.enumerated() { result[axis] = numbers[numbers.count == 1 ? 0 : index] }
        return result
    }

    /// The channel axis of maps of the input's shape folded; it stays with size 1.
    func reduceChannels(_ maps: Tensor, _ how: String) throws -> Tensor {
        guard how != "none", let channel else { return maps }
        guard channel > 0 else { return try Maps.reduceChannels(maps, how) }
        let first = [0, channel + 1] + maps.shape.indices.dropFirst().filter { $0 != channel + 1 }
        let reduced = try Maps.reduceChannels(try maps.transposed(first).contiguous(), how)
        return try reduced.reshaped([maps.shape[0]] + space.map { shape[$0] } + [1])
    }
}

internal import Runtime
internal import Tensors

/// What absence means: an input of the same shape as the one explained.
enum Baseline {
    /// One baseline, or each of the option `baselines`, repeated for every image.
    static func tensors(_ settings: Settings, like x: Tensor) throws -> [Tensor] {
        guard let several = try settings.tensor("baselines") else { return [try tensor(settings, like: x)] }
        guard several.shape.count == x.shape.count, several.shape.dropFirst() == x.shape.dropFirst(), several.shape[0] > 0 else {
            throw Failure.shape(
                "option 'baselines' is \(Shape.text(several.shape)), expected K x \(Shape.text(Array(x.shape.dropFirst())))")
        }
        let converted = try several.converted(to: x.type)
        return try (0..<several.shape[0]).map { try converted.sliced(0, $0..<($0 + 1)).broadcast(to: x.shape).contiguous() }
    }

    /// From a number, a number per channel (axis 1), or a tensor. Defaults to zero.
    static func tensor(_ settings: Settings, like x: Tensor) throws -> Tensor {
        if let given = try settings.tensor("baseline") {
            guard given.shape.count <= x.shape.count, Shape.broadcast(given.shape, x.shape) == x.shape else {
                throw Failure.shape("option 'baseline': \(Shape.text(given.shape)) does not fit the input \(Shape.text(x.shape))")
            }
            return try given.converted(to: x.type).broadcast(to: x.shape).contiguous()
        }
        let numbers = try settings.numbers("baseline") ?? [0]
        if numbers.count == 1 { return try Tensor(numbers, []).converted(to: x.type).broadcast(to: x.shape).contiguous() }
        guard x.shape.count > 1, numbers.count == x.shape[1] else {
            throw Failure.shape(
                "option 'baseline': \(numbers.count) numbers for an input of \(x.shape.count > 1 ? x.shape[1] : 1) channels")
        }
        let perChannel = [1, numbers.count] + [Int](repeating: 1, count: x.shape.count - 2)
        return try Tensor(numbers, perChannel).converted(to: x.type).broadcast(to: x.shape).contiguous()
    }
}

internal import Imaging
internal import Runtime
package import Tensors

/// What absence means: an input of the same shape as the one explained.
package enum Baseline {
    /// Named baselines, made from the image itself.
    static let names = ["zero", "mean", "min", "blur", "noise", "inpaint", "black"]

    /// The option, with a method's own default.
    package static func parameter(default value: String = "0") -> Parameter {
        Parameter(
            "baseline", .baseline, default: value,
            "what absence means: a number, one per channel, a tensor of the input's shape (or of one image), or made from the image: mean (of each channel), min, blur (or blur:SIGMA, blur:SIGMA,TAPS), noise (of the channel's mean and spread), inpaint (for methods that remove regions), black (needs input_mean and input_std)"
        )
    }

    /// What the pixels went through before they were fed, for methods whose constants are in pixel units.
    package static let preparation: [Parameter] = [
        Parameter("input_mean", .numbers, default: "", "per channel, what was subtracted from pixels between 0 and 1; default: nothing"),
        Parameter("input_std", .numbers, default: "", "per channel, what they were divided by afterwards; default: 1"),
    ]

    /// One baseline, or each of the option `baselines`, repeated for every image.
    static func tensors(_ settings: Settings, like x: Tensor, seed: UInt64 = 0) throws -> [Tensor] {
        guard let several = try settings.tensor("baselines") else { return [try tensor(settings, like: x, seed: seed)] }
        guard several.shape.count == x.shape.count, several.shape.dropFirst() == x.shape.dropFirst(), several.shape[0] > 0 else {
            throw Failure.shape(
                "option 'baselines' is \(Shape.text(several.shape)), expected K x \(Shape.text(Array(x.shape.dropFirst())))")
        }
        let converted = try several.converted(to: x.type)
        return try (0..<several.shape[0]).map { try converted.sliced(0, $0..<($0 + 1)).broadcast(to: x.shape).contiguous() }
    }

    /// From the option `baseline` or its default; `usual` where that is empty.
    package static func tensor(_ settings: Settings, like x: Tensor, seed: UInt64 = 0, default usual: String = "0") throws -> Tensor {
        if let given = try settings.tensor("baseline") {
            guard given.shape.count <= x.shape.count, Shape.broadcast(given.shape, x.shape) == x.shape else {
                throw Failure.shape("option 'baseline': \(Shape.text(given.shape)) does not fit the input \(Shape.text(x.shape))")
            }
            return try given.converted(to: x.type).broadcast(to: x.shape).contiguous()
        }
        let text = try settings.text("baseline") ?? usual
        let name = String(text.prefix { $0 != ":" })
        guard names.contains(name) else { return try constant(try Options.reals(text, of: "baseline"), like: x) }
        if name == "zero" { return try constant([0], like: x) }
        guard x.shape.count == 4 else {
            throw Failure.invalid(
                "option 'baseline': \(name) is made from an image, the input is \(Shape.text(x.shape)); give a number or a tensor")
        }
        if name == "black" { return try constant(try black(settings, x), like: x) }
        return try FillImage(name, text.dropFirst(name.count + 1), layout: ImageLayout(x.shape, named: "image"), seed: seed).filled(x)
    }

    /// Pixels of zero, after the input's preparation.
    private static func black(_ settings: Settings, _ x: Tensor) throws -> [Double] {
        guard let mean = try settings.numbers("input_mean") else {
            throw Failure.invalid("option 'baseline': black is known only with input_mean (and input_std); min is close to it without")
        }
        let std = try settings.numbers("input_std") ?? [1]
        guard std.allSatisfy({ $0 > 0 }), std.count == 1 || std.count == mean.count else {
            throw Failure.invalid("option 'input_std': expected \(mean.count) positive numbers")
        }
        return mean.indices.map { -mean[$0] / (std.count == 1 ? std[0] : std[$0]) }
    }

    /// A number, or a number per channel.
    private static func constant(_ numbers: [Double], like x: Tensor) throws -> Tensor {
        if numbers.count == 1 { return try Tensor(numbers, []).converted(to: x.type).broadcast(to: x.shape).contiguous() }
        let isLast = (try? ImageLayout(x.shape, named: ""))?.isChannelsLast ?? false
        let axis = isLast ? 3 : 1
        guard x.shape.count > 1, numbers.count == x.shape[axis] else {
            throw Failure.shape(
                "option 'baseline': \(numbers.count) numbers for an input of \(x.shape.count > 1 ? x.shape[axis] : 1) channels")
        }
        var shape = [Int](repeating: 1, count: x.shape.count)
        shape[axis] = numbers.count
        return try Tensor(numbers, shape).converted(to: x.type).broadcast(to: x.shape).contiguous()
    }
}

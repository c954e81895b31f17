internal import Runtime
package import Tensors

/// Which axes of an image input are channels, height and width; brings it to channels x height x width and back.
package struct ImageLayout: Equatable {
    package let isChannelsLast: Bool
    package let channels: Int
    package let height: Int
    package let width: Int

    package static let parameter = Parameter(
        "image_layout", .choice(["auto", "nchw", "nhwc"]), default: "auto",
        "axes of the image input; auto: nhwc where the last axis has at most 4 entries and the second has more")

    package var pixels: Int { height * width }
    /// Of one image, without the first axis.
    var shape: [Int] { isChannelsLast ? [height, width, channels] : [channels, height, width] }

    /// Of the explained input.
    package init(_ request: Request, _ settings: Settings? = nil) throws {
        try self.init(request.x.shape, named: request.input, try settings?.choice(ImageLayout.parameter.name) ?? "auto")
    }

    package init(_ shape: [Int], named name: String, _ choice: String = "auto") throws {
        guard shape.count == 4, shape.allSatisfy({ $0 > 0 }) else {
            throw Failure.unsupported(
                "input '\(name)' is \(Shape.text(shape)), expected images: N x channels x height x width, or N x height x width x channels; feature-ablation works on inputs of any shape"
            )
        }
        isChannelsLast = choice == "nhwc" || (choice != "nchw" && shape[1] > 4 && shape[3] <= 4)
        channels = isChannelsLast ? shape[3] : shape[1]
        (height, width) = isChannelsLast ? (shape[1], shape[2]) : (shape[2], shape[3])
    }

    /// Any number of images as float32, channels first.
    package func planes(_ images: Tensor) throws -> Tensor {
        let dense = try images.converted(to: .float32)
        return try isChannelsLast ? dense.transposed([0, 3, 1, 2]).contiguous() : dense.contiguous()
    }

    /// The inverse of `planes`, in the input's element type.
    package func images(_ planes: Tensor, _ type: ElementType) throws -> Tensor {
        try (isChannelsLast ? planes.transposed([0, 2, 3, 1]).contiguous() : planes).converted(to: type)
    }
}

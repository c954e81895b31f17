internal import Explainers
internal import Runtime
internal import Tensors

/// The places of an input that a map ranks: the pixels of images, the elements of anything else.
struct Surface {
    let channels: Int
    let height: Int
    let width: Int
    let type: ElementType
    /// nil: one row of elements.
    private let layout: ImageLayout?
    /// Shape of one entry of the input.
    let entry: [Int]

    init(_ request: Request) throws {
        let x = try request.x
        entry = Array(x.shape.dropFirst())
        type = x.type
        guard x.shape.count == 4 else {
            let count = try Shape.count(entry)
            guard count > 0 else { throw Failure.shape("input '\(request.input)' is empty") }
            (layout, channels, height, width) = (nil, 1, 1, count)
            return
        }
        let layout = try ImageLayout(request)
        self.layout = layout
        (channels, height, width) = (layout.channels, layout.height, layout.width)
    }

    var isImage: Bool { layout != nil }
    var places: Int { height * width }

    /// Any number of inputs as n x channels x height x width, float32.
    func planes(_ inputs: Tensor) throws -> Tensor {
        if let layout { return try layout.planes(inputs) }
        return try inputs.converted(to: .float32).reshaped([inputs.shape.first ?? 1, 1, 1, width])
    }

    /// The inverse of `planes`.
    func inputs(_ planes: Tensor) throws -> Tensor {
        if let layout { return try layout.images(planes, type) }
        return try planes.reshaped([planes.shape[0]] + entry).converted(to: type)
    }
}

internal import Explainers
internal import Runtime
internal import Tensors

/// Where in each image the explained thing is: boxes or masks of the caller.
struct MarkedRegions {
    static let parameters: [Parameter] = [
        Parameter(
            "boxes", .numbers, default: "",
            "left,top,right,bottom in the input's pixels, right and bottom outside the box; several for every image one after the other, or a tensor: one box for each image, or K x 5 with the image in front"
        ),
        Parameter("masks", .tensor, "N x height x width of the input (or N x 1 x ..., or one for all): what is not 0 is inside"),
    ]

    private let surface: Surface
    /// Of each image, for each pixel.
    private(set) var inside: [[Bool]]

    init(_ settings: Settings, _ request: Request, _ surface: Surface) throws {
        guard surface.isImage else {
            throw Failure.unsupported("regions are marked in images; this input is \(Shape.text(try request.x.shape))")
        }
        self.surface = surface
        inside = [[Bool]](repeating: [Bool](repeating: false, count: surface.places), count: request.images)
        let masks = try settings.tensor("masks"), boxes = try settings.numbers("boxes")
        guard masks != nil || !(boxes ?? []).isEmpty else {
            throw Failure.invalid("nothing says where the object is: give the option 'boxes' or 'masks'")
        }
        if let masks { try add(masks: masks) }
        if let boxes, !boxes.isEmpty { try add(boxes: boxes, shape: try settings.tensor("boxes")?.shape) }
    }

    private mutating func add(masks: Tensor) throws {
        let numbers = try masks.doubles(), places = surface.places
        let fits = masks.shape.suffix(2) == [surface.height, surface.width]
        guard fits, numbers.count == places || numbers.count == places * inside.count else {
            throw Failure.shape(
                "option 'masks' is \(Shape.text(masks.shape)), expected \(inside.count) x \(surface.height) x \(surface.width)")
        }
        for image in inside.indices {
            let start = numbers.count == places ? 0 : image * places
            for place in 0..<places where numbers[start + place] != 0 { inside[image][place] = true }
        }
    }

    private mutating func add(boxes: [Double], shape: [Int]?) throws {
        guard boxes.allSatisfy({ $0.isFinite && abs($0) < 1e9 }) else {
            throw Failure.invalid("option 'boxes' has NaN or infinite numbers")
        }
        let width = shape?.last ?? 4
        guard width == 4 || width == 5, boxes.count % width == 0 else {
            throw Failure.shape("option 'boxes': expected four numbers for each box, or five with the image in front, found \(boxes.count)")
        }
        let count = boxes.count / width
        if width == 4, shape != nil, inside.count > 1, count != inside.count {
            throw Failure.shape("option 'boxes': \(count) boxes for \(inside.count) images; put the image in front of each: K x 5")
        }
        for box in 0..<count {
            let numbers = Array(boxes[(box * width)..<((box + 1) * width)])
            let images: [Int]
            if width == 5 {
                guard let image = Int(exactly: numbers[0]), inside.indices.contains(image) else {
                    throw Failure.invalid("option 'boxes': there is no image \(numbers[0])")
                }
                images = [image]
            } else {
                images = shape != nil && inside.count > 1 ? [box] : Array(inside.indices)
            }
            for image in images { fill(image, Array(numbers.suffix(4))) }
        }
    }

    private mutating func fill(_ image: Int, _ box: [Double]) {
        func clamped(_ value: Double, _ limit: Int) -> Int {
            value.isNaN ? 0 : Int(min(max(value.rounded(.down), 0), Double(limit)))
        }
        let left = clamped(box[0], surface.width), right = clamped(box[2].rounded(.up), surface.width)
        let top = clamped(box[1], surface.height), bottom = clamped(box[3].rounded(.up), surface.height)
        guard left < right, top < bottom else { return }
        for y in top..<bottom { for x in left..<right { inside[image][y * surface.width + x] = true } }
    }

    /// The share of an image that is inside.
    static func share(_ inside: [Bool]) -> Double { Double(inside.count { $0 }) / Double(max(1, inside.count)) }

    /// An image's region with all pixels that are no farther than `reach` from one of it.
    func widened(_ image: Int, by reach: Int) -> [Bool] {
        let inside = inside[image]
        guard reach > 0 else { return inside }
        // Distance along the row to the nearest pixel of the region, then the best of the rows around.
        let far = surface.width + surface.height + reach
        var across = [Int](repeating: far, count: inside.count)
        for y in 0..<surface.height {
            let row = y * surface.width
            var last = -far
            for x in 0..<surface.width {
                if inside[row + x] { last = x }
                across[row + x] = min(far, x - last)
            }
            last = 2 * far
            for x in stride(from: surface.width - 1, through: 0, by: -1) {
                if inside[row + x] { last = x }
                across[row + x] = min(across[row + x], last - x)
            }
        }
        return inside.indices.map { place in
            let y = place / surface.width, x = place % surface.width
            return (max(0, y - reach)...min(surface.height - 1, y + reach)).contains { other in
                let dx = across[other * surface.width + x], dy = other - y
                return dx <= reach && dx * dx + dy * dy <= reach * reach
            }
        }
    }
}

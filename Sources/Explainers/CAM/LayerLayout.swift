internal import Graphs
internal import Runtime
internal import Tensors

/// Which axes of a layer's activation are channels and which are space; brings it to images x channels x space.
enum LayerLayout: Equatable {
    /// Images, channels, then any number of spatial axes.
    case channelsFirst
    /// Images, spatial axes, channels (Swin, ConvNeXt's inner blocks).
    case channelsLast
    /// Images, tokens, channels: prefix tokens (class, registers), then a grid in row-major order.
    case tokens(prefix: Int, height: Int, width: Int)

    static let parameters: [Parameter] = [
        Parameter(
            "layout", .choice(["auto", "nchw", "nhwc", "tokens"]), default: "auto", "axes of the layer; auto reads them off the graph"),
        Parameter("grid", .text, "with tokens: height and width of the token grid, as 14,14; default: from the patch embedding"),
        Parameter(
            "prefix_tokens", .integer(-1...4096), default: "-1",
            "with tokens: class and register tokens in front; -1: what the grid leaves over"),
    ]

    var text: String {
        switch self {
        case .channelsFirst: "nchw"
        case .channelsLast: "nhwc"
        case .tokens(let prefix, let height, let width): "tokens, \(prefix) + \(height)x\(width)"
        }
    }

    /// The layout that the options or the graph give for a layer whose activation has `shape`.
    init(of name: String, shape: [Int], model: Model, settings: Settings) throws {
        guard shape.count >= 3 else {
            throw Failure.unsupported(
                "layer '\(name)' is \(Shape.text(shape)) and has no spatial axes; choose an earlier layer, such as the last convolution or block"
            )
        }
        switch try settings.choice("layout") {
        case "nchw": self = .channelsFirst
        case "nhwc": self = .channelsLast
        case "tokens": self = try LayerLayout.tokens(shape, model, settings)
        default:
            let structure = Structure(try model.outline)
            let isLast = structure.hasChannelsLast(name)
            if shape.count == 3, try settings.text("grid") != nil || isLast ?? structure.hasPatches(among: shape[1]) {
                self = try LayerLayout.tokens(shape, model, settings)
            } else {
                self = isLast ?? false ? .channelsLast : .channelsFirst
            }
        }
    }

    /// Of images x tokens x channels.
    static func tokens(_ shape: [Int], _ model: Model, _ settings: Settings) throws -> LayerLayout {
        guard shape.count == 3 else { throw Failure.shape("tokens need images x tokens x channels, the layer is \(Shape.text(shape))") }
        let count = shape[1]
        guard count > 0 else { throw Failure.shape("the layer is \(Shape.text(shape)): it has no tokens") }
        let given = try settings.integer("prefix_tokens", or: -1)
        let structure = Structure(try model.outline)
        if let text = try settings.text("grid") {
            let sides = text.split(separator: ",").compactMap { Int(String($0)) }
            guard sides.count == 2, sides[0] > 0, sides[1] > 0, sides[0] <= count, sides[1] <= count, sides[0] * sides[1] <= count else {
                throw Failure.invalid("option 'grid' is '\(text)', expected height,width with at most \(count) tokens")
            }
            return try checked(given < 0 ? count - sides[0] * sides[1] : given, sides[0], sides[1], count)
        }
        for prefix in given < 0 ? Array(0...min(16, count - 1)) : [given] {
            if let grid = structure.patchGrid(of: count - prefix) {
                return .tokens(prefix: prefix, height: grid.0, width: grid.1)
            }
        }
        for prefix in given < 0 ? Array(0...min(16, count - 1)) : [given] {
            var side = 0
            while side * side < count - prefix { side += 1 }
            if side * side == count - prefix, side > 1 { return .tokens(prefix: prefix, height: side, width: side) }
        }
        throw Failure.unsupported("\(count) tokens do not form a grid; give 'grid' and 'prefix_tokens'")
    }

    private static func checked(_ prefix: Int, _ height: Int, _ width: Int, _ count: Int) throws -> LayerLayout {
        guard prefix + height * width == count else {
            throw Failure.invalid(
                "\(prefix) prefix tokens and a grid of \(height)x\(width) make \(prefix + height * width) tokens, the layer has \(count)")
        }
        return .tokens(prefix: prefix, height: height, width: width)
    }

    /// Places in space of an activation of that shape.
    func positions(_ shape: [Int]) -> Int {
        switch self {
        case .channelsFirst: shape.dropFirst(2).reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
        case .channelsLast: shape.dropFirst().dropLast().reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
        case .tokens(_, let height, let width): height * width
        }
    }

    /// The activation, or its gradient, as images x channels x space, float32.
    func canonical(_ a: Tensor) throws -> Tensor {
        let a = try a.converted(to: .float32)
        let rank = a.shape.count
        switch self {
        case .channelsFirst: return try a.contiguous()
        case .channelsLast: return try a.transposed([0, rank - 1] + Array(1..<(rank - 1))).contiguous()
        case .tokens(let prefix, let height, let width):
            let grid = try a.sliced(1, prefix..<a.shape[1]).transposed([0, 2, 1]).contiguous()
            return try grid.reshaped([a.shape[0], a.shape[2], height, width])
        }
    }
}

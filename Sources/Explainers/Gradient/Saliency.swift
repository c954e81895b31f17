internal import Runtime
internal import Tensors

/// The gradient of the score with respect to the input: `w = dS/dx`, by default as `|w|`.
/// Simonyan, Vedaldi & Zisserman 2013, "Deep inside convolutional networks", section 3.
struct Saliency: GradientMethod {
    static let method = Method(
        "saliency", family: "gradient", summary: "Absolute gradient of the score at each input element.",
        reference: "Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks (2013)", needs: [.gradient],
        parameters: [
            Parameter("abs", .boolean, default: "true", "absolute values (Captum's default); false keeps the sign")
        ])

    private let isAbsolute: Bool

    init(_ settings: Settings) throws { isAbsolute = try settings.flag("abs") }

    func explain(_ request: Request) throws -> Findings {
        let gradient = try request.evaluate(gradients: [request.input]).gradient(request.input)
        return Findings(map: isAbsolute ? try Maps.map(gradient) { abs($0) } : gradient)
    }

    func work(_ request: Request) throws -> [Work] { [request.work(gradients: [request.input])] }
}

internal import Runtime
internal import Tensors

/// Input times gradient: `x * dS/dx`. Equals integrated gradients from zero on a network of ReLUs without biases.
/// Shrikumar, Greenside, Shcherbina & Kundaje 2016, "Not just a black box", section 2.
struct InputXGradient: GradientMethod {
    static let method = Method(
        "input-x-gradient", family: "gradient", summary: "Input times the gradient of the score.",
        reference: "Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box (2016)", needs: [.gradient], parameters: [])

    init(_ settings: Settings) throws {}

    func explain(_ request: Request) throws -> Findings {
        let gradient = try request.evaluate(gradients: [request.input]).gradient(request.input)
        return Findings(map: try Maps.zip(request.x, gradient) { $0 * $1 })
    }

    func work(_ request: Request) throws -> [Work] { [request.work(gradients: [request.input])] }
}

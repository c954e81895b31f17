internal import Graphs
internal import Runtime

/// Guided backpropagation: at rectifiers the signal passes where it is positive and the unit was active.
/// Springenberg, Dosovitskiy, Brox & Riedmiller 2015, "Striving for simplicity: the all convolutional net", section 3.4.
struct GuidedBackprop: GradientMethod {
    static let method = Method(
        "guided-backprop", family: "gradient", summary: "Gradient with only positive signal kept at every rectifier.",
        reference: "Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity (2015)", needs: [.gradient],
        parameters: RectifiedSignal.parameters)

    private let signal: RectifiedSignal

    init(_ settings: Settings) throws { signal = try RectifiedSignal(settings) }

    func explain(_ request: Request) throws -> Findings { try signal.explain(request, .guidedBackprop(signal.rectifiers)) }

    func work(_ request: Request) throws -> [Work] { try signal.work(request, .guidedBackprop(signal.rectifiers)) }
}

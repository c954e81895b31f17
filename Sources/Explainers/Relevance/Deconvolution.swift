internal import Graphs
internal import Runtime

/// Deconvolution: the signal goes back through transposed filters and the pools' own maxima; at rectifiers only its
/// positive part passes. Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 2.1.
struct Deconvolution: GradientMethod {
    static let method = Method(
        "deconvolution", family: "gradient", summary: "Signal sent back with its positive part kept at every rectifier.",
        reference: "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks (2014)", needs: [.gradient],
        parameters: RectifiedSignal.parameters)

    private let signal: RectifiedSignal

    init(_ settings: Settings) throws { signal = try RectifiedSignal(settings) }

    func explain(_ request: Request) throws -> Findings { try signal.explain(request, .deconvolution(signal.rectifiers)) }

    func work(_ request: Request) throws -> [Work] { try signal.work(request, .deconvolution(signal.rectifiers)) }
}

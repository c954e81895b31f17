internal import Explainers
internal import Runtime
internal import Tensors

/// Sparseness: the Gini index of the absolute values, `sum_i (2 i - n - 1) |a|_(i) / (n sum |a|)` with the values in ascending
/// order: 0 where all are equal, 1 - 1/n where one is everything. Chalasani et al. 2020, section 4.
struct Sparseness: Metric {
    static let info = MetricInfo(
        "sparseness", .complexity, .higher, range: "0...1",
        summary: "Gini index of the map's absolute values: 1 where few places hold everything.",
        reference: "Chalasani, Chen, Chowdhury, Jha, Wu: Concise Explanations of Neural Networks using Adversarial Training (2020)",
        cost: "none", undefined: "the map is zero everywhere", score: .auto, parameters: MapReader.parameters)

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        try Distribution(settings, request, subject).verdict { values in
            let sorted = values.sorted(), count = Double(values.count), sum = values.reduce(0, +)
            return sorted.enumerated().reduce(0.0) { $0 + (2 * Double($1.offset + 1) - count - 1) * $1.element } / (count * sum)
        }
    }
}

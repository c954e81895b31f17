internal import Explainers
internal import Glibc
internal import Runtime
internal import Tensors

/// Complexity: the entropy of the shares that places have in the map, `-sum p ln p` with `p = |a| / sum |a|`: 0 where one
/// place is everything, ln n where all are equal. Bhatt, Weller & Moura 2020, section 3.3.
struct Complexity: Metric {
    static let info = MetricInfo(
        "complexity", .complexity, .lower, range: "0...ln n", summary: "Entropy of the shares that places have in the map.",
        reference: "Bhatt, Weller, Moura: Evaluating and Aggregating Feature-based Model Explanations (2020)", cost: "none",
        undefined: "the map is zero everywhere", score: .auto,
        parameters: [
            Parameter("normalize", .boolean, default: "false", "divide by ln n, so that maps of different sizes compare: 0...1")
        ] + MapReader.parameters)

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let isNormalized = try settings.flag("normalize")
        return try Distribution(settings, request, subject).verdict { values in
            let sum = values.reduce(0, +)
            let entropy = values.reduce(0.0) { $1 > 0 ? $0 - $1 / sum * log($1 / sum) : $0 }
            return isNormalized ? (values.count > 1 ? entropy / log(Double(values.count)) : 0) : entropy
        }
    }
}

package import Explainers
package import Runtime
package import Tensors

/// What the registry says of a metric: a method of kind "metric", and how its value is read.
package struct MetricInfo: Sendable {
    package enum Direction: String, Sendable { case higher, lower }
    package enum Category: String, Sendable { case faithfulness, robustness, localisation, complexity, randomisation, axiomatic }
    /// `map`: any map can be judged; `explanation`: the method that made it is asked again; `regions`: what is to be found.
    package enum Need: String, Sendable { case map, explanation, regions }

    /// Name, options, paper and the score that is measured.
    package let method: Method
    package let category: Category
    /// Which values are better.
    package let direction: Direction
    /// As text: `0...1`.
    package let range: String
    package let needs: [Need]
    /// Forwards (F) and backwards (B) of one image, in words.
    package let cost: String
    /// When an image has no value: it is NaN, stays out of the mean, and a warning says so.
    package let undefined: String

    package init(
        _ name: String, _ category: Category, _ direction: Direction, range: String, summary: String, reference: String,
        needs: [Need] = [.map], cost: String, undefined: String, score: Target.Score = .probability, parameters: [Parameter]
    ) {
        method = Method(
            name, family: category.rawValue, summary: summary, reference: reference, needs: [], score: score, parameters: parameters)
        self.category = category
        self.direction = direction
        self.range = range
        self.needs = needs
        self.cost = cost
        self.undefined = undefined
    }
}

/// Judges an explanation.
package protocol Metric: Sendable {
    static var info: MetricInfo { get }
    /// Reads the options; they have passed the checks that the parameters declare.
    init(_ settings: Settings) throws
    func judge(_ request: Request, _ subject: Subject) throws -> Verdict
    /// The evaluations that `judge` makes at most.
    func work(_ request: Request, _ subject: Subject) throws -> [Work]
    /// How often `judge` explains again at most.
    func repetitions(_ request: Request, _ subject: Subject) throws -> Int
}

extension Metric {
    package func work(_ request: Request, _ subject: Subject) throws -> [Work] { [] }
    package func repetitions(_ request: Request, _ subject: Subject) throws -> Int { 0 }
}

/// What is judged: a map with an entry for each image, and the question behind it where it is known.
package struct Subject: Sendable {
    package let map: Tensor
    package let origin: Origin?

    /// The question, for metrics that ask it again.
    func question(_ metric: String) throws -> Origin {
        guard let origin else { throw Subject.notAMap(metric) }
        return origin
    }

    static func notAMap(_ metric: String) -> Failure {
        .invalid("\(metric) explains again, so it needs the explanation that a method returned, not a map alone")
    }
}

/// What a metric found.
package struct Verdict: Sendable {
    /// One per image; NaN where it is undefined.
    var values: [Double]
    /// The same for a map that is the same everywhere, and for one of random numbers; empty where that makes no sense.
    var constant: [Double] = []
    var random: [Double] = []
    var tensors: [String: Tensor] = [:]
    var numbers: [String: Double] = [:]
    var chosen: [String: JSON] = [:]
    var warnings: [String] = []
    var data: [String: JSON] = [:]

    init(_ values: [Double]) { self.values = values }

    /// As the result of a method: the numbers are means over the images that have a value.
    func findings(_ info: MetricInfo, _ subject: Subject) throws -> Findings {
        var findings = Findings()
        findings.tensors = tensors
        findings.numbers = numbers
        findings.chosen = chosen
        findings.warnings = warnings
        for (name, each) in [("value", values), ("reference_constant", constant), ("reference_random", random)] where !each.isEmpty {
            findings.numbers[name] = Verdict.mean(each)
            findings.tensors[name == "value" ? "values" : name] = try Tensor(each)
        }
        let missing = values.count { $0.isNaN }
        if missing > 0 {
            findings.warnings.append("\(missing) of \(values.count) images have no value (\(info.undefined)); the mean leaves them out")
        }
        let judged: [String: JSON] = [
            "method": subject.origin.map { .string($0.method) } ?? .null,
            "shape": .array(subject.map.shape.map { .integer($0) }),
        ]
        findings.data = .object(
            data.merging([
                "kind": .string("metric"), "category": .string(info.category.rawValue), "direction": .string(info.direction.rawValue),
                "range": .string(info.range), "undefined": .string(info.undefined), "judged": .object(judged),
                "values": .array(values.map { .number($0) }),
            ]) { own, _ in own })
        return findings
    }

    /// Of those that are there; NaN when there is none.
    static func mean(_ values: [Double]) -> Double {
        let defined = values.filter { !$0.isNaN }
        return defined.isEmpty ? .nan : defined.reduce(0, +) / Double(defined.count)
    }
}

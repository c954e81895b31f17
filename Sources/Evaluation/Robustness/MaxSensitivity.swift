internal import Explainers
internal import Glibc
internal import Runtime
internal import Tensors

/// Max-sensitivity: how much the map may change when the input hardly does, `max over |x' - x| <= r of |a(x') - a(x)| / |a(x)|`,
/// estimated by random x'. Yeh et al. 2019, definition 3.1; relative as in Captum.
struct MaxSensitivity: Metric {
    static let info = MetricInfo(
        "max-sensitivity", .robustness, .lower, range: "0...",
        summary: "Largest relative change of the map under small random changes of the input.",
        reference: "Yeh, Hsieh, Suggala, Inouye, Ravikumar: On the (In)fidelity and Sensitivity of Explanations (2019)",
        needs: [.explanation], cost: "n_samples explanations", undefined: "the map is zero everywhere", score: .auto,
        parameters: [
            Parameter("n_samples", .integer(1...1_000_000), default: "10", "changed inputs (Captum's default)"),
            Parameter(
                "radius", .real(0...Double.infinity), default: "0.02",
                "largest change of an element, in the input's units (Captum's default)"),
            Parameter(
                "perturbations", .tensor, "changes to add in place of random ones: n_samples x one image, for every image the same"),
        ])

    private let settings: Settings
    private let samples: Int

    init(_ settings: Settings) throws {
        self.settings = settings
        samples = try settings.tensor("perturbations")?.shape.first ?? settings.integer("n_samples", or: 10)
        guard samples > 0 else { throw Failure.invalid("option 'perturbations' is empty") }
    }

    func judge(_ request: Request, _ subject: Subject) throws -> Verdict {
        let question = try subject.question("max-sensitivity")
        let map = try subject.map.converted(to: .float32).contiguous()
        let norms = try MaxSensitivity.norms(map, nil)
        var changes = [[Double]](repeating: [], count: request.images)
        for sample in 0..<samples {
            do {
                try request.control.begin("explanations", sample, to: sample + 1, of: samples)
                let other = try request.explainAgain(question, x: changed(request, sample))
                guard other.shape == map.shape else {
                    throw Failure.shape("the map is \(Shape.text(map.shape)), explaining again gives \(Shape.text(other.shape))")
                }
                for (image, change) in try MaxSensitivity.norms(map, other).enumerated() {
                    changes[image].append(norms[image] > 0 ? change / norms[image] : .nan)
                }
            } catch let failure as Failure where request.canStop(failure) && sample > 0 {
                request.isStopped = true
                break
            }
        }
        var verdict = Verdict(changes.map { $0.contains { $0.isNaN } ? .nan : $0.max() ?? .nan })
        let taken = changes.first?.count ?? 0
        verdict.tensors["sensitivities"] = try Tensor(changes.flatMap { $0 }, [request.images, taken])
        verdict.numbers["average_sensitivity"] = Verdict.mean(changes.map { $0.reduce(0, +) / Double(max(1, taken)) })
        verdict.numbers["samples"] = Double(taken)
        return verdict
    }

    func repetitions(_ request: Request, _ subject: Subject) throws -> Int { samples }

    /// All images with small changes; each image and sample has a random stream of its own.
    private func changed(_ request: Request, _ sample: Int) throws -> Tensor {
        let x = try request.x.converted(to: .float32), size = x.count / max(1, request.images)
        let radius = try settings.real("radius", or: 0.02)
        let given = try settings.tensor("perturbations")?.converted(to: .float32).array(Float.self)
        if let given, given.count != samples * size {
            throw Failure.shape("option 'perturbations' has \(given.count) elements, expected n_samples x one image: \(samples * size)")
        }
        let moved = try x.read(Float.self) { x in
            try Tensor.make([x.count], Float.self) { out in
                for image in 0..<request.images {
                    let random = Random(seed: request.seed, stream: UInt64(image) << 32 | UInt64(sample))
                    for i in 0..<size {
                        let change = given.map { $0[sample * size + i] } ?? Float(radius * (2 * random.uniform(UInt64(i)) - 1))
                        out[image * size + i] = x[image * size + i] + change
                    }
                }
            }
        }
        return try moved.reshaped(x.shape).converted(to: request.x.type)
    }

    /// Euclidean norm of each image's map, or of its difference to another one.
    private static func norms(_ map: Tensor, _ other: Tensor?) throws -> [Double] {
        let size = map.count / max(1, map.shape[0])
        let b = try other.map { try $0.array(Float.self) }
        return try map.read(Float.self) { a in
            stride(from: 0, to: a.count, by: max(1, size)).map { start in
                var sum = 0.0
                for i in start..<(start + size) {
                    let value = Double(a[i]) - (b.map { Double($0[i]) } ?? 0)
                    sum += value * value
                }
                return sqrt(sum)
            }
        }
    }
}

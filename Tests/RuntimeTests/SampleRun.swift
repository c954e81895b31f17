import Graphs
import Runtime
import Synchronization
import Tensors

/// Where the nodes of one operator run when the CPU backend is asked for.
enum Place: String, Sendable {
    /// The CPU backend runs it, or it only views its input's memory.
    case cpu = "yes"
    /// The CPU backend runs some forms of it.
    case partly
    /// The reference kernel runs it.
    case reference = "no"

    init(_ places: [Place]) {
        let isSame = Set(places).count == 1
        self = places.isEmpty ? .reference : isSame ? places[0] : .partly
    }

    /// As the plans for the operator's own samples say, those with real inputs where there are any. The log has
    /// `plan for …: cpu: Conv 1; reference: Less 2`.
    init(_ op: Operator, log: LogReader) {
        let reals = op.samples.filter(\.hasReals)
        self.init(
            (reals.isEmpty ? op.samples : reals).map { sample in
                guard let text = try? log.plan(of: op, sample) else { return .reference }
                return text.contains("reference: ") || text.contains("interpreter: ") ? .reference : .cpu
            })
    }
}

/// A runtime that remembers what it logged.
final class LogReader: Sendable {
    private let runtime: Runtime
    private let text = Mutex("")

    init() throws {
        var options = Options()
        options["plugins"] = .integer(0)
        runtime = try Runtime(options)
        runtime.setLogger { [weak self] _, message in self?.text.withLock { $0 = message } }
    }

    /// The log's line for a run of the operator on one of its samples.
    func plan(of op: Operator, _ sample: Sample) throws -> String {
        var lowerer = Lowerer(operators: .standard)
        var feeds: [String: Tensor] = [:]
        let inputs = try sample.inputs.enumerated().map { index, input -> ValueID? in
            guard let (tensor, isReal) = try LogReader.tensor(input) else { return nil }
            // An operator on integers alone would be computed before any run.
            guard isReal || !sample.hasReals else { return lowerer.graph.constant(tensor, "x\(index)") }
            let id = lowerer.graph.add("x\(index)", type: TensorType(tensor.type, shape: tensor.shape))
            lowerer.graph.inputs.append(id)
            feeds["x\(index)"] = tensor
            return id
        }
        let outputs = (0..<sample.outputs).map { lowerer.graph.add("y\($0)") }
        try lowerer.add(Node(op: op.name, name: op.name, inputs: inputs, outputs: outputs, attributes: sample.attributes))
        lowerer.graph.outputs = outputs
        var options = Options()
        options["backend"] = .text("cpu")
        options["passes"] = .text("none")
        let model = try Model(graph: lowerer.graph, runtime: runtime, options: options)
        text.withLock { $0 = "" }
        _ = try model.evaluate(Evaluation(feeds, wanted: model.outputs.map(\.name), batch: .max), Control())
        return text.withLock { $0 }
    }

    private static func tensor(_ input: Sample.Input) throws -> (Tensor, isReal: Bool)? {
        switch input {
        case .absent: nil
        case .uniform(let shape, let range):
            (try Tensor([Float](repeating: Float(range.upperBound), count: Shape.count(shape)), shape), true)
        case .constants(let shape, let numbers): (try Tensor(numbers.map { Float($0) }, shape), false)
        case .values(let shape, let numbers): (try Tensor(numbers.map { Float($0) }, shape), true)
        case .integers(let shape, let numbers): (try Tensor(numbers.map { Int64($0) }, shape), false)
        case .truths(let shape, let truths): (try Tensor(truths.map { Int64($0 ? 1 : 0) }, shape).converted(to: .bool), false)
        case .strings(let shape, let texts): (try Tensor(strings: texts, shape), false)
        case .sequence(let items): (try Tensor(sequence: items.compactMap { try tensor($0)?.0 }), false)
        case .map(let keys, let values):
            if let keys = try tensor(keys)?.0, let values = try tensor(values)?.0 {
                (try Tensor(keys: keys, values: values), false)
            } else {
                nil
            }
        case .optional(let items): (try Tensor(optional: items.first.flatMap { try tensor($0)?.0 }), false)
        }
    }
}

extension Sample {
    /// True when some input is differentiated.
    fileprivate var hasReals: Bool {
        inputs.contains { if case .uniform = $0 { true } else if case .values = $0 { true } else { false } }
    }
}

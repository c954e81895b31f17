import Foundation
import Graphs
import Runtime
import Synchronization
import Tensors

/// What became of one case.
struct Trial: Sendable {
    let name: String
    let series: String
    /// What went wrong; empty when the case passes.
    private(set) var problems: [String] = []
    /// What went wrong with its gradient; empty when that was computed, refused in words, or not asked for.
    private(set) var gradientProblems: [String] = []
    private(set) var hasGradient = false
    /// ONNX's operators in the file's graph.
    private(set) var operators: Set<String> = []
    /// Core operators that ONNX's became.
    private(set) var lowered: [String: Set<String>] = [:]

    var passes: Bool { problems.isEmpty }

    /// All cases, run once for all tests of the process.
    static let all: [Trial] = {
        let cases = Case.all()
        let workers = max(1, ProcessInfo.processInfo.activeProcessorCount)
        let trials = Mutex<[Int: Trial]>([:])
        DispatchQueue.concurrentPerform(iterations: workers) { worker in
            for index in stride(from: worker, to: cases.count, by: workers) {
                let trial = Trial(cases[index])
                trials.withLock { $0[index] = trial }
            }
        }
        return trials.withLock { found in cases.indices.compactMap { found[$0] } }
    }()

    private static let runtime = Result {
        var options = Options()
        options["plugins"] = .integer(0)
        options["threads"] = .integer(2)
        return try Runtime(options)
    }

    private init(_ item: Case) {
        name = item.name
        series = item.series
        do { try run(item) } catch { problems.append("\(error)") }
    }

    private mutating func run(_ item: Case) throws {
        let file = try item.model()
        operators = Set(file.graph.nodes.map(\.op))
        let inputs = try item.tensors("input", file.graph.inputs)
        let expected = try item.tensors("output", file.graph.outputs)
        let graph = try OnnxImport.importModel(file, operators: .standard)
        for node in graph.nodes { lowered[node.origin, default: []].insert(node.op) }
        // Files that list weights among the inputs come with all of them, or only with the others.
        let names = inputs.count == graph.inputs.count ? graph.inputs.map { graph[$0].name } : file.graph.inputs.map(\.name)
        guard names.count >= inputs.count else { throw Failure.invalid("\(inputs.count) inputs for a model of \(names.count)") }
        let feeds = Dictionary(zip(names, inputs), uniquingKeysWith: { $1 })
        var models: [Model] = []
        for backend in ["reference", "cpu"] {
            for passes in ["none", "all"] {
                do {
                    let model = try Trial.model(graph, backend, passes)
                    try compare(model, feeds, expected)
                    models.append(model)
                } catch {
                    problems.append("\(backend), passes \(passes): \(error)")
                }
            }
        }
        if self.passes, let oracle = models.first, let fast = models.last { differentiate(oracle, fast, feeds) }
    }

    private static func model(_ graph: Graph, _ backend: String, _ passes: String) throws -> Model {
        var options = Options()
        options["backend"] = .text(backend)
        options["passes"] = .text(passes)
        return try Model(graph: graph, runtime: runtime.get(), options: options)
    }

    private func compare(_ model: Model, _ feeds: [String: Tensor], _ expected: [Tensor]) throws {
        let names = model.outputs.map(\.name)
        guard names.count == expected.count else { throw Failure.invalid("\(names.count) outputs, expected \(expected.count)") }
        let outcome = try model.evaluate(Evaluation(feeds, wanted: names, batch: .max), Control())
        for (name, tensor) in zip(names, expected) {
            if let text = try Comparison.difference(outcome.value(name), tensor) { throw Mismatch("'\(name)' \(text)") }
        }
    }

    // MARK: Gradients

    /// The gradient of the sum of each output with respect to all inputs. Both models must give the same, or refuse in words.
    private mutating func differentiate(_ oracle: Model, _ fast: Model, _ feeds: [String: Tensor]) {
        let inputs = oracle.inputs.filter { $0.type?.element.isFloat ?? false && feeds[$0.name] != nil }.map(\.name)
        guard !inputs.isEmpty, let ones = try? Tensor.scalar(Float(1)) else { return }
        for output in oracle.outputs where output.type?.element.isFloat ?? false {
            let target = Target(.weights(ones), score: .output, output: output.name)
            let question = Evaluation(feeds, wanted: [output.name], target: target, gradients: inputs, batch: .max)
            do {
                let expected = try oracle.evaluate(question, Control())
                let found = try fast.evaluate(question, Control())
                hasGradient = true
                for input in inputs { try check(found, expected, output.name, input) }
            } catch let failure as Failure where failure.kind == .unsupported {
                continue
            } catch {
                gradientProblems.append("\(error)")
            }
        }
    }

    private func check(_ found: Outcome, _ expected: Outcome, _ output: String, _ input: String) throws {
        let gradient = try expected.gradient(input)
        if let text = try Comparison.difference(found.gradient(input), gradient) {
            throw Mismatch("gradient of '\(output)' for '\(input)' on cpu \(text)")
        }
        let mustBeFinite = try expected.value(output).doubles().allSatisfy(\.isFinite)
        guard try !mustBeFinite || gradient.doubles().allSatisfy(\.isFinite) else {
            throw Mismatch("gradient of '\(output)' for '\(input)' is not finite")
        }
    }
}

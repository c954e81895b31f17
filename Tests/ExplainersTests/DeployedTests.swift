import Explainers
import Foundation
import Graphs
import Runtime
import Tensors
import Testing

/// Networks as they are deployed, quantised and rewritten by onnxruntime's tools (`Tests/Golden/verify_deployed.py`): outputs
/// as onnxruntime computes them, gradients like those of the float network that they were made of.
@Suite struct DeployedTests {
    struct Entry: Decodable, Sendable, CustomTestStringConvertible {
        let file: String
        /// The folder of `Tests/Golden/data` whose network it is.
        let `case`: String
        let operators: [String]
        let output: [Double]
        /// Scale of the last quantisation; 0 where nothing is quantised.
        let step: Double
        /// Least cosine between its gradient and the float network's.
        let cosine: Double

        var isQuantized: Bool { cosine < 0.99 && operators.contains { $0.contains("uantize") } }
        var testDescription: String { file }
    }
    private struct Index: Decodable { let models: [Entry] }

    private static let folder = GoldenCase.home.appendingPathComponent("deployed")
    static let entries: [Entry] = {
        guard let data = try? Data(contentsOf: folder.appendingPathComponent("index.json")) else { return [] }
        return (try? JSONDecoder().decode(Index.self, from: data))?.models ?? []
    }()

    private func load(_ entry: Entry, _ options: Options = Options()) throws -> Model {
        try Model(path: Self.folder.appendingPathComponent(entry.file).path, runtime: try Runtime(), options: options)
    }

    private func input(_ model: Model) throws -> String { try #require(model.inputs.first).name }

    @Test func filesAreThere() { #expect(Self.entries.count >= 12) }

    /// Within 1e-4, or one step of the last quantisation, on every backend and without passes.
    @Test(arguments: entries) func outputsAreOnnxruntimes(_ entry: Entry) throws {
        let golden = try GoldenCase(entry.case)
        for (backend, passes) in [(nil, nil), ("reference", nil), (nil, "none")] as [(String?, String?)] {
            var options = Options()
            if let backend { options["backend"] = .text(backend) }
            if let passes { options["passes"] = .text(passes) }
            let model = try load(entry, options)
            let name = try #require(model.outputs.first).name
            let outcome = try model.evaluate(Evaluation([try input(model): golden.tensor("x")], wanted: [name]), Control())
            let found = try outcome.value(name).doubles()
            let scale = entry.output.map(\.magnitude).max() ?? 1, limit = max(1e-4 * scale, 1.01 * entry.step)
            #expect(found.count == entry.output.count)
            let gap = zip(found, entry.output).map { ($0 - $1).magnitude }.max() ?? .infinity
            #expect(gap <= limit, "\(entry.file) \(backend ?? "") \(passes ?? ""): \(gap)")
        }
    }

    @Test(arguments: entries) func gradientsAreLikeTheFloatNetworks(_ entry: Entry) throws {
        let golden = try GoldenCase(entry.case), model = try load(entry), name = try input(model)
        let check = try #require(golden.checks.first { $0.tensor == "gradient/input" })
        let target = Target(check.target.map { .each($0) } ?? .argmax, score: .output)
        let outcome = try model.evaluate(Evaluation([name: golden.tensor("x")], target: target, gradients: [name]), Control())
        let a = try outcome.gradient(name).doubles(), b = try golden.tensor("gradient/input").doubles()
        let dot = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
        let cosine = dot / (a.reduce(0) { $0 + $1 * $1 } * b.reduce(0) { $0 + $1 * $1 }).squareRoot()
        #expect(cosine >= entry.cosine, "\(entry.file): \(cosine)")
        #expect(outcome.isStraightThrough == entry.isQuantized)
    }

    /// The result says that rounding was passed straight through, and only then.
    @Test(arguments: entries) func manifestSpeaksOfRounding(_ entry: Entry) throws {
        let golden = try GoldenCase(entry.case), model = try load(entry)
        let explanation = try MethodList.explain(
            "saliency", model: model, feeds: [try input(model): golden.tensor("x")], target: Target(.each([3, 7])), options: Options(),
            control: Control())
        #expect(explanation.manifest.contains("straight through quantisation") == entry.isQuantized)
    }

    /// Grad-CAM on a layer of integers, found by its node's name, looks like the float network's.
    @Test func layersOfIntegersAreSeenAsWhatTheyStandFor() throws {
        let entry = try #require(Self.entries.first { $0.file == "cnn-qoperator-channel.onnx" })
        let golden = try GoldenCase("cnn"), model = try load(entry)
        let float = try Model(path: golden.path("model.onnx"), runtime: try Runtime(), options: Options())
        let layer = try #require(model.graph.nodes.last { $0.origin == "QLinearConv" }).name
        func map(_ model: Model, _ layer: String) throws -> [Double] {
            var options = Options()
            options["layer"] = .text(layer)
            options["relu"] = .integer(0)
            let explanation = try MethodList.explain(
                "grad-cam", model: model, feeds: [try input(model): golden.tensor("x")], target: Target(.each([3, 7])), options: options,
                control: Control())
            return try #require(explanation.tensors["map"]).doubles()
        }
        let a = try map(model, layer), b = try map(float, golden.layer("relu2", in: "model.onnx"))
        let gap = zip(a, b).map { ($0 - $1).magnitude }.max() ?? .infinity
        #expect(a.count == b.count && gap < 0.05 * (b.map(\.magnitude).max() ?? 0), "\(gap)")
        let value = try model.names.resolve(layer)
        #expect(model.type(of: value)?.element.isInteger ?? false)
    }
}

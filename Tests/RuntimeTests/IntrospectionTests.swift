import Foundation
import Graphs
import Tensors
import Testing

@testable import Runtime

/// What a model tells of its nodes, on the models of `Tests/Fixtures`.
@Suite struct IntrospectionTests {
    private func model(_ name: String) throws -> Model {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try Model(path: folder.appendingPathComponent("Fixtures/models/\(name).onnx").path, runtime: try Runtime())
    }

    /// Trained with torch: 1x28x28 through three blocks, pooled, ten classes.
    @Test func aSmallNetwork() throws {
        let model = try model("fashion_cnn_gap")
        let facts = model.introspection
        let root = facts.modules.modules[0]
        let sum = facts.total(root.nodes)
        #expect(root.nodes.count == model.graph.nodes.count)
        #expect(sum.parameters == weights(model))
        #expect(try #require(sum.flops) > 1_000_000)
        // Parts of a sequence add up to it.
        let features = try #require(facts.modules["features"])
        let parts = facts.modules.modules.filter { $0.parent.map { facts.modules.modules[$0].path } == "features" }
        #expect(parts.reduce(0) { $0 + facts.total($1.nodes).parameters } == facts.total(features.nodes).parameters)
        #expect(parts.reduce(0) { $0 + (facts.total($1.nodes).flops ?? 0) } == facts.total(features.nodes).flops)
        #expect(try model.names.resolve("features") == model.names.resolve("features.4"))
        #expect(try model.names.resolve("features/4") == model.names.resolve("features.4"))
        #expect(facts.nodes.allSatisfy { $0.backend == "cpu" || $0.backend == "" || $0.backend == "reference" })
    }

    private func weights(_ model: Model) -> Int {
        model.graph.values.reduce(0) { $0 + ($1.constant.map { $0.type.isFloat && !$0.shape.isEmpty ? $0.count : 0 } ?? 0) }
    }

    @Test func classesOfTodaysExporter() throws {
        let model = try model("efficientnet_lite0_dynamo_extdata")
        let modules = model.introspection.modules
        #expect(modules[""]?.kind == "EfficientNet")
        #expect(modules["_blocks.0"]?.kind == "MBConvBlock")
        #expect(modules["_blocks.8._bn0"]?.kind == "BatchNorm2d")
        #expect(modules["_blocks"]?.nodes.count == (0..<16).reduce(0) { $0 + (modules["_blocks.\($1)"]?.nodes.count ?? 0) })
        let failure = #expect(throws: Failure.self) { try model.names.resolve("_blocks.0._project_conv") }
        #expect(failure?.message.contains("_blocks.0._bn2") ?? false, "\(failure?.message ?? "")")
    }

    @Test func whatHasNoGradientSaysSo() throws {
        let model = try model("silero_vad_16k_op15")
        let facts = model.introspection
        let output = try #require(model.graph.outputs.first)
        #expect(facts.isDifferentiable[output.index])
        #expect(facts.total(facts.modules.modules[0].nodes).flops == nil)
        let trees = try self.model("tree_ensemble")
        #expect(trees.graph.inputs.allSatisfy { !trees.introspection.isDifferentiable[$0.index] })
    }
}

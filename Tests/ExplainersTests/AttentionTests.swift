import Explainers
import Foundation
import Runtime
import Tensors
import Testing

/// What must hold of maps read off attention, on every way in which a transformer is written down.
@Suite struct AttentionTests {
    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor
    static let methods = ["attention-rollout", "attention-relevance", "legrad"]

    init() throws {
        golden = try GoldenCase("vit")
        model = try golden.model()
        x = try golden.tensor("x")
    }

    private func explain(
        _ method: String, _ settings: [String: Options.Entry] = [:], target: Target = Target(.index(1)), on model: Model? = nil
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        let model = model ?? self.model
        return try MethodList.explain(
            method, model: model, feeds: [#require(model.inputs.first).name: x], target: target, options: options, control: Control())
    }

    private func map(
        _ method: String, _ settings: [String: Options.Entry] = [:], target: Target = Target(.index(1)), on model: Model? = nil
    ) throws -> Tensor { try #require(try explain(method, settings, target: target, on: model).tensors["map"]) }

    @Test(arguments: methods) func mapsHaveThePatchGrid(_ method: String) throws {
        let found = try map(method)
        #expect(found.shape == [2, 1, 3, 4])
        #expect(try found.doubles().allSatisfy { $0 >= 0 && $0.isFinite } && found.doubles().contains { $0 > 0 })
    }

    /// Both exporters, and onnxruntime's fusions; the network is the same.
    @Test(arguments: methods + ["recipro-cam"], ["vit-extended.onnx", "vit-fused.onnx", "model-dynamo.onnx"])
    func everySpellingOfAttentionIsFound(_ method: String, _ file: String) throws {
        let path = file.hasPrefix("vit") ? GoldenCase.home.appendingPathComponent("deployed/\(file)").path : golden.path(file)
        let other = try Model(path: path, runtime: try Runtime(), options: Options())
        #expect(try difference(map(method, on: other), map(method)) < 1e-3)
    }

    @Test(arguments: methods + ["recipro-cam"]) func resultsDoNotDependOnBatchSize(_ method: String) throws {
        let one = try map(method, ["batch_size": .integer(1)])
        #expect(try difference(map(method, ["batch_size": .integer(2)]), one) < 1e-5)
        #expect(try difference(map(method), one) < 1e-5)
    }

    @Test(arguments: methods) func scoresAndClassesAreThoseOfTheBatch(_ method: String) throws {
        for size in [0, 1] {
            let result = try explain(method, ["batch_size": .integer(size)], target: Target())
            #expect(try #require(result.tensors["scores"]).shape == [2])
            let classes = try #require(result.tensors["classes"]).integers()
            let output = try model.evaluate(Evaluation([golden.input: x], wanted: [golden.output]), Control()).value(golden.output)
                .doubles()
            for image in 0..<2 {
                let row = output[(image * 10)..<(image * 10 + 10)]
                #expect(row.firstIndex(of: row.max() ?? 0) == image * 10 + classes[image])
            }
            #expect(try difference(#require(result.tensors["map"]), map(method, target: Target(.each(classes)))) < 1e-5)
        }
    }

    /// Rows of a rollout are shares: the patches have what the class token does not keep.
    @Test func rolloutSharesAddUp() throws {
        for settings in [[:], ["head_fusion": .text("max")], ["discard_ratio": .real(0.5)], ["residual": .integer(0)]]
            as [[String: Options.Entry]]
        {
            let shares = try map("attention-rollout", settings).doubles()
            for image in 0..<2 {
                let sum = shares[(image * 12)..<(image * 12 + 12)].reduce(0, +)
                #expect(sum > 0 && sum < 1)
            }
        }
        // All rows together: every token's share of every other, averaged.
        let mean = try map("attention-rollout", ["query": .text("mean")]).doubles().prefix(12).reduce(0, +)
        #expect(mean > 0 && mean < 1)
    }

    @Test func rolloutDoesNotDependOnTheClass() throws {
        #expect(
            try difference(map("attention-rollout", target: Target(.index(1))), map("attention-rollout", target: Target(.index(7)))) == 0)
        for method in ["attention-relevance", "legrad"] {
            #expect(try difference(map(method, target: Target(.index(1))), map(method, target: Target(.index(7)))) > 1e-3)
        }
    }

    /// Without any attention of the last block, relevance is that of the last block alone.
    @Test func startLayerLeavesLayersOut() throws {
        for method in Self.methods { #expect(try difference(map(method, ["start_layer": .integer(1)]), map(method)) > 1e-3) }
        let failure = #expect(throws: Failure.self) { try explain("legrad", ["start_layer": .integer(2)]) }
        #expect(failure?.message.contains("2 attentions") ?? false)
    }

    @Test(arguments: methods) func networksWithoutAttentionAreRefusedWithAdvice(_ method: String) throws {
        let cnn = try GoldenCase("cnn")
        let failure = #expect(throws: Failure.self) {
            try MethodList.explain(
                method, model: cnn.model(), feeds: [cnn.input: cnn.tensor("x")], target: Target(.index(1)), options: Options(),
                control: Control())
        }
        #expect(failure?.message.contains("grad-cam") ?? false)
    }

    @Test func reciproNeedsTheClassTokenToSeeTheOthers() throws {
        let with = try map("recipro-cam"), without = try map("recipro-cam", ["class_token": .integer(0)])
        #expect(try difference(with, without) > 1e-4)
        #expect(try with.doubles().allSatisfy { $0 > 0 && $0 < 1 })
    }
}

import Explainers
import Foundation
import Runtime
import Tensors
import Testing

/// What must hold of a method whatever the network (methods' own papers).
@Suite struct InvariantTests {
    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor

    init() throws {
        golden = try GoldenCase("cnn")
        model = try golden.model()
        x = try golden.tensor("x")
    }

    private func explain(_ method: String, _ settings: [String: Options.Entry] = [:], target: Target = Target(.index(3))) throws
        -> Explanation
    {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain(method, model: model, feeds: [golden.input: x], target: target, options: options, control: Control())
    }

    private func map(_ method: String, _ settings: [String: Options.Entry] = [:]) throws -> Tensor {
        try #require(try explain(method, settings).tensors["map"])
    }

    @Test func gradCamIsCamOverAreaOnAPooledHead() throws {
        let cam = try map("cam", ["relu": .integer(0)])
        let area = Float(cam.shape[2] * cam.shape[3])
        let scaled = try cam.map(Float.self) { $0 / area }
        #expect(try difference(map("grad-cam", ["relu": .integer(0)]), scaled) < 1e-5)
    }

    @Test func meanOfCamPlusBiasIsTheScore() throws {
        let cam = try map("cam", ["relu": .integer(0)]).doubles()
        let bias = try #require(model.graph.id(of: "fc.bias").flatMap { model.graph[$0].constant }).doubles()[3]
        let logits = try model.evaluate(Evaluation([golden.input: x], wanted: [golden.output]), Control()).value(golden.output).doubles()
        let area = cam.count / 2
        for image in 0..<2 {
            let mean = cam[(image * area)..<((image + 1) * area)].reduce(0, +) / Double(area)
            #expect(abs(mean + bias - logits[image * 10 + 3]) < 1e-4)
        }
    }

    @Test func smoothGradWithoutNoiseIsTheGradient() throws {
        let plain = try map("saliency", ["abs": .integer(0)])
        #expect(try difference(map("smoothgrad", ["noise": .real(0), "n_samples": .integer(4)]), plain) < 1e-5)
        #expect(
            try map("smoothgrad", ["noise": .real(0), "n_samples": .integer(4), "kind": .text("vargrad")]).doubles().allSatisfy {
                $0 < 1e-10
            })
    }

    @Test func squaredMinusSquareIsVariance() throws {
        let settings: [String: Options.Entry] = ["n_samples": .integer(6), "seed": .integer(11)]
        func kind(_ name: String) throws -> [Double] { try map("smoothgrad", settings.merging(["kind": .text(name)]) { $1 }).doubles() }
        let mean = try kind("smoothgrad"), square = try kind("smoothgrad_sq"), variance = try kind("vargrad")
        for i in mean.indices { #expect(abs(square[i] - mean[i] * mean[i] - variance[i]) < 1e-6) }
    }

    @Test func samplesDoNotDependOnBatchOrThreads() throws {
        let settings: [String: Options.Entry] = ["n_samples": .integer(7), "seed": .integer(5)]
        let one = try map("smoothgrad", settings.merging(["batch_size": .integer(1)]) { $1 })
        let many = try map("smoothgrad", settings.merging(["batch_size": .integer(7)]) { $1 })
        #expect(try difference(many, one) < 1e-5)
        #expect(try difference(map("smoothgrad", settings), map("smoothgrad", ["n_samples": .integer(7), "seed": .integer(6)])) > 1e-3)
    }

    @Test func integratedGradientsAddUpToTheChangeOfScore() throws {
        let result = try explain("integrated-gradients", ["n_steps": .integer(300)])
        let gap = try #require(result.numbers["completeness_gap"])
        #expect(abs(gap) < 1e-2 * abs(result.numbers["score"] ?? 0) + 1e-3, "gap \(gap)")
        #expect(try #require(result.tensors["completeness_gaps"]).shape == [2])
    }

    @Test func integratedGradientsFromTheInputItselfAreZero() throws {
        #expect(try map("integrated-gradients", ["baseline": .tensor(x), "n_steps": .integer(5)]).doubles().allSatisfy { $0 == 0 })
    }

    @Test func severalBaselinesAreAveraged() throws {
        let zeros = [Float](repeating: 0, count: x.count / 2), halves = [Float](repeating: 0.5, count: x.count / 2)
        let both = try Tensor(zeros + halves, x.shape)
        let mean = try Tensor.make(x.shape, Float.self) { out in
            let a = try map("integrated-gradients", ["n_steps": .integer(4)]).array(Float.self)
            let b = try map("integrated-gradients", ["n_steps": .integer(4), "baseline": .real(0.5)]).array(Float.self)
            for i in out.indices { out[i] = (a[i] + b[i]) / 2 }
        }
        #expect(try difference(map("integrated-gradients", ["n_steps": .integer(4), "baselines": .tensor(both)]), mean) < 1e-5)
    }

    @Test func toleranceDoublesTheSteps() throws {
        let loose = try explain("integrated-gradients", ["n_steps": .integer(2), "quadrature": .text("riemann_left")])
        let tight = try explain(
            "integrated-gradients", ["n_steps": .integer(2), "quadrature": .text("riemann_left"), "tolerance": .real(0.02)])
        #expect(abs(tight.numbers["completeness_gap"] ?? 1) < abs(loose.numbers["completeness_gap"] ?? 0))
    }

    @Test func memoryDoesNotGrowWithSteps() throws {
        func peak(_ steps: Int) throws -> Int {
            let control = Control()
            var options = Options()
            options["n_steps"] = .integer(steps)
            options["batch_size"] = .integer(4)
            _ = try MethodList.explain(
                "integrated-gradients", model: model, feeds: [golden.input: x], target: Target(), options: options, control: control)
            #expect(control.backwards == 2 * steps)
            return control.peakBytes
        }
        #expect(try peak(8) == peak(80))
    }

    @Test func badOptionsAreNamed() throws {
        func message(_ method: String, _ settings: [String: Options.Entry]) -> String {
            do { _ = try explain(method, settings); return "" } catch { return "\(error)" }
        }
        #expect(message("grad-cam", ["layre": .text("x")]).contains("did you mean 'layer'"))
        #expect(message("integrated-gradients", ["n_steps": .integer(0)]).contains("1...100000"))
        #expect(message("integrated-gradients", ["quadrature": .text("simpson")]).contains("gausslegendre"))
        #expect(message("grad-cam", ["layer": .text(golden.output)]).contains("no spatial axes"))
        #expect(message("grad-kam", [:]).contains("did you mean 'grad-cam'"))
        #expect(message("saliency", ["input": .text("nothing")]).contains("not fed"))
    }

    @Test func infiniteInputIsRefused() throws {
        let bad = try Tensor([Float](repeating: .nan, count: x.count), x.shape)
        let failure = #expect(throws: Failure.self) {
            try MethodList.explain(
                "saliency", model: model, feeds: [golden.input: bad], target: Target(), options: Options(), control: Control())
        }
        #expect(failure?.message.contains("NaN") ?? false)
    }

    @Test func theManifestIsJSONAndSaysWhatWasDone() throws {
        let result = try explain("grad-cam", ["seed": .integer(3)])
        let members = try #require(try JSONSerialization.jsonObject(with: Data(result.manifest.utf8)) as? [String: Any])
        #expect(members["method"] as? String == "grad-cam")
        #expect(members["seed"] as? Int == 3)
        #expect(members["forwards"] as? Int == 2 && members["backwards"] as? Int == 2)
        #expect((members["layer"] as? String)?.isEmpty == false)
        #expect((members["options"] as? [String: Any])?["relu"] as? Bool == true)
        #expect((members["peak_bytes"] as? Int ?? 0) > 0)
        #expect(((members["model"] as? [String: Any])?["hash"] as? String)?.count == 64)
    }
}

/// What Grad-CAM reads off real networks.
@Suite struct StructureTests {
    private static let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/models")

    /// The layer that is chosen by default, its layout, and the map's shape.
    private func structure(_ file: String, _ shape: [Int]) throws -> (layout: String, map: [Int], isZero: Bool) {
        let model = try Model(path: Self.models.appendingPathComponent(file).path, runtime: try Runtime())
        let random = Random(seed: 5)
        let x = try Tensor((0..<shape.reduce(1, *)).map { Float(random.uniform(UInt64($0))) }, shape)
        let result = try MethodList.explain(
            "grad-cam", model: model, feeds: [model.inputs[0].name: x], target: Target(), options: Options(), control: Control())
        let members = try #require(try JSONSerialization.jsonObject(with: Data(result.manifest.utf8)) as? [String: Any])
        let layout = try #require((members["options"] as? [String: Any])?["layout"] as? String)
        let map = try #require(result.tensors["map"])
        return (layout, map.shape, try map.doubles().allSatisfy { $0 == 0 })
    }

    @Test func transformerWithClassToken() throws {
        let found = try structure("fashion_vit_tiny.onnx", [1, 1, 28, 28])
        #expect(found.layout == "tokens, 1 + 4x4" && found.map == [1, 1, 4, 4])
        #expect(!found.isZero)
    }

    @Test(arguments: [
        ("squeezenet1_1.onnx", [1, 3, 227, 227]), ("efficientnet_lite0.onnx", [1, 3, 224, 224]), ("fashion_cnn_gap.onnx", [1, 1, 28, 28]),
    ])
    func convolutional(_ file: String, _ shape: [Int]) throws {
        let found = try structure(file, shape)
        #expect(found.layout == "nchw" && found.map.count == 4 && found.map[2] == found.map[3])
    }

    /// The golden transformer with its LayerNormalization and Gelu written out, as exporters before opset 17 do.
    @Test func transformerWithBrokenUpNormalisation() throws {
        let file = GoldenCase.home.appendingPathComponent("data/vit/model-opset13.onnx")
        let model = try Model(path: file.path, runtime: try Runtime())
        let x = try GoldenCase("vit").tensor("x")
        let result = try MethodList.explain(
            "grad-cam", model: model, feeds: [model.inputs[0].name: x], target: Target(), options: Options(), control: Control())
        #expect(result.manifest.contains("tokens, 1 + 3x4"), "\(result.manifest)")
        #expect(try #require(result.tensors["map"]).doubles().contains { $0 > 0 })
    }
}

import Explainers
import Foundation
import Graphs
import Runtime
import Tensors
import Testing

/// What gradient methods share: layers, neurons, noise; and what must hold of each whatever the network.
@Suite struct GradientFamilyTests {
    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor

    init() throws {
        golden = try GoldenCase("cnn")
        model = try golden.model()
        x = try golden.tensor("x")
    }

    private func explain(
        _ method: String, _ settings: [String: Options.Entry] = [:], target: Target = Target(.index(3)), model: Model? = nil,
        feeds: [String: Tensor]? = nil, control: Control = Control()
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain(
            method, model: model ?? self.model, feeds: feeds ?? [golden.input: x], target: target, options: options, control: control)
    }

    private func map(_ method: String, _ settings: [String: Options.Entry] = [:]) throws -> Tensor {
        try #require(try explain(method, settings).tensors["map"])
    }

    private func message(_ method: String, _ settings: [String: Options.Entry], model: Model? = nil, feeds: [String: Tensor]? = nil)
        -> String
    {
        do { _ = try explain(method, settings, model: model, feeds: feeds); return "" } catch { return "\(error)" }
    }

    private func layer(_ name: String) -> Options.Entry { .text(golden.layer(name, in: "model.onnx")) }

    private func scores(_ x: Tensor) throws -> [Double] {
        let logits = try model.evaluate(Evaluation([golden.input: x], wanted: [golden.output]), Control()).value(golden.output)
        return try (0..<logits.shape[0]).map { try logits.doubles()[$0 * logits.shape[1] + 3] }
    }

    private func sums(_ map: Tensor) throws -> [Double] {
        let values = try map.doubles(), size = values.count / map.shape[0]
        return stride(from: 0, to: values.count, by: size).map { values[$0..<($0 + size)].reduce(0, +) }
    }

    // MARK: T9: saliency

    /// A linear model's saliency is its weights, whatever the input.
    @Test func saliencyOfALinearModelIsItsWeights() throws {
        let weight = try Tensor((0..<12).map { Float($0) - 5.5 }, [4, 3]), linear = try LinearModel.make(weight)
        let x = try Tensor((0..<8).map { Float($0) * 0.3 - 1 }, [2, 4])
        let found = try #require(try explain("saliency", target: Target(.index(2)), model: linear, feeds: ["x": x]).tensors["map"])
        let column = [2, 5, 8, 11].map { abs(Float($0) - 5.5) }
        #expect(try found.array(Float.self) == column + column)
        let smooth = try explain(
            "smoothgrad", ["n_samples": .integer(3), "kind": .text("vargrad")], target: Target(.index(2)), model: linear, feeds: ["x": x])
        #expect(try #require(smooth.tensors["map"]).doubles().allSatisfy { $0 < 1e-12 })
    }

    @Test func saliencyIsTheSlopeOfTheScore() throws {
        let gradient = try map("saliency", ["abs": .integer(0)]).doubles(), values = try x.array(Float.self)
        let random = Random(seed: 4), step = 1.0 / 512
        for trial in 0..<12 {
            let place = Int(random.uniform(UInt64(trial)) * Double(values.count)), image = place * 2 / values.count
            let ends = try [step, -step].map { shift in
                var moved = values
                moved[place] += Float(shift)
                return try scores(Tensor(moved, x.shape))[image]
            }
            let slope = (ends[0] - ends[1]) / (2 * step)
            #expect(abs(slope - gradient[place]) < 2e-3 * max(1, abs(slope)), "element \(place): \(slope), \(gradient[place])")
        }
    }

    // MARK: T10: noise

    @Test func theTunnelAroundSaliencyIsSmoothGrad() throws {
        let settings: [String: Options.Entry] = ["abs": .integer(0), "seed": .integer(3)]
        let around = try map("saliency", settings.merging(["smooth_samples": .integer(5)]) { $1 })
        #expect(try difference(around, map("smoothgrad", settings.merging(["n_samples": .integer(5)]) { $1 })) == 0)
    }

    @Test func withoutNoiseTheTunnelIsTheMethod() throws {
        let steps: [String: Options.Entry] = ["n_steps": .integer(4), "baseline": .text("blur")]
        let around = try map("integrated-gradients", steps.merging(["smooth_samples": .integer(3), "noise": .real(0)]) { $1 })
        #expect(try difference(around, map("integrated-gradients", steps)) < 1e-5)
    }

    @Test func samplesDoNotDependOnTheBatch() throws {
        for method in ["integrated-gradients", "expected-gradients"] {
            let samples = method == "expected-gradients" ? "n_samples" : "smooth_samples"
            var settings: [String: Options.Entry] = [samples: .integer(7), "seed": .integer(5), "noise": .real(0.1)]
            if method == "integrated-gradients" { settings["n_steps"] = .integer(3) }
            let one = try map(method, settings.merging(["batch_size": .integer(1)]) { $1 })
            #expect(try difference(map(method, settings.merging(["batch_size": .integer(4)]) { $1 }), one) < 1e-5, "\(method)")
            #expect(try difference(map(method, settings.merging(["seed": .integer(6)]) { $1 }), one) > 1e-3, "\(method)")
        }
    }

    @Test func progressOfAMethodWithinAMethodNeverGoesBack() throws {
        final class Seen { var fractions: [Double] = [] }
        let seen = Seen()
        let control = Control(progress: { fraction, _ in
            seen.fractions.append(fraction); return false
        })
        _ = try explain("integrated-gradients", ["smooth_samples": .integer(4), "batch_size": .integer(1)], control: control)
        #expect(seen.fractions == seen.fractions.sorted() && seen.fractions.count > 8)
        #expect((seen.fractions.last ?? 0) > 0.9)
        let early = seen.fractions.firstIndex { $0 > 0.5 } ?? 0
        #expect(early > 2, "the inner method's progress is that of its part")
    }

    @Test func theDeadlineEndsTheTunnelWithWhatThereIs() throws {
        let result = try explain(
            "integrated-gradients", ["smooth_samples": .integer(100_000), "n_steps": .integer(2)], control: Control(deadline: 1))
        let samples = try #require(result.numbers["samples"])
        #expect(samples >= 1 && samples < 100_000)
        #expect(result.manifest.contains("the deadline ended the method"))
    }

    // MARK: T11: paths

    @Test func everyRuleHasWeightsOfOne() throws {
        for rule in ["gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "trapezoid", "captum_trapezoid", "linspace"] {
            let weight = try Tensor([Float](repeating: 1, count: 4), [4, 1]), linear = try LinearModel.make(weight)
            let x = try Tensor([0.5, 1, -2, 4] as [Float], [1, 4])
            let found = try explain(
                "integrated-gradients", ["quadrature": .text(rule), "n_steps": .integer(8)], target: Target(.index(0)), model: linear,
                feeds: ["x": x])
            let share = rule == "captum_trapezoid" ? 7.0 / 8 : 1
            #expect(abs(try sums(#require(found.tensors["map"]))[0] - 3.5 * share) < 1e-5, "\(rule)")
        }
    }

    @Test func integratedGradientsAtALayerAddUp() throws {
        let result = try explain("integrated-gradients", ["layer": layer("relu1"), "n_steps": .integer(200), "baseline": .real(0.2)])
        let map = try #require(result.tensors["map"])
        #expect(map.shape == [2, 8, 12, 16])
        let start = try scores(Tensor([Float](repeating: 0.2, count: x.count), x.shape))
        for (sum, change) in zip(try sums(map), zip(try scores(x), start).map { $0 - $1 }) {
            #expect(abs(sum - change) < 0.02 * abs(change))
        }
        #expect(abs(result.numbers["completeness_gap"] ?? 1) < 0.02)
        #expect(result.manifest.contains("\"layer\": \"\(golden.layer("relu1", in: "model.onnx"))\""))
    }

    @Test func baselinesMayBeValuesOfTheLayer() throws {
        let shape = [2, 8, 12, 16], count = 2 * 8 * 12 * 16
        let activation = try model.evaluate(
            Evaluation([golden.input: x], wanted: [golden.layer("relu1", in: "model.onnx")]), Control()
        ).value(golden.layer("relu1", in: "model.onnx"))
        #expect(activation.shape == shape && activation.count == count)
        let none = try map(
            "integrated-gradients", ["layer": layer("relu1"), "baseline_at": .text("layer"), "baseline": .tensor(activation)])
        #expect(try none.doubles().allSatisfy { $0 == 0 })
    }

    @Test func severalBaselinesGoThroughTheLayer() throws {
        let zeros = [Float](repeating: 0, count: x.count / 2), halves = [Float](repeating: 0.5, count: x.count / 2)
        let settings: [String: Options.Entry] = ["layer": layer("pool"), "n_steps": .integer(4)]
        let both = try map("integrated-gradients", settings.merging(["baselines": .tensor(Tensor(zeros + halves, x.shape))]) { $1 })
        let a = try map("integrated-gradients", settings).array(Float.self)
        let b = try map("integrated-gradients", settings.merging(["baseline": .real(0.5)]) { $1 }).array(Float.self)
        #expect(try difference(both, Tensor(zip(a, b).map { ($0 + $1) / 2 }, both.shape)) < 1e-5)
    }

    @Test func expectedGradientsFromOneBaselineTendToIntegratedGradients() throws {
        let steps = 64
        let path = try Tensor((0..<steps).flatMap { [0, (Float($0) + 0.5) / Float(steps)] }, [steps, 2])
        let even = try map("expected-gradients", ["path_samples": .tensor(path), "baseline": .real(0)])
        let whole = try map("integrated-gradients", ["quadrature": .text("riemann_middle"), "n_steps": .integer(steps)])
        #expect(try difference(even, whole) < 1e-5)
        let result = try explain("expected-gradients", ["baseline": .real(0), "n_samples": .integer(400)])
        let error = try #require(result.tensors["standard_error"]).doubles()
        let gaps = zip(try #require(result.tensors["map"]).doubles(), try map("integrated-gradients").doubles()).map { abs($0 - $1) }
        let outside = zip(gaps, error).filter { $0 > 4 * $1 + 1e-6 }.count
        #expect(outside < gaps.count / 100, "\(outside) of \(gaps.count) beyond four standard errors")
    }

    @Test func expectedGradientsFromTheInputAreZero() throws {
        let found = try map("expected-gradients", ["baseline": .tensor(x), "n_samples": .integer(3)])
        #expect(try found.doubles().allSatisfy { $0 == 0 })
    }

    @Test func theGuidedPathWithoutFreedomIsTheStraightOne() throws {
        let steps: [String: Options.Entry] = ["n_steps": .integer(16)]
        let straight = try map("integrated-gradients", steps.merging(["quadrature": .text("riemann_left")]) { $1 })
        #expect(try difference(map("guided-ig", steps.merging(["max_dist": .real(0)]) { $1 }), straight) < 1e-4)
        let anchored = steps.merging(["max_dist": .real(1), "anchors": .integer(15)]) { $1 }
        // One step between two anchors: every feature arrives at each.
        #expect(try difference(map("guided-ig", anchored), straight) < 1e-4)
    }

    @Test func otherPathsAddUpToTheChangeOfScore() throws {
        let blur = try explain("blur-ig", ["n_steps": .integer(60), "max_sigma": .real(6)])
        #expect(abs(blur.numbers["completeness_gap"] ?? 1) < 0.02)
        // Features that jump far with one gradient leave a gap; the closer to the straight path, the smaller.
        let gaps = try [0.2, 0.05, 0].map { distance in
            let settings: [String: Options.Entry] = ["n_steps": .integer(60), "max_dist": .real(distance)]
            return abs(try #require(explain("guided-ig", settings).numbers["completeness_gap"]))
        }
        #expect(gaps == gaps.sorted(by: >) && gaps[2] < 0.1, "\(gaps)")
        #expect(try map("guided-ig", ["baseline": .tensor(x), "n_steps": .integer(4)]).doubles().allSatisfy { $0 == 0 })
    }

    @Test func pathsOfABatchAreThoseOfItsImages() throws {
        let first = try x.sliced(0, 1..<2).contiguous()
        for method in ["guided-ig", "blur-ig", "expected-gradients"] {
            var settings: [String: Options.Entry] = ["expected-gradients" == method ? "n_samples" : "n_steps": .integer(8)]
            if method == "expected-gradients" {
                settings["path_samples"] = .tensor(try Tensor([0, 0.2, 0, 0.9] as [Float], [2, 2]))
                settings["baseline"] = .real(0.1)
            }
            let both = try map(method, settings)
            let alone = try #require(try explain(method, settings, feeds: [golden.input: first]).tensors["map"])
            #expect(try difference(both.sliced(0, 1..<2).contiguous(), alone) < 1e-4, "\(method)")
        }
    }

    // MARK: XRAI

    @Test func partsOfXRAIAreMeansOfTheAttributions() throws {
        let weights = try Tensor((0..<x.count).map { Float(($0 * 37) % 101) - 50 }, x.shape)
        let settings: [String: Options.Entry] = [
            "attributions": .tensor(weights), "segment_size": .integer(0), "scales": .text("20,60"), "min_size": .integer(6),
            "min_pixel_diff": .integer(2), "dilation": .integer(1),
        ]
        for mode in ["full", "fast"] {
            let result = try explain("xrai", settings.merging(["mode": .text(mode)]) { $1 })
            let map = try #require(result.tensors["map"]).array(Float.self)
            let ranks = try #require(result.tensors["segments"]).integers(), values = try weights.array(Float.self)
            #expect(Set(ranks.prefix(192)) == Set(1...(ranks.prefix(192).max() ?? 0)))
            var sums: [Int: (sum: Double, count: Double, value: Float)] = [:]
            for pixel in 0..<192 {
                let largest = (0..<3).map { values[$0 * 192 + pixel] }.max() ?? 0
                let old = sums[ranks[pixel]] ?? (0, 0, map[pixel])
                #expect(old.value == map[pixel])
                sums[ranks[pixel]] = (old.sum + Double(largest), old.count + 1, map[pixel])
            }
            for (rank, part) in sums { #expect(abs(part.sum / part.count - Double(part.value)) < 1e-4, "\(mode), rank \(rank)") }
        }
    }

    @Test func xraiTakesRegionsOfTheCaller() throws {
        let halves = try Tensor((0..<192).map { Int64($0 % 16 < 8 ? 4 : 9) }, [12, 16])
        let result = try explain("xrai", ["segments": .tensor(halves), "n_steps": .integer(3), "dilation": .integer(0)])
        let ranks = try #require(result.tensors["segments"]).integers()
        for pixel in ranks.indices {
            let first = pixel / 192 * 192 + (pixel % 16 < 8 ? 0 : 8)
            #expect(ranks[pixel] == ranks[first])
        }
        #expect(Set(ranks) == [1, 2])
        let constant = try Tensor([Float](repeating: 2, count: x.count), x.shape)
        #expect(message("xrai", [:], feeds: [golden.input: constant]).contains("constant"))
        #expect(message("xrai", ["segments": .tensor(constant)]).contains("12x16"))
        #expect(message("xrai", ["scales": .text("-1")]).contains("scales"))
    }

    // MARK: Layers and neurons

    @Test func tokenIdsAreExplainedAtTheirEmbedding() throws {
        let tokens = try TokenModel.make(), ids = try Tensor([1, 3, 2, 0, 4, 1] as [Int64], [2, 3])
        #expect(message("saliency", [:], model: tokens, feeds: ["ids": ids]).contains("layer=embedded"))
        #expect(message("smoothgrad", ["layer": .text("embedded")], model: tokens, feeds: ["ids": ids]).contains("noise_at=layer"))
        for method in ["saliency", "input-x-gradient", "integrated-gradients", "smoothgrad", "expected-gradients", "guided-ig"] {
            var settings: [String: Options.Entry] = ["layer": .text("embedded"), "channel_reduce": .text("sum")]
            if method == "smoothgrad" { settings["noise_at"] = .text("layer") }
            if method == "expected-gradients" { settings["baseline"] = .integer(0) }
            guard MethodList.explainers.contains(where: { $0.method.name == method }) else { continue }
            let result = try explain(method, settings, target: Target(.index(0)), model: tokens, feeds: ["ids": ids])
            #expect(try #require(result.tensors["map"]).shape == [2, 1, 3], "\(method)")
        }
        // The network behind the embedding is linear: the shares add up to the change of the score.
        let result = try explain(
            "integrated-gradients", ["layer": .text("embedded"), "n_steps": .integer(2)], target: Target(.index(0)), model: tokens,
            feeds: ["ids": ids])
        #expect(abs(result.numbers["completeness_gap"] ?? 1) < 1e-5)
    }

    @Test func misplacedLayersAreNamed() throws {
        #expect(message("saliency", ["unit": .text("1")]).contains("'neuron_layer'"))
        #expect(message("saliency", ["neuron_layer": layer("relu1")]).contains("option 'unit'"))
        #expect(message("saliency", ["neuron_layer": layer("relu1"), "unit": .text("99")]).contains("8x12x16"))
        let behind = message("saliency", ["layer": layer("gap"), "neuron_layer": layer("relu1"), "unit": .text("1")])
        #expect(behind.contains("does not depend on"), "\(behind)")
        #expect(message("saliency", ["layer": .text("nothing")]).contains("no value"))
        #expect(message("saliency", ["channel_axis": .integer(7), "channel_reduce": .text("sum")]).contains("channel_axis"))
    }

    @Test func theAccountSaysWhichUnitWasExplained() throws {
        let result = try explain("saliency", ["neuron_layer": layer("relu1"), "unit": .text("2"), "select": .text("channel_all")])
        let members = try #require(try JSONSerialization.jsonObject(with: Data(result.manifest.utf8)) as? [String: Any])
        let target = try #require(members["target"] as? [String: Any])
        #expect(target["output"] as? String == golden.layer("relu1", in: "model.onnx"))
        let activation = try model.evaluate(
            Evaluation([golden.input: x], wanted: [golden.layer("relu1", in: "model.onnx")]), Control()
        ).value(golden.layer("relu1", in: "model.onnx")).doubles()
        let channel = (0..<192).map { activation[2 * 192 + $0] }.reduce(0, +)
        #expect(abs((result.numbers["score"] ?? 0) - channel) < 1e-3 * abs(channel))
    }
}

/// One linear layer, `y = x W`.
enum LinearModel {
    /// `weight`: inputs x outputs.
    static func make(_ weight: Tensor) throws -> Model {
        var lowerer = Lowerer(operators: .standard)
        let x = lowerer.graph.add("x", type: TensorType(.float32, [.symbol("N"), Dim(weight.shape[0])]))
        let y = lowerer.graph.add("y")
        lowerer.graph.inputs = [x]
        let w = lowerer.graph.constant(weight, "w")
        try lowerer.lower(Node(op: "MatMul", name: "linear", inputs: [x, w], outputs: [y], origin: "MatMul"), opset: 20)
        lowerer.graph.outputs = [y]
        return try Model(graph: lowerer.graph, runtime: try Runtime())
    }
}

/// Token ids, their embedding (the value `embedded`), its mean over the tokens, a linear layer.
enum TokenModel {
    static func make() throws -> Model {
        var lowerer = Lowerer(operators: .standard)
        func node(_ op: String, _ inputs: [ValueID], _ output: ValueID, _ attributes: [String: Attribute] = [:]) throws {
            try lowerer.lower(
                Node(op: op, name: op, inputs: inputs, outputs: [output], attributes: attributes, origin: op), opset: 20)
        }
        let ids = lowerer.graph.add("ids", type: TensorType(.int64, [.symbol("N"), .symbol("T")]))
        lowerer.graph.inputs = [ids]
        let table = lowerer.graph.constant(try Tensor((0..<20).map { Float(($0 * 7) % 11) - 5 }, [5, 4]), "table")
        let weight = lowerer.graph.constant(try Tensor((0..<8).map { Float(($0 * 5) % 7) - 3 }, [4, 2]), "weight")
        let axes = lowerer.graph.constant(try Tensor([1] as [Int64]), "axes")
        let embedded = lowerer.graph.add("embedded"), pooled = lowerer.graph.add("pooled"), y = lowerer.graph.add("y")
        try node("Gather", [table, ids], embedded)
        try node("ReduceMean", [embedded, axes], pooled, ["keepdims": .int(0)])
        try node("MatMul", [pooled, weight], y)
        lowerer.graph.outputs = [y]
        return try Model(graph: lowerer.graph, runtime: try Runtime())
    }
}

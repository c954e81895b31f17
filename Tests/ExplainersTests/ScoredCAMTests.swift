import Explainers
import Foundation
import Graphs
import Imaging
import Runtime
import Tensors
import Testing

/// What must hold of class activation maps whose weights come from scores, and of FullGrad.
@Suite struct ScoredCAMTests {
    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor
    private let layer: String
    private static let target = 3

    init() throws {
        golden = try GoldenCase("cnn")
        model = try golden.model()
        x = try golden.tensor("x")
        layer = golden.layer("relu2", in: "model.onnx")
    }

    private func explain(
        _ method: String, _ settings: [String: Options.Entry] = [:], _ score: Target.Score = .auto, control: Control = Control()
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain(
            method, model: model, feeds: [golden.input: x], target: Target(.index(Self.target), score: score), options: options,
            control: control)
    }

    private func map(_ method: String, _ settings: [String: Options.Entry] = [:], _ score: Target.Score = .auto) throws -> Tensor {
        try #require(try explain(method, settings, score).tensors["map"])
    }

    private func message(_ method: String, _ settings: [String: Options.Entry]) -> String {
        do { _ = try explain(method, settings); return "" } catch { return "\(error)" }
    }

    private func activation() throws -> Tensor {
        try model.evaluate(Evaluation([golden.input: x], wanted: [layer]), Control()).value(layer)
    }

    /// The target's logit of one image.
    private func score(_ image: [Float], hooks: [Hook] = []) throws -> Double {
        let feed = try Tensor(image, [1] + x.shape.dropFirst())
        let evaluation = Evaluation([golden.input: feed], target: Target(.index(Self.target), score: .logit))
        return try #require(try model.evaluate(evaluation, Control(hooks: hooks)).scores.first)
    }

    /// Score-CAM by the book, one channel at a time, of the second image; `shift` is added to every channel's score.
    private func byHand(shift: Double) throws -> [Double] {
        let a = try activation(), size = a.shape[2] * a.shape[3], channels = a.shape[1]
        let features = try a.sliced(0, 1..<2).array(Float.self), image = try x.sliced(0, 1..<2).array(Float.self)
        let pixels = x.shape[2] * x.shape[3]
        var scores: [Double?] = []
        for channel in 0..<channels {
            let plane = Array(features[(channel * size)..<((channel + 1) * size)])
            guard let low = plane.min(), let high = plane.max(), high > low else { scores.append(nil); continue }
            let large = try upsample(Tensor(plane, [1, a.shape[2], a.shape[3]]), height: x.shape[2], width: x.shape[3], .halfPixel)
                .array(Float.self)
            let bottom = large.min() ?? 0, top = large.max() ?? 0
            scores.append(try score(image.indices.map { image[$0] * (large[$0 % pixels] - bottom) / (top - bottom) }) + shift)
        }
        let powers = scores.map { $0.map { exp($0) } ?? 0 }, sum = powers.reduce(0, +)
        return (0..<size).map { i in (0..<channels).reduce(0) { $0 + powers[$1] / sum * Double(features[$1 * size + i]) } }
    }

    @Test func scoreCamIsSoftmaxOfScoresWhateverIsAddedToThem() throws {
        let got = try Array(map("score-cam", ["relu": .integer(0)]).doubles().suffix(from: 8 * 6))
        let size = got.count
        for shift in [0, -2.5] {
            let expected = try byHand(shift: shift).suffix(size)
            for (a, b) in zip(got, expected) { #expect(abs(a - b) < 1e-5 * max(1, abs(b))) }
        }
    }

    @Test func scoreCamBaselineCancelsUnderSoftmaxOnly() throws {
        let plain = try map("score-cam", ["relu": .integer(0), "weighting": .text("raw")])
        let cic = try map("score-cam", ["relu": .integer(0), "weighting": .text("cic")])
        let sums = try map("score-cam", ["relu": .integer(0), "weighting": .text("softmax")])
        #expect(try difference(cic, plain) > 1e-3)
        #expect(try difference(sums, plain) > 1e-3)
    }

    /// A layer's channel that is constant gives no mask: it is left out, and what remains keeps its weights' ratio.
    @Test func constantChannelsAreSkipped() throws {
        let settings: [String: Options.Entry] = ["relu": .integer(0), "weighting": .text("raw"), "layer": .text(layer)]
        var entry = Options()
        for (name, value) in settings { entry[name] = value }
        let size = try activation().shape.dropFirst(2).reduce(1, *)
        // Channel 2 becomes 5 everywhere while masks are made: what it would add to the map is gone with its mask.
        let flat = Hook(layer) { _, value in
            var values = try value.array(Float.self)
            guard value.shape[0] == 2 else { return nil }
            for image in 0..<2 { for i in 0..<size { values[(image * value.shape[1] + 2) * size + i] = 5 } }
            return try Tensor(values, value.shape)
        }
        let control = Control(hooks: [flat])
        let result = try MethodList.explain(
            "score-cam", model: model, feeds: [golden.input: x], target: Target(.index(Self.target), score: .logit), options: entry,
            control: control)
        let without = try #require(result.tensors["map"])
        let all = try map("score-cam", settings, .logit)
        #expect(try difference(without, all) > 1e-4)
        #expect(try #require(result.numbers["samples"]) <= 11)
        #expect(try without.doubles().allSatisfy(\.isFinite))
    }

    @Test(arguments: ["score-cam", "ss-cam", "is-cam", "ablation-cam", "recipro-cam", "full-grad"])
    func resultsDoNotDependOnBatchSize(_ method: String) throws {
        let settings: [String: Options.Entry] = method == "ss-cam" ? ["n_samples": .integer(3)] : [:]
        func map(_ size: Int) throws -> Tensor { try self.map(method, settings.merging(["batch_size": .integer(size)]) { $1 }) }
        let one = try map(1)
        #expect(try difference(map(5), one) < 1e-6)
        #expect(try difference(map(0), one) < 1e-6)
    }

    @Test(arguments: ["score-cam", "ss-cam", "is-cam", "ablation-cam", "recipro-cam", "full-grad"])
    func imagesAreIndependent(_ method: String) throws {
        let settings: [String: Options.Entry] = method == "ss-cam" ? ["n_samples": .integer(2)] : [:]
        let both = try map(method, settings)
        var options = Options()
        for (name, value) in settings { options[name] = value }
        let first = try MethodList.explain(
            method, model: model, feeds: [golden.input: x.sliced(0, 0..<1)], target: Target(.index(Self.target)), options: options,
            control: Control())
        #expect(try difference(both.sliced(0, 0..<1).contiguous(), #require(first.tensors["map"])) < 1e-6)
    }

    @Test func memoryDoesNotGrowWithMasks() throws {
        func peak(_ method: String, _ settings: [String: Options.Entry]) throws -> Int {
            let control = Control()
            _ = try explain(method, settings.merging(["batch_size": .integer(2)]) { $1 }, control: control)
            return control.peakBytes
        }
        #expect(try peak("score-cam", ["top_k": .integer(2)]) == peak("score-cam", [:]))
        #expect(try peak("ss-cam", ["n_samples": .integer(2)]) == peak("ss-cam", ["n_samples": .integer(5)]))
    }

    @Test func noiselessSsCamAndFullStrengthIsCamAreScoreCam() throws {
        let plain = try map("score-cam")
        #expect(try difference(map("ss-cam", ["noise": .real(0), "n_samples": .integer(2)]), plain) < 1e-5)
        #expect(try difference(map("is-cam", ["n_steps": .integer(1)]), plain) < 1e-5)
        #expect(try difference(map("is-cam", ["n_steps": .integer(1), "path": .text("linear")]), plain) < 1e-5)
        #expect(
            try difference(map("ss-cam", ["seed": .integer(1), "n_samples": .integer(2)]), map("ss-cam", ["n_samples": .integer(2)])) > 1e-4
        )
    }

    @Test func topKTakesTheStrongestChannels() throws {
        let few = try explain("score-cam", ["top_k": .integer(4)]), control = Control()
        #expect(few.numbers["samples"] == 4)
        _ = try explain("score-cam", ["top_k": .integer(4)], control: control)
        #expect(control.forwards == 2 + 2 * 4)
    }

    // MARK: Ablation-CAM, Recipro-CAM

    /// The weights that a map of the logits' fall has, against a full run of the network with a channel removed by a hook.
    @Test(arguments: ["zero", "mean", "min"]) func ablationBehindTheLayerIsThatOfAFullRun(_ value: String) throws {
        let a = try activation(), channels = a.shape[1], size = a.shape[2] * a.shape[3]
        let image = try x.sliced(0, 0..<1).array(Float.self), features = try a.sliced(0, 0..<1).array(Float.self)
        let whole = try score(image)
        var expected = [Double](repeating: 0, count: size)
        for channel in 0..<channels {
            let plane = features[(channel * size)..<((channel + 1) * size)]
            let fill = value == "zero" ? 0 : value == "min" ? plane.min() ?? 0 : plane.reduce(0, +) / Float(size)
            let without = try score(
                image,
                hooks: [
                    Hook(layer) { _, value in
                        var values = try value.array(Float.self)
                        for i in 0..<size { values[channel * size + i] = fill }
                        return try Tensor(values, value.shape)
                    }
                ])
            for i in 0..<size { expected[i] += (whole - without) / abs(whole) * Double(features[channel * size + i]) }
        }
        let got = try map("ablation-cam", ["relu": .integer(0), "ablate": .text(value)], .logit).doubles().prefix(size)
        // Behind global pooling the mean is as good as the channel: there, all is rounding.
        let scale = max(expected.map(abs).max() ?? 1, 0.1)
        for (a, b) in zip(got, expected) { #expect(abs(a - b) < 1e-4 * scale) }
    }

    /// With global pooling and one linear layer, removing channel k takes W_ck mean(A_k) away.
    @Test func ablationOnAPooledHeadIsTheWeightTimesTheMean() throws {
        let a = try activation(), channels = a.shape[1], size = a.shape[2] * a.shape[3], features = try a.array(Float.self)
        let w = try #require(model.graph.id(of: "fc.weight").flatMap { model.graph[$0].constant }).doubles()
        let got = try map("ablation-cam", ["relu": .integer(0), "divide_by": .text("none")], .logit).doubles()
        for image in 0..<2 {
            for i in 0..<size {
                let expected = (0..<channels).reduce(0.0) { sum, k in
                    let start = (image * channels + k) * size
                    let mean = features[start..<(start + size)].reduce(0.0) { $0 + Double($1) } / Double(size)
                    return sum + w[Self.target * channels + k] * mean * Double(features[start + i])
                }
                #expect(abs(got[image * size + i] - expected) < 1e-4 * max(1, abs(expected)))
            }
        }
    }

    /// With global pooling and one linear layer, what is left of one position is softmax(W A_p / Z + b).
    @Test func reciproOnAPooledHeadIsTheHeadOfOnePosition() throws {
        let a = try activation(), channels = a.shape[1], size = a.shape[2] * a.shape[3], features = try a.array(Float.self)
        let w = try #require(model.graph.id(of: "fc.weight").flatMap { model.graph[$0].constant }).doubles()
        let b = try #require(model.graph.id(of: "fc.bias").flatMap { model.graph[$0].constant }).doubles()
        let got = try map("recipro-cam").doubles()
        for image in 0..<2 {
            for i in 0..<size {
                let logits = b.indices.map { c in
                    (0..<channels).reduce(b[c]) {
                        $0 + w[c * channels + $1] * Double(features[(image * channels + $1) * size + i]) / Double(size)
                    }
                }
                let sum = logits.reduce(0.0) { $0 + exp($1) }
                #expect(abs(got[image * size + i] - exp(logits[Self.target]) / sum) < 1e-6)
            }
        }
    }

    // MARK: FullGrad

    @Test func fullGradIsComplete() throws {
        let result = try explain("full-grad", [:], .logit)
        let scores = try #require(result.tensors["scores"]).doubles()
        for (gap, score) in zip(try #require(result.tensors["completeness_gaps"]).doubles(), scores) {
            #expect(abs(gap) < 1e-4 * max(1, abs(score)), "\(gap) of \(score)")
        }
        #expect(try explain("full-grad", ["variant": .text("simple")]).tensors["completeness_gaps"] == nil)
        // The probability is no sum of such parts.
        #expect(abs(try #require(explain("full-grad", [:], .probability).numbers["completeness_gap"])) > 1e-2)
    }

    @Test func fullGradHasTheInputsSize() throws {
        let found = try map("full-grad")
        #expect(found.shape == [2, 1] + x.shape.dropFirst(2))
        #expect(try found.doubles().allSatisfy { $0 >= 0 })
    }

    // MARK: Layers and refusals

    @Test(arguments: ["score-cam", "ablation-cam", "recipro-cam"]) func severalLayersAreAveraged(_ method: String) throws {
        let early = golden.layer("pool", in: "model.onnx")
        let both = try map(method, ["layer": .text("\(early),\(layer)"), "resize": .text("input"), "normalize": .integer(1)])
        #expect(both.shape == [2, 1] + x.shape.dropFirst(2))
        let high = try both.doubles().max() ?? 0, low = try both.doubles().min() ?? 1
        #expect(high == 1 && low == 0)
    }

    @Test func refusalsSayWhatWouldWork() throws {
        for method in ["score-cam", "ss-cam", "is-cam", "ablation-cam", "recipro-cam"] {
            #expect(message(method, ["layer": .text(golden.output)]).contains("no spatial axes"), "\(method)")
        }
        #expect(
            message("ss-cam", ["noise_samples": .tensor(try Tensor([Float](repeating: 0, count: 24), [2, 3, 2, 2]))]).contains("channels"))
        #expect(message("score-cam", ["mode": .text("fast")]).contains("pytorch-grad-cam"))
        #expect(message("ablation-cam", ["ratio_channels_to_ablate": .real(1.5)]).contains("0.0...1.0"))
        #expect(message("score-cam", ["baseline": .text("inpaint")]).contains("one whole image"))
    }

    /// An image that is nothing but zeros in a layer without a bias would have masks of nothing.
    @Test func constantLayersAreRefused() throws {
        let flat = Hook(layer) { _, value in try Tensor([Float](repeating: 1, count: value.count), value.shape) }
        let failure = #expect(throws: Failure.self) { try explain("score-cam", control: Control(hooks: [flat])) }
        #expect(failure?.message.contains("another layer") ?? false)
    }
}

/// Further classes, smoothing, layouts and the deadline.
@Suite struct ScoredCAMOptionTests {
    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor
    static let methods = ["score-cam", "is-cam", "ablation-cam", "recipro-cam"]

    init() throws {
        golden = try GoldenCase("cnn")
        model = try golden.model()
        x = try golden.tensor("x")
    }

    private func explain(
        _ method: String, _ settings: [String: Options.Entry] = [:], target: Int = 3, control: Control = Control()
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain(
            method, model: model, feeds: [golden.input: x], target: Target(.index(target)), options: options, control: control)
    }

    /// The maps of further classes are those that explaining each class gives, from the same number of evaluations.
    @Test(arguments: methods) func furtherClassesComeFromTheSameEvaluations(_ method: String) throws {
        let control = Control(), plain = Control()
        let several = try explain(method, ["classes": .text("7, 3")], control: control)
        _ = try explain(method, control: plain)
        #expect(control.forwards == plain.forwards)
        let maps = try #require(several.tensors["maps"]), alone = try #require(explain(method, target: 7).tensors["map"])
        #expect(maps.shape == [2, 2] + alone.shape.dropFirst(2))
        #expect(try difference(maps.sliced(1, 0..<1).contiguous(), alone) < 1e-5)
        #expect(try difference(maps.sliced(1, 1..<2).contiguous(), #require(several.tensors["map"])) < 1e-5)
        #expect(try #require(explain(method, ["classes": .text("all")]).tensors["maps"]).shape[1] == 10)
        let failure = #expect(throws: Failure.self) { try explain(method, ["classes": .text("10")]) }
        #expect(failure?.message.contains("out of range") ?? false)
    }

    @Test func eigenSmoothingTakesTheFirstComponent() throws {
        for method in ["score-cam", "ablation-cam"] {
            let plain = try #require(explain(method).tensors["map"])
            #expect(try difference(#require(explain(method, ["eigen_smooth": .integer(1)]).tensors["map"]), plain) > 1e-3)
        }
    }

    @Test(arguments: methods + ["ss-cam", "full-grad"]) func constantImagesAreRefused(_ method: String) throws {
        let flat = try Tensor([Float](repeating: 0.5, count: x.count), x.shape)
        let failure = #expect(throws: Failure.self) {
            try MethodList.explain(
                method, model: model, feeds: [golden.input: flat], target: Target(.index(3)), options: Options(), control: Control())
        }
        #expect(failure?.message.contains("constant") ?? false)
    }

    /// A million noisy masks of each channel end with the deadline; what is complete counts.
    @Test func theDeadlineLeavesTheStrongestChannels() throws {
        let result = try explain(
            "ss-cam", ["n_samples": .integer(1_000_000), "layer": .text(golden.layer("relu2", in: "model.onnx"))],
            control: Control(deadline: 0.5))
        let samples = try #require(result.numbers["samples"])
        #expect(samples >= 1 && samples < 1_000_000)
        #expect(result.manifest.contains("\"stopped\": \"deadline\""))
        #expect(try #require(result.tensors["map"]).doubles().allSatisfy(\.isFinite))
    }

    /// The same network with its channels last, as TensorFlow writes it, has the same maps.
    @Test(arguments: methods + ["full-grad"]) func channelsLastIsTheSameNetwork(_ method: String) throws {
        func graph(isLast: Bool) throws -> Graph {
            var l = Lowerer(operators: .standard)
            let random = Random(seed: 3)
            func weights(_ shape: [Int], _ start: UInt64) throws -> ValueID {
                let count = shape.reduce(1, *)
                return try l.graph.constant(
                    Tensor((0..<count).map { Float(random.uniform(start + UInt64($0)) - 0.4) }, shape), "w\(start)")
            }
            func add(_ op: String, _ inputs: [ValueID], _ attributes: [String: Attribute] = [:], to name: String) throws -> ValueID {
                let output = l.graph.add(name)
                try l.lower(
                    Node(op: op, name: "\(name)_node", inputs: inputs, outputs: [output], attributes: attributes, origin: op), opset: 20)
                return output
            }
            let x = l.graph.add("x", type: TensorType(.float32, [.symbol("n")] + (isLast ? [6, 8, 3] : [3, 6, 8]).map { Dim($0) }))
            l.graph.inputs = [x]
            var at = x
            if isLast { at = try add("Transpose", [at], ["perm": .ints([0, 3, 1, 2])], to: "first") }
            at = try add("Conv", [at, weights([5, 3, 3, 3], 0), weights([5], 1000)], ["pads": .ints([1, 1, 1, 1])], to: "conv")
            if isLast { at = try add("Transpose", [at], ["perm": .ints([0, 2, 3, 1])], to: "last") }
            at = try add("Relu", [at], to: "layer")
            at = try add(
                "ReduceMean", [at, l.graph.constant(Tensor((isLast ? [1, 2] : [2, 3]).map { Int64($0) }), "axes")], ["keepdims": .int(0)],
                to: "pool")
            at = try add("Gemm", [at, weights([5, 4], 2000), weights([4], 3000)], to: "y")
            l.graph.outputs = [at]
            return l.graph
        }
        func map(isLast: Bool) throws -> Tensor {
            let random = Random(seed: 9)
            let planes = try Tensor((0..<288).map { Float(random.uniform(UInt64($0))) }, [2, 3, 6, 8])
            let feed = isLast ? try planes.transposed([0, 2, 3, 1]).contiguous() : planes
            let model = try Model(graph: graph(isLast: isLast), runtime: try Runtime())
            return try #require(
                try MethodList.explain(
                    method, model: model, feeds: ["x": feed], target: Target(.index(2)), options: Options(), control: Control()
                ).tensors["map"])
        }
        #expect(try difference(map(isLast: true), map(isLast: false)) < 1e-5)
    }
}

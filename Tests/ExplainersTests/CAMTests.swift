import Explainers
import Foundation
import Runtime
import Tensors
import Testing

/// What must hold of class activation maps (heatmaps T1-T4, T7, T13), and what they refuse.
@Suite struct CAMTests {
    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor
    /// Of activations and derivatives; those of changed images and layers have tests of their own.
    private static let atLayers = [
        "grad-cam", "grad-cam++", "xgrad-cam", "hires-cam", "layer-cam", "grad-cam-elementwise", "eigen-cam", "eigen-grad-cam",
        "guided-grad-cam", "finer-cam", "shapley-cam",
    ]
    private let raw: [String: Options.Entry] = ["relu": .integer(0)]

    init() throws {
        golden = try GoldenCase("cnn")
        model = try golden.model()
        x = try golden.tensor("x")
    }

    private func explain(
        _ method: String, _ settings: [String: Options.Entry] = [:], target: Target = Target(.each([3, 7])), of case: GoldenCase? = nil,
        x: Tensor? = nil, control: Control = Control()
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        let golden = `case` ?? self.golden
        return try MethodList.explain(
            method, model: `case` == nil ? model : golden.model(), feeds: [golden.input: x ?? golden.tensor("x")], target: target,
            options: options, control: control)
    }

    private func map(_ method: String, _ settings: [String: Options.Entry] = [:], of case: GoldenCase? = nil) throws -> Tensor {
        try #require(try explain(method, settings, of: `case`).tensors["map"])
    }

    private func message(
        _ method: String, _ settings: [String: Options.Entry] = [:], target: Target = Target(.each([3, 7])), x: Tensor? = nil
    )
        -> String
    {
        do { _ = try explain(method, settings, target: target, x: x); return "" } catch { return "\(error)" }
    }

    private func layer(_ name: String) -> Options.Entry { .text(golden.layer(name, in: "model.onnx")) }

    /// Activation and gradient at a layer, for the targets 3 and 7.
    private func signal(_ name: String, of golden: GoldenCase) throws -> (a: [Double], g: [Double], shape: [Int]) {
        let layer = golden.layer(name, in: "model.onnx")
        let outcome = try golden.model().evaluate(
            Evaluation(
                [golden.input: golden.tensor("x")], wanted: [layer], target: Target(.each([3, 7]), score: .logit), gradients: [layer]),
            Control())
        let activation = try outcome.value(layer)
        return try (activation.doubles(), outcome.gradient(layer).doubles(), activation.shape)
    }

    // MARK: T1-T4

    @Test func onAPooledHeadOneLinearLayerMakesThemEqual() throws {
        let gradCAM = try map("grad-cam", raw)
        let cam = try map("cam", raw), area = Float(cam.shape[2] * cam.shape[3])
        #expect(try difference(gradCAM, cam.map(Float.self) { $0 / area }) < 1e-6)
        #expect(try difference(map("hires-cam", raw), gradCAM) < 1e-6)
        #expect(try difference(map("xgrad-cam", raw.merging(["eps": .real(0)]) { $1 }), gradCAM) < 1e-5)
        #expect(try difference(explained("shapley-cam", score: .logit), gradCAM) < 1e-6)
    }

    private func explained(_ method: String, score: Target.Score) throws -> Tensor {
        try #require(try explain(method, raw, target: Target(.each([3, 7]), score: score)).tensors["map"])
    }

    @Test func xGradConservesActivationTimesGradient() throws {
        let golden = try GoldenCase("residual"), layer = "hardswish"
        let (a, g, shape) = try signal(layer, of: golden)
        let map = try map(
            "xgrad-cam", ["relu": .integer(0), "eps": .real(0), "layer": .text(golden.layer(layer, in: "model.onnx"))], of: golden)
        let size = a.count / shape[0], area = map.count / shape[0], values = try map.doubles()
        for image in 0..<shape[0] {
            let total = (image * size..<(image + 1) * size).reduce(0.0) { $0 + a[$1] * g[$1] }
            let found = values[image * area..<(image + 1) * area].reduce(0, +)
            #expect(abs(found - total) < 1e-4 * abs(total))
        }
    }

    /// At the pooled layer the gradient is `W_ck / Z` everywhere.
    @Test func plusPlusOfAConstantGradientHasAClosedForm() throws {
        let (a, g, shape) = try signal("relu2", of: golden)
        let area = shape[2] * shape[3], z = Double(area)
        let expected = (0..<shape[0]).flatMap { image in
            (0..<area).map { place in
                (0..<shape[1]).reduce(0.0) { sum, channel in
                    let start = (image * shape[1] + channel) * area, slope = g[start]
                    let weight = slope > 0 ? z * slope / (2 + slope * a[start..<start + area].reduce(0, +)) : 0
                    return sum + weight * a[start + place]
                }
            }
        }
        let found = try map("grad-cam++", ["relu": .integer(0), "eps": .real(0), "layer": layer("relu2")])
        #expect(try difference(found, Tensor(expected.map { Float($0) }, found.shape)) < 1e-5)
    }

    @Test func plusPlusClampsNegativeSums() throws {
        let golden = try GoldenCase("vit"), options: [String: Options.Entry] = ["relu": .integer(0), "eps": .real(0)]
        let clamped = try map("grad-cam++", options.merging(["clamp_sum": .integer(1)]) { $1 }, of: golden)
        let kept = try map("grad-cam++", options, of: golden)
        #expect(try difference(clamped, kept) > 1e-3)
        // Behind a Relu no sum is negative.
        #expect(try difference(map("grad-cam++", ["clamp_sum": .integer(1)]), map("grad-cam++")) == 0)
    }

    // MARK: Layer-CAM and its relatives

    @Test func layerCAMOfRectifiedActivationsIsNotNegative() throws {
        #expect(try map("layer-cam", ["relu": .integer(0), "layer": layer("relu1")]).doubles().allSatisfy { $0 >= 0 })
    }

    @Test func elementwiseIsNowhereBelowHiRes() throws {
        let options: [String: Options.Entry] = ["relu": .integer(0), "layer": layer("relu1")]
        let high = try map("grad-cam-elementwise", options).doubles(), low = try map("hires-cam", options).doubles()
        #expect(zip(high, low).allSatisfy { $0 >= $1 - 1e-7 })
        #expect(zip(high, low).contains { $0 > $1 + 1e-4 })
    }

    /// Two layers of one size need no enlargement.
    @Test func fusionIsTheLargestOfLiftedMaps() throws {
        let names = ["bn1", "relu1"].map { golden.layer($0, in: "model.onnx") }
        let single = try names.map { try map("layer-cam", ["layer": .text($0), "normalize": .integer(1)]).doubles() }
        func fused(_ gamma: Double, _ fusion: String) throws -> Tensor {
            try map("layer-cam", ["layer": .text(names.joined(separator: ",")), "gamma": .real(gamma), "fusion": .text(fusion)])
        }
        func expect(_ found: Tensor, _ combine: (Double, Double) -> Double) throws {
            let values = zip(single[0], single[1]).map { Float(combine($0, $1)) }
            #expect(try difference(found, Tensor(values, found.shape)) < 1e-5)
        }
        try expect(fused(0, "max")) { max($0, $1) }
        try expect(fused(3, "max")) { tanh(3 * max($0, $1)) }
        try expect(fused(3, "mean")) { ($0 + $1) / 2 }
    }

    // MARK: T7

    /// The Gram matrix's leading pair by plain power iteration, on either side.
    @Test(arguments: ["relu1", "relu2"]) func eigenCAMIsTheLeadingSingularPair(_ name: String) throws {
        let (a, _, shape) = try signal(name, of: golden)
        let area = shape[2] * shape[3], found = try map("eigen-cam", ["relu": .integer(0), "layer": layer(name)])
        let expected = (0..<shape[0]).flatMap { image -> [Double] in
            let rows = (0..<shape[1]).map { channel in
                Array(a[(image * shape[1] + channel) * area..<(image * shape[1] + channel + 1) * area])
            }
            var v = [Double](repeating: 1, count: shape[1])
            for _ in 0..<300 {
                let u = (0..<area).map { i in (0..<shape[1]).reduce(0.0) { $0 + rows[$1][i] * v[$1] } }
                v = rows.map { row in zip(row, u).reduce(0.0) { $0 + $1.0 * $1.1 } }
                let length = v.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
                v = v.map { $0 / length }
            }
            return (0..<area).map { i in (0..<shape[1]).reduce(0.0) { $0 + rows[$1][i] * v[$1] } }
        }
        #expect(try difference(found, Tensor(expected.map { Float($0) }, found.shape)) < 1e-5)
        #expect(try found.doubles().allSatisfy { $0 >= -1e-6 })
    }

    @Test func eigenCAMKnowsNoClassAndItsSignCanBeTurned() throws {
        let other = try #require(try explain("eigen-cam", raw, target: Target(.index(5))).tensors["map"])
        #expect(try difference(map("eigen-cam", raw), other) == 0)
        let turned = try map("eigen-cam", raw.merging(["flip": .integer(1)]) { $1 })
        #expect(try difference(turned.map(Float.self) { -$0 }, other) == 0)
        let centred = try map("eigen-cam", raw.merging(["center": .integer(1)]) { $1 })
        let area = centred.count / 2, values = try centred.doubles()
        for image in 0..<2 {
            let part = values[image * area..<(image + 1) * area]
            #expect(abs(part.reduce(0, +)) < 1e-4 * (part.max() ?? 0))
            #expect((part.max() ?? 0) >= -(part.min() ?? 0))
        }
    }

    // MARK: T13

    @Test func guidedGradCAMIsZeroWhereGradCAMIs() throws {
        let result = try map("guided-grad-cam", ["interp": .text("nearest")])
        let map = try map("grad-cam", ["resize": .text("input"), "interp": .text("nearest")])
        let inner = map.count / 2, values = try result.doubles(), cam = try map.doubles()
        var zeros = 0
        for index in values.indices where cam[index / (3 * inner) * inner + index % inner] == 0 {
            #expect(values[index] == 0)
            zeros += 1
        }
        #expect(zeros > 0 && values.contains { $0 != 0 })
    }

    // MARK: Finer-CAM

    @Test func finerCAMWithoutComparisonIsGradCAM() throws {
        #expect(try difference(map("finer-cam", raw.merging(["alpha": .real(0)]) { $1 }), map("grad-cam", raw)) < 1e-6)
    }

    @Test func finerCAMOfOneOtherClassIsTheDifference() throws {
        let found = try map("finer-cam", raw.merging(["comparisons": .text("5"), "alpha": .real(0.8)]) { $1 })
        let own = try map("grad-cam", raw).doubles()
        let other = try #require(try explain("grad-cam", raw, target: Target(.index(5))).tensors["map"]).doubles()
        #expect(try difference(found, Tensor(zip(own, other).map { Float($0 - 0.8 * $1) }, found.shape)) < 1e-5)
    }

    // MARK: What all share

    @Test(arguments: ["cam", "grad-cam", "grad-cam++", "layer-cam", "finer-cam", "shapley-cam", "eigen-grad-cam"])
    func classesComeFromOneForwardAndEqualSingleMaps(_ method: String) throws {
        for extra in [["relu": .integer(0)], ["normalize": .integer(1), "resize": .text("input"), "aug_smooth": .integer(1)]]
            as [[String: Options.Entry]]
        {
            let options = method.hasPrefix("eigen") ? extra.merging(["center": .integer(1)]) { $1 } : extra
            let all = try #require(try explain(method, options.merging(["classes": .text("2, 9,3")]) { $1 }).tensors["maps"])
            #expect(all.shape.prefix(2) == [2, 3])
            for (place, index) in [2, 9, 3].enumerated() {
                let one = try #require(try explain(method, options, target: Target(.index(index))).tensors["map"])
                #expect(try difference(all.sliced(1, place..<(place + 1)).contiguous(), one) < 1e-4, "\(method) \(index)")
            }
        }
    }

    @Test func classesOfSeveralLayersInAnyBatch() throws {
        let names = Options.Entry.text(
            [golden.layer("relu1", in: "model.onnx"), golden.layer("relu2", in: "model.onnx")].joined(separator: ","))
        let options: [String: Options.Entry] = ["layer": names, "classes": .text("0,1,2,3,4")]
        let whole = try #require(try explain("grad-cam", options).tensors["maps"])
        let parts = try #require(try explain("grad-cam", options.merging(["batch_size": .integer(2)]) { $1 }).tensors["maps"])
        #expect(whole.shape == [2, 5, 12, 16])
        #expect(try difference(parts, whole) < 1e-5)
    }

    @Test func allClassesAreThoseOfTheOutput() throws {
        let all = try #require(try explain("grad-cam", ["classes": .text("all")]).tensors["maps"])
        let some = try #require(try explain("grad-cam", ["classes": .text("0,1,2,3,4,5,6,7,8,9")]).tensors["maps"])
        #expect(try difference(all, some) == 0)
    }

    /// A quantised layer has a map, but its levels cannot be fed.
    @Test func levelsHaveMapsOfOneClassAtATime() throws {
        let path = GoldenCase.home.appendingPathComponent("deployed/cnn-qoperator-channel.onnx").path
        let model = try Model(path: path, runtime: try Runtime())
        let layer = try #require(model.graph.values.first { $0.type?.element == .uint8 && $0.type?.rank == 4 && $0.constant == nil }).name
        func result(_ classes: String) throws -> Explanation {
            var options = Options()
            options["layer"] = .text(layer)
            if !classes.isEmpty { options["classes"] = .text(classes) }
            return try MethodList.explain(
                "layer-cam", model: model, feeds: [model.inputs[0].name: x], target: Target(), options: options, control: Control())
        }
        #expect(try #require(result("").tensors["map"]).doubles().contains { $0 > 0 })
        let failure = #expect(throws: Failure.self) { try result("1,2") }
        #expect(failure?.message.contains("levels of a quantised network") ?? false)
    }

    @Test func progressOnlyGrows() throws {
        for (method, options) in [
            ("grad-cam", ["aug_smooth": .integer(1), "classes": .text("all"), "batch_size": .integer(3)]), ("finer-cam", [:]),
            ("guided-grad-cam", [:]),
            ("cam", ["aug_smooth": .integer(1)]),
        ] as [(String, [String: Options.Entry])] {
            var fractions: [Double] = []
            let control = Control(progress: { fraction, _ in
                fractions.append(fraction)
                return false
            })
            _ = try explain(method, options, control: control)
            #expect(fractions == fractions.sorted() && (fractions.last ?? 0) > 0.9, "\(method) \(fractions)")
        }
    }

    /// The layer and what lies before it run once for each image; behind it, once for each class.
    @Test func classesAreCounted() throws {
        let options: [String: Options.Entry] = ["classes": .text("0,1,2,3,4,5,6"), "aug_smooth": .integer(1)]
        for method in ["grad-cam", "shapley-cam", "finer-cam", "cam", "eigen-grad-cam"] {
            let control = Control()
            _ = try explain(method, options, control: control)
            var given = Options()
            for (name, value) in options { given[name] = value }
            let cost = try MethodList.cost(
                method, model: model, feeds: [golden.input: x], target: Target(.each([3, 7])), options: given)
            #expect(
                cost.forwards == control.forwards && cost.backwards == control.backwards && cost.bytes == control.peakBytes, "\(method)")
        }
    }

    @Test func oneImageIsExplainedAsInABatch() throws {
        let second = try x.sliced(0, 1..<2).contiguous()
        for method in Self.atLayers {
            let both = try #require(try explain(method, ["layer": layer("relu1")]).tensors["map"])
            let one = try #require(try explain(method, ["layer": layer("relu1")], target: Target(.index(7)), x: second).tensors["map"])
            #expect(try difference(both.sliced(0, 1..<2).contiguous(), one) < 1e-4, "\(method)")
        }
    }

    @Test func aMirroredImageHasTheMirroredSmoothedMap() throws {
        let mirrored = try x.map(Float.self) { $0 }
        let flipped = try Tensor.make(x.shape, Float.self) { out in
            try mirrored.read(Float.self) { x in for i in x.indices { out[i] = x[i / 16 * 16 + 15 - i % 16] } }
        }
        let options: [String: Options.Entry] = ["aug_smooth": .integer(1), "resize": .text("input")]
        let plain = try map("grad-cam", options)
        let turned = try #require(try explain("grad-cam", options, x: flipped).tensors["map"])
        let back = try Tensor.make(turned.shape, Float.self) { out in
            try turned.read(Float.self) { x in for i in x.indices { out[i] = x[i / 16 * 16 + 15 - i % 16] } }
        }
        #expect(try difference(back, plain) < 1e-5)
        #expect(try difference(map("grad-cam", ["resize": .text("input")]), plain) > 1e-3)
    }

    /// In front of a LayerNormalization the score does not change with the activation's scale: `A g` adds up to zero. What reads
    /// such products starts behind the normalisation.
    @Test func productsAreTakenBehindTheNormalisation() throws {
        let golden = try GoldenCase("vit"), before = "blocks.0", behind = "blocks.1.norm1"
        func map(_ method: String, _ layer: String?) throws -> Tensor {
            let options = layer.map { raw.merging(["layer": .text(golden.layer($0, in: "model.onnx"))]) { $1 } } ?? raw
            return try #require(try explain(method, options, of: golden).tensors["map"])
        }
        for method in ["hires-cam", "shapley-cam"] { #expect(try difference(map(method, nil), map(method, behind)) == 0, "\(method)") }
        #expect(try difference(map("grad-cam", nil), map("grad-cam", before)) == 0)
        let size = try map("grad-cam", before).doubles().map { abs($0) }.max() ?? 0
        #expect(try map("hires-cam", before).doubles().allSatisfy { abs($0) < 1e-3 * size })
    }

    // MARK: Refusals

    @Test func whatCannotBeIsNamed() throws {
        #expect(message("hires-cam", ["layer": layer("gap")]).contains("single position"))
        #expect(message("grad-cam++", ["layer": .text(golden.output)]).contains("no spatial axes"))
        #expect(message("grad-cam", ["classes": .text("3,x")]).contains("classes"))
        #expect(message("grad-cam", ["classes": .text("3,-1")]).contains("expected class numbers"))
        #expect(message("grad-cam", ["classes": .text("3,10")]).contains("out of range"))
        #expect(message("layer-cam", target: Target(.index(10))).contains("out of range"))
        #expect(message("finer-cam", ["comparisons": .text("4,4")]).contains("different classes"))
        #expect(message("finer-cam", ["comparisons": .text("4,12")]).contains("different classes"))
        #expect(message("finer-cam", target: Target(.index(10))).contains("out of range"))
        #expect(message("finer-cam", target: Target(.sum([1, 2]))).contains("no single class"))
        #expect(message("eigen-cam", ["classes": .text("1")]).contains("classes"))
        #expect(message("grad-cam", ["fusion": .text("min")]).contains("mean, max"))
        let several = [golden.layer("relu1", in: "model.onnx"), golden.layer("relu2", in: "model.onnx")].joined(separator: ",")
        #expect(message("guided-grad-cam", ["layer": .text(several)]).contains("takes one"))
        #expect(message("xgrad-cam", ["layer": .text("nothing")]).contains("nothing"))
    }

    @Test func aConstantImageIsRefused() throws {
        let flat = try Tensor.make(x.shape, Float.self) { out in for i in out.indices { out[i] = i < out.count / 2 ? Float(i) : 0.5 } }
        for method in ["cam"] + Self.atLayers {
            #expect(message(method, x: flat).contains("image 1 of input 'input' is constant"), "\(method)")
        }
    }
}

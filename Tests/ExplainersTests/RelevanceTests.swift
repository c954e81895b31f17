import Explainers
import Graphs
import Runtime
import Tensors
import Testing

/// What must hold of layer-wise relevance propagation, excitation backpropagation and RectGrad whatever the network.
@Suite struct RelevanceTests {
    private let plain: Model
    private let x: Tensor

    init() throws {
        plain = try HandMade.withoutBiases()
        x = try HandMade.numbers([2, 3, 8, 8], seed: 5)
    }

    private static let everywhere: [String: Options.Entry] = ["composite": .text("epsilon"), "epsilon": .real(0), "stabilizer": .real(0)]

    // MARK: Layer-wise relevance propagation

    @Test func withoutEpsilonAndBiasesItIsInputTimesGradient() throws {
        let relevance = try explained("lrp", plain, x, Self.everywhere)
        #expect(try difference(relevance.map, explained("input-x-gradient", plain, x).map) < 1e-5)
        let scores = try #require(relevance.tensors["scores"]).doubles()
        for (sum, score) in zip(try relevance.sums, scores) { #expect(abs(sum - score) < 1e-5) }
    }

    /// All but alpha-beta, which gives alpha times the relevance where nothing speaks against an output.
    @Test(arguments: ["epsilon", "epsilon-plus", "epsilon-plus-flat", "epsilon-gamma-box"])
    func partsAddUpToTheScoreWithoutBiases(_ composite: String) throws {
        for layer in [nil, "first", "sum"] as [String?] {
            var settings: [String: Options.Entry] = ["composite": .text(composite), "stabilizer": .real(1e-9), "epsilon": .real(1e-9)]
            if let layer { settings["layer"] = .text(layer) }
            let result = try explained("lrp", plain, x, settings)
            let gap = try #require(result.numbers["completeness_gap"])
            #expect(abs(gap) < 1e-4, "\(composite) \(layer ?? "input"): \(gap)")
        }
    }

    @Test func biasesAreAllThatIsAbsorbed() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model()
        let absorbed = try #require(explained("lrp", model, golden.tensor("x"), Self.everywhere).numbers["completeness_gap"])
        let ignored = try explained("lrp", model, golden.tensor("x"), Self.everywhere.merging(["bias": .text("ignore")]) { $1 })
        #expect(abs(absorbed) > 1e-2)
        #expect(abs(try #require(ignored.numbers["completeness_gap"])) < 1e-4)
    }

    @Test func ofALinearNetworkItIsWeightTimesInput() throws {
        let weights = try HandMade.numbers([6, 4], seed: 3)
        let model = try HandMade.model([6]) { n, x in try n.add("MatMul", [x, n.constant(weights)], name: "output") }
        let x = try HandMade.numbers([3, 6], seed: 4)
        let map = try explained("lrp", model, x, Self.everywhere, target: 2).map.doubles(), w = try weights.doubles(),
            input = try x.doubles()
        for i in map.indices { #expect(abs(map[i] - input[i] * w[i % 6 * 4 + 2]) < 1e-5) }
    }

    /// Bias, scale and BatchNormalization count as part of the layer however they are written, with and without passes.
    @Test(arguments: ["epsilon-plus", "epsilon-gamma-box", "epsilon-alpha2-beta1"])
    func aLayerIsTheSameHoweverItIsWritten(_ composite: String) throws {
        let w = try HandMade.numbers([4, 3, 3, 3], seed: 21), bias = try HandMade.numbers([4], seed: 22)
        let statistics = try (0..<4).map { try HandMade.numbers([4], seed: 23 + $0, 0.5...1.5) },
            head = try HandMade.numbers([4, 5], seed: 30)
        func model(_ isWhole: Bool, passes: String) throws -> Model {
            try HandMade.model([3, 6, 6], passes: passes) { n, x in
                let conv: ValueID
                if isWhole {
                    conv = try n.add("Conv", [x, n.constant(w), n.constant(bias)])
                } else {
                    let plain = try n.add("Conv", [x, n.constant(w)])
                    conv = try n.add("Add", [n.constant(bias.reshaped([1, 4, 1, 1])), plain])
                }
                let norm = try n.add("BatchNormalization", [conv] + statistics.map { n.constant($0) })
                let mean = try n.add("ReduceMean", [n.add("Relu", [norm]), n.constant(Tensor([Int64(2), 3]))], ["keepdims": .int(0)])
                return try n.add("MatMul", [mean, n.constant(head)], name: "output")
            }
        }
        let x = try HandMade.numbers([2, 3, 6, 6], seed: 6), settings: [String: Options.Entry] = ["composite": .text(composite)]
        let expected = try explained("lrp", model(true, passes: "all"), x, settings).map
        for (isWhole, passes) in [(true, "none"), (false, "all"), (false, "none")] {
            #expect(try difference(explained("lrp", model(isWhole, passes: passes), x, settings).map, expected) < 1e-4)
        }
    }

    /// Exporters write SiLU, HardSwish and GELU as products; relevance passes all the same.
    @Test func functionsWrittenAsProductsPassRelevanceOn() throws {
        let w = try HandMade.numbers([5, 4], seed: 41), head = try HandMade.numbers([4, 3], seed: 42)
        func map(_ activation: (inout HandMade, ValueID) throws -> ValueID) throws -> Tensor {
            let model = try HandMade.model([5]) { n, x in
                let inner = try n.add("MatMul", [x, n.constant(w)])
                return try n.add("MatMul", [activation(&n, inner), n.constant(head)], name: "output")
            }
            return try explained("lrp", model, HandMade.numbers([2, 5], seed: 43)).map
        }
        func number(_ n: inout HandMade, _ value: Float) throws -> ValueID { n.constant(try Tensor([value], [])) }
        let silu = try map { n, x in try n.add("Mul", [x, n.add("Sigmoid", [x])]) }
        #expect(try difference(silu, map { n, x in try n.add("Swish", [x], ["alpha": .float(1)]) }) < 1e-4)
        let swish = try map { n, x in
            let gate = try n.add("Clip", [n.add("Add", [x, number(&n, 3)]), number(&n, 0), number(&n, 6)])
            return try n.add("Div", [n.add("Mul", [x, gate]), number(&n, 6)])
        }
        #expect(try difference(swish, map { n, x in try n.add("HardSwish", [x]) }) < 1e-4)
    }

    @Test func exportersAgreeOnTransformers() throws {
        let golden = try GoldenCase("vit"), x = try golden.tensor("x")
        for composite in ["auto", "cp-lrp"] {
            let expected = try explained("lrp", golden.model(), x, ["composite": .text(composite)]).map
            for file in ["model-dynamo.onnx", "model-opset13.onnx"] {
                #expect(
                    try difference(explained("lrp", golden.model(file), x, ["composite": .text(composite)]).map, expected) < 1e-3, "\(file)"
                )
            }
        }
        #expect(try explained("lrp", golden.model(), x).manifest.contains("\"composite\": \"attn-lrp\""))
    }

    @Test func imagesDoNotShareRelevance() throws {
        let golden = try GoldenCase("residual"), model = try golden.model(), x = try golden.tensor("x")
        let both = try explained("lrp", model, x, ["composite": .text("epsilon-gamma-box")]).map
        for image in 0..<2 {
            let one = image..<(image + 1)
            let alone = try explained("lrp", model, x.sliced(0, one), ["composite": .text("epsilon-gamma-box")]).map
            #expect(try difference(alone, both.sliced(0, one)) < 1e-5)
        }
    }

    @Test func rulesOfSingleLayers() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), x = try golden.tensor("x")
        let conv = golden.layer("conv2", in: "model.onnx")
        let single = try explained("lrp", model, x, ["layer_rules": .text("\(conv)=alpha-beta"), "convolution_rule": .text("z-plus")])
        let first = try explained("lrp", model, x, ["convolution_rule": .text("alpha-beta"), "first_rule": .text("z-plus")])
        #expect(try difference(single.map, first.map) < 1e-5)
        #expect(throws: Failure.self) { try explained("lrp", model, x, ["layer_rules": .text("nothing=flat")]) }
        #expect(throws: Failure.self) { try explained("lrp", model, x, ["layer_rules": .text("\(conv)=none")]) }
        #expect(throws: Failure.self) { try explained("lrp", model, x, ["layer_rules": .text("input=flat")]) }
        #expect(throws: Failure.self) { try explained("lrp", model, x, ["first_rule": .text("z-box"), "low": .text("0,0")]) }
    }

    @Test func gatesGetHalfOrNothing() throws {
        let model = try HandMade.model([4]) { n, x in
            let signal = try n.add("MatMul", [x, n.weight([4, 4])], name: "signal")
            let gate = try n.add("Sigmoid", [n.add("MatMul", [x, n.weight([4, 4])], name: "gate")])
            return try n.add("MatMul", [n.add("Mul", [signal, gate]), n.weight([4, 3])], name: "output")
        }
        let x = try HandMade.numbers([1, 4], seed: 51)
        func sum(_ products: String, _ layer: String) throws -> Double {
            try explained("lrp", model, x, ["products": .text(products), "layer": .text(layer)]).sums[0]
        }
        let score = try #require(explained("lrp", model, x).numbers["score"])
        #expect(abs(try sum("uniform", "signal") - score / 2) < 1e-4)
        #expect(abs(try sum("uniform", "gate") - score / 2) < 1e-4)
        #expect(abs(try sum("signal", "signal") - score) < 1e-4)
        #expect(try sum("signal", "gate") == 0)
    }

    /// A unit of an inner layer in place of the class: its activation is what is handed down.
    @Test func unitsOfInnerLayers() throws {
        let settings = Self.everywhere.merging([
            "neuron_layer": .text("sum"), "unit": .text("2,1,3"), "select": .text("neuron"),
        ]) { $1 }
        let relevance = try explained("lrp", plain, x, settings), sum = try relevance.sums
        let activation = try plain.evaluate(Evaluation(["input": x], wanted: ["sum"]), Control()).value("sum").doubles()
        for image in 0..<2 { #expect(abs(sum[image] - activation[((image * 6 + 2) * 4 + 1) * 4 + 3]) < 1e-5) }
        let contributions = try explained("deep-lift", plain, x, settings.filter { !Self.everywhere.keys.contains($0.key) })
        #expect(try difference(contributions.map, relevance.map) < 1e-4)
    }

    @Test func noiseOfNoStrengthChangesNothing() throws {
        for method in ["lrp", "rect-grad", "deep-lift"] {
            let smooth = try explained(method, plain, x, ["smooth_samples": .integer(3), "noise": .real(0)])
            #expect(try difference(smooth.map, explained(method, plain, x).map) < 1e-5, "\(method)")
        }
    }

    // MARK: Excitation backpropagation

    @Test func probabilitiesAddUpToOne() throws {
        let positive = try HandMade.numbers([2, 3, 8, 8], seed: 8, 0...1)
        for layer in [nil, "first", "pool"] as [String?] {
            let result = try explained("excitation-backprop", plain, positive, layer.map { ["layer": .text($0)] } ?? [:])
            #expect(try result.map.doubles().allSatisfy { $0 >= 0 })
            #expect(try result.map.shape[1] == 1)
            for sum in try result.sums { #expect(abs(sum - 1) < 1e-5) }
            #expect(abs(try #require(result.numbers["completeness_gap"])) < 1e-5)
        }
    }

    @Test func contrastsAddUpToZero() throws {
        let result = try explained("excitation-backprop", plain, x, ["contrastive": .integer(1), "layer": .text("pool")])
        for sum in try result.sums { #expect(abs(sum) < 1e-5) }
        let shown = try explained(
            "excitation-backprop", plain, x, ["contrastive": .integer(1), "layer": .text("pool"), "relu": .integer(1)])
        #expect(try difference(shown.map, result.map.map(Float.self) { (v: Float) in max(v, 0) }) == 0)
    }

    // MARK: RectGrad

    @Test func withoutThresholdItIsGuidedBackpropagation() throws {
        for name in ["cnn", "residual"] {
            let golden = try GoldenCase(name), model = try golden.model(), x = try golden.tensor("x")
            let guided = try explained("guided-backprop", model, x).map
            let plain = try explained("rect-grad", model, x, ["tau": .real(0), "multiply_by_inputs": .integer(0)]).map
            #expect(try difference(plain, guided) < 1e-6)
        }
    }

    @Test func everyPercentileIsOfOneImage() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), x = try golden.tensor("x")
        for settings in [
            ["percentile": .real(70)], ["percentile": .real(30), "pooling": .text("proportional"), "padding_trick": .integer(1)],
        ]
            as [[String: Options.Entry]]
        {
            let both = try explained("rect-grad", model, x, settings).map
            let alone = try explained("rect-grad", model, x.sliced(0, 1..<2), settings).map
            #expect(try difference(alone, both.sliced(0, 1..<2)) < 1e-6)
        }
    }

    @Test func higherPercentilesKeepLess() throws {
        let kept = try [0.0, 50, 90, 100].map { percentile in
            try explained("rect-grad", plain, x, ["percentile": .real(percentile)]).map.doubles().filter { $0 != 0 }.count
        }
        #expect(kept == kept.sorted(by: >))
        #expect(kept.first ?? 0 > 0 && kept.last == 0)
    }

    /// Quantised networks carry levels, and numbers of more than one precision.
    @Test(arguments: DeployedTests.entries.filter { $0.case == "cnn" || $0.case == "residual" })
    func deployedNetworks(_ entry: DeployedTests.Entry) throws {
        let golden = try GoldenCase(entry.case), x = try golden.tensor("x")
        let model = try Model(
            path: GoldenCase.home.appendingPathComponent("deployed/\(entry.file)").path, runtime: try Runtime(), options: Options())
        for method in ["lrp", "excitation-backprop", "rect-grad", "deep-lift"] {
            let map = try explained(method, model, x).map.doubles()
            #expect(map.allSatisfy(\.isFinite) && map.contains { $0 != 0 }, "\(method)")
        }
    }

    // MARK: All of them

    @Test(arguments: ["lrp", "excitation-backprop", "rect-grad"]) func badQuestionsAreErrors(_ method: String) throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), x = try golden.tensor("x")
        #expect(throws: Failure.self) { try explained(method, model, x, target: 99) }
        #expect(throws: Failure.self) { try explained(method, model, x.map(Float.self) { (_: Float) in Float.nan }) }
        #expect(throws: Failure.self) { try explained(method, model, x, ["layer": .text("no such layer")]) }
        let constant = try explained(method, model, x.map(Float.self) { (_: Float) in Float(0) })
        #expect(try constant.map.doubles().allSatisfy(\.isFinite))
    }
}

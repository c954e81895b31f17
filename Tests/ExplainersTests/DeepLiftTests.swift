import Explainers
import Graphs
import Runtime
import Tensors
import Testing

/// What must hold of DeepLIFT whatever the network.
@Suite struct DeepLiftTests {
    /// Nodes behind a linear layer of 12 numbers.
    typealias Part = @Sendable (inout HandMade, ValueID) throws -> ValueID

    private func checkSum(_ model: Model, _ x: Tensor, _ settings: [String: Options.Entry] = [:], _ what: String) throws {
        let result = try explained("deep-lift", model, x, settings)
        let gaps = try #require(result.tensors["completeness_gaps"]).doubles()
        #expect(gaps.count == x.shape[0])
        for gap in gaps { #expect(abs(gap) < 1e-4, "\(what): \(gap)") }
        #expect(try result.map.doubles().contains { $0 != 0 }, "\(what)")
    }

    @Test(arguments: ["cnn", "residual", "vit", "probability"]) func contributionsAddUpToTheChange(_ name: String) throws {
        let golden = try GoldenCase(name), x = try golden.tensor("x")
        let other = try HandMade.numbers(x.shape, seed: 12)
        for file in name == "vit" ? ["model.onnx", "model-opset13.onnx"] : ["model.onnx", "model-dynamo.onnx"] {
            let model = try golden.model(file)
            for rule in ["rescale", "reveal-cancel", "genomics"] {
                try checkSum(model, x, ["rule": .text(rule)], "\(name) \(rule)")
                try checkSum(model, x, ["rule": .text(rule), "baseline": .tensor(other)], "\(name) \(rule)")
            }
        }
    }

    /// Also through the Softmax of a probability.
    @Test func probabilitiesAddUpToo() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model()
        let result = try MethodList.explain(
            "deep-lift", model: model, feeds: [golden.input: golden.tensor("x")], target: Target(.index(2), score: .probability),
            options: Options(), control: Control())
        #expect(abs(try #require(result.numbers["completeness_gap"])) < 1e-5)
    }

    private static let parts: [(String, Part)] = [
        ("product", { n, x in try n.add("Mul", [x, n.add("Tanh", [x])]) }),
        ("square", { n, x in try n.add("Mul", [x, x]) }),
        ("quotient", { n, x in try n.add("Div", [x, n.add("Exp", [x])]) }),
        ("divisor", { n, x in try n.add("Div", [n.constant(Tensor([Float(2)], [])), n.add("Softplus", [x])]) }),
        ("maximum", { n, x in try n.add("Max", [x, n.add("Neg", [x])]) }),
        ("minimum", { n, x in try n.add("Min", [x, n.add("Sin", [x])]) }),
        ("softmax", { n, x in try n.add("Softmax", [x]) }),
        ("log-softmax", { n, x in try n.add("LogSoftmax", [x]) }),
        ("layer norm", { n, x in try n.add("LayerNormalization", [x, n.weight([12]), n.weight([12])]) }),
        ("power", { n, x in try n.add("Pow", [x, n.constant(Tensor([Float(3)], []))]) }),
        ("highest", { n, x in try n.add("ReduceMax", [n.cut(x, [2, 6]), n.constant(Tensor([Int64(-1)]))], ["keepdims": .int(0)]) }),
        ("lowest", { n, x in try n.add("ReduceMin", [n.cut(x, [2, 6]), n.constant(Tensor([Int64(-1)]))], ["keepdims": .int(0)]) }),
        (
            "group norm",
            { n, x in
                try n.add("GroupNormalization", [n.cut(x, [4, 3]), n.weight([2]), n.weight([2])], ["num_groups": .int(2)])
            }
        ),
        ("instance norm", { n, x in try n.add("InstanceNormalization", [n.cut(x, [3, 4]), n.weight([3]), n.weight([3])]) }),
        ("global maximum", { n, x in try n.add("GlobalMaxPool", [n.cut(x, [3, 2, 2])]) }),
        ("overlapping pool", { n, x in try n.add("MaxPool", [n.cut(x, [1, 3, 4])], ["kernel_shape": .ints([2, 2])]) }),
        ("matrices", { n, x in try n.add("MatMul", [n.cut(x, [3, 4]), n.cut(n.add("Sigmoid", [x]), [4, 3])]) }),
    ]

    @Test(arguments: parts.indices) func operatorsKeepTheSum(_ index: Int) throws {
        let (name, part) = Self.parts[index]
        let model = try HandMade.model([5]) { n, x in
            let inner = try n.add("Gemm", [x, n.weight([5, 12]), n.weight([12])])
            let flat = try n.add("Flatten", [part(&n, inner)])
            let size: [String: Int] = ["highest": 2, "lowest": 2, "global maximum": 3, "overlapping pool": 6, "matrices": 9]
            return try n.add("MatMul", [flat, n.weight([size[name] ?? 12, 3])], name: "output")
        }
        let x = try HandMade.numbers([3, 5], seed: 61, -2...2), other = try HandMade.numbers([3, 5], seed: 62, -2...2)
        try checkSum(model, x, [:], name)
        try checkSum(model, x, ["baseline": .tensor(other)], name)
        try checkSum(model, x, ["rule": .text("reveal-cancel"), "baseline": .tensor(other)], name)
    }

    @Test func withoutBiasesFromZeroItIsInputTimesGradient() throws {
        let model = try HandMade.withoutBiases(), x = try HandMade.numbers([2, 3, 8, 8], seed: 5)
        #expect(try difference(explained("deep-lift", model, x).map, explained("input-x-gradient", model, x).map) < 1e-5)
    }

    /// Figure 2 of the paper: the smaller of two numbers, which depends on both.
    @Test func revealCancelSeesBothNumbersOfAMinimum() throws {
        let model = try HandMade.model([2]) { n, x in
            let first = try n.add("MatMul", [x, n.constant(Tensor([Float(1), 0], [2, 1]))])
            let rest = try n.add("Relu", [n.add("MatMul", [x, n.constant(Tensor([Float(1), -1], [2, 1]))])])
            return try n.add("Sub", [first, rest], name: "output")
        }
        let x = try Tensor([Float(10), 6], [1, 2])
        #expect(try explained("deep-lift", model, x, target: 0).map.doubles() == [0, 6])
        #expect(try explained("deep-lift", model, x, ["rule": .text("reveal-cancel")], target: 0).map.doubles() == [3, 3])
    }

    @Test func baselines() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), x = try golden.tensor("x")
        #expect(try explained("deep-lift", model, x, ["baseline": .tensor(x)]).map.doubles().allSatisfy { $0 == 0 })
        let two = try HandMade.numbers([2] + x.shape.dropFirst(), seed: 14)
        let maps = try (0..<2).map { index in
            try explained("deep-lift", model, x, ["baseline": .tensor(two.sliced(0, index..<(index + 1)))]).map.doubles()
        }
        let both = try explained("deep-lift", model, x, ["baselines": .tensor(two)]), found = try both.map.doubles()
        for i in found.indices { #expect(abs(found[i] - (maps[0][i] + maps[1][i]) / 2) < 1e-5) }
        #expect(abs(try #require(both.numbers["completeness_gap"])) < 1e-4)
    }

    @Test func layersHaveContributionsToo() throws {
        let golden = try GoldenCase("residual"), model = try golden.model(), x = try golden.tensor("x")
        for layer in ["relu6", "mix", "bn"] {
            try checkSum(model, x, ["layer": .text(golden.layer(layer, in: "model.onnx"))], layer)
        }
    }

    /// A file that fixes its batch runs image by image, and baselines do not need a larger one.
    @Test func fixedBatches() throws {
        func model(_ batch: Dim) throws -> Model {
            try HandMade.model([3, 6, 6], batch: batch) { n, x in
                let inner = try n.add("Relu", [n.add("Conv", [x, n.weight([4, 3, 3, 3]), n.weight([4])])])
                return try n.add("Gemm", [n.add("Flatten", [inner]), n.weight([64, 3])], name: "output")
            }
        }
        let x = try HandMade.numbers([3, 3, 6, 6], seed: 15), settings: [String: Options.Entry] = ["baseline": .real(0.2)]
        let fixed = try explained("deep-lift", model(1), x, settings)
        #expect(try difference(fixed.map, explained("deep-lift", model(.symbol("N")), x, settings).map) < 1e-5)
        #expect(abs(try #require(fixed.numbers["completeness_gap"])) < 1e-4)
    }

    @Test func badQuestionsAreErrors() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), x = try golden.tensor("x")
        #expect(throws: Failure.self) { try explained("deep-lift", model, x, target: 99) }
        #expect(throws: Failure.self) { try explained("deep-lift", model, x, ["layer": .text("no such layer")]) }
        #expect(throws: Failure.self) { try explained("deep-lift", model, x, ["baseline": .tensor(Tensor([Float(1), 2], [2]))]) }
        #expect(throws: Failure.self) { try explained("deep-lift", model, x, ["rule": .text("none")]) }
        #expect(throws: Failure.self) { try explained("deep-lift", model, x.map(Float.self) { (_: Float) in Float.infinity }) }
    }

    @Test func costIsWhatItTakes() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), feeds = [golden.input: try golden.tensor("x")]
        for method in ["deep-lift", "lrp", "excitation-backprop", "rect-grad"] {
            let control = Control()
            _ = try MethodList.explain(method, model: model, feeds: feeds, target: Target(), options: Options(), control: control)
            let cost = try MethodList.cost(method, model: model, feeds: feeds, target: Target(), options: Options())
            #expect(cost.forwards == control.forwards && cost.backwards == control.backwards, "\(method)")
        }
    }
}

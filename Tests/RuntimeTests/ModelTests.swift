import Glibc
import Graphs
import Runtime
import Tensors
import Testing

@Suite struct ModelTests {
    private func run(_ model: Model, _ feeds: [String: Tensor], _ wanted: [String], _ control: Control = Control()) throws -> Outcome {
        try model.evaluate(Evaluation(feeds, wanted: wanted), control)
    }

    @Test func backendsAndPassesAgree() throws {
        let graph = try TinyModels.classifier()
        let x = try TinyModels.image(3)
        let oracle = try run(
            TinyModels.model(graph, ["backend": .text("reference"), "passes": .text("none")]), ["x": x], ["logits", "relu_out"])
        for backend in ["reference", "cpu"] {
            for passes in ["all", "none"] {
                let model = try TinyModels.model(graph, ["backend": .text(backend), "passes": .text(passes)])
                let got = try run(model, ["x": x], ["logits", "relu_out"])
                for name in ["logits", "relu_out"] {
                    #expect(try difference(got.value(name), oracle.value(name)) < 1e-5, "\(backend) \(passes) \(name)")
                }
            }
        }
    }

    @Test func namesOfValuesNodesAndModules() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        #expect(try model.names.resolve("relu_out") == "relu_out")
        #expect(try model.names.resolve("relu") == "relu_out")
        #expect(try model.names.resolve("features.1") == "relu_out")
        #expect(try model.names.resolve("features") == "relu_out")
        let failure = #expect(throws: Failure.self) { try model.names.resolve("relu_owt") }
        #expect(failure?.message.contains("relu_out") ?? false)
    }

    @Test func tailExecutionStartsFromAnInnerValue() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let whole = try run(model, ["x": TinyModels.image(2)], ["relu_out", "logits"])
        let tail = try run(model, ["relu_out": whole.value("relu_out")], ["logits"])
        #expect(try difference(tail.value("logits"), whole.value("logits")) < 1e-6)
    }

    @Test func tailExecutionRefusesAPathThatBypassesTheFedValue() throws {
        let graph = try TinyModels.graph(inputs: [("x", [.symbol("N"), 4])], outputs: ["y"]) { b, id in
            let relu = try TinyModels.add(&b, "Relu", "relu", [id("x")])
            _ = try TinyModels.add(&b, "Add", "skip", [relu, id("x")], to: id("y"))
        }
        let model = try TinyModels.model(graph)
        let failure = #expect(throws: Failure.self) {
            try run(model, ["relu_out": try Tensor([Float](repeating: 1, count: 4), [1, 4])], ["y"])
        }
        #expect(failure?.message.contains("needs 'x'") ?? false, "\(failure?.message ?? "")")
    }

    @Test func hooksObserveAndReplace() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let x = try TinyModels.image(2)
        var seen: [String] = []
        let plain = try run(model, ["x": x], ["relu_out", "logits"])
        let hook = Hook("relu_out") { name, value in
            seen.append(name)
            return try Tensor.zeros(value.type, value.shape)
        }
        let edited = try run(model, ["x": x], ["logits"], Control(hooks: [hook]))
        #expect(seen == ["relu_out"])
        let bias = try Tensor(TinyModels.numbers(5, seed: 4), [5]).broadcast(to: [2, 5]).contiguous()
        #expect(try difference(edited.value("logits"), bias) < 1e-6)
        #expect(try difference(edited.value("logits"), plain.value("logits")) > 1e-3)
    }

    @Test func hookOfTheWrongShapeIsRefused() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let hook = Hook("relu_out") { _, _ in try Tensor([Float(1)]) }
        let failure = #expect(throws: Failure.self) { try run(model, ["x": try TinyModels.image(1)], ["logits"], Control(hooks: [hook])) }
        #expect(failure?.kind == .shape)
    }

    @Test func backwardHookReplacesAGradient() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let x = try TinyModels.image(1)
        let hook = Hook("relu_out", phase: .backward) { _, value in try Tensor.zeros(value.type, value.shape) }
        let outcome = try model.evaluate(Evaluation(["x": x], target: Target(.index(1)), gradients: ["x"]), Control(hooks: [hook]))
        #expect(try outcome.gradient("x").doubles().allSatisfy { $0 == 0 })
    }

    @Test func gradientsOfInputActivationAndWeightMatchDifferences() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let x = try TinyModels.image(1)
        let names = ["x", "relu_out", "conv.weight"]
        let outcome = try model.evaluate(Evaluation(["x": x], wanted: ["relu_out"], target: Target(.index(2)), gradients: names), Control())
        for (name, value) in [
            ("x", x), ("relu_out", try outcome.value("relu_out")),
            ("conv.weight", try Tensor(TinyModels.numbers(108, seed: 1), [4, 3, 3, 3])),
        ] {
            let analytic = try outcome.gradient(name).doubles()
            for index in [0, value.count / 2, value.count - 1] {
                func score(_ step: Float) throws -> Double {
                    var numbers = try value.array(Float.self)
                    numbers[index] += step
                    var feeds = name == "relu_out" ? [:] : ["x": x]
                    feeds[name] = try Tensor(numbers, value.shape)
                    return try model.evaluate(Evaluation(feeds, target: Target(.index(2))), Control()).scores[0]
                }
                let numeric = (try score(1e-2) - score(-1e-2)) / 2e-2
                #expect(abs(numeric - analytic[index]) < 2e-3, "\(name)[\(index)]: \(numeric) against \(analytic[index])")
            }
        }
    }

    @Test func aBatchIsSplitUnderTheMemoryBudgetWithEqualResults() throws {
        let graph = try TinyModels.classifier()
        let x = try TinyModels.image(9)
        let whole = try TinyModels.model(graph).evaluate(
            Evaluation(["x": x], wanted: ["logits"], target: Target(), gradients: ["x", "fc.weight"]), Control())
        let control = Control()
        let small = try TinyModels.model(graph, ["memory": .integer(8000)])
        let split = try small.evaluate(Evaluation(["x": x], wanted: ["logits"], target: Target(), gradients: ["x", "fc.weight"]), control)
        #expect(control.peakBytes <= 8000, "peak \(control.peakBytes)")
        #expect(control.forwards == 9 && control.backwards == 9)
        #expect(split.classes == whole.classes)
        #expect(try difference(split.value("logits"), whole.value("logits")) < 1e-6)
        for name in ["x", "fc.weight"] { #expect(try difference(split.gradient(name), whole.gradient(name)) < 1e-5, "\(name)") }
    }

    @Test func aModelThatFixesItsBatchRunsImageByImage() throws {
        let x = try TinyModels.image(4)
        let free = try TinyModels.model(TinyModels.classifier()).evaluate(Evaluation(["x": x], wanted: ["logits"]), Control())
        let fixed = try TinyModels.model(TinyModels.classifier(batch: 1)).evaluate(Evaluation(["x": x], wanted: ["logits"]), Control())
        #expect(try difference(fixed.value("logits"), free.value("logits")) < 1e-6)
    }

    @Test func cancelAndDeadlineEndTheRun() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let x = try TinyModels.image(1)
        let controls = [Control(isCancelled: { true }), Control(progress: { _, _ in true }), Control(deadline: 1e-9)]
        for control in controls {
            let failure = #expect(throws: Failure.self) { try run(model, ["x": x], ["logits"], control) }
            #expect(failure?.kind == .cancelled)
        }
    }

    @Test func cancelBetweenAnyTwoNodes() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let x = try TinyModels.image(2)
        var ticks = 0
        _ = try run(
            model, ["x": x], ["logits"],
            Control(isCancelled: {
                ticks += 1; return false
            }))
        #expect(ticks > 3)
        for stop in 1...ticks {
            var count = 0
            let failure = #expect(throws: Failure.self) {
                try run(
                    model, ["x": x], ["logits"],
                    Control(isCancelled: {
                        count += 1; return count == stop
                    }))
            }
            #expect(failure?.kind == .cancelled)
        }
    }

    @Test func wrongInputsAreNamed() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let wrongRank = #expect(throws: Failure.self) { try run(model, ["x": try Tensor([Float(1)])], ["logits"]) }
        #expect(wrongRank?.message.contains("'x' expects") ?? false)
        let wrongType = #expect(throws: Failure.self) { try run(model, ["x": try TinyModels.image(1).converted(to: .float64)], ["logits"]) }
        #expect(wrongType?.message.contains("float64") ?? false)
        let missing = #expect(throws: Failure.self) { try run(model, [:], ["logits"]) }
        #expect(missing?.message.contains("'x'") ?? false)
        let range = #expect(throws: Failure.self) {
            try model.evaluate(Evaluation(["x": try TinyModels.image(1)], target: Target(.index(99))), Control())
        }
        #expect(range?.message.contains("99") ?? false)
    }

    @Test func eightThreadsOnOneModelGiveTheSequentialResults() async throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let inputs = try (0..<8).map { try TinyModels.image(1 + $0 % 3, seed: UInt64($0)) }
        let expected = try inputs.map {
            try model.evaluate(Evaluation(["x": $0], target: Target(), gradients: ["x"]), Control()).gradient("x")
        }
        await withTaskGroup(of: Bool.self) { group in
            for (input, reference) in zip(inputs, expected) {
                group.addTask {
                    (0..<20).allSatisfy { _ in
                        guard
                            let again = try? model.evaluate(Evaluation(["x": input], target: Target(), gradients: ["x"]), Control())
                                .gradient("x")
                        else { return false }
                        return (try? difference(again, reference)) ?? 1 < 1e-6
                    }
                }
            }
            for await isEqual in group { #expect(isEqual) }
        }
    }

    @Test func targetsOfEveryKind() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let x = try TinyModels.image(2)
        let logits = try run(model, ["x": x], ["logits"]).value("logits").doubles()
        func scores(_ target: Target) throws -> [Double] { try model.evaluate(Evaluation(["x": x], target: target), Control()).scores }
        func close(_ a: [Double], _ b: [Double]) -> Bool { a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-5 } }
        #expect(close(try scores(Target(.index(1))), [logits[1], logits[6]]))
        #expect(close(try scores(Target()), [logits[0..<5].max()!, logits[5..<10].max()!]))
        #expect(close(try scores(Target(.each([0, 4]))), [logits[0], logits[9]]))
        #expect(close(try scores(Target(.sum([0, 2]))), [logits[0] + logits[2], logits[5] + logits[7]]))
        #expect(
            close(try scores(Target(.weights(try Tensor([1, 0, 0, 0, -1] as [Float])))), [logits[0] - logits[4], logits[5] - logits[9]]))
        let softmax = { (row: ArraySlice<Double>, index: Int) in exponent(row[row.startIndex + index]) / row.map(exponent).reduce(0, +) }
        #expect(close(try scores(Target(.index(1), score: .probability)), [softmax(logits[0..<5], 1), softmax(logits[5..<10], 1)]))
    }

    @Test func rewritesNeverRemoveAWantedValue() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let outcome = try run(model, ["x": try TinyModels.image(1)], ["conv_out", "relu_out", "pool_out", "logits"])
        let conv = try outcome.value("conv_out").doubles(), relu = try outcome.value("relu_out").doubles()
        #expect(zip(conv, relu).allSatisfy { max($0, 0) == $1 })
        #expect(conv.contains { $0 < 0 })
    }
}

private func exponent(_ x: Double) -> Double { exp(x) }

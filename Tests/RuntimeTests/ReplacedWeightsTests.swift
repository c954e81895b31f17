import Runtime
import Tensors
import Testing

/// A model with other weights than its file's.
@Suite struct ReplacedWeightsTests {
    @Test func otherWeightsGiveOtherResultsAndLeaveTheModelAlone() throws {
        let model = try TinyModels.model(try TinyModels.classifier())
        let feeds = ["x": try TinyModels.image(2)]
        func logits(_ model: Model) throws -> [Double] {
            try model.evaluate(Evaluation(feeds, wanted: ["logits"]), Control()).value("logits").doubles()
        }
        let before = try logits(model)
        let changed = try model.replacing(weights: ["fc.weight": .zeros(.float32, [5, 4])])
        let bias = TinyModels.numbers(5, seed: 4).map(Double.init)
        #expect(zip(try logits(changed), bias + bias).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(try logits(model) == before)
        let same = TinyModels.numbers(20, seed: 3)
        #expect(try logits(changed.replacing(weights: ["fc.weight": try Tensor(same, [5, 4])])) == before)
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let model = try TinyModels.model(try TinyModels.classifier())
        #expect(throws: Failure.self) { try model.replacing(weights: ["fc.weight": .zeros(.float32, [4, 5])]) }
        #expect(throws: Failure.self) { try model.replacing(weights: ["fc.weight": .zeros(.float64, [5, 4])]) }
        #expect(throws: Failure.self) { try model.replacing(weights: ["logits": .zeros(.float32, [1])]) }
    }
}

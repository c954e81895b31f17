import Glibc
import Graphs
import Runtime
import Tensors
import Testing

/// `H v` of a value `v`: the derivative differentiated again.
@Suite struct SecondDerivativeTests {
    /// logits = x³ W, element by element.
    private func cubic() throws -> Model {
        try TinyModels.model(
            TinyModels.graph(inputs: [("x", [.symbol("N"), 4])], outputs: ["logits"]) { b, id in
                let w = b.graph.constant(try Tensor(TinyModels.numbers(12, seed: 3), [4, 3]), "w")
                let square = try TinyModels.add(&b, "Mul", "square", [id("x"), id("x")])
                let cube = try TinyModels.add(&b, "Mul", "cube", [square, id("x")])
                _ = try TinyModels.add(&b, "MatMul", "linear", [cube, w], to: id("logits"))
            })
    }

    private func evaluate(_ model: Model, _ x: Tensor, _ name: String = "x", score: Target.Score = .logit, batch: Int? = nil) throws
        -> Outcome
    {
        var question = Evaluation(["x": x], wanted: [name], target: Target(.index(1), score: score), gradients: [name], batch: batch)
        question.curvatures = [name]
        return try model.evaluate(question, Control())
    }

    @Test func aCubeHasItsSecondDerivative() throws {
        let model = try cubic()
        let x = try Tensor(TinyModels.numbers(20, seed: 5), [5, 4]), weights = TinyModels.numbers(12, seed: 3)
        for batch in [nil, 2] {
            let found = try evaluate(model, x, batch: batch).curvature("x")
            let expected = try x.doubles().enumerated().map { 6 * $1 * $1 * Double(weights[$0 % 4 * 3 + 1]) }
            #expect(try difference(found, Tensor(expected.map { Float($0) }, x.shape)) < 1e-5)
        }
    }

    @Test func aLinearScoreHasNone() throws {
        let model = try TinyModels.model(TinyModels.classifier())
        let found = try evaluate(model, TinyModels.image(2), "relu_out").curvature("relu_out")
        #expect(found.shape == [2, 4, 6, 6])
        #expect(try found.doubles().allSatisfy { $0 == 0 })
    }

    /// ReST of a linear classifier: gradient `2 w_c - sum_k p_k w_k`, second derivative `-W (diag p - p pᵀ) Wᵀ`.
    @Test func restIsLogitPlusLogProbability() throws {
        let model = try TinyModels.model(TinyModels.linear(features: 4, classes: 3))
        let x = try Tensor(TinyModels.numbers(4, seed: 8), [1, 4]), w = TinyModels.numbers(12, seed: 9).map { Double($0) }
        let outcome = try evaluate(model, x, score: .rest)
        let values = try x.doubles()
        let logits = (0..<3).map { c in (0..<4).reduce(0.0) { $0 + values[$1] * w[$1 * 3 + c] } }
        let total = logits.reduce(0.0) { $0 + exp($1) }
        let p = logits.map { exp($0) / total }
        #expect(abs(outcome.scores[0] - (2 * logits[1] - log(total))) < 1e-5)
        let mean = (0..<4).map { i in (0..<3).reduce(0.0) { $0 + p[$1] * w[i * 3 + $1] } }
        let gradient = (0..<4).map { 2 * w[$0 * 3 + 1] - mean[$0] }
        #expect(zip(try outcome.gradient("x").doubles(), gradient).allSatisfy { abs($0 - $1) < 1e-5 })
        let average = zip(p, logits).reduce(0.0) { $0 + $1.0 * $1.1 }
        let product = (0..<4).map { i in (0..<3).reduce(0.0) { $0 - w[i * 3 + $1] * p[$1] * (logits[$1] - average) } }
        #expect(zip(try outcome.curvature("x").doubles(), product).allSatisfy { abs($0 - $1) < 1e-5 })
    }
}

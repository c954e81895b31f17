import Explainers
import Graphs
import Runtime
import Tensors
import Testing

/// Sobol and HSIC attribution on networks whose indices can be calculated.
@Suite struct SensitivityTests {
    private func explain(
        _ method: String, _ model: Model, _ x: Tensor, _ settings: [String: Options.Entry] = [:], control: Control = Control()
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain(
            method, model: model, feeds: ["x": x], target: Target(.index(0), score: .output), options: options, control: control)
    }

    private func grid(_ method: String, _ model: Model, _ x: Tensor, _ settings: [String: Options.Entry]) throws -> [Double] {
        try #require(try explain(method, model, x, settings).tensors["grid"]).doubles()
    }

    private func message(_ method: String, _ model: Model, _ x: Tensor, _ settings: [String: Options.Entry]) -> String {
        do { _ = try explain(method, model, x, settings); return "" } catch { return "\(error)" }
    }

    /// A score that adds up over 3 x 3 cells of 1 x 2 pixels, what each gives when it is shown; the last is ignored.
    private func rows() throws -> (model: Model, x: Tensor, cells: [Double]) {
        let w = TinyNetwork.numbers(18, seed: 2), x = TinyNetwork.numbers(18, seed: 3)
        let heard = w.indices.map { $0 >= 16 ? 0 : w[$0] }
        var cells = [Double](repeating: 0, count: 9)
        for i in 0..<18 { cells[i / 6 * 3 + i % 6 / 2] += Double(heard[i] * x[i]) }
        return (try TinyNetwork.linear([1, 3, 6], weights: [heard, heard]), try Tensor(x, [1, 1, 3, 6]), cells)
    }

    @Test(arguments: ["sobol", "halton", "lhs", "random"]) func indicesOfASumAreTheSharesOfItsTerms(_ sampler: String) throws {
        let (model, x, cells) = try rows()
        let found = try grid(
            "sobol", model, x, ["grid_size": .integer(3), "nb_design": .integer(1024), "sampler": .text(sampler)])
        let total = cells.reduce(0) { $0 + $1 * $1 }
        for (a, b) in zip(found, cells) { #expect(abs(a - b * b / total) < 0.05, "\(sampler): \(a), \(b * b / total)") }
        #expect(found[8] < 1e-9)
    }

    @Test func cellsThatNeedEachOtherCountTwice() throws {
        // f = m1 m2 with uniform masks: Var = 7/144, and each total index is (3 + 1) / 7.
        let model = try TinyNetwork.model([1, 1, 2]) { b, x in
            let axes = b.graph.constant(try Tensor([2, 3] as [Int64]), "axes")
            return try TinyNetwork.add(&b, "ReduceProd", [x, axes], ["keepdims": .int(0)])
        }
        let x = try Tensor([1, 1] as [Float], [1, 1, 1, 2])
        let found = try grid("sobol", model, x, ["grid_size": .integer(2), "nb_design": .integer(4096)])
        #expect(found.count == 2)
        for index in found { #expect(abs(index - 4.0 / 7) < 0.01, "\(index)") }
    }

    @Test func sobolsSequenceLeavesNothingToChance() throws {
        let (model, x, _) = try rows()
        for method in ["sobol", "hsic"] {
            func seeded(_ seed: Int, _ sampler: String) throws -> [Double] {
                try grid(
                    method, model, x,
                    ["grid_size": .integer(3), "nb_design": .integer(40), "seed": .integer(seed), "sampler": .text(sampler)])
            }
            #expect(try seeded(1, "sobol") == seeded(2, "sobol"))
            #expect(try seeded(1, "lhs") == seeded(1, "lhs"))
            #expect(try seeded(1, "lhs") != seeded(2, "lhs"))
        }
    }

    @Test(arguments: ["sobol", "hsic"]) func sensitivityDoesNotDependOnTheBatchNorOnOtherImages(_ method: String) throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), x = try golden.tensor("x")
        func grid(_ x: Tensor, _ batch: Int) throws -> Tensor {
            var options = Options()
            for (name, value) in ["grid_size": 3, "nb_design": 20, "batch_size": batch] { options[name] = .integer(value) }
            options["classes"] = .text("3,1")
            let result = try MethodList.explain(
                method, model: model, feeds: [golden.input: x], target: Target(.index(3)), options: options, control: Control())
            let maps = try #require(result.tensors["maps"]), map = try #require(result.tensors["map"])
            #expect(maps.shape == [x.shape[0], 2, 1, 12, 16] && map.shape == [x.shape[0], 1, 12, 16])
            // The target's own map is among those of the classes, but for the rounding of scores to float32.
            #expect(try difference(maps.sliced(1, 0..<1).reshaped(map.shape), map) < 1e-3)
            return try #require(result.tensors["grid"])
        }
        let one = try grid(x, 1)
        #expect(try difference(grid(x, 50), one) < 1e-4)
        #expect(try difference(grid(x.sliced(0, 1..<2).contiguous(), 0), one.sliced(0, 1..<2).contiguous()) < 1e-4)
    }

    @Test(arguments: ["sobol", "hsic"]) func standardErrorsAreTheSpreadOfRepetitions(_ method: String) throws {
        let (model, x, _) = try rows()
        let runs = try (0..<25).map { seed in
            try explain(
                method, model, x,
                [
                    "grid_size": .integer(3), "nb_design": .integer(60), "seed": .integer(seed), "sampler": .text("random"),
                    "width": .real(1),
                ]
                .filter { method == "hsic" || $0.key != "width" })
        }
        let grids = try runs.map { try #require($0.tensors["grid"]).doubles() }
        let errors = try runs.map { try #require($0.tensors["standard_error"]).doubles() }
        // The cell that matters most: elsewhere HSIC's first-order term vanishes.
        let best = try #require(grids[0].indices.max { grids[0][$0] < grids[0][$1] })
        let mean = grids.reduce(0) { $0 + $1[best] } / 25
        let spread = (grids.reduce(0) { $0 + ($1[best] - mean) * ($1[best] - mean) } / 24).squareRoot()
        let claimed = (errors.reduce(0) { $0 + $1[best] * $1[best] } / 25).squareRoot()
        #expect((0.6...1.7).contains(claimed / spread), "\(method): \(claimed), \(spread)")
    }

    @Test(arguments: ["binary", "rbf", "sobolev"]) func dependenceFindsTheCellThatMatters(_ kernel: String) throws {
        let (model, x, cells) = try rows()
        let found = try grid(
            "hsic", model, x, ["grid_size": .integer(3), "nb_design": .integer(128), "kernel": .text(kernel), "width": .real(0.5)])
        let best = try #require(cells.indices.max { abs(cells[$0]) < abs(cells[$1]) })
        #expect(found.indices.max { found[$0] < found[$1] } == best)
        #expect(found[8] < 0.05 * found[best] && found.allSatisfy { $0 > -1e-12 }, "\(found)")
    }

    @Test(arguments: ["sobol", "hsic"]) func aConstantModelDependsOnNothing(_ method: String) throws {
        let x = try Tensor(TinyNetwork.numbers(18), [1, 1, 3, 6])
        let found = try grid(method, TinyNetwork.constant([1, 3, 6], 0.4), x, ["grid_size": .integer(3), "nb_design": .integer(64)])
        #expect(found.allSatisfy { abs($0) < 1e-12 })
    }

    @Test(arguments: ["sobol", "hsic", "rise"]) func theDeadlineEndsSampling(_ method: String) throws {
        let (model, x, _) = try rows()
        let settings: [String: Options.Entry] =
            method == "rise"
            ? ["n_samples": .integer(10_000_000)] : ["nb_design": .integer(8192), "grid_size": .integer(1), "batch_size": .integer(1)]
        let result = try explain(method, model, x, settings, control: Control(deadline: 0.1))
        let samples = try #require(result.numbers["samples"])
        #expect(samples >= 2 && samples < 10_000_000 && result.manifest.contains("\"stopped\": \"deadline\""))
        #expect(throws: Failure.self) { try explain(method, model, x, settings, control: Control(deadline: 0)) }
    }

    @Test func badDesignsAreNamed() throws {
        let (model, x, _) = try rows()
        let masks = try Tensor([Float](repeating: 0.5, count: 4 * 9), [4, 3, 3])
        #expect(message("sobol", model, x, ["masks": .tensor(masks), "grid_size": .integer(3)]) == "")
        #expect(message("sobol", model, x, ["masks": .tensor(masks), "grid_size": .integer(4)]).contains("expected 2 n x 3 x 4"))
        #expect(message("hsic", model, x, ["masks": .tensor(masks), "grid_size": .integer(5)]).contains("expected n x 3 x 5"))
        #expect(message("sobol", model, x, ["baseline": .text("inpaint")]).contains("needs one whole image"))
        let large = try Tensor([Float](repeating: 1, count: 400), [1, 1, 20, 20])
        let wide = try TinyNetwork.linear([1, 20, 20], weights: [[Float](repeating: 1, count: 400)])
        #expect(message("sobol", wide, large, ["grid_size": .integer(12)]).contains("known for 256 dimensions"))
        #expect(message("sobol", wide, large, ["grid_size": .integer(12), "sampler": .text("lhs"), "nb_design": .integer(2)]) == "")
    }
}

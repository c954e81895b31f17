import Evaluation
import Explainers
import Foundation
import Runtime
import Tensors
import Testing

/// Metrics that look at the map alone, or at the map and the method that made it.
@Suite struct MapMetricTests {
    private let linear: LinearModel

    init() throws { linear = try LinearModel([1, 6, 8]) }

    /// Ones at these places of the first and the second image.
    private func marked(_ first: [Int], _ second: [Int]) throws -> Tensor {
        try Tensor((0..<96).map { ($0 < 48 ? first : second).contains($0 % 48) ? Float(1) : 0 }, [2, 1, 6, 8])
    }

    // MARK: Localisation

    @Test func theLargestValueHitsOrMisses() throws {
        let map = try marked([9], [47])
        let settings: [String: Options.Entry] = ["boxes": .text("0,0,4,3"), "tolerance": .integer(0)]
        let result = try linear.evaluate("pointing-game", settings, map: map)
        #expect(result.values == [1, 0] && result.value == 0.5)
        // Twelve of forty-eight pixels: what a map without knowledge hits.
        #expect(result.numbers["reference_random"] == 0.25 && result.numbers["reference_constant"] == 0.25)
        let constant = try linear.evaluate("pointing-game", settings, map: try map.map(Float.self) { _ in 3 })
        #expect(constant.values == [0.25, 0.25])
    }

    @Test func theMarginIsRound() throws {
        // The object is pixel (2, 3); (2, 5) is two away, (4, 5) is 2.83 away.
        func hit(_ place: Int, _ tolerance: Int) throws -> Double {
            try linear.evaluate(
                "pointing-game", ["boxes": .text("3,2,4,3"), "tolerance": .integer(tolerance)], map: marked([place], [place])
            ).value
        }
        #expect(try hit(21, 1) == 0 && hit(21, 2) == 1 && hit(37, 2) == 0 && hit(37, 3) == 1 && hit(19, 0) == 1)
    }

    /// Quantus 0.6.0 turns the NaN of an empty mask into a hit.
    @Test(arguments: ["pointing-game", "energy-pointing-game"]) func anEmptyMaskHasNoValue(_ metric: String) throws {
        let masks = try Tensor([Float](repeating: 0, count: 48) + [Float](repeating: 1, count: 48), [2, 6, 8])
        let result = try linear.evaluate(metric, ["masks": .tensor(masks)], map: marked([1], [1]))
        #expect(result.values[0].isNaN && result.values[1] == 1 && result.value == 1)
        #expect(result.manifest.contains("1 of 2 images have no value"))
    }

    @Test func energyIsTheShareOfPositiveValues() throws {
        let values = (0..<96).map { Float($0 % 5) - 1 }
        let map = try Tensor(values, [2, 1, 6, 8])
        let boxes = try Tensor([0, 0, 4, 3, 2, 2, 8, 6] as [Float], [2, 4])
        let result = try linear.evaluate("energy-pointing-game", ["boxes": .tensor(boxes)], map: map)
        func share(_ image: Int, _ xs: Range<Int>, _ ys: Range<Int>) -> Double {
            let part = values[(image * 48)..<(image * 48 + 48)].map { Double(max(0, $0)) }
            let inside = part.indices.filter { xs.contains($0 % 8) && ys.contains($0 / 8) }.reduce(0) { $0 + part[$1] }
            return inside / part.reduce(0, +)
        }
        #expect(abs(result.values[0] - share(0, 0..<4, 0..<3)) < 1e-9 && abs(result.values[1] - share(1, 2..<8, 2..<6)) < 1e-9)
        let negative = try linear.evaluate("energy-pointing-game", ["boxes": .text("0,0,4,3")], map: try map.map(Float.self) { _ in -1 })
        #expect(negative.value.isNaN)
    }

    /// Quantus 0.6.0 takes the image's size from the batch axis, so that a ratio depends on the batch.
    @Test func localisationDoesNotDependOnTheBatch() throws {
        let map = try Tensor(LinearModel.numbers(96, seed: 3), [2, 1, 6, 8])
        let settings: [String: Options.Entry] = ["boxes": .text("1,1,5,4")]
        for metric in ["pointing-game", "energy-pointing-game"] {
            let both = try linear.evaluate(metric, settings, map: map).values
            for image in 0..<2 {
                var options = Options()
                for (name, value) in settings { options[name] = value }
                options["map"] = .tensor(try map.sliced(0, image..<(image + 1)).contiguous())
                let alone = try MetricList.evaluate(
                    metric, model: linear.model, feeds: ["x": linear.x.sliced(0, image..<(image + 1)).contiguous()], target: nil,
                    explanation: nil, options: options, control: Control())
                #expect(alone.values == [both[image]])
            }
        }
    }

    @Test func boxesOfTheWrongFormAreRefused() throws {
        let map = try marked([1], [2])
        for boxes in ["1,2,3", "1,2,3,4,5"] {
            #expect(message { try linear.evaluate("pointing-game", ["boxes": .text(boxes)], map: map) }.contains("four numbers"))
        }
        #expect(message { try linear.evaluate("pointing-game", map: map) }.contains("'boxes' or 'masks'"))
        let nowhere = try Tensor([7, 0, 0, 1, 1] as [Float], [1, 5])
        #expect(message { try linear.evaluate("pointing-game", ["boxes": .tensor(nowhere)], map: map) }.contains("no image 7"))
        let small = try Tensor([1, 1] as [Float], [2, 1, 1])
        #expect(message { try linear.evaluate("pointing-game", ["masks": .tensor(small)], map: map) }.contains("expected 2 x 6 x 8"))
        let table = try LinearModel([9])
        #expect(message { try table.evaluate("pointing-game", ["boxes": .text("0,0,1,1")], map: table.contributions()) }.contains("images"))
    }

    /// Maps of height x width belong to the only image; empty ones to none.
    @Test func mapsWithoutAnImageAxis() throws {
        let one = try LinearModel([1, 6, 8], images: 1)
        let bare = try one.contributions().reshaped([6, 8])
        for metric in MetricList.metrics.map({ $0.info }) where metric.needs == [.map] {
            let name = metric.method.name
            let value = try one.evaluate(name, map: bare).value, full = try one.evaluate(name, map: one.contributions()).value
            #expect(abs(value - full) < 1e-9 || value.isNaN && full.isNaN, "\(name)")
            for shape in [[0, 5], [0], [1, 0], [1, 1, 0, 3]] {
                #expect(message { try one.evaluate(name, map: .zeros(.float32, shape)) }.contains("the map is"), "\(name) \(shape)")
            }
        }
    }

    // MARK: Complexity

    @Test func onePlaceIsSparseAndSimple() throws {
        let one = try marked([5], [40]), flat = try one.map(Float.self) { _ in -2 }
        #expect(try abs(linear.evaluate("sparseness", map: one).value - (1 - 1.0 / 48)) < 1e-9)
        #expect(try abs(linear.evaluate("sparseness", map: flat).value) < 1e-9)
        #expect(try abs(linear.evaluate("complexity", map: one).value) < 1e-9)
        #expect(try abs(linear.evaluate("complexity", map: flat).value - log(48)) < 1e-9)
        #expect(try abs(linear.evaluate("complexity", ["normalize": .integer(1)], map: flat).value - 1) < 1e-9)
        let result = try linear.evaluate("sparseness", map: one)
        #expect(
            abs((result.numbers["reference_random"] ?? 0) - 1.0 / 3) < 0.08
                && result.numbers["reference_constant"].map { abs($0) < 1e-9 } ?? false)
    }

    /// Quantus' effective complexity depends on the map's unit.
    @Test(arguments: ["sparseness", "complexity"]) func theUnitOfTheMapDoesNotCount(_ metric: String) throws {
        let map = try Tensor(LinearModel.numbers(96, seed: 3), [2, 1, 6, 8])
        let small = try linear.evaluate(metric, map: map.map(Float.self) { $0 * 1e-6 }), large = try linear.evaluate(metric, map: map)
        #expect(abs(small.value - large.value) < 1e-6)
        #expect(try linear.evaluate(metric, map: map.map(Float.self) { _ in 0 }).value.isNaN)
    }

    // MARK: Robustness

    @Test func theGradientOfALinearModelNeverChanges() throws {
        let gradient = try linear.explain("saliency", ["abs": .integer(0)])
        let result = try linear.evaluate("max-sensitivity", explanation: gradient, target: nil)
        #expect(result.value < 1e-6 && result.tensors["sensitivities"]?.shape == [2, 10])
        #expect(message { try linear.evaluate("max-sensitivity", map: gradient.tensors["map"]) }.contains("explains again"))
    }

    @Test func sensitivityOfGivenChanges() throws {
        let noise = LinearModel.numbers(3 * 48, seed: 8)
        let explanation = try linear.explain("input-x-gradient")
        let result = try linear.evaluate(
            "max-sensitivity", ["perturbations": .tensor(try Tensor(noise, [3, 1, 6, 8]))], explanation: explanation, target: nil)
        for image in 0..<2 {
            let pixels = try linear.pixels(image)
            let norm = zip(linear.weights, pixels).reduce(0.0) { $0 + pow(Double($1.0 * $1.1), 2) }.squareRoot()
            let changes = (0..<3).map { sample in
                linear.weights.enumerated().reduce(0.0) { $0 + pow(Double($1.element * noise[sample * 48 + $1.offset]), 2) }.squareRoot()
                    / norm
            }
            #expect(abs(result.values[image] - (changes.max() ?? 0)) < 1e-4)
        }
        #expect((result.numbers["average_sensitivity"] ?? 9) < result.value)
    }

    @Test func repetitionsAreCounted() throws {
        let explanation = try linear.explain("saliency", ["abs": .integer(0)])
        for metric in ["max-sensitivity", "parameter-randomization"] {
            let result = try linear.evaluate(metric, explanation: explanation, target: nil)
            let cost = try linear.cost(metric, explanation: explanation)
            #expect(try counted(result) == (cost.forwards, cost.backwards))
            #expect(cost.backwards > 0)
        }
    }

    @Test func cancellingReachesTheInnerCall() throws {
        let explanation = try linear.explain("saliency")
        var ticks = 0
        let control = Control(progress: { _, _ in
            ticks += 1
            return ticks > 3
        })
        let failure = #expect(throws: Failure.self) {
            try linear.evaluate("max-sensitivity", ["n_samples": .integer(1000)], explanation: explanation, target: nil, control: control)
        }
        #expect(failure?.kind == .cancelled)
    }

    // MARK: Axioms

    /// Quantus 0.6.0 compares floats by ==, and never calls an exact explanation complete.
    @Test func contributionsOfALinearModelAreComplete() throws {
        let result = try linear.evaluate("completeness", explanation: linear.explain("input-x-gradient"), target: nil)
        #expect(result.value < 1e-5 && result.numbers["complete"] == 1)
        let gradient = try linear.evaluate("completeness", explanation: linear.explain("saliency", ["abs": .integer(0)]), target: nil)
        let sum = linear.weights.reduce(0) { $0 + Double($1) }
        for image in 0..<2 {
            let change = linear.score(try linear.pixels(image)) - Double(linear.bias)
            #expect(abs(gradient.values[image] - abs(sum - change) / abs(change)) < 1e-4)
        }
        #expect((gradient.numbers["complete"] ?? 1) < 1)
    }

    @Test func theBaselineIsThatOfTheMethod() throws {
        let explanation = try linear.explain("integrated-gradients", ["baseline": .real(0.4), "n_steps": .integer(4)])
        #expect(try linear.evaluate("completeness", explanation: explanation, target: nil).value < 1e-5)
        #expect(try linear.evaluate("completeness", ["baseline": .real(0)], explanation: explanation, target: nil).value > 1e-3)
        // Relevance that adds up to the score itself misses the bias here.
        let whole = try linear.evaluate(
            "completeness", ["start": .text("zero")], explanation: linear.explain("input-x-gradient"), target: nil)
        for image in 0..<2 { #expect(abs(whole.values[image] * abs(linear.score(try linear.pixels(image))) - 0.25) < 1e-4) }
    }

    // MARK: Randomisation

    @Test func randomWeightsChangeTheGradient() throws {
        let explanation = try linear.explain("saliency", ["abs": .integer(0)])
        for distribution in ["gaussian", "permutation"] {
            let result = try linear.evaluate(
                "parameter-randomization", ["distribution": .text(distribution)], explanation: explanation, target: nil)
            #expect(result.tensors["similarities"]?.shape == [2, 1] && abs(result.value) < 0.5)
            #expect(result.manifest.contains("\"layers\": [\"fc\"]"))
            let other = try linear.evaluate(
                "parameter-randomization", ["distribution": .text(distribution), "seed": .integer(5)], explanation: explanation, target: nil
            )
            #expect(other.value != result.value)
        }
    }

    @Test func mapsOfOneOrderAreAlike() throws {
        let model = try GoldenModel("cnn")
        let explanation = try model.explain("grad-cam", ["relu": .integer(0)])
        let cascading = try model.evaluate("parameter-randomization", explanation: explanation)
        let alone = try model.evaluate(
            "parameter-randomization", ["order": .text("independent"), "similarity": .text("pearson")], explanation: explanation)
        let layers = try #require(cascading.tensors["similarities"]).shape[1]
        #expect(layers > 2 && alone.tensors["similarities"]?.shape[1] == layers)
        #expect(cascading.numbers["fully_random"] != nil && (-1...1).contains(cascading.value))
        // The first stage from the top is the last layer alone.
        let up = try model.evaluate(
            "parameter-randomization", ["order": .text("bottom_up"), "stages": .integer(1)], explanation: explanation)
        let down = try model.evaluate("parameter-randomization", ["stages": .integer(1)], explanation: explanation)
        #expect(abs(up.value - down.value) < 1e-9, "all layers are random, whatever the order")
        #expect(abs(down.value - (cascading.numbers["fully_random"] ?? 9)) < 1e-9)
        for similarity in ["spearman", "ssim"] {
            let result = try model.evaluate(
                "parameter-randomization", ["similarity": .text(similarity), "stages": .integer(2)], explanation: explanation)
            #expect((-1...1).contains(result.value))
        }
    }
}

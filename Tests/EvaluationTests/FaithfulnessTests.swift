import Evaluation
import Explainers
import Foundation
import Runtime
import Tensors
import Testing

/// Faithfulness where a linear model tells what every step does.
@Suite struct FaithfulnessTests {
    private let linear: LinearModel
    /// Exact contributions of the pixels.
    private let map: Tensor

    init() throws {
        linear = try LinearModel([1, 6, 8])
        map = try linear.contributions()
    }

    private func parts(_ image: Int) throws -> [Double] { try zip(linear.weights, linear.pixels(image)).map { Double($0 * $1) } }

    /// The score after each of the parts is gone, one by one.
    private func falling(_ parts: [Double]) -> [Double] {
        var curve = [Double(linear.bias) + parts.reduce(0, +)]
        for part in parts { curve.append((curve.last ?? 0) - part) }
        return curve
    }

    private func mean(_ curve: [Double]) -> Double {
        (curve.reduce(0, +) - ((curve.first ?? 0) + (curve.last ?? 0)) / 2) / Double(curve.count - 1)
    }

    @Test func pixelFlippingIsTheAreaBetweenBothOrders() throws {
        let result = try linear.evaluate("pixel-flipping", ["n_steps": .integer(48)], map: map)
        for image in 0..<2 {
            let sorted = try parts(image).sorted(by: >)
            let expected = mean(falling(sorted.reversed())) - mean(falling(sorted))
            #expect(abs(result.values[image] - expected) < 1e-5 && expected > 0)
            let curve = result.numbers(of: "morf_curve")[(image * 49)..<(image * 49 + 49)]
            for (a, b) in zip(curve, falling(sorted)) { #expect(abs(a - b) < 1e-5) }
        }
        let opposite = try linear.evaluate("pixel-flipping", ["n_steps": .integer(48)], map: map.map(Float.self) { -$0 })
        #expect(abs(opposite.value + result.value) < 1e-6)
        #expect(abs(result.numbers["reference_random"] ?? 9) < result.value)
        #expect(abs((result.numbers["lerf"] ?? 0) - (result.numbers["morf"] ?? 0) - result.value) < 1e-9)
    }

    @Test func selectivityReplacesWholeRegions() throws {
        let result = try linear.evaluate("selectivity", ["patch_size": .integer(3)], map: map)
        #expect(result.tensors["curve"]?.shape == [2, 7])
        for image in 0..<2 {
            let parts = try parts(image)
            // 2 x 3 regions, the last column two pixels wide.
            var sums = [Double](repeating: 0, count: 6), sizes = sums
            for y in 0..<6 {
                for x in 0..<8 {
                    sums[y / 3 * 3 + x / 3] += parts[y * 8 + x]
                    sizes[y / 3 * 3 + x / 3] += 1
                }
            }
            let order = (0..<6).sorted { sums[$0] / sizes[$0] > sums[$1] / sizes[$1] }
            #expect(abs(result.values[image] - mean(falling(order.map { sums[$0] }))) < 1e-5)
        }
        let few = try linear.evaluate("selectivity", ["patch_size": .integer(3), "regions": .integer(2)], map: map)
        #expect(few.tensors["curve"]?.shape == [2, 3])
        #expect((result.numbers["aopc"] ?? 0) > 0)
    }

    /// Quantus 0.6.0 writes the baseline over the baseline and calls every model monotone.
    @Test func monotonicityCountsTheStepsThatDoNotLower() throws {
        let result = try linear.evaluate("monotonicity", ["n_steps": .integer(48)], map: map)
        for image in 0..<2 {
            let share = Double(try parts(image).count { $0 >= 0 }) / 48
            #expect(abs(result.values[image] - share) < 1e-9 && share < 1)
        }
        #expect(result.numbers["monotone"] == 0)
        let positive = try LinearModel([1, 4, 4], weights: [Float](repeating: 1, count: 16), x: (0..<32).map { Float($0) / 32 })
        let monotone = try positive.evaluate("monotonicity", map: positive.contributions())
        #expect(monotone.values == [1, 1] && monotone.numbers["monotone"] == 1)
    }

    @Test func dropAndIncreaseCompareTheImageBehindItsMap() throws {
        let positive = try LinearModel([2, 5, 5], weights: (0..<50).map { Float($0 % 3) - 0.5 }, x: (0..<100).map { Float($0 % 7) / 7 })
        let map = try Tensor(LinearModel.numbers(50, seed: 4), [2, 1, 5, 5])
        let drop = try positive.evaluate("average-drop", map: map), increase = try positive.evaluate("average-increase", map: map)
        let values = try map.array(Float.self)
        for image in 0..<2 {
            let part = Array(values[(image * 25)..<(image * 25 + 25)])
            let low = part.min() ?? 0, high = part.max() ?? 1
            let pixels = try positive.pixels(image)
            let y = positive.score(pixels), o = positive.score(pixels.enumerated().map { $1 * (part[$0 % 25] - low) / (high - low) })
            #expect(y > 0)
            #expect(abs(drop.values[image] - max(0, y - o) / y) < 1e-5)
            #expect(increase.values[image] == (o > y ? 1 : 0))
        }
        // A constant map shows nothing: what is left is the bias.
        let constant = drop.numbers(of: "reference_constant")
        for image in 0..<2 {
            let y = positive.score(try positive.pixels(image))
            #expect(abs(constant[image] - (y - 0.25) / y) < 1e-5)
        }
    }

    @Test func aDropOfNothingIsUndefined() throws {
        let negative = try LinearModel(
            [1, 4, 4], images: 1, weights: [Float](repeating: -1, count: 16), x: [Float](repeating: 1, count: 16))
        let result = try negative.evaluate("average-drop", map: negative.contributions())
        #expect(result.values[0].isNaN && result.value.isNaN)
        #expect(result.manifest.contains("1 of 1 images have no value"))
    }

    /// The gradient predicts every change of a linear model; twice the gradient is as good only up to its scale.
    @Test(arguments: ["square", "gaussian", "baseline"]) func infidelityOfTheGradientIsZero(_ perturbation: String) throws {
        let gradient = try Tensor(linear.weights + linear.weights, linear.x.shape), twice = try gradient.map(Float.self) { 2 * $0 }
        let settings: [String: Options.Entry] = ["perturbation": .text(perturbation), "n_samples": .integer(40), "normalize": .integer(0)]
        let exact = try linear.evaluate("infidelity", settings, map: gradient)
        #expect(exact.value < 1e-9)
        #expect((exact.numbers["reference_random"] ?? 0) > 1e-4 && (exact.numbers["reference_constant"] ?? 0) > 1e-4)
        #expect(try linear.evaluate("infidelity", settings, map: twice).value > 1e-4)
        #expect(try linear.evaluate("infidelity", settings.merging(["normalize": .integer(1)]) { $1 }, map: twice).value < 1e-9)
        let batched = try linear.evaluate("infidelity", settings.merging(["batch_size": .integer(7)]) { $1 }, map: twice)
        #expect(abs(batched.value - (try linear.evaluate("infidelity", settings, map: twice).value)) < 1e-6)
    }

    @Test func infidelityOfGivenPerturbations() throws {
        let noise = LinearModel.numbers(5 * 48, seed: 8)
        let settings: [String: Options.Entry] = ["perturbations": .tensor(try Tensor(noise, [5, 1, 6, 8])), "normalize": .integer(0)]
        let result = try linear.evaluate("infidelity", settings, map: map)
        let a = try map.array(Float.self)
        for image in 0..<2 {
            var sum = 0.0
            for sample in 0..<5 {
                var error = 0.0
                for i in 0..<48 { error += Double(noise[sample * 48 + i]) * Double(a[image * 48 + i] - linear.weights[i]) }
                sum += error * error
            }
            #expect(abs(result.values[image] - sum / 5) < 1e-4 * (1 + sum))
        }
    }

    /// Pixels removed from a slope are filled with the slope: no score changes, in no order.
    @Test func roadFillsASlopeWithItself() throws {
        var slope: [Float] = [], square: [Float] = []
        for place in 0..<128 {
            let y = place % 64 / 8, x = place % 8
            slope.append(Float(y) * 0.3 + Float(x) * 0.1)
            square.append((2..<6).contains(x) && (2..<6).contains(y) ? 1 : 0)
        }
        let sloped = try LinearModel([1, 8, 8], x: slope), middle = try Tensor(square, [2, 1, 8, 8])
        let result = try sloped.evaluate("road", ["percentiles": .text("25"), "noise": .real(0)], map: middle)
        let scores = try #require(result.tensors["scores"]).doubles()
        for image in 0..<2 { #expect(abs(result.numbers(of: "morf_curve")[image] - scores[image]) < 1e-3) }
        let flat = try LinearModel([3, 8, 8], x: [Float](repeating: 0.7, count: 384))
        let map = try Tensor(LinearModel.numbers(128, seed: 5), [2, 1, 8, 8])
        let even = try flat.evaluate("road", ["noise": .real(0)], map: map)
        #expect(abs(even.value) < 1e-3 && abs(even.numbers["reference_random"] ?? 1) < 1e-3)
        #expect(try flat.evaluate("road", ["noise": .real(0.2)], map: map).value != even.value)
        #expect(message { try flat.evaluate("road", ["percentiles": .text("0,50")], map: map) }.contains("between 0 and 100"))
    }

    @Test func theContributionsWinAtRoad() throws {
        let best = try linear.evaluate("road", map: map), worst = try linear.evaluate("road", map: map.map(Float.self) { -$0 })
        #expect(best.value > abs(best.numbers["reference_random"] ?? 9) && worst.value < -abs(worst.numbers["reference_random"] ?? 9))
        #expect((best.numbers["lerf"] ?? 0) > (best.numbers["morf"] ?? 0))
    }

    @Test(arguments: [
        "deletion", "pixel-flipping", "selectivity", "monotonicity", "road", "average-drop", "average-increase", "infidelity",
        "completeness",
    ])
    func costIsWhatIsCounted(_ metric: String) throws {
        for settings: [String: Options.Entry] in [[:], ["batch_size": .integer(3)]] {
            let result = try linear.evaluate(metric, settings, map: map)
            let cost = try linear.cost(metric, settings, map: map)
            #expect(try counted(result) == (cost.forwards, cost.backwards))
        }
    }

    /// No image changes what another one gets.
    @Test(arguments: [
        "deletion", "insertion", "pixel-flipping", "selectivity", "monotonicity", "average-drop", "average-increase", "completeness",
    ])
    func imagesAreJudgedAlone(_ metric: String) throws {
        let both = try linear.evaluate(metric, map: map).values
        for image in 0..<2 {
            let one = image..<(image + 1)
            var options = Options()
            options["map"] = .tensor(try map.sliced(0, one).contiguous())
            let alone = try MetricList.evaluate(
                metric, model: linear.model, feeds: ["x": try linear.x.sliced(0, one).contiguous()],
                target: Target(.index(0), score: .logit),
                explanation: nil, options: options, control: Control())
            #expect(alone.value.isNaN && both[image].isNaN || abs(alone.value - both[image]) < 1e-6)
        }
    }
}

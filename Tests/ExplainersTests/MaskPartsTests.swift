import Foundation
import Runtime
import Tensors
import Testing

@testable import Explainers

/// The parts of mask optimisation by themselves: variation, penalty, resizing, line search.
@Suite struct MaskPartsTests {
    private let random = Random(seed: 5)

    private func numbers(_ count: Int, from start: UInt64 = 0) -> [Double] { (0..<count).map { random.uniform(start + UInt64($0)) } }

    /// The derivative by central differences.
    private func numeric(_ point: [Double], step: Double = 1e-5, _ value: ([Double]) throws -> Double) rethrows -> [Double] {
        try point.indices.map { i in
            var up = point, down = point
            up[i] += step
            down[i] -= step
            return (try value(up) - value(down)) / (2 * step)
        }
    }

    @Test func variationOfASmallPlane() {
        // Vertical differences 2 and 3, horizontal 1 and 2.
        let plane: [Double] = [0, 1, 2, 4]
        let squares: Double = 6.5 + 2.5, cubes: Double = 17.5 + 4.5
        #expect(TotalVariation(height: 2, width: 2).value(plane) == squares)
        #expect(abs(TotalVariation(height: 2, width: 2, beta: 3).value(plane) - cubes) < 1e-12)
        #expect(TotalVariation(height: 1, width: 4).value(plane) == 2)
        #expect(TotalVariation(height: 2, width: 2).value([3, 3, 3, 3]) == 0)
        #expect(TotalVariation(height: 1, width: 1).value([3]) == 0)
    }

    @Test(arguments: [2.0, 3.0]) func variationGradientIsItsDerivative(_ beta: Double) throws {
        let image = try Tensor(numbers(3 * 20, from: 500).map { Float($0) }, [1, 3, 4, 5])
        let layout = try ImageLayout([1, 3, 4, 5], named: "image")
        let weights = try PairWeights(image, layout: layout, scale: [1, 1, 1], sigma: 0.5, averagesFirst: true)
        for variation in [
            TotalVariation(height: 4, width: 5, beta: beta), TotalVariation(height: 4, width: 5, beta: beta, weights: weights),
        ] {
            let plane = numbers(20)
            for (a, b) in zip(variation.gradient(plane), numeric(plane, variation.value)) { #expect(abs(a - b) < 1e-8) }
        }
    }

    @Test func bilateralWeightsByHand() throws {
        let layout = try ImageLayout([1, 2, 2, 2], named: "image")
        // Channel 0: 0 1 / 3 0; channel 1: 0 0 / 1 2.
        let image = try Tensor([0, 1, 3, 0, 0, 0, 1, 2] as [Float], [1, 2, 2, 2])
        func weight(_ differences: [Double]) -> Double {
            let parts: [Double] = differences.map { exp(-$0 * $0 / 4) }
            return parts.reduce(0, +) / 2
        }
        func agree(_ found: [Double], _ expected: [Double]) -> Bool { zip(found, expected).allSatisfy { abs($0 - $1) < 1e-12 } }
        let paper = try PairWeights(image, layout: layout, scale: [1, 1], sigma: 2, averagesFirst: false)
        #expect(agree(paper.vertical, [weight([3, 1]), weight([-1, 2])]))
        #expect(agree(paper.horizontal, [weight([1, 0]), weight([-3, 1])]))
        let published = try PairWeights(image, layout: layout, scale: [1, 1], sigma: 2, averagesFirst: true)
        // Means of the channels' differences: 2 and 0.5.
        #expect(agree(published.vertical, [exp(-1), exp(-0.0625)]))
        #expect(published.horizontal == paper.horizontal)
        let scaled = try PairWeights(image, layout: layout, scale: [2, 2], sigma: 1, averagesFirst: false)
        #expect(scaled.vertical == paper.vertical)
    }

    @Test func bilateralVariationOfAConstantImageIsHalfOfBoth() throws {
        let layout = try ImageLayout([1, 1, 8, 6], named: "image"), grid = MaskGrid(height: 3, width: 3, layout: layout)
        let flat = try Tensor([Float](repeating: 2, count: 48), [1, 1, 8, 6])
        let weights = try PairWeights(flat, layout: layout, scale: [1], sigma: 0.1, averagesFirst: false)
        let penalty = MaskPenalty(sparsity: 0, smoothness: 1, grid: grid, weights: weights)
        let mask = numbers(9)
        let large = try grid.enlarged(mask).map { Double($0) }
        let expected = 0.5 * (TotalVariation(height: 3, width: 3).value(mask) + TotalVariation(height: 8, width: 6).value(large))
        #expect(abs(try penalty.value(mask) - expected) < 1e-12)
        #expect(try penalty.value([Double](repeating: 0.4, count: 9)) < 1e-12)
    }

    @Test func penaltyGradientIsItsDerivative() throws {
        let layout = try ImageLayout([1, 3, 8, 6], named: "image"), grid = MaskGrid(height: 4, width: 4, layout: layout)
        let image = try Tensor(numbers(144, from: 900).map { Float($0) }, [1, 3, 8, 6])
        let weights = try PairWeights(image, layout: layout, scale: [1, 1, 1], sigma: 0.3, averagesFirst: false)
        let penalty = MaskPenalty(sparsity: 0.7, smoothness: 2, grid: grid, weights: weights)
        let mask = numbers(16)
        // The enlarged mask is float32: differences of 1e-3 keep its rounding below 1e-4.
        for (a, b) in zip(try penalty.gradient(mask), try numeric(mask, step: 1e-3, penalty.value)) { #expect(abs(a - b) < 1e-4) }
        let plain = MaskPenalty(sparsity: 0.7, smoothness: 2, grid: grid, weights: nil)
        for (a, b) in zip(try plain.gradient(mask), try numeric(mask, plain.value)) { #expect(abs(a - b) < 1e-8) }
    }

    @Test func sparsityDoesNotPullAtOne() throws {
        let layout = try ImageLayout([1, 1, 4, 4], named: "image"), grid = MaskGrid(height: 2, width: 2, layout: layout)
        let penalty = MaskPenalty(sparsity: 2, smoothness: 0, grid: grid, weights: nil)
        #expect(try penalty.gradient([1, 0.5, 1.5, 1]) == [0, -0.5, 0.5, 0])
    }

    @Test func reducingIsTheAdjointOfEnlarging() throws {
        let layout = try ImageLayout([1, 3, 11, 9], named: "image"), grid = MaskGrid(height: 4, width: 5, layout: layout)
        let mask = numbers(20), large = numbers(99, from: 100)
        let there = zip(try grid.enlarged(mask), large).reduce(0.0) { $0 + Double($1.0) * $1.1 }
        let back = zip(try grid.reduced(large), mask).reduce(0.0) { $0 + $1.0 * $1.1 }
        #expect(abs(there - back) < 1e-5 * abs(there))
    }

    @Test func aMaskOfTheImagesSizeIsNotResized() throws {
        let layout = try ImageLayout([1, 1, 5, 5], named: "image"), grid = MaskGrid(height: 5, width: 5, layout: layout)
        let mask = numbers(25)
        #expect(try grid.enlarged(mask) == mask.map { Float($0) } && grid.reduced(mask) == mask.map { Double(Float($0)) })
    }

    // MARK: Line search

    /// On `f(x) = x^2` from 1, direction 2: the steps are 1, 0.2, ...; 1 leads to -1, which is no decrease.
    private func parabola(_ search: LineSearch, first: Double = 1, _ f: @escaping (Double) -> Double = { $0 * $0 }) -> (
        found: LineSearch.Found<Double>, evaluated: Int
    ) {
        var evaluated = 0
        let found = search.search(
            from: f(1), slope: 4, first: first, at: { 1 - 2 * $0 }, exceeds: { _, _ in false },
            values: { points, _ in
                evaluated += points.count
                return points.map { f($0) }
            })
        return (found, evaluated)
    }

    @Test func firstStepThatHelpsIsTaken() {
        let (found, evaluated) = parabola(LineSearch())
        #expect(found.step == 0.2 && found.point == 0.6 && found.value == 0.36 && found.tries == 2 && evaluated == 2)
    }

    @Test func aLadderFindsTheSame() {
        let (found, evaluated) = parabola(LineSearch(ladder: 4), first: 25)
        #expect(found.step == parabola(LineSearch(), first: 25).found.step && found.tries == 4 && evaluated == 4)
    }

    @Test func numberOfTriesIsThatOfThePapers() {
        #expect(LineSearch().steps(from: 1000).count == 13)
        #expect(LineSearch().steps(from: 200).count == 12)
        #expect(LineSearch().steps(from: 8).count == 10)
        #expect(LineSearch().steps(from: 1e-9).count == 1)
        #expect(LineSearch().steps(from: .infinity).count == 64)
    }

    @Test func whenNothingHelpsTheLastStepIsSkippedOrTaken() {
        let up: (Double) -> Double = { $0 == 1 ? 0 : 1 }
        let skipped = parabola(LineSearch(), first: 1000, up)
        #expect(skipped.found.point == nil && skipped.found.step == 0 && skipped.evaluated == 13)
        let taken = parabola(LineSearch(takesFloorStep: true), first: 1000, up)
        #expect(taken.found.step < 1e-5 && taken.found.point != nil && taken.found.value == nil && taken.evaluated == 12)
    }

    @Test func pointsThatAreCertainlyWorseAreNotEvaluated() {
        var evaluated: [Double] = []
        let found = LineSearch().search(
            from: 1.0, slope: 4, first: 125, at: { 1 - 2 * $0 }, exceeds: { point, limit in abs(point) > limit },
            values: { points, _ in
                evaluated += points
                return points.map { $0 * $0 }
            })
        #expect(evaluated == [0.6] && found.step == 0.2)
    }
}

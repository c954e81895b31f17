import Foundation
import Runtime
import Tensors
import Testing

@testable import Explainers

/// Meaningful and extremal perturbations, and their parts.
@Suite struct PerturbationMaskTests {
    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor

    init() throws {
        golden = try GoldenCase("cnn")
        model = try golden.model()
        x = try golden.tensor("x")
    }

    private func explain(_ method: String, _ settings: [String: Options.Entry] = [:], target: Target = Target()) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain(method, model: model, feeds: [golden.input: x], target: target, options: options, control: Control())
    }

    private func numbers(_ count: Int, seed: UInt64 = 1) -> [Float] {
        let random = Random(seed: seed)
        return (0..<count).map { Float(random.uniform(UInt64($0))) }
    }

    /// The sum of products with fixed factors: a scalar of a plane, whose gradient is the factors.
    private func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }

    // MARK: Parts

    @Test func adamsFirstStepIsTheRate() {
        var adam = Adam(rate: 0.1), point = [1.0, 2.0, 3.0]
        adam.step(&point, [4, -0.5, 0])
        #expect(zip(point, [0.9, 2.1, 3]).allSatisfy { abs($0 - $1) < 1e-6 })
        // By hand: mean 0.9 * 0.4 + 0.1 * 2, over 1 - 0.81; square 0.999 * 0.016 + 0.001 * 4, over 1 - 0.998001.
        adam.step(&point, [2, 0, 0])
        let mean = 0.56 / 0.19, square = (0.015984 + 0.004) / 0.001999
        #expect(abs(point[0] - (0.9 - 0.1 * mean / square.squareRoot())) < 1e-6)
    }

    @Test func shiftsRepeatTheBorder() throws {
        let image = try Tensor([1, 2, 3, 4, 5, 6] as [Float], [1, 1, 2, 3])
        #expect(try ImageShift(down: 1, right: 0).moved(image).array(Float.self) == [1, 2, 3, 1, 2, 3])
        #expect(try ImageShift(down: 0, right: 2).moved(image).array(Float.self) == [1, 1, 1, 4, 4, 4])
        let shift = ImageShift(down: 2, right: 1), a = numbers(60), b = numbers(60, seed: 2)
        let there = dot(try shift.moved(Tensor(a, [1, 3, 4, 5])).array(Float.self), b)
        let back = dot(a, try shift.movedBack(Tensor(b, [1, 3, 4, 5])).array(Float.self))
        #expect(abs(there - back) < 1e-4)
    }

    @Test func smoothMasksKnowTheirDerivative() {
        let smooth = SmoothMask(height: 7, width: 9, step: 3, sigma: 4)
        #expect(smooth.rows == 3 && smooth.columns == 3)
        let lattice = numbers(9), factors = numbers(63, seed: 2)
        let mask = smooth.mask(lattice)
        #expect(mask.allSatisfy { (0...1).contains($0) })
        #expect(smooth.mask([Float](repeating: 0, count: 9)).allSatisfy { $0 == 0 })
        let gradient = smooth.gradient(factors, lattice, mask: mask)
        for i in lattice.indices {
            var up = lattice, down = lattice
            up[i] += 5e-3
            down[i] -= 5e-3
            let numeric = (dot(smooth.mask(up), factors) - dot(smooth.mask(down), factors)) / 1e-2
            #expect(abs(numeric - gradient[i]) < 2e-2 * max(1, abs(numeric)), "\(numeric) \(gradient[i])")
        }
    }

    @Test func areaIsHeldWhereItShouldBe() {
        let half = AreaConstraint(area: 0.5)
        #expect(half.penalty([0, 1, 1, 0]).value == 0 && half.penalty([0, 1, 1, 0]).gradient == [0, 0, 0, 0])
        // Sorted 0.2 0.4 0.5 1 against 0 0 1 1.
        let (value, gradient) = half.penalty([0.5, 0.2, 1, 0.4])
        #expect(abs(value - (0.04 + 0.16 + 0.25) / 4) < 1e-6)
        #expect(zip(gradient, [-0.25, 0.1, 0, 0.2] as [Float]).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func pyramidsGoFromBlurToTheImage() throws {
        let image = try x.sliced(0, 0..<1).contiguous(), layout = try ImageLayout(image.shape, named: "image")
        let pyramid = try BlurPyramid(image, layout: layout, levels: 3, sigma: 2)
        let full = [Float](repeating: 1, count: layout.pixels), none = full.map { _ in Float(0) }
        let both = try pyramid.versions([full, none], mirrored: false)
        #expect(try difference(both.sliced(0, 0..<1).contiguous(), image) == 0)
        #expect(try difference(both.sliced(0, 1..<2).contiguous(), image) > 0.1)
        let mask = numbers(layout.pixels).map { 0.02 + 0.96 * $0 }, factors = numbers(image.count, seed: 4)
        for mirrored in [false, true] {
            func value(_ mask: [Float]) throws -> Double {
                dot(try pyramid.versions([mask], mirrored: mirrored).array(Float.self), factors)
            }
            let gradient = try pyramid.gradients([mask], Tensor(factors, image.shape), mirrored: mirrored)[0]
            for pixel in stride(from: 0, to: layout.pixels, by: 17) {
                var up = mask
                // Forwards, within the same two levels.
                let step = min(Float(0.01), (Float(Int(mask[pixel] * 2) + 1) / 2 - mask[pixel]) / 2)
                up[pixel] += step
                let numeric = (try value(up) - value(mask)) / Double(step)
                #expect(abs(numeric - Double(gradient[pixel])) < 0.02 * max(1, abs(numeric)))
            }
        }
    }

    // MARK: Methods

    @Test(arguments: ["delete", "preserve"]) func meaningfulMasksDoTheirWork(_ variant: String) throws {
        let settings: [String: Options.Entry] = ["iterations": .integer(25), "mask_size": .integer(6), "variant": .text(variant)]
        let result = try explain("meaningful-perturbation", settings)
        let mask = try #require(result.tensors["mask"])
        #expect(mask.shape == [2, 1, 6, 6] && result.tensors["map"]?.shape == [2, 1, 12, 16])
        #expect(try mask.doubles().allSatisfy { (0...1).contains($0) } && mask.doubles().contains { $0 < 0.9 })
        struct Account: Decodable {
            struct Data: Decodable {
                struct Descent: Decodable { let objective: [Double] }
                let descents: [Descent]
            }
            let data: Data
            let forwards: Int
        }
        let account = try JSONDecoder().decode(Account.self, from: Data(result.manifest.utf8))
        #expect(account.forwards == 2 + 2 * 25)
        for descent in account.data.descents { #expect((descent.objective.min() ?? 1) < (descent.objective.first ?? 0)) }
        let again = try explain("meaningful-perturbation", settings.merging(["batch_size": .integer(1)]) { $1 })
        #expect(try difference(#require(again.tensors["mask"]), mask) < 1e-5)
        let other = try explain("meaningful-perturbation", settings.merging(["seed": .integer(9)]) { $1 })
        #expect(try difference(#require(other.tensors["mask"]), mask) > 1e-3)
    }

    private static let small: [String: Options.Entry] = [
        "step": .integer(3), "sigma": .real(3), "max_blur": .real(3), "iterations": .integer(40), "learning_rate": .real(0.05),
    ]

    @Test(arguments: ["preserve", "delete", "dual"]) func extremalMasksHaveTheirArea(_ variant: String) throws {
        let settings = PerturbationMaskTests.small.merging(
            ["areas": .text("0.15,0.4"), "variant": .text(variant), "area_weight": .real(3000)]) { $1 }
        let result = try explain("extremal-perturbation", settings)
        let masks = try #require(result.tensors["masks"])
        #expect(masks.shape == [2, 2, 12, 16] && result.tensors["map"]?.shape == [2, 1, 12, 16])
        let values = try masks.doubles()
        #expect(values.allSatisfy { (0...1).contains($0) })
        for (index, area) in [0.15, 0.4, 0.15, 0.4].enumerated() {
            let share = values[(index * 192)..<(index * 192 + 192)].reduce(0, +) / 192
            #expect(abs(share - area) < 0.12, "\(variant) \(area): \(share)")
        }
    }

    @Test func areasDoNotSeeEachOtherNorTheBatch() throws {
        let both = try #require(
            try explain("extremal-perturbation", PerturbationMaskTests.small.merging(["areas": .text("0.2,0.3")]) { $1 }).tensors["masks"])
        let one = try #require(
            try explain(
                "extremal-perturbation", PerturbationMaskTests.small.merging(["areas": .text("0.3"), "batch_size": .integer(1)]) { $1 }
            ).tensors["masks"])
        let first = try both.doubles()[192..<384], alone = try one.doubles()[0..<192]
        #expect(zip(first, alone).allSatisfy { abs($0 - $1) < 1e-2 })
    }

    @Test func badOptionsAreNamed() throws {
        func message(_ method: String, _ settings: [String: Options.Entry]) -> String {
            do { _ = try explain(method, settings); return "" } catch { return "\(error)" }
        }
        #expect(message("extremal-perturbation", ["areas": .text("0.1,1.5")]).contains("between 0 and 1"))
        #expect(message("extremal-perturbation", ["start": .tensor(try Tensor.zeros(.float32, [9, 9]))]).contains("expected 2 x 3"))
        #expect(message("extremal-perturbation", ["sigma": .real(4096), "step": .integer(4096)]).contains("sigma"))
        #expect(message("meaningful-perturbation", ["mask_size": .integer(13)]).contains("at most 12"))
        #expect(message("meaningful-perturbation", ["noise_samples": .tensor(try Tensor.zeros(.float32, [0, 3, 12, 16]))]).contains("K x"))
    }
}

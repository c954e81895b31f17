import Foundation
import Runtime
import Tensors
import Testing

@testable import Explainers

/// What must hold of I-GOS, iGOS+ and iGOS++ on any network.
@Suite struct MaskTests {
    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor
    /// Small weights: the probabilities of a network with random weights hardly move.
    private static let small: [String: Options.Entry] = [
        "mask_size": .integer(6), "iterations": .integer(4), "ig_steps": .integer(4), "lambda_l1": .real(0.002), "lambda_tv": .real(0.01),
    ]

    init() throws {
        golden = try GoldenCase("cnn")
        model = try golden.model()
        x = try golden.tensor("x")
    }

    private func explain(
        _ method: String, _ settings: [String: Options.Entry] = [:], target: Target = Target(), on input: Tensor? = nil,
        control: Control = Control()
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in MaskTests.small.merging(settings, uniquingKeysWith: { $1 }) { options[name] = value }
        return try MethodList.explain(
            method, model: model, feeds: [golden.input: input ?? x], target: target, options: options, control: control)
    }

    private struct Account: Decodable {
        struct Data: Decodable {
            struct Descent: Decodable {
                let image: Int
                let objective: [Double]
                let after: [Double?]
                let step: [Double]
                let tries: [Int]
                let evaluations: Int
            }
            let descents: [Descent]
        }
        let data: Data
        let forwards: Int
        let warnings: [String]
        let stopped: String?
    }

    private func account(_ explanation: Explanation) throws -> Account {
        try JSONDecoder().decode(Account.self, from: Data(explanation.manifest.utf8))
    }

    static let methods = ["i-gos", "i-gos+", "i-gos++"]

    @Test(arguments: methods) func masksStayBetweenNoneAndAllAndMapsAreTheirComplement(_ method: String) throws {
        let result = try explain(method)
        let mask = try #require(result.tensors["mask"]), map = try #require(result.tensors["map"])
        #expect(mask.shape == [2, 1, 6, 6] && map.shape == [2, 1, 12, 16])
        #expect(try mask.doubles().allSatisfy { (0...1).contains($0) })
        #expect(try mask.doubles().contains { $0 < 0.9 })
        let corner = try (mask.doubles()[0], map.doubles()[0])
        #expect(abs(1 - corner.0 - corner.1) < 1e-6)
        if method == "i-gos++" {
            let x = try #require(result.tensors["mask_deletion"]).doubles(), y = try #require(result.tensors["mask_insertion"]).doubles()
            for (i, product) in try mask.doubles().enumerated() { #expect(abs(x[i] * y[i] - product) < 1e-6) }
        }
    }

    @Test(arguments: methods, ["interval", "end_point"]) func stepsThatAreTakenLowerTheObjective(_ method: String, _ form: String) throws {
        for descent in try account(explain(method, ["line_search_objective": .text(form)])).data.descents {
            #expect(descent.objective.count == 4 && descent.step.contains { $0 > 0 })
            for (before, after) in zip(descent.objective, descent.after) { #expect(try #require(after) <= before) }
            // Without noise in the objective what one iteration reaches is where the next one begins.
            guard form == "end_point" else { continue }
            for (after, next) in zip(descent.after, descent.objective.dropFirst()) { #expect(after == next) }
        }
    }

    @Test func iGOSPlusPlusReducesToIGOS() throws {
        let settings: [String: Options.Entry] = ["term_weights": .text("1,0,0,0"), "frozen": .text("insertion"), "btv": .text("none")]
        let reduced = try explain("i-gos++", settings), plain = try explain("i-gos")
        #expect(try difference(#require(reduced.tensors["map"]), #require(plain.tensors["map"])) < 1e-6)
        #expect(try account(reduced).data.descents.map(\.step) == account(plain).data.descents.map(\.step))
        #expect(try #require(reduced.tensors["mask_insertion"]).doubles().allSatisfy { $0 == 1 })
    }

    @Test func exchangingTheImagesAndTheMasksFlipsTheData() throws {
        // iGOS++ of (x, b) with masks (Mx, My) against that of (b, x) with (My, Mx): every term changes its sign.
        let b = try x.map(Float.self) { 0.3 * $0 - 0.1 }
        let there = try objective(x, b), back = try objective(b, x)
        let masks: [[Double]] = [(0..<36).map { Double($0) / 40 }, (0..<36).map { 1 - Double($0 * $0) / 1400 }]
        var (first, second) = (there, back)
        let values = try first.values([masks], limits: [.infinity], iteration: 0, .interval)
        let flipped = try second.values([[masks[1], masks[0]]], limits: [.infinity], iteration: 0, .interval)
        let (value, other) = (try #require(values[0]), try #require(flipped[0]))
        #expect(abs(value) > 1e-3 && abs(value + other) < 1e-6)
    }

    /// The data of iGOS++ for the first image, without noise and penalty.
    private func objective(_ x: Tensor, _ baseline: Tensor, noise: Double = 0, frozen: Set<Int> = []) throws -> MaskObjective {
        var options = Options()
        options["noise"] = .real(noise)
        let settings = try Settings(options, IGOSPlusPlus.method.parameters, of: "i-gos++")
        let request = try Request(
            method: IGOSPlusPlus.method, model: model, feeds: [golden.input: x], target: Target(.index(3)), settings: settings,
            control: Control())
        let layout = try ImageLayout(request), grid = MaskGrid(height: 6, width: 6, layout: layout)
        let terms = [MaskTerm(false, [0]), MaskTerm(true, [1]), MaskTerm(false, [0, 1]), MaskTerm(true, [0, 1])]
        return try MaskObjective(
            terms: terms, points: 3, frozen: frozen, grid: grid,
            penalty: MaskPenalty(sparsity: 0, smoothness: 0, grid: grid, weights: nil),
            noise: PathNoise(settings, request, image: 0, layout: layout, scale: [1, 1, 1], points: 12),
            evaluator: MaskEvaluator(
                request, image: 0, target: request.target, masking: Masking(request, image: 0, baseline: baseline, layout)))
    }

    @Test func directionIsTheDerivativeOfTheObjective() throws {
        var objective = try objective(x, x.map(Float.self) { 0.2 * $0 }, noise: 0.2)
        let masks: [[Double]] = [(0..<36).map { Double($0) / 40 }, (0..<36).map { 0.9 - Double($0 * $0) / 1800 }]
        let (value, gradients) = try objective.direction(masks, iteration: 2)
        func at(_ masks: [[Double]]) throws -> Double {
            try #require(objective.values([masks], limits: [.infinity], iteration: 2, .interval)[0])
        }
        #expect(abs(try at(masks) - value) < 1e-6)
        // Along random directions: float32 scores allow central differences of a large step only.
        for seed in 0..<4 {
            let random = Random(seed: UInt64(seed))
            let along = masks.indices.map { mask in (0..<36).map { random.uniform(UInt64(mask * 36 + $0)) - 0.5 } }
            func moved(_ step: Double) -> [[Double]] { zip(masks, along).map { zip($0, $1).map { $0 + step * $1 } } }
            let numeric = (try at(moved(0.01)) - at(moved(-0.01))) / 0.02
            let analytic = zip(gradients, along).reduce(0) { $0 + zip($1.0, $1.1).reduce(0) { $0 + $1.0 * $1.1 } }
            #expect(abs(numeric - analytic) < 1e-3 * gradients.joined().reduce(0) { $0 + abs($1) }, "\(numeric) \(analytic)")
        }
    }

    @Test(arguments: methods) func aBaselineEqualToTheImageLeavesTheMaskAtOne(_ method: String) throws {
        let result = try explain(method, ["baseline": .tensor(x)])
        #expect(try #require(result.tensors["mask"]).doubles().allSatisfy { $0 == 1 })
        #expect(try account(result).warnings.contains { $0.contains("zero everywhere") })
    }

    @Test func aStrongVariationKeepsTheMaskFlat() throws {
        let mask = try #require(
            try explain("i-gos", ["lambda_tv": .real(1e6), "iterations": .integer(6)]).tensors["mask"]
        ).doubles()
        for image in [mask[..<36], mask[36...]] { #expect((image.max() ?? 1) - (image.min() ?? 0) < 0.01) }
    }

    @Test(arguments: methods) func resultsDoNotDependOnBatchOrLadder(_ method: String) throws {
        let one = try explain(method, ["batch_size": .integer(1), "ladder": .integer(1)])
        let many = try explain(method, ["batch_size": .integer(16), "ladder": .integer(5)])
        #expect(try difference(#require(one.tensors["mask"]), #require(many.tensors["mask"])) < 1e-4)
        let other = try explain(method, ["seed": .integer(3)])
        #expect(try difference(#require(one.tensors["mask"]), #require(other.tensors["mask"])) > 1e-3)
    }

    @Test func imagesDoNotSeeEachOther() throws {
        let second = try x.sliced(0, 1..<2).contiguous()
        let pair = try Maps.stack([x.sliced(0, 0..<1).contiguous(), second]), twice = try Maps.stack([second, second])
        let noise: [String: Options.Entry] = ["noise": .real(0)]
        let a = try #require(try explain("i-gos++", noise, on: pair).tensors["mask"]).doubles()
        let b = try #require(try explain("i-gos++", noise, on: twice).tensors["mask"]).doubles()
        #expect(Array(a[36...]) == Array(b[36...]) && b[..<36].elementsEqual(b[36...]))
    }

    @Test func givingUpEarlyChangesNothing() throws {
        // A target of several classes has no bound, so that every candidate is evaluated in full.
        let small: [String: Options.Entry] = ["batch_size": .integer(2), "lambda_tv": .real(20)]
        let bounded = try explain("i-gos++", small, target: Target(.index(3)))
        let unbounded = try explain("i-gos++", small, target: Target(.sum([3])))
        #expect(try difference(#require(bounded.tensors["mask"]), #require(unbounded.tensors["mask"])) == 0)
        #expect(try account(bounded).forwards < account(unbounded).forwards)
    }

    @Test func fastModesTakeLess() throws {
        let full = try account(explain("i-gos++")).forwards
        #expect(try account(explain("i-gos++", ["fast": .integer(1)])).forwards < full)
        // One score, and the directions alone: iterations x terms x points of two images.
        #expect(try account(explain("i-gos++", ["optimizer": .text("nag"), "step_init": .real(20)])).forwards == 2 + 2 * 4 * 4 * 4)
    }

    @Test func diverseStartsLeadToDifferentMasks() throws {
        let settings: [String: Options.Entry] = ["init_value": .real(0.5), "init_cells": .integer(2)]
        let result = try explain("i-gos", settings)
        let masks = try #require(result.tensors["masks"])
        #expect(masks.shape == [2, 4, 6, 6])
        let values = try masks.doubles()
        #expect(values[..<36].elementsEqual(values[36..<72]) == false)
        let best = try #require(result.tensors["mask"]).doubles()
        #expect((0..<4).contains { best[..<36].elementsEqual(values[($0 * 36)..<($0 * 36 + 36)]) })
        // The third cell of a 2 x 2 partition is below on the left.
        let start = MaskGrid(height: 4, width: 4, layout: try ImageLayout([1, 1, 8, 8], named: "image"))
        var options = Options()
        for (name, value) in settings { options[name] = value }
        let mask = try MaskStart(Settings(options, IGOS.method.parameters, of: "i-gos")).mask(start, cell: 2)
        #expect(mask == [1, 1, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 1, 1, 0.5, 0.5, 1, 1])
    }

    @Test func theDeadlineGivesTheMasksSoFar() throws {
        // The clock of a deadline is real: long enough for the first iterations, far too short for all.
        let result = try explain("i-gos++", ["iterations": .integer(100_000)], control: Control(deadline: 1.5))
        let account = try account(result)
        #expect(account.stopped == "deadline" && account.warnings.contains { $0.contains("of 100000 iterations") })
        #expect(try #require(result.tensors["mask"]).doubles().allSatisfy { (0...1).contains($0) })
    }

    @Test func badOptionsAreNamed() throws {
        func message(_ method: String, _ settings: [String: Options.Entry]) -> String {
            do { _ = try explain(method, settings); return "" } catch { return "\(error)" }
        }
        #expect(message("i-gos", ["mask_size": .integer(28)]).contains("at most 12"))
        #expect(message("i-gos++", ["term_weights": .text("1,2")]).contains("expected 4"))
        #expect(message("i-gos++", ["term_weights": .text("0,0,0,0")]).contains("not all 0"))
        #expect(message("i-gos", ["noise_samples": .tensor(try Tensor.zeros(.float32, [2, 3]))]).contains("K x 3x12x16"))
        #expect(message("i-gos", ["init_value": .real(0.2), "init_cell": .integer(4)]).contains("4 cells"))
        #expect(message("i-gos", ["input_std": .text("1,2")]).contains("expected 1 or 3"))
        #expect(message("i-gos", ["profile": .text("igos2")]).contains("igos_aaai20"))
    }
}

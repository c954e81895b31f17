import Evaluation
import Explainers
import Foundation
import Runtime
import Tensors
import Testing

/// Deletion and insertion where the curve is known.
@Suite struct ReplacementCurveTests {
    private let linear: LinearModel
    private let map: Tensor
    private static let pixels: [String: Options.Entry] = ["unit": .text("pixel"), "baseline": .real(0), "units_per_step": .integer(5)]

    init() throws {
        linear = try LinearModel([1, 6, 8])
        map = try linear.contributions()
    }

    private func pixels(_ more: [String: Options.Entry] = [:]) -> [String: Options.Entry] {
        ReplacementCurveTests.pixels.merging(more) { $1 }
    }

    /// The score of a linear model after each step: the bias and what is left of the sum.
    private func expected(_ image: Int, inserting: Bool) throws -> (curve: [Double], area: Double) {
        let parts = try zip(linear.weights, linear.pixels(image)).map { Double($0 * $1) }.sorted(by: >)
        let counts = Array(stride(from: 0, to: parts.count, by: 5)) + [parts.count]
        let curve = counts.map { count -> Double in
            let shown = inserting ? Array(parts.prefix(count)) : Array(parts.dropFirst(count))
            return Double(linear.bias) + shown.reduce(0, +)
        }
        var area = 0.0
        for step in 1..<counts.count {
            area += Double(counts[step] - counts[step - 1]) / Double(parts.count) * (curve[step] + curve[step - 1]) / 2
        }
        return (curve, area)
    }

    @Test(arguments: ["deletion", "insertion"]) func curvesOfALinearModelAreSortedSums(_ metric: String) throws {
        let result = try linear.evaluate(metric, pixels(), map: map)
        let curves = result.numbers(of: "curve")
        let length = try #require(result.tensors["curve"]).shape[1]
        for image in 0..<2 {
            let (curve, area) = try expected(image, inserting: metric == "insertion")
            #expect(curve.count == length)
            for step in 0..<length { #expect(abs(curves[image * length + step] - curve[step]) < 1e-5) }
            #expect(abs(result.values[image] - area) < 1e-5)
        }
        #expect(abs(result.value - result.values.reduce(0, +) / 2) < 1e-12)
        #expect(result.numbers(of: "fractions").first == 0 && result.numbers(of: "fractions").last == 1)
    }

    /// No order deletes a linear score faster than that of its contributions; a random one lies between it and the reverse.
    @Test func theRightOrderBeatsEveryOther() throws {
        let best = try linear.evaluate("deletion", pixels(), map: map)
        let worst = try linear.evaluate("deletion", pixels(["references": .integer(0)]), map: map.map(Float.self) { -$0 })
        #expect(best.value < worst.value)
        let random = try #require(best.numbers["reference_random"]), constant = try #require(best.numbers["reference_constant"])
        for reference in [random, constant] { #expect(reference > best.value && reference < worst.value) }
        #expect(worst.numbers["reference_random"] == nil)
    }

    /// With one baseline, taking the least important away first is insertion read backwards.
    @Test func deletionOfTheOppositeIsInsertionBackwards() throws {
        let insertion = try linear.evaluate("insertion", pixels(["units_per_step": .integer(1)]), map: map).numbers(of: "curve")
        let deletion = try linear.evaluate("deletion", pixels(["units_per_step": .integer(1)]), map: map.map(Float.self) { -$0 }).numbers(
            of: "curve")
        let length = insertion.count / 2
        for image in 0..<2 {
            for step in 0..<length { #expect(abs(insertion[image * length + step] - deletion[image * length + length - 1 - step]) < 1e-5) }
        }
    }

    @Test func endsAreTheImageAndTheBaseline() throws {
        for metric in ["deletion", "insertion"] {
            let result = try linear.evaluate(metric, ["baseline": .text("mean")], map: map, target: Target(.index(0)))
            let curve = result.numbers(of: "curve"), length = curve.count / 2
            let scores = try #require(result.tensors["scores"]).doubles()
            for image in 0..<2 {
                #expect(curve[metric == "deletion" ? image * length : (image + 1) * length - 1] == scores[image])
                #expect((0...1).contains(result.values[image]))
            }
        }
    }

    /// A probability of one half everywhere: what the repository's sum adds is its last chunk.
    @Test(arguments: [(7, 1.0 / 49), (14, 1.0 / 196), (28, 4.0 / 784)]) func theRepositorysSumCountsItsLastChunkAsOne(
        _ side: Int, _ chunk: Double
    )
        throws
    {
        let flat = try LinearModel([1, 28, 28], images: 1, weights: [Float](repeating: 0, count: 784))
        let map = try Tensor(LinearModel.numbers(side * side, seed: 3), [1, 1, side, side])
        let plain = try flat.evaluate("deletion", ["rule": .text("right")], map: map)
        let c = try #require(plain.numbers(of: "curve").first)
        #expect(abs(plain.value - c) < 1e-6)
        let repository = try flat.evaluate("deletion", ["protocol": .text("igos_repo"), "references": .integer(0)], map: map)
        #expect(abs(repository.value - (c * (1 - chunk) + chunk)) < 1e-6)
        let ours = try flat.evaluate("deletion", ["references": .integer(0)], map: map)
        #expect(abs(ours.value - c) < 1e-6)
    }

    @Test func cellsAreReplacedSoftly() throws {
        let map = try Tensor([4, 3, 2, 1] as [Float] + [1, 2, 3, 4], [2, 1, 2, 2])
        let result = try linear.evaluate("insertion", ["baseline": .real(0), "references": .integer(0)], map: map)
        #expect(result.tensors["curve"]?.shape == [2, 5])
        // One of four cells: bilinear weights (1 - y)(1 - x) between the corners.
        let pixels = try linear.pixels(0)
        var sum = Double(linear.bias)
        for y in 0..<6 {
            for x in 0..<8 {
                let weight = (1 - Double(y) / 5) * (1 - Double(x) / 7)
                sum += weight * Double(linear.weights[y * 8 + x] * pixels[y * 8 + x])
            }
        }
        #expect(abs(result.numbers(of: "curve")[1] - sum) < 1e-5)
    }

    @Test func petsiuksProtocolGoesRowByRow() throws {
        let result = try linear.evaluate("deletion", ["protocol": .text("petsiuk"), "references": .integer(0)], map: map)
        #expect(result.tensors["curve"]?.shape == [2, 7])
        let curve = result.numbers(of: "curve").prefix(7)
        let area = (curve.reduce(0, +) - (curve.first! + curve.last!) / 2) / 6
        #expect(abs(result.values[0] - area) < 1e-12)
        let inserted = try linear.evaluate("insertion", ["protocol": .text("petsiuk"), "references": .integer(0)], map: map)
        #expect(inserted.manifest.contains("rise_blur"))
    }

    @Test func resultsDoNotDependOnBatchSize() throws {
        let one = try linear.evaluate("insertion", pixels(["batch_size": .integer(1)]), map: map)
        let many = try linear.evaluate("insertion", pixels(["batch_size": .integer(7)]), map: map)
        for (a, b) in zip(one.numbers(of: "curve"), many.numbers(of: "curve")) { #expect(abs(a - b) < 1e-6) }
        #expect(one.numbers["reference_random"].map { abs($0 - (many.numbers["reference_random"] ?? 0)) < 1e-6 } ?? false)
    }

    @Test func costIsWhatIsCounted() throws {
        for settings in [pixels(), pixels(["batch_size": .integer(3), "references": .integer(0)]), ["protocol": .text("petsiuk")]] {
            let result = try linear.evaluate("deletion", settings, map: map)
            let cost = try linear.cost("deletion", settings, map: map)
            #expect(try counted(result) == (cost.forwards, cost.backwards))
        }
    }

    @Test func relativeScoresAreSharesOfTheWhole() throws {
        let plain = try linear.evaluate("deletion", pixels(), map: map)
        let relative = try linear.evaluate("deletion", pixels(["relative": .integer(1)]), map: map)
        let scores = try #require(plain.tensors["scores"]).doubles()
        for image in 0..<2 { #expect(abs(relative.values[image] - plain.values[image] / scores[image]) < 1e-9) }
    }

    /// An explanation brings its class, a metric its own score.
    @Test func anExplanationIsJudgedForItsClass() throws {
        let explanation = try linear.explain("input-x-gradient")
        let judged = try linear.evaluate("deletion", explanation: explanation, target: nil)
        let direct = try linear.evaluate("deletion", map: map, target: Target(.index(0)))
        #expect(abs(judged.value - direct.value) < 1e-9)
        #expect(judged.manifest.contains("\"method\": \"input-x-gradient\""))
    }

    @Test func plainNumbersAreRankedToo() throws {
        let table = try LinearModel([9])
        let result = try table.evaluate("deletion", ["units_per_step": .integer(1)], map: table.contributions())
        #expect(result.tensors["curve"]?.shape == [2, 10])
        #expect(result.value < result.numbers["reference_random"] ?? 0)
    }

    @Test func nonsenseIsRefusedWithWords() throws {
        let nan = try map.map(Float.self) { _ in Float.nan }
        #expect(message { try linear.evaluate("deletion", map: nan) }.contains("NaN"))
        #expect(message { try linear.evaluate("deletion") }.contains("nothing to judge"))
        #expect(message { try linear.evaluate("delesion", map: map) }.contains("did you mean 'deletion'"))
        #expect(message { try linear.evaluate("deletion", ["protokol": .text("igos")], map: map) }.contains("did you mean 'protocol'"))
        #expect(message { try linear.evaluate("deletion", map: try Tensor([1, 2, 3] as [Float], [3, 1, 1, 1])) }.contains("2 images"))
        #expect(message { try linear.evaluate("deletion", map: map, target: Target(.index(9))) }.contains("out of range"))
        let flat = try linear.evaluate("deletion", map: try map.map(Float.self) { _ in 2 })
        #expect(flat.manifest.contains("the same everywhere"))
        #expect(flat.value == flat.numbers["reference_constant"])
    }
}

/// What the registry says of every metric.
@Suite struct MetricListTests {
    @Test func namesAreUniqueAndNoMethodHasThem() {
        let names = MetricList.metrics.map { $0.info.method.name } + MethodList.explainers.map { $0.method.name }
        #expect(Set(names).count == names.count)
    }

    @Test(arguments: MetricList.metrics.map { $0.info.method.name }) func everyMetricSaysHowItIsRead(_ name: String) throws {
        let info = try MetricList.find(name).info
        #expect(info.method.summary.hasSuffix(".") && !info.method.reference.isEmpty)
        #expect(info.range.contains("...") && !info.cost.isEmpty && !info.undefined.isEmpty && !info.needs.isEmpty)
        #expect(info.method.parameters.allSatisfy { !$0.help.isEmpty })
    }

    /// The page has a section for each metric that says what its data say.
    @Test(arguments: MetricList.metrics.map { $0.info.method.name }) func everyMetricIsDescribed(_ name: String) throws {
        let page = GoldenModel.home.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("docs/metrics.md")
        let sections = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "\n## ")
        let section = try #require(sections.first { $0.hasPrefix("\(name)\n") }, "docs/metrics.md has no section on \(name)")
        let info = try MetricList.find(name).info, words = section.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.contains(info.direction == .higher ? "Higher is better; " : "Lower is better; "))
        #expect(words.contains(info.range) && words.contains("ost") && words.lowercased().contains("undefined") || name == "insertion")
    }
}

import Foundation
import Graphs
import Runtime
import Tensors
import Testing

@testable import Explainers

/// Structured attention graphs on models whose minimal sufficient sets are known.
@Suite struct SAGTests {
    struct Report: Decodable {
        struct Node: Decodable {
            let id: Int
            let patches: [Int]
            let probability: Double
            let relative: Double
            let root: Bool
            let depth: Int
            let parents: [Int]
            let children: [Int]
        }
        struct Edge: Decodable {
            let from: Int
            let to: Int
            let removed: Int
            let drop: Double
        }
        struct Found: Decodable {
            let patches: [Int]
            let relative: Double
        }
        struct Counts: Decodable {
            let levels: [Double]
            let counts: [Int]
            let cut: Bool
        }
        struct Picture: Decodable {
            let score: Double
            let logic: String
            let formula: [[Int]]
            let minimal_sets: [Found]
            let nodes: [Node]
            let edges: [Edge]
            let sub_explanations: Counts?
            let evaluations: Int

            var sets: Set<[Int]> { Set(minimal_sets.map(\.patches)) }
        }
        struct Body: Decodable { let images: [Picture] }
        let data: Body
        let warnings: [String]
        let forwards: Int
    }

    private static let planted: [String: Options.Entry] = [
        "grid": .text("3"), "patch_mask": .text("hard"), "baseline": .real(0), "num_successors": .integer(0),
        "draw": .integer(0),
    ]

    private func explain(
        _ model: Model, _ settings: [String: Options.Entry] = [:], x: Tensor? = nil, target: Target = Target(.index(1))
    ) throws -> (result: Explanation, report: Report) {
        var options = Options()
        for (name, value) in Self.planted.merging(settings, uniquingKeysWith: { $1 }) { options[name] = value }
        let result = try MethodList.explain(
            "sag", model: model, feeds: ["x": try x ?? PlantedModels.white()], target: target, options: options, control: Control())
        return (result, try JSONDecoder().decode(Report.self, from: Data(result.manifest.utf8)))
    }

    private func picture(_ model: Model, _ settings: [String: Options.Entry] = [:]) throws -> Report.Picture {
        try #require(try explain(model, settings).report.data.images.first)
    }

    /// Minimal sufficient sets by trying every set.
    private func bruteForce(_ model: Model, threshold: Double = 0.9) throws -> Set<[Int]> {
        let masks = (0..<512).flatMap { set in (0..<9).map { Float(set >> $0 & 1) } }
        let outcome = try model.evaluate(
            Evaluation(["x": try Tensor(masks, [512, 1, 3, 3])], target: Target(.index(1), score: .probability)), Control())
        let full = outcome.scores[511]
        func holds(_ set: Int) -> Bool { outcome.scores[set] > threshold * full }
        let minimal = (0..<512).filter { set in holds(set) && !(0..<9).contains { set >> $0 & 1 == 1 && holds(set & ~(1 << $0)) } }
        return Set(minimal.map { set in (0..<9).filter { set >> $0 & 1 == 1 } })
    }

    @Test func andHasOneMinimalSet() throws {
        let found = try picture(PlantedModels.anyOf([[2, 6]]))
        #expect(found.sets == [[2, 6]])
        #expect(found.formula == [[2, 6]] && found.logic == "(P2 AND P6)")
    }

    @Test func orOfAndsHasBothOfThem() throws {
        let found = try picture(PlantedModels.anyOf([[0, 4], [5, 7]]), ["overlap_threshold": .integer(0)])
        #expect(found.sets == [[0, 4], [5, 7]])
        #expect(Set(found.formula) == [[0, 4], [5, 7]] && found.logic.contains(" OR "))
    }

    @Test(arguments: 0..<6) func beamOfAllIsExhaustive(_ seed: Int) throws {
        let random = Random(seed: UInt64(seed))
        let weights = (0..<9).map { Float(random.uniform(UInt64($0))) }
        let model = try PlantedModels.additive(weights, scale: 6, offset: 6 * 0.55 * weights.reduce(0, +))
        let expected = try bruteForce(model)
        #expect(expected.count > 3)
        let wide: [String: Options.Entry] = ["beam_width": .integer(0), "max_roots": .integer(1000)]
        #expect(try picture(model, wide).sets == expected)
        #expect(try picture(model, ["search": .text("exhaustive"), "candidates": .integer(9)]).sets == expected)
        let beam = try picture(model).sets
        #expect(!beam.isEmpty && beam.isSubset(of: expected))
        let combinations = try picture(
            model, ["search": .text("combinations"), "candidates": .integer(9), "combination_size": .integer(6)])
        #expect(!combinations.sets.isEmpty && combinations.sets.isSubset(of: expected))
    }

    /// Of monotone models no minimal set holds another.
    @Test func minimalSetsAreAnAntichain() throws {
        let model = try PlantedModels.additive([1, 2, 3, 4, 5, 6, 7, 8, 9], scale: 0.5, offset: 13)
        let sets = try picture(model, ["max_roots": .integer(100), "beam_width": .integer(12)]).sets.map(Set.init)
        #expect(sets.count > 5)
        for a in sets { for b in sets where a != b { #expect(!a.isSubset(of: b)) } }
    }

    @Test(arguments: ["cnn", "vit", "residual"]) func everyRootIsMinimalAndEveryScoreComesOutAgain(_ network: String) throws {
        let golden = try GoldenCase(network), model = try golden.model(), x = try golden.tensor("x")
        var options = Options()
        for (name, value) in ["grid": "4", "baseline": "0", "num_roots": "5", "max_children": "0", "draw": "false"] {
            options[name] = .text(value)
        }
        let result = try MethodList.explain(
            "sag", model: model, feeds: [golden.input: x], target: Target(), options: options, control: Control())
        let report = try JSONDecoder().decode(Report.self, from: Data(result.manifest.utf8))
        let classes = try #require(result.tensors["classes"]).doubles().map { Int($0) }
        for (image, found) in report.data.images.enumerated() {
            #expect(!found.minimal_sets.isEmpty && !found.nodes.isEmpty)
            for root in found.nodes where root.root { #expect(root.relative > 0.9) }
            func score(_ patches: [Int]) throws -> Double {
                let masked = try self.masked(x, image, patches, side: 4)
                return try model.evaluate(
                    Evaluation([golden.input: masked], target: Target(.index(classes[image]), score: .probability)), Control()
                ).scores[0]
            }
            for node in found.nodes {
                #expect(try abs(score(node.patches) - node.probability) < 1e-5)
                #expect(abs(node.probability / found.score - node.relative) < 1e-12)
            }
            for set in found.minimal_sets {
                for patch in set.patches {
                    #expect(try score(set.patches.filter { $0 != patch }) <= 0.9 * found.score + 1e-5)
                }
            }
            checkGraph(found)
        }
    }

    private func checkGraph(_ found: Report.Picture) {
        for edge in found.edges {
            let parent = found.nodes[edge.from], child = found.nodes[edge.to]
            #expect(parent.patches.filter { $0 != edge.removed } == child.patches)
            #expect(parent.children.contains(child.id) && child.parents.contains(parent.id))
            #expect(abs(parent.relative - child.relative - edge.drop) < 1e-12)
            #expect(parent.relative > 0.4 && parent.patches.count > 1)
        }
        #expect(Set(found.nodes.map(\.patches)).count == found.nodes.count, "equal sets are one node")
    }

    /// One image behind a soft mask of its patches, by the formula: bilinear, corners aligned, baseline 0.
    private func masked(_ x: Tensor, _ image: Int, _ patches: [Int], side: Int) throws -> Tensor {
        let channels = x.shape[1], height = x.shape[2], width = x.shape[3]
        let values = try x.doubles()
        func weight(_ position: Int, _ size: Int, _ cell: Int) -> Double {
            max(0, 1 - abs(Double(position) * Double(side - 1) / Double(size - 1) - Double(cell)))
        }
        return try Tensor.make([1, channels, height, width], Float.self) { out in
            for c in 0..<channels {
                for y in 0..<height {
                    for x in 0..<width {
                        let mask = patches.reduce(0.0) { $0 + weight(y, height, $1 / side) * weight(x, width, $1 % side) }
                        let i = (c * height + y) * width + x
                        out[i] = Float(mask * values[image * channels * height * width + i])
                    }
                }
            }
        }
    }

    @Test func batchesChangeNothing() throws {
        let golden = try GoldenCase("residual"), model = try golden.model(), x = try golden.tensor("x")
        func manifest(_ batch: Int) throws -> NSDictionary {
            var options = Options()
            options["batch_size"] = .integer(batch)
            options["draw"] = .integer(0)
            let result = try MethodList.explain(
                "sag", model: model, feeds: [golden.input: x], target: Target(), options: options, control: Control())
            let members = try #require(try JSONSerialization.jsonObject(with: Data(result.manifest.utf8)) as? NSDictionary)
            return try #require(members["data"] as? NSDictionary)
        }
        let one = try manifest(1)
        for batch in [0, 3, 16, 64] { #expect(try sets(manifest(batch)) == sets(one)) }
    }

    /// Node sets and edges of every image; scores may differ in their last bits.
    private func sets(_ data: NSDictionary) throws -> [String] {
        let images = try #require(data["images"] as? [NSDictionary])
        return images.flatMap { image in
            let nodes = (image["nodes"] as? [NSDictionary] ?? []).map { "\($0["patches"] ?? "")" }
            return nodes + (image["edges"] as? [NSDictionary] ?? []).map { "\($0["from"] ?? "")-\($0["to"] ?? "")" }
        }
    }

    @Test func imagesOfABatchAreIndependent() throws {
        let model = try PlantedModels.anyOf([[0, 1], [7, 8]])
        let one = try Tensor([1, 1, 0, 0, 0, 0, 0, 0, 0] as [Float], [1, 1, 3, 3])
        let both = try Tensor([Float](repeating: 1, count: 9) + [1, 1, 0, 0, 0, 0, 0, 0, 0], [2, 1, 3, 3])
        let images = try explain(model, x: both).report.data.images
        #expect(images[0].sets == [[0, 1], [7, 8]] && images[1].sets == [[0, 1]])
        #expect(try explain(model, x: one).report.data.images[0].sets == [[0, 1]])
    }

    @Test func theMapSaysWhatEachPatchIsWorth() throws {
        let result = try explain(PlantedModels.anyOf([[0, 4], [0, 7]])).result
        let map = try #require(result.tensors["map"]), frequency = try #require(result.tensors["frequency"])
        #expect(map.shape == [1, 1, 3, 3])
        #expect(try zip(frequency.doubles(), [1, 0, 0, 0, 0.5, 0, 0, 0.5, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(try zip(map.doubles(), [1, 0, 0, 0, 0.5, 0, 0, 0.5, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    /// Five equal patches, of which three suffice: below each minimal set lie 3 pairs and 3 single patches.
    @Test func subExplanationsOfAnAdditiveModelAreBinomial() throws {
        let model = try PlantedModels.additive([1, 1, 1, 1, 1, 0, 0, 0, 0], scale: 1.2, offset: 1.2)
        let found = try picture(
            model,
            ["beam_width": .integer(0), "max_roots": .integer(1000), "sub_explanations": .integer(1), "levels": .text("0.75,0.5,0.05")])
        let sigmoid = { (n: Double) in 1 / (1 + exp(-(1.2 * n - 1.2))) }
        let shares = (0...5).map { sigmoid(Double($0)) / sigmoid(5) }
        let size = try #require(shares.firstIndex { $0 > 0.9 })
        #expect(found.sets.count == choose(5, size))
        let counts = try #require(found.sub_explanations)
        for (level, count) in zip(counts.levels, counts.counts) {
            #expect(count == (0..<size).filter { shares[$0] > level }.reduce(0) { $0 + choose(5, $1) }, "\(level)")
        }
        #expect(!counts.cut)
        let cut = try picture(
            model, ["beam_width": .integer(0), "max_roots": .integer(1000), "sub_explanations": .integer(1), "max_subsets": .integer(4)])
        #expect(try #require(cut.sub_explanations).cut)
    }

    private func choose(_ n: Int, _ k: Int) -> Int { Combinations.count(n, k) }

    @Test func topOneIsRequiredWhereItIsAsked() throws {
        // Two classes: the second has 0.3 on the whole image, so that it is never the best.
        let model = try PlantedModels.additive([1, 1, 1, 1, 1, 1, 1, 1, 1], scale: 0.1, offset: 1.75)
        #expect(throws: Failure.self) { try explain(model, ["require_top1": .integer(1)]) }
        // A threshold of 0.3 is passed at 0.35 by sets whose best class is the other one.
        let steep = try PlantedModels.additive([1, 1, 1, 1, 1, 1, 1, 1, 1], scale: 1, offset: 4.5)
        let loose = try picture(steep, ["prob_threshold": .real(0.3)]),
            strict = try picture(
                steep, ["prob_threshold": .real(0.3), "require_top1": .integer(1)])
        #expect(loose.sets.allSatisfy { $0.count == 4 } && strict.sets.allSatisfy { $0.count == 5 })
        #expect(!loose.sets.isEmpty && !strict.sets.isEmpty)
    }

    @Test func anEmptySetThatSufficesIsSaid() throws {
        let model = try PlantedModels.additive([0, 0, 0, 0, 0, 0, 0, 0, 0], scale: 1, offset: 0)
        let (_, report) = try explain(model)
        #expect(report.data.images[0].sets == [[]] && report.data.images[0].logic == "TRUE")
        #expect(report.warnings.contains { $0.contains("baseline alone") })
    }

    @Test func aSearchThatRunsOutSaysSo() throws {
        let (_, report) = try explain(PlantedModels.anyOf([[0, 1, 2, 3, 4, 5]]), ["max_evaluations": .integer(40)])
        #expect(report.warnings.contains { $0.contains("max_evaluations") })
        #expect(report.data.images[0].evaluations <= 40)
    }

    @Test func drawingsShowEveryNode() throws {
        let model = try PlantedModels.anyOf([[0, 4], [5, 7]])
        let picture = try Tensor((0..<12 * 15 * 3).map { UInt8($0 % 251) }, [12, 15, 3])
        let settings: [String: Options.Entry] = ["draw": .integer(1), "picture": .tensor(picture), "title": .text("a < \"b\"")]
        let (result, report) = try explain(model, settings)
        let drawing = try #require(result.tensors["drawing"])
        #expect(drawing.type == .uint8 && drawing.shape.count == 3 && drawing.shape[2] == 3)
        #expect(Set(try drawing.array(UInt8.self)).count > 20)
        let nodes = report.data.images[0].nodes
        let svg = try #require(result.tensors["svg"]).strings()[0], dot = try #require(result.tensors["dot"]).strings()[0]
        // Each node's tile, and the whole image.
        #expect(svg.components(separatedBy: "<use href=\"#photo\"").count == nodes.count + 2)
        #expect(svg.contains("a &lt; &quot;b&quot;") && svg.contains("prefers-color-scheme:dark"))
        #expect(dot.components(separatedBy: " -> ").count == report.data.images[0].edges.count + 1)
        #expect(dot.contains(#"a < \"b\""#))
        let dark = try #require(try explain(model, settings.merging(["theme": .text("dark")]) { $1 }).result.tensors["drawing"])
        #expect(dark.shape == drawing.shape)
        #expect(try dark.array(UInt8.self)[0] < 40 && drawing.array(UInt8.self)[0] > 240)
        let both = try explain(model, ["draw": .integer(1), "tile_size": .integer(32)], x: PlantedModels.white(2)).result
        #expect(both.tensors["drawing"]?.shape.first == 2 && both.tensors["svg"]?.shape == [2])
    }

    @Test func badOptionsAreNamed() throws {
        let model = try PlantedModels.anyOf([[0]])
        func message(_ settings: [String: Options.Entry]) -> String {
            do { _ = try explain(model, settings); return "" } catch { return "\(error)" }
        }
        #expect(message(["grid": .text("9")]).contains("at most 64"))
        #expect(message(["grid": .text("5")]).contains("3x3 pixels"))
        #expect(message(["grid": .text("a,b,c")]).contains("one or two numbers"))
        #expect(message(["search": .text("exhaustive"), "max_evaluations": .integer(100)]).contains("lower candidates"))
        #expect(message(["baseline": .text("black")]).contains("input_mean"))
        #expect(message(["sub_explanations": .integer(1), "levels": .text("1.5")]).contains("between 0 and 1"))
        let grey = try Tensor([UInt8](repeating: 0, count: 12), [3, 4])
        #expect(message(["draw": .integer(1), "picture": .tensor(grey)]).contains("height x width x 3"))
        #expect(message(["ordering_map": .tensor(try Tensor([1, 2] as [Float], [1, 2]))]).contains("coarser"))
    }
}

/// The parts of the search on tables of scores.
@Suite struct PatchSearchTests {
    private func scores(_ count: Int, _ value: @escaping (PatchSet) -> Double) throws -> PatchScores {
        try PatchScores(full: value(.all(count)), whole: .all(count), limit: 1_000_000) { sets in
            sets.map { PatchScore(probability: value($0)) }
        }
    }

    @Test func setsHaveATotalOrder() {
        let sets = (0..<512).map { bits in PatchSet((0..<9).filter { bits >> $0 & 1 == 1 }) }
        let expected = sets.map(\.patches).sorted { ($0.count, $0.map(String.init).joined()) < ($1.count, $1.map(String.init).joined()) }
        #expect(sets.sorted().map(\.patches) == expected)
    }

    @Test func everySetIsEvaluatedOnce() throws {
        var asked: [PatchSet] = []
        let scores = try PatchScores(full: 1, whole: .all(9), limit: 1000) { sets in
            asked += sets
            return sets.map { PatchScore(probability: Double($0.count) / 9) }
        }
        var search = SufficientSets(scores, Sufficiency(threshold: 0.7, requiresTop: false), order: Array(0..<9), .init())
        try search.run()
        #expect(Set(asked).count == asked.count && asked.count == scores.evaluations && !search.roots.isEmpty)
    }

    /// The reduction that evaluates ahead takes the same way as one patch after the other.
    @Test(arguments: 0..<20) func reductionIsThatOfRasterPasses(_ seed: Int) throws {
        let random = Random(seed: UInt64(seed))
        let table: (PatchSet) -> Double = { random.uniform($0.bits) }
        let scores = try PatchScores(full: 1, whole: .all(10), limit: 1_000_000) { $0.map { PatchScore(probability: table($0)) } }
        let rule = Sufficiency(threshold: 0.6, requiresTop: false)
        let starts = (0..<40).map { i in PatchSet((0..<10).filter { random.uniform(UInt64(5000 + 10 * i + $0)) < 0.7 }) }
        for (start, found) in zip(starts, try MinimalSets.reduced(starts, rule, scores)) {
            var set = start, hasRemoved = true
            while hasRemoved {
                hasRemoved = false
                for patch in set.patches where table(set.removing(patch)) > 0.6 {
                    set = set.removing(patch)
                    hasRemoved = true
                }
            }
            #expect(found == set)
        }
    }

    @Test(arguments: 0..<20) func diverseFamiliesAreLargest(_ seed: Int) {
        let random = Random(seed: UInt64(seed))
        let sets = (0..<11).map { i in PatchSet((0..<12).filter { random.uniform(UInt64(20 * i + $0)) < 0.3 }) }
        let weights = sets.indices.map { 1 - 0.01 * Double($0) }
        var best = 0, sum = 0.0
        for bits in 0..<(1 << 11) {
            let family = (0..<11).filter { bits >> $0 & 1 == 1 }
            let fits = family.allSatisfy { a in family.allSatisfy { a >= $0 || sets[a].overlap(sets[$0]) <= 1 } }
            guard fits else { continue }
            let total = family.reduce(0) { $0 + weights[$1] }
            if family.count > best || (family.count == best && total > sum) { (best, sum) = (family.count, total) }
        }
        let choice = DiverseSets.largest(sets, overlap: 1, weights: weights)
        #expect(choice.members.count == best && abs(choice.members.reduce(0) { $0 + weights[$1] } - sum) < 1e-12 && !choice.isCut)
        #expect(DiverseSets.largest(sets, overlap: 1, weights: nil).members.count == best)
    }

    @Test func combinationsAreAllThereAre() throws {
        for size in 0...5 {
            var found: [[Int]] = []
            try Combinations(of: [3, 1, 4, 0, 2], size: size).forEachChunk(3) { found += $0.map(\.patches) }
            #expect(found.count == Combinations.count(5, size) && Set(found).count == found.count)
            #expect(found.allSatisfy { $0.count == size })
        }
        #expect(Combinations.count(49, 4) == 211_876 && Combinations.count(64, 32) > 1 << 60)
    }
}

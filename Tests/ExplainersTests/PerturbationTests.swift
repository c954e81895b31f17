import Explainers
import Graphs
import Runtime
import Tensors
import Testing

/// What must hold of occlusion and RISE whatever the network, and what they say of networks that can be calculated by hand.
@Suite struct PerturbationTests {
    private func explain(
        _ method: String, _ model: Model, _ x: Tensor, _ settings: [String: Options.Entry] = [:],
        target: Target = Target(.index(1), score: .output), control: Control = Control()
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain(method, model: model, feeds: ["x": x], target: target, options: options, control: control)
    }

    private func map(
        _ method: String, _ model: Model, _ x: Tensor, _ settings: [String: Options.Entry] = [:],
        target: Target = Target(.index(1), score: .output)
    ) throws -> Tensor { try #require(try explain(method, model, x, settings, target: target).tensors["map"]) }

    private func message(_ method: String, _ model: Model, _ x: Tensor, _ settings: [String: Options.Entry]) -> String {
        do { _ = try explain(method, model, x, settings); return "" } catch { return "\(error)" }
    }

    // MARK: Occlusion

    /// Rows of 5 and 7 by windows of 2 and 3, so that both axes have a window that does not fit.
    private static let shape = [2, 5, 7]
    private let weights = [TinyNetwork.numbers(70, seed: 2), TinyNetwork.numbers(70, seed: 3), TinyNetwork.numbers(70, seed: 4)]
    private func linear() throws -> Model { try TinyNetwork.linear(Self.shape, weights: weights) }
    private func images(_ count: Int = 2) throws -> Tensor { try Tensor(TinyNetwork.numbers(count * 70, seed: 5), [count] + Self.shape) }

    /// Sums of `w (x - b)` in each window, and their mean over the windows that cover an element.
    private func byHand(_ x: [Float], _ w: [Float], baseline: Float, rows: [Range<Int>], columns: [Range<Int>], isSum: Bool = false)
        -> (falls: [Float], map: [Float])
    {
        var falls: [Float] = [], sum = [Float](repeating: 0, count: 70), covered = sum
        for row in rows {
            for column in columns {
                let elements = (0..<2).flatMap { c in row.flatMap { y in column.map { c * 35 + y * 7 + $0 } } }
                falls.append(elements.reduce(0) { $0 + w[$1] * (x[$1] - baseline) })
                for i in elements { sum[i] += falls.last ?? 0; covered[i] += 1 }
            }
        }
        return (falls, zip(sum, covered).map { isSum ? $0 : $0 / max(1, $1) })
    }

    @Test(arguments: ["truncate", "shift", "drop"]) func occlusionOfALinearModelIsTheSumOfItsTerms(_ last: String) throws {
        let x = try images()
        let rows = [0..<2, 2..<4] + (last == "truncate" ? [4..<5] : last == "shift" ? [3..<5] : [])
        let columns = [0..<3, 2..<5, 4..<7]
        let result = try explain(
            "occlusion", linear(), x,
            [
                "sliding_window_shapes": .text("2,3"), "strides": .text("2,2"), "partial_last": .text(last), "baseline": .real(0.3),
                "classes": .text("2,0"), "class_scores": .integer(1),
            ])
        let grid = try #require(result.tensors["grid"]), maps = try #require(result.tensors["maps"])
        let scores = try #require(result.tensors["class_scores"]), clean = try #require(result.tensors["clean_class_scores"])
        #expect(grid.shape == [2, 1, rows.count, columns.count] && maps.shape == [2, 2] + Self.shape)
        #expect(scores.shape == [2, 1, rows.count, columns.count, 3] && clean.shape == [2, 3])
        for image in 0..<2 {
            let one = try x.sliced(0, image..<(image + 1)).array(Float.self)
            func expected(_ index: Int) -> (falls: [Float], map: [Float]) {
                byHand(one, weights[index], baseline: 0.3, rows: rows, columns: columns)
            }
            let row = image..<(image + 1)
            #expect(try difference(grid.sliced(0, row).reshaped([rows.count * 3]), Tensor(expected(1).falls)) < 1e-5)
            #expect(try difference(#require(result.tensors["map"]).sliced(0, row).reshaped([70]), Tensor(expected(1).map)) < 1e-5)
            let both = try Tensor(expected(2).map + expected(0).map)
            #expect(try difference(maps.sliced(0, row).reshaped([140]), both) < 1e-5)
            let behind = try scores.sliced(0, row).array(Float.self), before = try clean.sliced(0, row).array(Float.self)
            let falls = try Tensor((0..<(rows.count * 3)).map { before[2] - behind[$0 * 3 + 2] })
            #expect(try difference(falls, Tensor(expected(2).falls)) < 1e-4)
        }
        let sum = try map(
            "occlusion", linear(), x,
            [
                "sliding_window_shapes": .text("2,2,3"), "strides": .text("2,2,2"), "partial_last": .text(last), "baseline": .real(0.3),
                "combine": .text("sum"),
            ])
        let first = try byHand(x.sliced(0, 0..<1).array(Float.self), weights[1], baseline: 0.3, rows: rows, columns: columns, isSum: true)
        #expect(try difference(sum.sliced(0, 0..<1).reshaped([70]), Tensor(first.map)) < 1e-5)
    }

    @Test func aWindowOverEverythingGivesTheChangeOfScore() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), x = try golden.tensor("x")
        let target = Target(.index(3))
        var options = Options()
        options["sliding_window_shapes"] = .text("12,16")
        options["baseline"] = .text("mean")
        let result = try MethodList.explain(
            "occlusion", model: model, feeds: [golden.input: x], target: target, options: options, control: Control())
        let map = try #require(result.tensors["map"]).array(Float.self), grid = try #require(result.tensors["grid"])
        #expect(grid.shape == [2, 1, 1, 1])
        for (image, fall) in try grid.array(Float.self).enumerated() {
            #expect(map[(image * 576)..<((image + 1) * 576)].allSatisfy { $0 == fall })
            #expect(fall != 0)
        }
        options["baseline"] = .tensor(x)
        let nothing = try MethodList.explain(
            "occlusion", model: model, feeds: [golden.input: x], target: target, options: options, control: Control())
        #expect(try #require(nothing.tensors["map"]).array(Float.self).allSatisfy { abs($0) < 1e-6 })
    }

    @Test func whatTheModelIgnoresGetsZero() throws {
        let half = (0..<70).map { $0 % 7 < 3 ? Float($0 + 1) : 0 }
        let map = try map(
            "occlusion", TinyNetwork.linear(Self.shape, weights: [half, half]), images(), ["sliding_window_shapes": .real(2)]
        ).array(Float.self)
        let largest = map.map(abs).max() ?? 0
        #expect(largest > 1)
        // Up to the rounding of sums that other batch sizes add up in another order.
        for i in map.indices where i % 7 >= 4 { #expect(abs(map[i]) < 1e-6 * largest) }
    }

    @Test func windowsSlideOverSignalsVolumesRowsAndChannelsLast() throws {
        for (shape, window) in [([3, 40], "4"), ([1, 4, 5, 6], "2"), ([9], "1"), ([10, 12, 3], "3")] {
            let size = shape.reduce(1, *), w = TinyNetwork.numbers(size, seed: 6)
            let x = try Tensor(TinyNetwork.numbers(size, seed: 7), [1] + shape)
            let model = try TinyNetwork.linear(shape, weights: [w, w])
            let fine = try map("occlusion", model, x, ["sliding_window_shapes": .text(window), "strides": .text(window)])
            #expect(fine.shape == x.shape)
            // Without overlap the parts add up to the whole: each window's fall, once.
            let grid = try #require(
                explain("occlusion", model, x, ["sliding_window_shapes": .text(window), "strides": .text(window)]).tensors["grid"])
            let all = zip(w, try x.array(Float.self)).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(try grid.array(Float.self).reduce(0, +) - all) < 1e-4, "\(shape)")
            #expect(try map("occlusion", model, x).shape == x.shape)
        }
        let x = try Tensor(TinyNetwork.numbers(360, seed: 7), [1, 10, 12, 3])
        let w = TinyNetwork.numbers(360, seed: 6), model = try TinyNetwork.linear([10, 12, 3], weights: [w, w])
        #expect(try map("occlusion", model, x, ["channel_reduce": .text("sum")]).shape == [1, 10, 12, 1])
    }

    @Test func everyUsualImageHasAboutAsManyWindows() throws {
        for size in [14, 28, 64, 97, 224] {
            let w = [Float](repeating: 1, count: size * size)
            let x = try Tensor(TinyNetwork.numbers(size * size, seed: 7), [1, 1, size, size])
            let grid = try explain("occlusion", TinyNetwork.linear([1, size, size], weights: [w, w]), x).tensors["grid"]
            let windows = try #require(grid).count
            #expect((144...196).contains(windows), "\(size): \(windows)")
        }
    }

    @Test func occlusionDoesNotDependOnTheBatch() throws {
        let one = try map("occlusion", linear(), images(), ["batch_size": .integer(1)])
        #expect(try difference(map("occlusion", linear(), images(), ["batch_size": .integer(64)]), one) < 1e-5)
        let alone = try map("occlusion", linear(), images().sliced(0, 1..<2).contiguous())
        #expect(try difference(one.sliced(0, 1..<2).contiguous(), alone) < 1e-5)
    }

    @Test func occlusionOfASegmentationUsesTheTargetsMask() throws {
        // Each pixel's two class scores are weights of its own value alone.
        let model = try TinyNetwork.model([1, 4, 6]) { b, x in
            let w = b.graph.constant(try Tensor([2, -3] as [Float], [2, 1, 1, 1]), "w")
            return try TinyNetwork.add(&b, "Conv", [x, w])
        }
        let x = try Tensor(TinyNetwork.numbers(24, seed: 8), [1, 1, 4, 6])
        let mask = try Tensor((0..<24).map { $0 % 6 < 3 ? Float(1) : 0 }, [4, 6])
        let result = try explain(
            "occlusion", model, x, ["sliding_window_shapes": .real(1), "classes": .text("0")],
            target: Target(.mask(1, mask), score: .output))
        let values = try x.array(Float.self)
        let expected = try Tensor(values.indices.map { $0 % 6 < 3 ? -3 * values[$0] : 0 }, x.shape)
        #expect(try difference(#require(result.tensors["map"]), expected) < 1e-5)
        let other = try Tensor(values.indices.map { $0 % 6 < 3 ? 2 * values[$0] : 0 }, [1, 1, 1, 4, 6])
        #expect(try difference(#require(result.tensors["maps"]), other) < 1e-5)
    }

    @Test func badWindowsAreNamed() throws {
        let model = try linear(), x = try images()
        #expect(message("occlusion", model, x, ["sliding_window_shapes": .real(6)]).contains("larger than the input"))
        #expect(message("occlusion", model, x, ["sliding_window_shapes": .real(0)]).contains("positive whole"))
        #expect(message("occlusion", model, x, ["sliding_window_shapes": .text("1,2,3,4")]).contains("4 numbers"))
        #expect(message("occlusion", model, x, ["sliding_window_shapes": .real(2), "strides": .real(3)]).contains("never be covered"))
        #expect(message("occlusion", model, x, ["classes": .text("3")]).contains("class 3 is out of range"))
        #expect(message("occlusion", model, x, ["classes": .text("-1")]).contains("class numbers"))
        let weights = try Tensor([1, 1, 1] as [Float])
        #expect(throws: Failure.self) { try explain("occlusion", model, x, ["classes": .text("1")], target: Target(.weights(weights))) }
    }

    // MARK: RISE

    @Test func theMapOfAConstantModelIsTheConstant() throws {
        let model = try TinyNetwork.constant([1, 12, 16], 0.7)
        let x = try Tensor(TinyNetwork.numbers(192), [1, 1, 12, 16])
        let empirical = try map("rise", model, x, ["n_samples": .integer(300)]).doubles()
        #expect(empirical.allSatisfy { abs($0 - 0.7) < 1e-6 })
        let expected = try explain("rise", model, x, ["n_samples": .integer(4000), "normalization": .text("expected")])
        let map = try #require(expected.tensors["map"]).doubles(), error = try #require(expected.tensors["standard_error"]).doubles()
        // Deviations of a pixel's mean mask from 0.5, in standard errors.
        let worst = zip(map, error).map { abs($0 - 0.7) / $1 }.max() ?? .infinity
        #expect(worst < 4.5, "\(worst)")
        #expect(abs(map.reduce(0, +) / 192 - 0.7) < 0.02)
    }

    @Test func riseFindsThePixelThatMatters() throws {
        let w = (0..<192).map { $0 == 5 * 16 + 11 ? Float(1) : 0 }
        let model = try TinyNetwork.linear([1, 12, 16], weights: [w, w])
        let x = try Tensor((0..<192).map { 1 + Float($0) / 1000 }, [1, 1, 12, 16])
        let map = try map("rise", model, x, ["n_samples": .integer(1500)]).doubles()
        let best = try #require(map.indices.max { map[$0] < map[$1] })
        #expect(abs(best / 16 - 5) <= 1 && abs(best % 16 - 11) <= 1)
    }

    @Test func riseDoesNotDependOnTheBatchNorOnOtherImages() throws {
        let golden = try GoldenCase("cnn"), model = try golden.model(), x = try golden.tensor("x")
        func rise(_ x: Tensor, _ settings: [String: Options.Entry]) throws -> Explanation {
            var options = Options()
            for (name, value) in settings.merging(["tolerance": .real(0.2), "n_samples": .integer(900)], uniquingKeysWith: { a, _ in a }) {
                options[name] = value
            }
            return try MethodList.explain(
                "rise", model: model, feeds: [golden.input: x], target: Target(.index(3)), options: options, control: Control())
        }
        let one = try rise(x, ["batch_size": .integer(1)]), many = try rise(x, ["batch_size": .integer(37)])
        let map = try #require(one.tensors["map"])
        #expect(try difference(#require(many.tensors["map"]), map) < 1e-5)
        #expect(one.numbers["samples"] == many.numbers["samples"])
        let alone = try rise(x.sliced(0, 1..<2).contiguous(), [:])
        #expect(try difference(#require(alone.tensors["map"]), map.sliced(0, 1..<2).contiguous()) < 1e-5)
        let other = try rise(x, ["seed": .integer(1)])
        #expect(try difference(#require(other.tensors["map"]), map) > 1e-3)
    }

    @Test func samplingStopsAtTheTolerance() throws {
        let model = try linear(), x = try Tensor(TinyNetwork.numbers(140, seed: 5), [2] + Self.shape)
        func samples(_ tolerance: Double) throws -> Double {
            try #require(
                explain("rise", model, x, ["tolerance": .real(tolerance), "n_samples": .integer(2000)]).numbers["samples"])
        }
        #expect(try samples(0) == 2000)
        let loose = try samples(0.3), tight = try samples(0.1)
        #expect(loose < tight && tight < 2000 && loose.truncatingRemainder(dividingBy: 100) == 0, "\(loose), \(tight)")
    }

    @Test func standardErrorsAreTheSpreadOfRepetitions() throws {
        let model = try linear(), x = try images(1)
        for normalization in ["empirical", "expected"] {
            let runs = try (0..<30).map { seed in
                try explain(
                    "rise", model, x,
                    ["seed": .integer(seed), "n_samples": .integer(200), "normalization": .text(normalization), "grid_size": .integer(3)])
            }
            let maps = try runs.map { try #require($0.tensors["map"]).doubles() }
            let errors = try runs.map { try #require($0.tensors["standard_error"]).doubles() }
            var spread = 0.0, claimed = 0.0
            for i in maps[0].indices {
                let mean = maps.reduce(0) { $0 + $1[i] } / 30
                spread += maps.reduce(0) { $0 + ($1[i] - mean) * ($1[i] - mean) } / 29
                claimed += errors.reduce(0) { $0 + $1[i] * $1[i] } / 30
            }
            #expect(abs((claimed / spread).squareRoot() - 1) < 0.25, "\(normalization): \((claimed / spread).squareRoot())")
        }
    }

    @Test func memoryDoesNotGrowWithMasksOrWindows() throws {
        func peak(_ method: String, _ settings: [String: Options.Entry]) throws -> Int {
            let control = Control()
            _ = try explain(method, linear(), images(), settings.merging(["batch_size": .integer(4)]) { $1 }, control: control)
            return control.peakBytes
        }
        #expect(try peak("rise", ["n_samples": .integer(20)]) == peak("rise", ["n_samples": .integer(400)]))
        #expect(
            try peak("occlusion", ["sliding_window_shapes": .real(2), "strides": .real(2)])
                == peak("occlusion", ["sliding_window_shapes": .real(2), "strides": .real(1)]))
    }

    @Test func badMasksAreNamed() throws {
        let model = try linear(), x = try images()
        #expect(message("rise", model, x, ["masks": .tensor(try .filled(0.5, [3, 5, 6]))]).contains("expected n x 5 x 7"))
        #expect(message("rise", model, x, ["masks": .tensor(try .filled(1.5, [3, 5, 7]))]).contains("outside 0 to 1"))
        #expect(message("rise", model, x, ["masks": .tensor(try .zeros(.float32, [0, 5, 7]))]).contains("empty"))
    }
}

extension Tensor {
    fileprivate static func filled(_ value: Float, _ shape: [Int]) throws -> Tensor {
        try Tensor([Float](repeating: value, count: shape.reduce(1, *)), shape)
    }
}

import Explainers
import Graphs
import Runtime
import Tensors
import Testing

/// Features of rows, texts, several inputs and images, on networks whose answers can be written down.
@Suite struct FeatureAblationTests {
    private func explain(
        _ model: Model, _ feeds: [String: Tensor], _ settings: [String: Options.Entry] = [:],
        target: Target = Target(.index(0), score: .output)
    ) throws -> Explanation {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return try MethodList.explain("feature-ablation", model: model, feeds: feeds, target: target, options: options, control: Control())
    }

    private func message(_ model: Model, _ feeds: [String: Tensor], _ settings: [String: Options.Entry]) -> String {
        do { _ = try explain(model, feeds, settings); return "" } catch { return "\(error)" }
    }

    private let w = TinyNetwork.numbers(12, seed: 2), v = TinyNetwork.numbers(12, seed: 3)
    private func rows() throws -> Tensor { try Tensor(TinyNetwork.numbers(24, seed: 4), [2, 12]) }

    @Test func eachElementOfALinearModelIsItsTerm() throws {
        let x = try rows(), values = try x.array(Float.self)
        let result = try explain(
            TinyNetwork.linear([12], weights: [w, v]), ["x": x],
            ["baseline": .real(0.25), "classes": .text("all"), "class_scores": .integer(1)])
        func terms(_ weights: [Float]) -> [Float] { values.indices.map { weights[$0 % 12] * (values[$0] - 0.25) } }
        #expect(try difference(#require(result.tensors["map"]), Tensor(terms(w), [2, 12])) < 1e-5)
        let maps = try #require(result.tensors["maps"])
        #expect(maps.shape == [2, 2, 12])
        let both = try Tensor(
            (0..<2).flatMap { image in
                [w, v].flatMap { Array(terms($0)[(image * 12)..<(image * 12 + 12)]) }
            })
        #expect(try difference(maps.reshaped([48]), both) < 1e-5)
        #expect(try #require(result.tensors["class_scores"]).shape == [2, 12, 2])
    }

    @Test func elementsOfOneNumberGoTogether() throws {
        let x = try rows(), values = try x.array(Float.self), model = try TinyNetwork.linear([12], weights: [w, v])
        let groups: [Int64] = [7, 7, -3, 7, 0, 0, -3, 0, 7, 0, 0, 0]
        let result = try explain(model, ["x": x], ["feature_mask": .tensor(try Tensor(groups, [12]))])
        let expected = try Tensor(
            values.indices.map { i in
                (0..<12).filter { groups[$0] == groups[i % 12] }.reduce(Float(0)) { $0 + w[$1] * values[i / 12 * 12 + $1] }
            }, [2, 12])
        #expect(try difference(#require(result.tensors["map"]), expected) < 1e-5)
        #expect(try #require(result.tensors["features"]).integers() == [-3, 0, 7])
        #expect(try #require(result.tensors["feature_attributions"]).shape == [2, 3])
        // Another grouping for the second row, and a single feature: the change of score.
        let each = try explain(
            model, ["x": x], ["feature_mask": .tensor(try Tensor(groups + [Int64](repeating: 1, count: 12), [2, 12]))])
        let second = try #require(each.tensors["map"]).sliced(0, 1..<2).array(Float.self)
        let whole = (0..<12).reduce(Float(0)) { $0 + w[$1] * values[12 + $1] }
        #expect(second.allSatisfy { abs($0 - whole) < 1e-5 })
        #expect(try difference(#require(each.tensors["map"]).sliced(0, 0..<1).contiguous(), expected.sliced(0, 0..<1).contiguous()) < 1e-5)
    }

    @Test func tokensOfATextAreReplacedByTheMaskToken() throws {
        // The score is the sum of an embedding of one number for each token.
        let table: [Float] = [0, 1, -2, 4, 8]
        let model = try TinyNetwork.model([3], type: .int64) { b, x in
            let weights = b.graph.constant(try Tensor(table, [5, 1]), "table")
            let embedded = try TinyNetwork.add(&b, "Gather", [weights, x], ["axis": .int(0)])
            let axes = b.graph.constant(try Tensor([1] as [Int64]), "axes")
            return try TinyNetwork.add(&b, "ReduceSum", [embedded, axes], ["keepdims": .int(0)])
        }
        let x = try Tensor([4, 2, 3, 1, 1, 0] as [Int64], [2, 3])
        let result = try explain(model, ["x": x], ["baseline": .integer(1)])
        #expect(try #require(result.tensors["map"]).array(Float.self) == [7, -3, 3, 0, 0, -1])
        let words = try explain(model, ["x": x], ["baseline": .integer(0), "feature_mask": .tensor(try Tensor([0, 1, 1] as [Int64]))])
        #expect(try #require(words.tensors["map"]).array(Float.self) == [8, 2, 2, 1, 1, 1])
    }

    @Test func severalInputsShareTheirFeatures() throws {
        let (w, v) = (w, v)
        let model = try TinyNetwork.pair([12], [2, 6]) { b, x, y in
            let a = b.graph.constant(try Tensor(w, [12, 1]), "a"), c = b.graph.constant(try Tensor(v, [12, 1]), "c")
            let flat = try TinyNetwork.add(&b, "Flatten", [y], ["axis": .int(1)])
            return try TinyNetwork.add(
                &b, "Add", [TinyNetwork.add(&b, "MatMul", [x, a]), TinyNetwork.add(&b, "MatMul", [flat, c])])
        }
        let x = try rows(), y = try Tensor(TinyNetwork.numbers(24, seed: 8), [2, 2, 6])
        let values = (try x.array(Float.self), try y.array(Float.self))
        let both = try explain(model, ["x": x, "y": y], ["inputs": .text("all")])
        #expect(
            try difference(#require(both.tensors["map.x"]), Tensor(values.0.indices.map { w[$0 % 12] * values.0[$0] }, [2, 12])) < 1e-5)
        #expect(
            try difference(#require(both.tensors["map.y"]), Tensor(values.1.indices.map { v[$0 % 12] * values.1[$0] }, [2, 2, 6])) < 1e-5)
        #expect(try difference(#require(both.tensors["map"]), #require(both.tensors["map.x"])) == 0)
        // One feature across both: the first element of x with the last of y.
        let mask = (0..<24).map { Int64($0 == 0 || $0 == 23 ? 100 : $0) }
        let tied = try explain(model, ["x": x, "y": y], ["inputs": .text("x, y"), "feature_mask": .tensor(try Tensor(mask))])
        let sum = w[0] * values.0[0] + v[11] * values.1[11]
        #expect(abs(try #require(tied.tensors["map.x"]).array(Float.self)[0] - sum) < 1e-5)
        #expect(abs(try #require(tied.tensors["map.y"]).array(Float.self)[11] - sum) < 1e-5)
        #expect(message(model, ["x": x, "y": y], ["inputs": .text("x,z")]).contains("'z' was not fed"))
        #expect(message(model, ["x": x, "y": y], ["inputs": .text("x,x")]).contains("different names"))
    }

    @Test func aSegmentIsFilledFromItsSurroundings() throws {
        // A ramp continues through a hole inside it: nothing changes. A patch that is no ramp does.
        let ramp = (0..<140).map { (element: Int) -> Float in
            let pixel = element % 70, slope = Float(element / 70 + 1)
            return Float(pixel % 10) * slope + Float(pixel / 10) * 0.5
        }
        let ones = [Float](repeating: 1, count: 140), model = try TinyNetwork.linear([2, 7, 10], weights: [ones])
        let numbers = (0..<70).map { (pixel: Int) -> Int64 in (2..<5).contains(pixel / 10) && (3..<8).contains(pixel % 10) ? 1 : 2 }
        let mask = try Tensor(numbers, [7, 10])
        var x = try Tensor(ramp, [1, 2, 7, 10])
        func inside(_ settings: [String: Options.Entry] = [:]) throws -> Float {
            let all = settings.merging(["feature_mask": .tensor(mask), "baseline": .text("inpaint")]) { $1 }
            return try #require(explain(model, ["x": x], all).tensors["feature_attributions"]).array(Float.self)[0]
        }
        #expect(abs(try inside()) < 2e-3)
        x = try Tensor(ramp.indices.map { ramp[$0] + ($0 == 34 ? 5 : 0) }, [1, 2, 7, 10])
        #expect(abs(try inside() - 5) < 2e-3)
    }

    @Test func superpixelsAreFeatures() throws {
        // Two plain halves are two segments, or cut along their border into more; each falls by its own sum.
        let left = (0..<200).map { $0 % 20 < 8 }, values = (0..<400).map { left[$0 % 200] ? Float(0.1) : Float(0.9) }
        let model = try TinyNetwork.linear([2, 10, 20], weights: [[Float](repeating: 1, count: 400)])
        let x = try Tensor(values, [1, 2, 10, 20])
        let result = try explain(model, ["x": x], ["segments": .integer(2)])
        let map = try #require(result.tensors["map"]).array(Float.self)
        let falls = try #require(result.tensors["feature_attributions"]).array(Float.self)
        #expect((2...8).contains(falls.count))
        #expect(abs(falls.reduce(0, +) - values.reduce(0, +)) < 1e-3)
        // Both channels of a pixel belong to one segment.
        #expect(Array(map[..<200]) == Array(map[200...]))
        #expect(message(model, ["x": x], ["segments": .integer(2), "feature_mask": .tensor(x)]).contains("without feature_mask"))
        let rows = try TinyNetwork.linear([12], weights: [w, v])
        #expect(message(rows, ["x": try self.rows()], ["segments": .integer(2)]).contains("expected images"))
    }

    @Test func badMasksAreNamed() throws {
        let model = try TinyNetwork.linear([12], weights: [w, v]), x = try rows()
        #expect(message(model, ["x": x], ["feature_mask": .tensor(try Tensor([1, 2] as [Int64]))]).contains("expected 2x12"))
        #expect(
            message(model, ["x": x], ["feature_mask": .tensor(try Tensor([Float](repeating: 0.5, count: 12)))]).contains("whole numbers"))
        #expect(message(model, ["x": x], ["baseline": .text("inpaint")]).contains("expected images"))
    }
}

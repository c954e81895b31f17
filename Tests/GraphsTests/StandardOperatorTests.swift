import Graphs
import Tensors
import Testing

/// What single operators promise beyond the generic tests.
@Suite struct StandardOperatorTests {
    /// Slopes where a formula would divide by zero, checked for the first derivative: the second has jumps there.
    @Test(arguments: [
        ("Det", Sample([.values([2, 3, 3], [1, 2, 3, 2, 4, 6, 3, 6, 9, 4, 0, 1, 1, 2, 3, 5, 2, 4])])),
        (
            "ScatterElements",
            Sample(
                [.values([4], [0, 0.5, 2, 3]), .integers([5], [1, 1, 2, 0, 2]), .values([5], [0, 0.7, 0, 2, 0])],
                ["reduction": .string("mul")])
        ),
        ("CumProd", Sample([.values([5], [0.5, 0, 2, 0, 3]), .integers([], [0])])),
        ("ReduceProd", Sample([.values([3, 3], [0, 2, 3, 0, 0, 1, 4, 5, 6]), .integers([1], [1])])),
    ]) func slopesAtZeros(_ name: String, _ sample: Sample) throws {
        let op = try #require(OperatorSet.standard[name])
        let one = Operator(name, arity: op.arity, infer: op.infer, compute: op.compute, vjp: op.vjp, samples: [sample])
        try Slope(Trial(one, sample: 0))?.compare()
    }

    private func run(_ op: String, named name: String = "n", _ inputs: [Tensor?], _ attributes: [String: Attribute] = [:]) throws
        -> [Tensor]
    {
        let known = try #require(OperatorSet.standard[op])
        let ids: [ValueID?] = inputs.map { $0.map { _ in ValueID(at: 0) } }
        return try known.compute(Call(node: Node(op: op, name: name, inputs: ids, outputs: [], attributes: attributes), inputs: inputs))
    }

    /// Random numbers are those of the node and of its seed, in every run.
    @Test func randomNumbersRepeat() throws {
        let shape: [String: Attribute] = ["shape": .ints([2000]), "dtype": .int(11)]
        for op in ["RandomUniform", "RandomNormal"] {
            let first = try run(op, named: "a", [], shape)[0].doubles(), again = try run(op, named: "a", [], shape)[0].doubles()
            let other = try run(op, named: "b", [], shape)[0].doubles()
            let seeded = shape.merging(["seed": .float(5)]) { $1 }
            let x = try run(op, named: "a", [], seeded)[0].doubles(), y = try run(op, named: "b", [], seeded)[0].doubles()
            #expect(first == again && first != other && x == y && x != first)
            let mean = first.reduce(0, +) / 2000, square = first.reduce(0) { $0 + $1 * $1 } / 2000
            // Five standard errors.
            #expect(abs(mean - (op == "RandomUniform" ? 0.5 : 0)) < 0.12)
            #expect(abs(square - (op == "RandomUniform" ? 1.0 / 3 : 1)) < 0.16)
        }
    }

    /// Whatever part is selected, it is the beginning of the sorted whole, equal values in order of their places.
    @Test(arguments: [true, false]) func topOfManyIsTheBeginningOfAll(_ isLargest: Bool) throws {
        let random = Random(seed: 3)
        let mixed = (0..<997).map { index -> Float in
            let level = Float(Int(random.uniform(UInt64(index)) * 40))
            return index % 97 == 5 ? .nan : level - 20
        }
        let rising: [Float] = (0..<512).map { Float($0) }, falling: [Float] = rising.map { -$0 }
        for values in [mixed, rising, falling, [Float](repeating: 1, count: 300)] {
            func top(_ k: Int) throws -> [Tensor] {
                let count = try Tensor([Int64(k)])
                return try run("TopK", [Tensor(values), count], ["largest": .int(isLargest ? 1 : 0)])
            }
            let all = try top(values.count), places = try all[1].integers()
            #expect(Set(places).count == values.count)
            for (i, j) in zip(places, places.dropFirst()) where !values[i].isNaN && !values[j].isNaN {
                let isOrdered = isLargest ? values[i] > values[j] : values[i] < values[j]
                #expect(isOrdered || (values[i] == values[j] && i < j))
            }
            for k in [0, 1, 2, 17, 100, 256, values.count - 1] { #expect(try top(k)[1].integers() == Array(places.prefix(k))) }
        }
    }

    @Test func multinomialFollowsTheLogits() throws {
        let logits = try Tensor([0, -Double.infinity, 0, 1.0986122886681098] as [Double], [1, 4])
        let drawn = try run("Multinomial", [logits], ["sample_size": .int(5000), "dtype": .int(7)])[0].integers()
        let shares = (0..<4).map { wanted in Double(drawn.filter { $0 == wanted }.count) / 5000 }
        for (found, expected) in zip(shares, [0.2, 0, 0.2, 0.6]) { #expect(abs(found - expected) < 0.035) }
        #expect(shares[1] == 0)
    }

    @Test func dropoutKeepsTheMean() throws {
        let ones = try Tensor([Double](repeating: 1, count: 4000))
        let parts = try run("DropoutMask", [ones, Tensor.scalar(0.75), Tensor([Truth(true)], [])])
        let kept = try parts[0].array(Truth.self).filter(\.isTrue).count
        #expect(try parts[1].doubles() == [4])
        #expect(abs(Double(kept) / 4000 - 0.25) < 0.035)
        #expect(throws: Failure.self) { try run("DropoutMask", [ones, Tensor.scalar(1.0), Tensor([Truth(true)], [])]) }
    }

    /// ONNX: an image that cannot be decoded is empty; a format that is not known here is an error.
    @Test func imagesInFiles() throws {
        func decode(_ bytes: [UInt8], _ format: String = "RGB") throws -> Tensor {
            try run("ImageDecoder", [Tensor(bytes)], ["pixel_format": .string(format)])[0]
        }
        #expect(try decode([1, 2, 3]).shape == [0, 0, 3])
        #expect(try decode(Array("P6 2 2 255\n".utf8) + [1, 2, 3]).shape == [0, 0, 3])
        let colors = Array("P6 1 2 255\n".utf8) + [10, 20, 30, 200, 100, 50]
        #expect(try decode(colors, "BGR").array(UInt8.self) == [30, 20, 10, 50, 100, 200])
        #expect(try decode(colors, "Grayscale").array(UInt8.self) == [18, 124])
        #expect(try decode(Array("P2 # text\n2 1 15 0 15".utf8)).array(UInt8.self) == [0, 0, 0, 255, 255, 255])
        let failure = #expect(throws: Failure.self) { try decode([0xFF, 0x4F, 0xFF, 0x51]) }
        #expect(failure?.kind == .unsupported)
    }

    /// Coordinates that are no numbers, or beyond all integers, must not trap.
    @Test func samplesAtImpossiblePlaces() throws {
        let x = try Tensor([1, 2, 3, 4] as [Double], [1, 1, 2, 2])
        let grid = try Tensor([.nan, 0, .infinity, -.infinity, 1e300, 0] as [Double], [1, 1, 3, 2])
        for mode in ["linear", "nearest", "cubic"] {
            #expect(try run("GridSample", [x, grid], ["mode": .string(mode)])[0].doubles() == [0, 0, 0])
            for padding in ["border", "reflection"] {
                let found = try run("GridSample", [x, grid], ["mode": .string(mode), "padding_mode": .string(padding)])[0].doubles()
                #expect(found.allSatisfy { $0.isFinite })
            }
        }
    }

    /// Integers that are the same in double are told apart.
    @Test func positionsOfLargeIntegers() throws {
        let x = try Tensor([1 << 60, (1 << 60) + 1, 1 << 60] as [Int64])
        #expect(try run("ArgMax", [x])[0].integers() == [1])
        #expect(try run("ArgMin", [x], ["select_last_index": .int(1)])[0].integers() == [2])
    }
}

import Graphs
import Tensors
import Testing

/// Arithmetic on quantised numbers, and gradients that pass straight through their rounding.
@Suite struct QuantizationTests {
    private struct Network {
        var lowerer = Lowerer(operators: .standard)
        var feeds: [ValueID: Tensor] = [:]

        mutating func feed(_ name: String, _ tensor: Tensor) -> ValueID {
            let id = lowerer.graph.add(name, type: TensorType(tensor.type, shape: tensor.shape))
            feeds[id] = tensor
            return id
        }

        mutating func constant(_ tensor: Tensor) -> ValueID { lowerer.graph.constant(tensor, "constant") }

        mutating func node(_ op: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:], outputs: Int = 1) throws
            -> [ValueID]
        {
            let results = (0..<outputs).map { _ in lowerer.graph.add("\(op)_y") }
            try lowerer.lower(Node(op: op, name: op, inputs: inputs, outputs: results, attributes: attributes, origin: op), opset: 21)
            return results
        }

        func run(_ ids: ValueID...) throws -> [Tensor] { try evaluate(lowerer.graph, feeds: feeds, outputs: ids) }

        /// The gradient of the sum of `y`, weighted by 1, 2, 3, …
        func gradient(of y: ValueID, by x: ValueID) throws -> (values: [Double], isStraightThrough: Bool) {
            var graph = lowerer.graph
            let shape = try #require(graph[y].type?.shape)
            let seed = graph.constant(try Tensor((0..<Shape.count(shape)).map { Float($0 + 1) }, shape), "seed")
            let derivative = try graph.differentiated(seeds: [(value: y, gradient: seed)], wrt: [x], operators: .standard)
            let gradient = try #require(derivative.gradients[x])
            return (try evaluate(derivative.graph, feeds: feeds, outputs: [gradient])[0].doubles(), derivative.isStraightThrough)
        }
    }

    private func numbers(_ count: Int, _ range: ClosedRange<Int>, seed: UInt64) -> [Int] {
        let random = Random(seed: seed), span = Double(range.count)
        return (0..<count).map { range.lowerBound + min(Int(random.uniform(UInt64($0)) * span), range.count - 1) }
    }

    private func scalar(_ n: inout Network, _ value: Float) throws -> ValueID { n.constant(try Tensor.scalar(value)) }

    /// Sums beyond 2^24, which float32 would round.
    @Test(arguments: [64, 1500]) func productsOfIntegersAreExact(_ depth: Int) throws {
        let a = numbers(3 * depth, 200...255, seed: 1), b = numbers(depth * 2, 100...127, seed: 2)
        var n = Network()
        let x = n.feed("x", try Tensor(a.map { UInt8($0) }, [3, depth]))
        let w = n.constant(try Tensor(b.map { Int8($0) }, [depth, 2])), zero = n.constant(try Tensor([UInt8(3)], []))
        let y = try n.node("MatMulInteger", [x, w, zero])[0]
        let expected = (0..<3).flatMap { row in
            (0..<2).map { column in (0..<depth).reduce(0) { $0 + (a[row * depth + $1] - 3) * b[$1 * 2 + column] } }
        }
        let result = try n.run(y)[0]
        #expect(result.type == .int32)
        #expect(try result.integers() == expected)
    }

    @Test func requantisedConvolutionRoundsToEvenAndSaturates() throws {
        var n = Network()
        let x = n.feed("x", try Tensor([UInt8(0), 10, 130, 255], [1, 1, 1, 4]))
        let w = n.constant(try Tensor([Int8(1), 2], [2, 1, 1, 1]))
        let xs = try scalar(&n, 0.5), ws = n.constant(try Tensor([Float(1), 0.5])), ys = try scalar(&n, 1)
        let xz = n.constant(try Tensor([UInt8(10)], [])), wz = n.constant(try Tensor([Int8(0), 0])),
            yz = n.constant(try Tensor([UInt8(5)], []))
        let bias = n.constant(try Tensor([Int32(1), -4]))
        let y = try n.node("QLinearConv", [x, xs, xz, w, ws, wz, ys, yz, bias])[0]
        // Sums -9, 1, 121, 246 by 0.5 are -4.5, 0.5, 60.5, 123; sums -24, -4, 236, 486 by 0.25 are -6, -1, 59, 121.5.
        #expect(try n.run(y)[0].integers() == [1, 5, 65, 128, 0, 4, 64, 127])
    }

    /// Quantise, convolve, pool, flatten and dequantise: the gradient is that of the real numbers, 0 where a level was clipped.
    @Test func gradientPassesLevels() throws {
        var n = Network()
        let x = n.feed("x", try Tensor([Float(0.1), 0.52, -9, 0.3, 0.9, 200], [1, 1, 1, 6]))
        let xs = try scalar(&n, 0.1), ws = try scalar(&n, 0.5), ys = try scalar(&n, 0.2)
        let zero = n.constant(try Tensor([UInt8(20)], [])), wz = n.constant(try Tensor([Int8(0)], []))
        let w = n.constant(try Tensor([Int8(3)], [1, 1, 1, 1]))
        let q = try n.node("QuantizeLinear", [x, xs, zero])[0]
        let conv = try n.node("QLinearConv", [q, xs, zero, w, ws, wz, ys, zero])[0]
        let pool = try n.node("MaxPool", [conv], ["kernel_shape": .ints([1, 2]), "strides": .ints([1, 2])])[0]
        let flat = try n.node("Flatten", [pool])[0]
        let y = try n.node("DequantizeLinear", [flat, ys, zero])[0]
        let (values, isStraightThrough) = try n.gradient(of: y, by: x)
        // Weight 1.5; the maxima are elements 1, 3 and 5, and the last is clipped; seeds are 1, 2, 3.
        #expect(zip(values, [0, 1.5, 0, 3, 0, 0]).allSatisfy { abs($0 - $1) < 1e-6 }, "\(values)")
        #expect(isStraightThrough)
        #expect(try n.run(q)[0].type == .uint8)
    }

    @Test func gradientOfDynamicQuantisationIsThatOfTheProduct() throws {
        var n = Network()
        let x = n.feed("x", try Tensor([Float(-1), 0.25, 2, 0.5], [2, 2]))
        let w = n.constant(try Tensor([Int8(10), -20, 5, 7], [2, 2])), ws = try scalar(&n, 0.1)
        let levels = try n.node("DynamicQuantizeLinear", [x], outputs: 3)
        let sums = try n.node("MatMulInteger", [levels[0], w, levels[2]])[0]
        let real = try n.node("Cast", [sums], ["to": .int(1)])[0]
        let scale = try n.node("Mul", [levels[1], ws])[0]
        let y = try n.node("Mul", [real, scale])[0]
        let (values, _) = try n.gradient(of: y, by: x)
        // dY W^T with dY = [[1, 2], [3, 4]] and W = [[1, -2], [0.5, 0.7]].
        #expect(zip(values, [-3, 1.9, -5, 4.3]).allSatisfy { abs($0 - $1) < 1e-5 }, "\(values)")
    }

    /// A range that calibration took from the largest number ends up to one level below it.
    @Test func oneLevelOutsideIsNotClipped() throws {
        var n = Network()
        let x = n.feed("x", try Tensor([Float(256.4), 257.6, -1.4, -1.6]))
        let scale = try scalar(&n, 1), zero = n.constant(try Tensor([UInt8(0)], []))
        let q = try n.node("QuantizeLinear", [x, scale, zero])[0]
        let y = try n.node("DequantizeLinear", [q, scale, zero])[0]
        #expect(try n.run(y)[0].doubles() == [255, 255, 0, 0])
        #expect(try n.gradient(of: y, by: x).values == [1, 0, 3, 0])
    }

    /// Integers that are no levels stop a gradient as before.
    @Test func countsCarryNoGradient() throws {
        var n = Network()
        let x = n.feed("x", try Tensor([Float(1.5), 2.5]))
        let whole = try n.node("Cast", [x], ["to": .int(7)])[0]
        let double = try n.node("Mul", [whole, whole])[0]
        let y = try n.node("Cast", [double], ["to": .int(1)])[0]
        let seed = n.constant(try Tensor([Float(1), 1]))
        let derivative = try n.lowerer.graph.differentiated(seeds: [(value: y, gradient: seed)], wrt: [x], operators: .standard)
        #expect(derivative.gradients[x] == nil)
        #expect(!derivative.isStraightThrough)
    }

    /// A pair of float8 keeps the nearest of its numbers, and clips at the largest.
    @Test func smallFloatsAreQuantisedToTheirOwnNumbers() throws {
        var n = Network()
        let x = n.feed("x", try Tensor([Float(1.03), -500, 0.3, 900]))
        let scale = try scalar(&n, 1)
        let attributes: [String: Attribute] = ["output_dtype": .int(Int(ElementType.float8e4m3fn.rawValue))]
        let q = try n.node("QuantizeLinear", [x, scale], attributes)[0]
        let y = try n.node("DequantizeLinear", [q, scale])[0]
        #expect(try n.run(y)[0].doubles() == [1, -448, 0.3125, 448])
        #expect(try n.gradient(of: y, by: x).values == [1, 0, 3, 0])
    }
}

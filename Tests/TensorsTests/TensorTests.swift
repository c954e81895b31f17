import Tensors
import Testing

@Suite struct TensorTests {
    @Test func viewsShareMemoryAndReadInOrder() throws {
        let a = try Tensor((0..<24).map { Float($0) }, [2, 3, 4])
        let t = try a.transposed([2, 0, 1])
        #expect(t.shape == [4, 2, 3] && t.storage === a.storage)
        #expect(try t.array(Float.self)[0..<6] == [0, 4, 8, 12, 16, 20])
        #expect(try a.sliced(1, 1..<2).array(Float.self) == [4, 5, 6, 7, 16, 17, 18, 19])
        #expect(try Tensor([1, 2] as [Float], [2, 1]).broadcast(to: [2, 3]).array(Float.self) == [1, 1, 1, 2, 2, 2])
    }

    @Test func impossibleSizesAreErrors() {
        #expect(throws: Failure.self) { try Tensor.empty(.float32, [-1]) }
        #expect(throws: Failure.self) { try Tensor.empty(.float32, [1 << 40, 1 << 40]) }
        #expect(throws: Failure.self) { try Shape.count([Int.max, Int.max, 0, -1]) }
        #expect(throws: Failure.self) { try Tensor([1, 2, 3] as [Float], [2, 2]) }
        #expect(throws: Failure.self) { try Tensor(.float32, [4], strides: [8], storage: try .allocate(16)) }
    }

    @Test func halfAndBfloatRoundTripEveryPattern() {
        for bits in UInt16.min...UInt16.max {
            let half = SmallFloats.half(bits), bfloat = SmallFloats.bfloat(bits)
            #expect(half.isNaN ? SmallFloats.half(from: half) & 0x7FFF > 0x7C00 : SmallFloats.half(from: half) == bits)
            #expect(bfloat.isNaN ? SmallFloats.bfloat(from: bfloat) & 0x7FFF > 0x7F80 : SmallFloats.bfloat(from: bfloat) == bits)
        }
    }

    @Test func halfRoundsToNearestEven() {
        #expect(SmallFloats.half(from: 2049) == SmallFloats.half(from: 2048))
        #expect(SmallFloats.half(from: 2051) == SmallFloats.half(from: 2052))
        #expect(SmallFloats.half(SmallFloats.half(from: 65519)) == 65504)
        #expect(SmallFloats.half(SmallFloats.half(from: 65520)) == .infinity)
        #expect(SmallFloats.half(from: 0x1p-24) == 1)
    }

    @Test func packedIntegersAreReadFromTheLowBits() throws {
        let storage = try Storage.allocate(2)
        storage.bytes[0] = 0xF1
        storage.bytes[1] = 0x08
        #expect(try Tensor(.int4, [3], storage: storage).integers() == [1, -1, -8])
        #expect(try Tensor(.uint4, [3], storage: storage).integers() == [1, 15, 8])
        #expect(try Tensor(.int2, [4], storage: storage).integers() == [1, 0, -1, -1])
    }

    @Test func conversionNeverTraps() throws {
        let odd = try Tensor([Float.nan, .infinity, -.infinity, 1e30, -1.9, 300])
        #expect(try odd.converted(to: .int8).integers() == [0, 127, -128, 127, -1, 127])
        #expect(try odd.converted(to: .uint64).integers().count == 6)
        #expect(try Tensor([-1] as [Int64]).converted(to: .uint8).integers() == [255])
        #expect(try odd.converted(to: .bool).integers() == [1, 1, 1, 1, 1, 1])
    }

    @Test func eightBitFloats() throws {
        let storage = try Storage.allocate(4)
        for (index, byte) in [0x38, 0x7E, 0x7F, 0x01].enumerated() { storage.bytes[index] = UInt8(byte) }
        let numbers = try Tensor(.float8e4m3fn, [4], storage: storage).converted(to: .float32).array(Float.self)
        #expect(numbers[0] == 1 && numbers[1] == 448 && numbers[2].isNaN && numbers[3] == 0x1p-9)
    }

    @Test func randomNumbersAreKnownAnswers() {
        // Philox4x32-10 of the Random123 distribution: counter 0, key 0.
        let block = Random(seed: 0, stream: 0).block(0)
        #expect(block == (0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
    }

    @Test func normalNumbersHaveMeanZeroAndVarianceOne() {
        var numbers = [Float](repeating: 0, count: 100_000)
        numbers.withUnsafeMutableBufferPointer { Random(seed: 3).fillNormal($0) }
        let mean = numbers.reduce(0.0) { $0 + Double($1) } / 1e5
        let variance = numbers.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / 1e5
        #expect(abs(mean) < 0.02 && abs(variance - 1) < 0.02)
    }
}

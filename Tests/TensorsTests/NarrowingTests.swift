import Tensors
import Testing

/// Types that are stored but not computed in.
@Suite struct NarrowingTests {
    private static let eight: [ElementType] = [.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0]
    private static let packed: [ElementType] = [.float4e2m1, .int4, .uint4, .int2, .uint2]

    /// A tensor of every pattern of a type.
    private func patterns(_ type: ElementType) throws -> Tensor {
        let count = 1 << type.bits
        let tensor = try Tensor.zeros(type, [count])
        for code in 0..<count {
            if type.bits == 16 {
                tensor.storage.bytes.storeBytes(of: UInt16(code), toByteOffset: 2 * code, as: UInt16.self)
            } else {
                tensor.storage.bytes[code * type.bits / 8] |= UInt8(code << (code * type.bits % 8) & 255)
            }
        }
        return tensor
    }

    @Test(arguments: eight + packed + [.float16, .bfloat16]) func everyNumberOfATypeRoundsToItself(_ type: ElementType) throws {
        let all = try patterns(type), numbers = try all.doubles()
        for source: ElementType in [.float32, .float64] {
            let again = try all.widened().converted(to: source).narrowed(to: type)
            #expect(again.type == type)
            let found = try again.doubles()
            // Infinity saturates.
            for (a, b) in zip(found, numbers) where !b.isInfinite { #expect(a == b || (a.isNaN && b.isNaN)) }
        }
    }

    @Test(arguments: eight.dropLast() + [.float4e2m1, .float16, .bfloat16]) func numbersBetweenGoToTheNearestAndTiesToEven(
        _ type: ElementType
    ) throws {
        let finite = try patterns(type).doubles().filter { $0.isFinite && $0 >= 0 }.sorted()
        let numbers = Array(Set(finite)).sorted()
        for (index, (low, high)) in zip(numbers, numbers.dropFirst()).enumerated() {
            let middle = (low + high) / 2, even = index % 2 == 0 ? low : high
            let found = try Tensor([middle, middle.nextDown, middle.nextUp, -middle] as [Double]).narrowed(to: type).doubles()
            #expect(found == [even, low, high, -even])
        }
    }

    @Test func numbersBeyondTheLargestFollowCast() throws {
        let x = try Tensor([1e6, -1e6, .infinity, .nan] as [Float])
        #expect(try x.narrowed(to: .float8e4m3fn).doubles().prefix(3) == [448, -448, 448])
        #expect(try x.narrowed(to: .float8e5m2, saturates: false).doubles().prefix(3) == [.infinity, -.infinity, .infinity])
        #expect(try x.narrowed(to: .float8e4m3fnuz, saturates: false).doubles().allSatisfy(\.isNaN))
        #expect(try x.narrowed(to: .float4e2m1, saturates: false).doubles() == [6, -6, 6, 0])
        #expect(try x.narrowed(to: .float16).doubles().prefix(3) == [.infinity, -.infinity, .infinity])
        #expect(try Tensor([9, -9, 15.9] as [Float]).narrowed(to: .int4).doubles() == [-7, 7, -1])
    }

    @Test func powersOfTwoRoundAsAsked() throws {
        let x = try Tensor([3, 0.124, 0, 2.5] as [Float])
        #expect(try x.narrowed(to: .float8e8m0, rounding: .up).doubles() == [4, 0.125, 0x1p-127, 4])
        #expect(try x.narrowed(to: .float8e8m0, rounding: .down).doubles() == [2, 0.0625, 0x1p-127, 2])
        #expect(try x.narrowed(to: .float8e8m0, rounding: .nearest).doubles() == [4, 0.125, 0x1p-127, 2])
        #expect(try Tensor([Float.infinity]).narrowed(to: .float8e8m0, saturates: false).doubles()[0].isNaN)
    }
}

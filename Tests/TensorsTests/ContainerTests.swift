import Tensors
import Testing

/// Tensors whose elements are tensors, and text.
@Suite struct ContainerTests {
    private let one = Result { try Tensor([1, 2] as [Float]) }

    @Test func sequencesHoldOneType() throws {
        let a = try one.get(), b = try Tensor([3] as [Float], [1, 1])
        let sequence = try Tensor(sequence: [a, b])
        #expect(sequence.shape == [2])
        #expect(try sequence.sequence().map(\.shape) == [[2], [1, 1]])
        #expect(try Tensor(sequence: []).count == 0)
        let failure = #expect(throws: Failure.self) { try Tensor(sequence: [a, Tensor([1] as [Int64])]) }
        #expect(failure?.message == "a sequence of float32 cannot hold item 1 of int64")
    }

    @Test func optionalsHoldOneOrNone() throws {
        #expect(try Tensor(optional: nil).optional() == nil)
        #expect(try Tensor(optional: one.get()).optional()?.shape == [2])
        #expect(throws: Failure.self) { try Tensor(optional: Tensor(optional: nil)) }
    }

    @Test func mapsHaveAKeyForEachValue() throws {
        let map = try Tensor(keys: Tensor(strings: ["a", "b"], [2]), values: one.get())
        #expect(try map.entries().keys.storage.strings == ["a", "b"])
        #expect(try Tensor(keys: Tensor([7, 8] as [Int32]), values: one.get()).entries().keys.type == .int64)
        #expect(throws: Failure.self) { try Tensor(keys: Tensor([1] as [Int64]), values: one.get()) }
        #expect(throws: Failure.self) { try Tensor(keys: one.get(), values: one.get()) }
    }

    @Test func nestingIsBounded() throws {
        var tensor = try one.get()
        for _ in 0..<8 { tensor = try Tensor(sequence: [tensor]) }
        #expect(throws: Failure.self) { try Tensor(sequence: [tensor]) }
    }

    /// What works on bytes finds none here, and must say so.
    @Test func containersAreNoArrays() throws {
        let sequence = try Tensor(sequence: [one.get(), one.get()])
        #expect(throws: Failure.self) { try sequence.reshaped([1, 2]) }
        #expect(throws: Failure.self) { try sequence.transposed([0]) }
        #expect(throws: Failure.self) { try sequence.sliced(0, 0..<1) }
        #expect(throws: Failure.self) { try sequence.broadcast(to: [3, 2]) }
        #expect(throws: Failure.self) { try sequence.converted(to: .float32) }
        #expect(throws: Failure.self) { try sequence.converted(to: .string) }
        #expect(throws: Failure.self) { try one.get().converted(to: .sequence) }
        #expect(throws: Failure.self) { try one.get().narrowed(to: .map) }
        #expect(throws: Failure.self) { try sequence.doubles() }
        #expect(throws: Failure.self) { try Tensor.empty(.sequence, [2]) }
        #expect(throws: Failure.self) { try Tensor(.sequence, [3], storage: sequence.storage) }
        #expect(try sequence.contiguous().storage === sequence.storage)
        #expect(throws: Failure.self) { try one.get().sequence() }
    }

    @Test func itemsAreWidened() throws {
        let half = try Tensor([1.5, -2] as [Float]).converted(to: .float16)
        let wide = try Tensor(sequence: [half]).widened()
        #expect(try wide.sequence()[0].array(Float.self) == [1.5, -2])
        let plain = try Tensor(sequence: [one.get()])
        #expect(try plain.widened().storage === plain.storage)
    }

    @Test func textIsCutAndTurned() throws {
        let text = try Tensor(strings: ["a", "b", "c", "d", "e", "f"], [2, 3])
        #expect(try text.transposed([1, 0]).storage.strings == ["a", "d", "b", "e", "c", "f"])
        #expect(try text.sliced(1, 1..<3).storage.strings == ["b", "c", "e", "f"])
        #expect(try Tensor(strings: ["x", "y"], [2, 1]).broadcast(to: [2, 2]).storage.strings == ["x", "x", "y", "y"])
    }

    /// Every pattern of six bits, packed four to three bytes as ONNX says, the first in the lowest bits.
    @Test func sixBitFloats() throws {
        let patterns = (0..<64).map { UInt8($0) }
        let packed = try Tensor(patterns).packed(.float6e2m3)
        #expect(packed.storage.bytes.count == 48)
        #expect(Array(packed.storage.bytes.prefix(3)) == [0b01_000000, 0b0010_0000, 0b000011_00])
        let values = try packed.widened().array(Float.self)
        #expect(values[0] == 0 && values[1] == 0.125 && values[8] == 1 && values[31] == 7.5 && values[63] == -7.5)
        let wider = try Tensor(patterns).packed(.float6e3m2).widened().array(Float.self)
        #expect(wider[1] == 0.0625 && wider[12] == 1 && wider[31] == 28 && wider[63] == -28)
        #expect(try Tensor(Array(patterns.prefix(5))).packed(.float6e3m2).widened().count == 5)
    }
}

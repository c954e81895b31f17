import Imaging
import Tensors
import Testing

@Suite struct UpsampleTests {
    private func map(_ height: Int, _ width: Int) throws -> Tensor {
        let values = (0..<height * width).map { i in
            let y = i / width, x = i % width
            return Float((y * 7 + x * 5) % 11 - 4) + 0.25 * Float(x)
        }
        return try Tensor(values, [height, width])
    }

    @Test func equalsTorch() throws {
        for golden in Golden.upsample {
            let interp = try #require(Interpolation(rawValue: golden.interpolation))
            let result = try upsample(map(golden.from.0, golden.from.1), height: golden.to.0, width: golden.to.1, interp)
            #expect(result.shape == [golden.to.0, golden.to.1])
            for (value, wanted) in zip(try result.array(Float.self), golden.values) {
                #expect(abs(value - wanted) < 2e-5 * max(1, abs(wanted)), "\(interp) \(golden.from) to \(golden.to)")
            }
        }
    }

    @Test(arguments: Interpolation.allCases) func adjointHoldsTheInnerProduct(_ interp: Interpolation) throws {
        for (height, width, toHeight, toWidth) in [(3, 4, 7, 9), (7, 7, 4, 3), (5, 2, 5, 6), (1, 1, 3, 2)] {
            let x = try map(height, width), y = try map(toHeight, toWidth)
            let forth = try upsample(x, height: toHeight, width: toWidth, interp)
            let back = try upsampleAdjoint(y, height: height, width: width, interp)
            #expect(abs(try dot(forth, y) - dot(x, back)) < 1e-3)
        }
    }

    private func dot(_ a: Tensor, _ b: Tensor) throws -> Float {
        zip(try a.array(Float.self), try b.array(Float.self)).reduce(0) { $0 + $1.0 * $1.1 }
    }

    @Test func leadingAxesAndTypes() throws {
        let plane = try map(3, 4)
        let stack = try plane.reshaped([1, 1, 3, 4]).broadcast(to: [2, 5, 3, 4])
        let result = try upsample(stack, height: 6, width: 5, .bicubic)
        #expect(result.shape == [2, 5, 6, 5])
        #expect(
            try result.sliced(0, 1..<2).sliced(1, 4..<5).array(Float.self)
                == upsample(plane, height: 6, width: 5, .bicubic).array(Float.self))
        #expect(try upsample(plane.converted(to: .float64), height: 3, width: 4, .nearest).type == .float32)
    }

    @Test func refusesWhatHasNoPlane() throws {
        let line = try Tensor([Float(1), 2])
        #expect(throws: Failure.self) { try upsample(line, height: 2, width: 2, .nearest) }
        let empty = try Tensor.zeros(.float32, [0, 3])
        #expect(throws: Failure.self) { try upsample(empty, height: 2, width: 2, .halfPixel) }
        let plane = try map(2, 2)
        for (height, width) in [(0, 2), (2, -3), (1 << 40, 2)] {
            #expect(throws: Failure.self) { try upsample(plane, height: height, width: width, .halfPixel) }
            #expect(throws: Failure.self) { try upsampleAdjoint(plane, height: height, width: width, .halfPixel) }
        }
    }
}

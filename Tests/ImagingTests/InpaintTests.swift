import Imaging
import Tensors
import Testing

/// Each filled pixel is the weighted mean of its neighbours (ROAD, section 4.2).
@Suite struct InpaintTests {
    private func plane(_ height: Int, _ width: Int, seed: UInt64 = 1) throws -> Tensor {
        let random = Random(seed: seed)
        return try Tensor((0..<2 * height * width).map { Float(random.uniform(UInt64($0)) * 6 - 3) }, [2, height, width])
    }

    @Test(arguments: [0.05, 0.5, 0.95]) func theEquationsHold(_ share: Double) throws {
        let (height, width) = (17, 23), random = Random(seed: 3)
        let removed = (0..<height * width).map { random.uniform(UInt64($0)) < share }
        let x = try plane(height, width)
        let filled = try Inpaint(height: height, width: width) { removed[$0] }(x).array(Float.self), before = try x.array(Float.self)
        for channel in 0..<2 {
            for pixel in 0..<height * width {
                let at = channel * height * width + pixel
                guard removed[pixel] else { #expect(filled[at] == before[at]); continue }
                var sum = 0.0, weights = 0.0
                for dy in -1...1 {
                    for dx in -1...1 where dy != 0 || dx != 0 {
                        let y = pixel / width + dy, x = pixel % width + dx
                        guard (0..<height).contains(y), (0..<width).contains(x) else { continue }
                        let weight = dy == 0 || dx == 0 ? 1.0 / 6 : 1.0 / 12
                        sum += weight * Double(filled[channel * height * width + y * width + x])
                        weights += weight
                    }
                }
                #expect(abs(sum / weights - Double(filled[at])) < 1e-5)
            }
        }
    }

    @Test func aRampContinuesThroughAHole() throws {
        let values = (0..<1200).map { (pixel: Int) -> Float in Float(pixel / 40) * 0.3 - Float(pixel % 40) * 0.7 }
        let ramp = try Tensor(values, [1, 30, 40])
        let hole = Inpaint(height: 30, width: 40) { (3..<28).contains($0 / 40) && (2..<37).contains($0 % 40) }
        let filled = try hole(ramp).array(Float.self)
        for i in values.indices { #expect(abs(filled[i] - values[i]) < 1e-4) }
    }

    @Test func onePixelIsEnoughAndNoneGivesTheMean() throws {
        let x = try plane(40, 50)
        let one = try Inpaint(height: 40, width: 50) { $0 != 1234 }(x).array(Float.self)
        for i in one.indices {
            let only = one[i / 2000 * 2000 + 1234]
            #expect(abs(one[i] - only) < 1e-4)
        }
        let none = try Inpaint(height: 40, width: 50) { _ in true }(x).array(Float.self)
        let mean = try x.array(Float.self)[..<2000].reduce(0, +) / 2000
        #expect(none[..<2000].allSatisfy { (value: Float) in abs(value - mean) < 1e-4 })
        #expect(throws: Failure.self) { try Inpaint(height: 4, width: 5) { _ in true }(x) }
    }
}

import Tensors
import Testing

@testable import Imaging

@Suite struct OverlayTests {
    @Test func coloursAreThePublishedOnes() {
        // First, middle and last colour of matplotlib's maps.
        let expected: [ColorMap: [UInt32]] = [
            .turbo: [0x30123B, 0xA4FC3C, 0x7A0403], .viridis: [0x440154, 0x21918C, 0xFDE725], .inferno: [0x000004, 0xBC3754, 0xFCFFA4],
            .rdbu: [0x053061, 0xF7F6F6, 0x67001F], .gray: [0x000000, 0x808080, 0xFFFFFF],
        ]
        for (map, wanted) in expected {
            for (color, hex) in zip([map.table[0], map.table[128], map.table[255]], wanted) {
                let found = color.bytes
                let parts = [(found.0, hex >> 16 & 255), (found.1, hex >> 8 & 255), (found.2, hex & 255)]
                for (a, b) in parts { #expect(abs(Int(a) - Int(b)) <= 2, "\(map)") }
            }
        }
    }

    @Test func strengthDecidesHowMuchOfThePhotoStays() throws {
        let photo = try pattern(2, 2)
        var overlay = Overlay()
        overlay.alpha = 1
        overlay.percentile = 100
        let image = try overlay.draw(Tensor([Float(0), 1, 0.3, 4], [1, 1, 2, 2]), over: photo)
        #expect(try image.pixel(0, 0) == photo.pixel(0, 0))
        #expect(try image.pixel(1, 1) == [0x7A, 0x04, 0x03])
        overlay.alpha = 0
        #expect(try overlay.draw(Tensor([Float(5), 1, 2, 3], [2, 2]), over: photo).bytes == photo.bytes)
    }

    @Test func signedMapsAreRedAndBlue() throws {
        var overlay = Overlay()
        overlay.percentile = 100
        let map = try Tensor([Double(-2), 0, 2], [1, 3])
        let image = try overlay.draw(map, over: nil)
        #expect(try image.pixel(0, 1).allSatisfy { $0 >= 0xF5 })
        #expect(try image.pixel(0, 0) == [0x05, 0x30, 0x61] && image.pixel(0, 2) == [0x67, 0x00, 0x1F])
        overlay.sign = .unsigned
        #expect(try overlay.draw(map, over: nil).pixel(0, 0) == [0x30, 0x12, 0x3B])
    }

    @Test func signedMapsLieOverGrey() throws {
        let photo = try pattern(3, 3)
        let grey = try Overlay().draw(Tensor([Float.nan, 0, -1, 1], [2, 2]), over: photo).pixel(0, 0)
        #expect(grey[0] == grey[1] && grey[1] == grey[2])
        #expect(try photo.pixel(0, 0) != grey)
    }

    @Test func whatIsNotANumberIsTransparent() throws {
        let photo = try pattern(3, 3)
        var overlay = Overlay()
        overlay.interpolation = .nearest
        overlay.sign = .unsigned
        var values = [Float](repeating: 1, count: 9)
        values[4] = .nan
        values[0] = .infinity
        values[1] = -.infinity
        let image = try overlay.draw(Tensor(values, [3, 3]), over: photo)
        #expect(try image.pixel(1, 1) == photo.pixel(1, 1))
        #expect(try image.pixel(2, 2) != photo.pixel(2, 2))
        #expect(try overlay.draw(Tensor([Float.nan], [1, 1]), over: photo).bytes == photo.bytes)
        #expect(try overlay.draw(Tensor([Float.nan], [1, 1]), over: nil).bytes == [255, 255, 255])
        #expect(try overlay.draw(Tensor([Float.infinity, .infinity], [1, 2]), over: photo).height == 3)
    }

    @Test func anyFiniteMapCanBeDrawn() throws {
        let photo = try pattern(5, 4)
        for interp in Interpolation.allCases {
            var overlay = Overlay()
            overlay.interpolation = interp
            for big in [Float.greatestFiniteMagnitude, .leastNonzeroMagnitude, 1] {
                let map = try Tensor([big, -big, big, 0, -big, big], [2, 3])
                #expect(try overlay.draw(map, over: photo).width == 4)
                #expect(try overlay.draw(Tensor([big, -big, big, 0, -big, big], [1, 3, 1, 2]), over: photo).width == 4)
            }
        }
    }

    @Test func smallMapsGrowAndLargeOnesShrink() throws {
        let small = try Overlay().draw(Tensor([Float(0), 1, 2, 3], [2, 2]), over: pattern(9, 7))
        #expect(small.height == 9 && small.width == 7)
        let large = try Overlay().draw(Tensor.zeros(.float32, [1, 3, 30, 20]), over: pattern(4, 5))
        #expect(try large.bytes == pattern(4, 5).bytes)
    }

    @Test func refusesWhatIsNotAMap() throws {
        for shape in [[4], [2, 2, 2, 1], [2, 3, 2, 2], [0, 4]] {
            let heat = try Tensor.zeros(.float32, shape)
            #expect(failure { _ = try Overlay().draw(heat, over: nil) }?.kind == .shape, "\(shape)")
        }
        let words = try Tensor(strings: ["a"], [1, 1])
        #expect(failure { _ = try Overlay().draw(words, over: nil) } != nil)
        var overlay = Overlay()
        overlay.alpha = .nan
        #expect(failure { _ = try overlay.draw(Tensor([Float(1)], [1, 1]), over: nil) }?.kind == .invalid)
        overlay = Overlay()
        overlay.percentile = 0
        #expect(failure { _ = try overlay.draw(Tensor([Float(1)], [1, 1]), over: nil) }?.kind == .invalid)
    }
}

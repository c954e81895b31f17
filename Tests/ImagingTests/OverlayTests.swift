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

    @Test func blendModes() throws {
        let photo = try Image(Tensor([UInt8](repeating: 100, count: 12), [2, 2, 3]))
        var overlay = Overlay()
        overlay.alpha = 1
        overlay.limit = 1
        overlay.interpolation = .nearest
        let map = try Tensor([Float(0), 1, 0.5, 2], [2, 2])
        overlay.blend = .uniform
        #expect(try overlay.draw(map, over: photo).pixel(0, 0) == [0x30, 0x12, 0x3B])
        #expect(try overlay.draw(map, over: photo).pixel(1, 1) == [0x7A, 0x04, 0x03])
        overlay.blend = .multiply
        #expect(try overlay.draw(map, over: photo).pixel(0, 1) == [48, 2, 1])
        overlay.blend = .spotlight
        #expect(try overlay.draw(map, over: photo).pixel(0, 0) == [0, 0, 0])
        #expect(try overlay.draw(map, over: photo).pixel(0, 1) == [100, 100, 100])
    }

    @Test func aLimitIsSharedByPictures() throws {
        var overlay = Overlay()
        overlay.colorMap = .gray
        overlay.limit = 4
        #expect(try overlay.draw(Tensor([Float(1), 2], [1, 2]), over: nil).bytes == [64, 64, 64, 128, 128, 128])
        for bad in [0, -1, .nan, .infinity] as [Double] {
            overlay.limit = bad
            #expect(failure { _ = try overlay.draw(Tensor([Float(1)], [1, 1]), over: nil) }?.kind == .invalid)
        }
    }

    @Test func legendAndCaptionAddRoom() throws {
        let photo = try pattern(100, 200)
        let map = try Tensor([Float(0), 1, 2, 3], [2, 2])
        var overlay = Overlay()
        let plain = try overlay.draw(map, over: photo)
        overlay.legend = "evidence"
        let barred = try overlay.draw(map, over: photo)
        #expect(barred.height > 100 && barred.width == 200)
        #expect(try barred.cropped(top: 0, left: 0, height: 100, width: 200).bytes == plain.bytes)
        overlay.caption = "a cat"
        let whole = try overlay.draw(map, over: photo)
        #expect(whole.height > barred.height)
        // Words are dark on white.
        let words = try whole.cropped(top: 0, left: 0, height: whole.height - barred.height, width: 200).bytes
        #expect(words.contains { $0 < 60 } && words.filter { $0 == 255 }.count > words.count / 2)
        // A tiny picture still has room for its numbers.
        overlay.caption = String(repeating: "endless words ", count: 100)
        let tiny = try overlay.draw(map, over: pattern(4, 4))
        #expect(tiny.width > 100 && tiny.height < 400)
    }
}

@Suite struct ContourTests {
    /// All pieces at a level, as pairs of points.
    private func pieces(_ values: [Float], _ height: Int, _ width: Int, _ level: Float) -> [(Point, Point)] {
        var found: [(Point, Point)] = []
        values.withUnsafeBufferPointer { map in
            Contour.trace(map, height: height, width: width, level: level) { found.append(($0, $1)) }
        }
        return found
    }

    @Test func liesWhereTheValueIs() {
        // A ramp from left to right: the line at 1.25 stands at x = 1.25.
        let found = pieces([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3], 3, 4, 1.25)
        #expect(found.count == 2)
        for (a, b) in found { #expect(a.x == 1.25 && b.x == 1.25) }
    }

    @Test func isClosedAroundAPeak() {
        let found = pieces([0, 0, 0, 0, 4, 0, 0, 0, 0], 3, 3, 1)
        // Four corners cut at three quarters of the way down; every point is met twice.
        #expect(found.count == 4)
        for (a, b) in found {
            for point in [a, b] { #expect(found.filter { $0.0 == point || $0.1 == point }.count == 2) }
            #expect(abs(a.x - 1) + abs(a.y - 1) == 0.75 && abs(b.x - 1) + abs(b.y - 1) == 0.75)
        }
    }

    @Test func saddlesAreCutInTwo() {
        #expect(pieces([1, 0, 0, 1], 2, 2, 0.4).count == 2)
        #expect(pieces([1, 0, 0, 1], 2, 2, 0.6).count == 2)
        #expect(pieces([1, 1, 1, 1], 2, 2, 0.5).isEmpty && pieces([1], 1, 1, 0.5).isEmpty)
    }

    @Test func isDrawn() throws {
        var overlay = Overlay()
        overlay.limit = 3
        overlay.colorMap = .gray
        let map = try Tensor((0..<900).map { Float($0 % 30) / 10 }, [30, 30])
        let plain = try overlay.draw(map, over: nil)
        overlay.contours = [0.5]
        let lined = try overlay.draw(map, over: nil)
        #expect(try lined.pixel(15, 15) == [255, 255, 255])
        #expect(try lined.pixel(15, 2) == plain.pixel(15, 2))
        overlay.contours = [2]
        #expect(failure { _ = try overlay.draw(map, over: nil) }?.kind == .invalid)
    }
}

@Suite struct LegendTests {
    @Test func numbersHaveThreeDigits() {
        let expected: [(Float, String)] = [
            (0, "0"), (1, "1"), (-1, "-1"), (0.5, "0.5"), (12.345, "12.3"), (123.9, "124"), (99.96, "100"), (999.6, "1000"),
            (123456, "123000"),
            (0.00123, "0.00123"), (0.1, "0.1"), (1.5e-7, "1.5e-7"), (2e9, "2e9"), (-3.14159, "-3.14"), (.greatestFiniteMagnitude, "3.4e38"),
            (.leastNonzeroMagnitude, "1.4e-45"), (.nan, "?"),
        ]
        for (value, text) in expected { #expect(Legend.text(value) == text) }
    }

    @Test func fontHasAllOfASCII() {
        for code in UInt8(33)...126 {
            let glyph = StrokeFont.glyph(Character(Unicode.Scalar(code)))
            #expect(!glyph.strokes.isEmpty && glyph.strokes.allSatisfy { $0.count > 1 })
            for point in glyph.strokes.joined() { #expect((0...8).contains(point.x) && (-4...13).contains(point.y)) }
        }
        #expect(StrokeFont.width("ii", capHeight: 12) == 2 * StrokeFont.width("i", capHeight: 12))
    }
}

import Tensors
import Testing

@testable import Imaging

@Suite struct ResampleTests {
    @Test func equalsPillow() throws {
        for golden in Golden.resample {
            let filter = try #require(Filter(rawValue: golden.filter))
            let image = try pattern(golden.from.0, golden.from.1).resized(height: golden.to.0, width: golden.to.1, filter)
            #expect(try image.bytes == unhexed(golden.pixels), "\(golden.filter) \(golden.from) to \(golden.to)")
        }
    }

    @Test(arguments: Filter.allCases) func aWindowIsACropOfTheWhole(_ filter: Filter) throws {
        let image = try pattern(19, 23)
        for (height, width) in [(7, 9), (40, 31), (19, 9), (7, 23), (8, 22), (9, 40)] {
            let whole = try image.resized(height: height, width: width, filter)
            let window = try image.resized(Resize(height: height, width: width, rows: 2..<6, columns: 3..<8), filter)
            #expect(try window.bytes == whole.cropped(top: 2, left: 3, height: 4, width: 5).bytes)
        }
    }

    @Test func refusesImpossibleSizes() throws {
        let image = try pattern(2, 2)
        for (height, width) in [(0, 1), (1, -1), (Int.max, 1), (1, 1 << 40)] {
            #expect(failure { _ = try image.resized(height: height, width: width, .bilinear) }?.kind == .invalid)
        }
    }

    @Test func padsAsPillow() throws {
        for golden in Golden.pad {
            var fit = Fit(
                height: golden.to.0, width: golden.to.1, framing: .padded, filter: try #require(Filter(rawValue: golden.filter)))
            fit.fill = .init(red: 10, green: 20, blue: 30)
            let image = try fit.apply(to: pattern(golden.from.0, golden.from.1))
            #expect(try image.bytes == unhexed(golden.pixels), "\(golden.filter) \(golden.from) to \(golden.to)")
        }
    }

    @Test func fitsAsTorchvision() throws {
        for golden in Golden.fit {
            let filter = try #require(Filter(rawValue: golden.filter))
            let fit = Fit(height: golden.size, width: golden.size, framing: .pixels(golden.side), filter: filter)
            let image = try fit.apply(to: pattern(golden.from.0, golden.from.1))
            let sum = try image.bytes.enumerated().reduce(UInt64(0)) { $0 + UInt64($1.element) * UInt64($1.offset + 1) }
            #expect(sum % (1 << 32) == golden.sum, "\(golden.from)")
        }
    }

    @Test func factorsGiveTheUsualSides() throws {
        let image = try pattern(300, 400)
        for (size, side) in [(224, 256), (299, 342)] {
            var fit = Preset.imagenet.fit(height: size, width: size)
            let byFactor = try fit.apply(to: image)
            fit.framing = .pixels(side)
            #expect(try fit.apply(to: image).bytes == byFactor.bytes)
        }
    }

    @Test func fitsExtremeShapes() throws {
        let strip = try pattern(1, 3000)
        let image = try Preset.imagenet.fit(height: 64, width: 64).apply(to: strip)
        #expect(image.height == 64 && image.width == 64)
        let wide = try Preset.imagenet.fit(height: 20, width: 60).apply(to: pattern(50, 50))
        #expect(wide.height == 20 && wide.width == 60)
    }

    @Test func saysWhenTheCropDoesNotFit() throws {
        let fit = Fit(height: 30, width: 30, framing: .pixels(20), filter: .box)
        #expect(failure { _ = try fit.apply(to: pattern(9, 9)) }?.message.contains("smaller than the size 30x30") == true)
        let none = Fit(height: 30, width: 30, framing: .pixels(0), filter: .box)
        #expect(failure { _ = try none.apply(to: pattern(9, 9)) }?.kind == .invalid)
    }
}

@Suite struct NormalizationTests {
    @Test func presetsGiveTheNumbersOfTheirConvention() throws {
        let image = try Image(Tensor([UInt8(10), 127, 255], [1, 1, 3]))
        let expected: [Preset: [Float]] = [
            .imagenet: [(10 / 255 - 0.485) / 0.229, (127 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225],
            .lite: [-117.0 / 128, 0, 1], .inception: [-117.5 / 127.5, -0.5 / 127.5, 1],
            .clip: [
                (10 / 255 - 0.48145466) / 0.26862954, (127 / 255 - 0.4578275) / 0.26130258, (1 - 0.40821073) / 0.27577711,
            ],
            .caffe: [255 - 103.939, 127 - 116.779, 10 - 123.68], .unit: [10 / 255, 127 / 255, 1], .raw: [10, 127, 255],
        ]
        for preset in Preset.allCases {
            let tensor = try preset.normalization.apply(to: image)
            #expect(tensor.shape == [1, 3, 1, 1])
            for (value, wanted) in zip(try tensor.array(Float.self), try #require(expected[preset])) { #expect(abs(value - wanted) < 1e-5) }
        }
    }

    @Test func oneChannelIsBrightness() throws {
        let image = try Image(Tensor([UInt8(10), 127, 255, 200, 200, 200], [1, 2, 3]))
        var numbers = Preset.raw.normalization
        numbers.channels = 1
        // Pillow's conversion to "L".
        #expect(try numbers.apply(to: image).array(Float.self) == [107, 200])
        #expect(try numbers.apply(to: image).shape == [1, 1, 1, 2])
        numbers.layout = .nhwc
        #expect(try numbers.apply(to: image).shape == [1, 1, 2, 1])
        numbers.mean = [90, 100, 110]
        numbers.std = [1, 2, 3]
        #expect(try numbers.apply(to: image).array(Float.self) == [3.5, 50])
        numbers.channels = 2
        #expect(failure { _ = try numbers.apply(to: image) }?.kind == .invalid)
    }

    @Test func layouts() throws {
        let image = try pattern(2, 3)
        var raw = Preset.raw.normalization
        let planes = try raw.apply(to: image)
        raw.layout = .nhwc
        let pixels = try raw.apply(to: image)
        #expect(planes.shape == [1, 3, 2, 3] && pixels.shape == [1, 2, 3, 3])
        #expect(try planes.transposed([0, 2, 3, 1]).array(Float.self) == pixels.array(Float.self))
    }

    @Test func refusesNonsense() throws {
        let image = try pattern(1, 1)
        for bad in [
            Normalization(scale: 0, mean: [0], std: [1]), Normalization(scale: 1, mean: [0, 1], std: [1]),
            Normalization(scale: 1, mean: [0], std: [1, 0, 1]), Normalization(scale: 1, mean: [.nan], std: [1]),
            Normalization(scale: 1, mean: [], std: [1]),
        ] { #expect(failure { _ = try bad.apply(to: image) }?.kind == .invalid) }
    }
}

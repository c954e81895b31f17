import Foundation
import Tensors
import Testing

@testable import Imaging

@Suite struct SegmentationTests {
    private static let photos = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/images")

    /// A part of a photo, channels first, between 0 and 1.
    private func planes(_ part: SegmentationGolden.Part) throws -> Tensor {
        let image = try Image.decode([UInt8](Data(contentsOf: Self.photos.appendingPathComponent(part.name))))
            .cropped(top: part.top, left: part.left, height: part.height, width: part.width)
        let pixels = try image.bytes, count = part.height * part.width
        return try Tensor(
            (0..<3 * count).map { Float(pixels[$0 % count * 3 + $0 / count]) / 255 }, [3, part.height, part.width])
    }

    private func checksum(_ found: Segmentation) -> UInt64 {
        found.labels.enumerated().reduce(0) { ($0 + UInt64($1.element) * UInt64($1.offset + 1)) % (1 << 32) }
    }

    @Test func felzenszwalbEqualsScikitImage() throws {
        for golden in SegmentationGolden.felzenszwalb {
            let found = try Felzenszwalb(planes(golden.part), sigma: golden.sigma)
                .segmentation(scale: golden.scale, minSize: golden.minSize)
            #expect(found.count == golden.count && checksum(found) == golden.sum, "\(golden.part.name), scale \(golden.scale)")
        }
    }

    @Test func slicEqualsScikitImage() throws {
        for golden in SegmentationGolden.slic {
            let slic = SLIC(
                segments: golden.segments, compactness: golden.compactness, iterations: golden.iterations, sigma: golden.sigma,
                isLab: golden.isLab)
            let found = try slic(planes(golden.part))
            #expect(found.count == golden.count && checksum(found) == golden.sum, "\(golden.part.name), \(golden.segments) segments")
        }
    }

    /// Two halves without a gradual change are two regions, a constant image is one, at any settings.
    @Test func flatAreasAreRegions() throws {
        let halves = try Tensor((0..<12 * 10).map { Float($0 % 10 < 4 ? 0 : 1) }, [1, 12, 10])
        let found = try Felzenszwalb(halves, sigma: 0).segmentation(scale: 50, minSize: 1)
        #expect(found.count == 2 && found.sizes == [48, 72])
        #expect(try Felzenszwalb(Tensor([Float](repeating: 3, count: 120), [1, 12, 10])).segmentation(scale: 1, minSize: 1).count == 1)
        #expect(try SLIC(segments: 1)(Tensor([Float](repeating: 3, count: 120), [3, 4, 10])).count == 1)
    }

    @Test func thinImagesAreDivided() throws {
        for shape in [[1, 1, 1], [3, 1, 40], [2, 40, 1], [1, 2, 2]] {
            let x = try Tensor((0..<shape.reduce(1, *)).map { Float($0 * 7 % 5) }, shape)
            let graph = try Felzenszwalb(x, sigma: 0).segmentation(scale: 10, minSize: 2), pixels = try SLIC(segments: 4)(x)
            for found in [graph, pixels] {
                #expect(found.labels.count == shape[1] * shape[2] && Set(found.labels) == Set(0..<Int32(found.count)))
            }
        }
    }

    @Test func regionsKeepTheirPlaceAtAnotherSize() throws {
        let small = try Segmentation([5, 5, 9, 9, 5, 7, 7, 9], height: 2, width: 4)
        #expect(small.labels == [0, 0, 2, 2, 0, 1, 1, 2] && small.count == 3 && small.sizes == [3, 2, 3])
        let large = try small.resized(height: 4, width: 8)
        #expect(try large.resized(height: 2, width: 4) == small && large.sizes == [12, 8, 12])
        #expect(try Segmentation.grid(height: 4, width: 6, rows: 2, columns: 3).sizes == [Int](repeating: 4, count: 6))
        #expect(try Segmentation.grid(height: 2, width: 2, rows: 9, columns: 9).count == 4)
    }

    @Test func badImagesAreRefused() throws {
        #expect(failure { _ = try Felzenszwalb(Tensor([1, .nan] as [Float], [1, 1, 2])) }?.message.contains("NaN") ?? false)
        #expect(
            failure { _ = try Felzenszwalb(Tensor([1, 2] as [Float], [1, 2])) }?.message.contains("channels x height x width") ?? false)
        #expect(failure { _ = try SLIC(segments: 0)(Tensor([1] as [Float], [1, 1, 1])) }?.message.contains("positive") ?? false)
        #expect(failure { _ = try Segmentation([1], height: 1 << 40, width: 1 << 40) } != nil)
    }
}

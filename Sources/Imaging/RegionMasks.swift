internal import Tensors

/// Regions that may overlap: the pixels of each, in growing order.
package struct RegionMasks: Sendable {
    package let height: Int
    package let width: Int
    package private(set) var pixels: [[Int32]] = []

    package init(height: Int, width: Int) throws {
        try Segmentation.check(height: height, width: width)
        self.height = height
        self.width = width
    }

    /// Adds the regions of a segmentation, each enlarged by a disk of that radius.
    package mutating func append(_ segmentation: Segmentation, dilation: Int = 0) throws {
        guard segmentation.height == height, segmentation.width == width, dilation >= 0 else {
            throw Failure.shape("segments are \(segmentation.height)x\(segmentation.width), expected \(height)x\(width)")
        }
        var regions = [[Int32]](repeating: [], count: segmentation.count)
        for (pixel, label) in segmentation.labels.enumerated() { regions[Int(label)].append(Int32(pixel)) }
        guard dilation > 0 else { return pixels += regions }
        // The last region that a pixel was given to: each gets it once.
        var owner = [Int32](repeating: -1, count: height * width)
        for (label, region) in regions.enumerated() {
            pixels.append(dilated(region, Int32(label), segmentation, dilation, &owner))
        }
    }

    private func dilated(_ region: [Int32], _ label: Int32, _ segmentation: Segmentation, _ radius: Int, _ owner: inout [Int32]) -> [Int32]
    {
        var found: [Int32] = []
        func add(_ pixel: Int) {
            guard owner[pixel] != label else { return }
            owner[pixel] = label
            found.append(Int32(pixel))
        }
        for pixel in region { add(Int(pixel)) }
        for pixel in region where isBoundary(Int(pixel), segmentation) {
            let y = Int(pixel) / width, x = Int(pixel) % width
            for dy in max(-radius, -y)...min(radius, height - 1 - y) {
                var dx = 0
                while (dx + 1) * (dx + 1) + dy * dy <= radius * radius { dx += 1 }
                for column in max(0, x - dx)...min(width - 1, x + dx) { add((y + dy) * width + column) }
            }
        }
        return found.sorted()
    }

    private func isBoundary(_ pixel: Int, _ segmentation: Segmentation) -> Bool {
        let y = pixel / width, x = pixel % width, label = segmentation.labels[pixel]
        return (x > 0 && segmentation.labels[pixel - 1] != label) || (x + 1 < width && segmentation.labels[pixel + 1] != label)
            || (y > 0 && segmentation.labels[pixel - width] != label)
            || (y + 1 < height && segmentation.labels[pixel + width] != label)
    }
}

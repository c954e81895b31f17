internal import Tensors

/// What a network sees of a photo: which part, at which size.
package struct Fit: Sendable, Equatable {
    package var height: Int
    package var width: Int
    package var framing: Framing
    package var filter: Filter
    /// The colour of the borders that `padded` adds.
    package var fill = Fill()

    /// How a photo of another shape meets the network's.
    package enum Framing: Sendable, Equatable {
        /// The photo is stretched to the size.
        case stretched
        /// The shorter side becomes so many pixels, as by torchvision's Resize; then the centre is cut out.
        case pixels(Int)
        /// The same with a side so long that the crop's shape fits in with this factor to spare.
        case factor(Double)
        /// All of the photo, with borders on two sides: a letter box, as Pillow's ImageOps.pad.
        case padded
    }

    /// A colour of three bytes.
    package struct Fill: Sendable, Equatable {
        package var red: UInt8 = 0
        package var green: UInt8 = 0
        package var blue: UInt8 = 0

        package init(red: UInt8 = 0, green: UInt8 = 0, blue: UInt8 = 0) {
            self.red = red
            self.green = green
            self.blue = blue
        }
    }

    package init(height: Int, width: Int, framing: Framing, filter: Filter) {
        self.height = height
        self.width = width
        self.framing = framing
        self.filter = filter
    }

    /// Resizes and crops like torchvision's Resize and CenterCrop over Pillow.
    package func apply(to image: Image) throws -> Image {
        try Plane.check(height: height, width: width)
        if framing == .padded { return try padded(image) }
        let whole = try scaled(image)
        guard whole.height >= height, whole.width >= width else {
            throw Failure.invalid(
                "resize makes the image \(whole.height)x\(whole.width), which is smaller than the size \(height)x\(width)")
        }
        let top = Fit.half(whole.height - height), left = Fit.half(whole.width - width)
        return try image.resized(
            Resize(height: whole.height, width: whole.width, rows: top..<top + height, columns: left..<left + width), filter)
    }

    private func scaled(_ image: Image) throws -> (height: Int, width: Int) {
        switch framing {
        case .stretched, .padded: return (height, width)
        case .pixels(let side):
            guard (1...1 << 20).contains(side) else { throw Failure.invalid("resize must lie in 1...1048576, found \(side)") }
            return image.height <= image.width
                ? (side, side * image.width / image.height) : (side * image.height / image.width, side)
        case .factor(let factor):
            // The axis with the least to spare decides; for a square crop this is the shorter side.
            let byHeight = height * image.width >= width * image.height
            let side = Int((Double(byHeight ? height : width) * factor).rounded())
            return byHeight ? (side, side * image.width / image.height) : (side * image.height / image.width, side)
        }
    }

    private func padded(_ image: Image) throws -> Image {
        let shape = Double(image.width) / Double(image.height), wanted = Double(width) / Double(height)
        var inner = (height: height, width: width)
        if shape > wanted {
            inner.height = max(1, Fit.rounded(Double(image.height) / Double(image.width) * Double(width)))
        } else if shape < wanted {
            inner.width = max(1, Fit.rounded(Double(image.width) / Double(image.height) * Double(height)))
        }
        let part = try image.resized(height: inner.height, width: inner.width, filter)
        return try part.placed(
            top: Fit.half(height - inner.height), left: Fit.half(width - inner.width), height: height, width: width, fill)
    }

    /// As Python's `round`: ties to even.
    private static func rounded(_ value: Double) -> Int { Int(value.rounded(.toNearestOrEven)) }
    private static func half(_ surplus: Int) -> Int { rounded(Double(surplus) / 2) }
}

extension Image {
    /// The image inside a larger one of a single colour.
    func placed(top: Int, left: Int, height: Int, width: Int, _ fill: Fit.Fill) throws -> Image {
        guard top >= 0, left >= 0, top + self.height <= height, left + self.width <= width else {
            throw Failure.invalid("\(self.height)x\(self.width) at \(top), \(left) does not fit into \(height)x\(width)")
        }
        let rows = self.height, line = 3 * self.width
        return try Image.make(height: height, width: width) { to in
            for i in 0..<height * width { (to[3 * i], to[3 * i + 1], to[3 * i + 2]) = (fill.red, fill.green, fill.blue) }
            try read { from in
                for y in 0..<rows {
                    let start = 3 * ((top + y) * width + left)
                    for i in 0..<line { to[start + i] = from[y * line + i] }
                }
            }
        }
    }
}

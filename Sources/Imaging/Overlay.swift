package import Tensors

/// How a heat map is drawn over a photo.
package struct Overlay: Sendable {
    package enum Sign: String, Sendable, CaseIterable {
        /// Signed when the map has negative values beyond rounding.
        case auto
        case signed = "true"
        case unsigned = "false"
    }

    /// nil: turbo, and rdbu for signed maps.
    package var colorMap: ColorMap?
    /// Opacity of the strongest colours; weaker ones let more of the photo through.
    package var alpha = 0.5
    package var sign = Sign.auto
    /// Percentile of absolute values that is drawn as strongest.
    package var percentile = 99.5
    package var interpolation = Interpolation.halfPixel

    package init() {}

    /// The map over the photo at the photo's size, or without one the colours alone at the map's size.
    /// Where the map is NaN nothing is drawn. Below a signed map the photo is pale grey.
    package func draw(_ heat: Tensor, over photo: Image?) throws -> Image {
        guard alpha >= 0, alpha <= 1 else { throw Failure.invalid("alpha must lie in 0...1, found \(alpha)") }
        guard percentile > 0, percentile <= 100 else {
            throw Failure.invalid("percentile must lie above 0 and up to 100, found \(percentile)")
        }
        let plane = try HeatPlane(heat)
        let isSigned = sign == .signed || (sign == .auto && plane.hasNegatives)
        let height = photo?.height ?? plane.height, width = photo?.width ?? plane.width
        let strength = try upsample(plane.strength(percentile), height: height, width: width, interpolation)
        let known = try plane.known().map { try upsample($0, height: height, width: width, interpolation).array(Float.self) }
        let ink = Ink(colorMap ?? (isSigned ? .rdbu : .turbo), isSigned: isSigned, alpha: photo == nil ? nil : Float(alpha))
        return try Image.make(height: height, width: width) { to in
            try strength.read(Float.self) { heat in
                guard let photo else { return ink.paint(heat, known, over: nil, into: to) }
                try photo.read { ink.paint(heat, known, over: $0, into: to) }
            }
        }
    }
}

/// Turns strengths into coloured pixels.
private struct Ink {
    let colors: [RGB]
    let isSigned: Bool
    let isDiverging: Bool
    /// nil: opaque everywhere.
    let alpha: Float?

    init(_ map: ColorMap, isSigned: Bool, alpha: Float?) {
        colors = map.table
        isDiverging = map == .rdbu
        self.isSigned = isSigned
        self.alpha = alpha
    }

    /// Full opacity is reached early, so that only the weak part of a map fades into the photo.
    private func opacity(_ strength: Float) -> Float {
        guard let alpha else { return 1 }
        let ramp = min(strength / (isSigned ? 0.4 : 0.6), 1)
        return alpha * ramp * ramp * (3 - 2 * ramp)
    }

    /// The photo's pixel as the colours are laid over it: pale grey below signed maps, whose red and blue could be the photo's own.
    private func paper(_ photo: UnsafeBufferPointer<UInt8>?, _ i: Int) -> RGB {
        guard let photo, let alpha else { return 0xFFFFFF }
        let color = RGB(red: Float(photo[3 * i]), green: Float(photo[3 * i + 1]), blue: Float(photo[3 * i + 2]))
        guard isSigned else { return color }
        let light = 0.299 * color.red + 0.587 * color.green + 0.114 * color.blue
        let pale = RGB(red: light, green: light, blue: light).mixed(with: 0xFFFFFF, 0.3)
        return color.mixed(with: pale, min(2 * alpha, 1))
    }

    func paint(
        _ heat: UnsafeBufferPointer<Float>, _ known: [Float]?, over photo: UnsafeBufferPointer<UInt8>?,
        into target: UnsafeMutableBufferPointer<UInt8>
    ) {
        for i in heat.indices {
            let value = max(isSigned ? -1 : 0, min(1, heat[i]))
            let position = isSigned || isDiverging ? 0.5 + 0.5 * value : value
            let share = opacity(abs(value)) * max(0, min(1, known?[i] ?? 1))
            let mixed = paper(photo, i).mixed(with: colors[Int((position * 255).rounded())], share).bytes
            (target[3 * i], target[3 * i + 1], target[3 * i + 2]) = mixed
        }
    }
}

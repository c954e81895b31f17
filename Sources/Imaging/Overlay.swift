package import Tensors

/// How a heat map is drawn over a photo.
package struct Overlay: Sendable {
    package enum Sign: String, Sendable, CaseIterable {
        /// Signed when the map has negative values beyond rounding.
        case auto
        case signed = "true"
        case unsigned = "false"
    }

    /// How colours and photo become one picture.
    package enum Blend: String, Sendable, CaseIterable {
        /// Colours are laid over the photo, the weaker the more transparent.
        case fade
        /// Colours are laid over the photo everywhere alike.
        case uniform
        /// The photo seen through coloured glass.
        case multiply
        /// No colours: the photo is dark where the map is weak.
        case spotlight
    }

    /// nil: turbo, and rdbu for signed maps.
    package var colorMap: ColorMap?
    /// Opacity of the strongest colours; weaker ones let more of the photo through.
    package var alpha = 0.5
    package var sign = Sign.auto
    package var blend = Blend.fade
    /// Percentile of absolute values that is drawn as strongest.
    package var percentile = 99.5
    /// The value that is drawn as strongest, so that several pictures share a scale; nil: by the percentile.
    package var limit: Double?
    package var interpolation = Interpolation.halfPixel
    /// Lines are drawn where the map has these shares of the strongest value.
    package var contours: [Double] = []
    /// A colour bar with numbers and this label below the picture; nil: none.
    package var legend: String?
    /// Words above the picture; nil: none.
    package var caption: String?

    package init() {}

    /// The map over the photo at the photo's size, or without one the colours alone at the map's size.
    /// Where the map is NaN nothing is drawn. Below a signed map the photo is pale grey.
    package func draw(_ heat: Tensor, over photo: Image?) throws -> Image {
        try check()
        let plane = try HeatPlane(heat)
        let isSigned = sign == .signed || (sign == .auto && plane.hasNegatives)
        let map = colorMap ?? (isSigned ? .rdbu : .turbo)
        let strongest = limit.map { Float($0) } ?? plane.strongest(percentile)
        let height = photo?.height ?? plane.height, width = photo?.width ?? plane.width
        let strength = try upsample(plane.strength(strongest), height: height, width: width, interpolation)
        let known = try plane.known().map { try upsample($0, height: height, width: width, interpolation).array(Float.self) }
        let ink = Ink(map, isSigned: isSigned, alpha: photo == nil ? nil : Float(alpha), blend)
        let painted = try Image.make(height: height, width: width) { to in
            try strength.read(Float.self) { heat in
                guard let photo else { return ink.paint(heat, known, over: nil, into: to) }
                try photo.read { ink.paint(heat, known, over: $0, into: to) }
            }
        }
        let lined = try contours.isEmpty ? painted : painted.outlined(strength, at: contours.map { Float($0) })
        let bar = legend.map { Legend(label: $0, map: map, isSigned: isSigned, strongest: strongest) }
        return try bar == nil && caption == nil ? lined : lined.framed(caption: caption ?? "", legend: bar)
    }

    private func check() throws {
        guard alpha >= 0, alpha <= 1 else { throw Failure.invalid("alpha must lie in 0...1, found \(alpha)") }
        guard percentile > 0, percentile <= 100 else {
            throw Failure.invalid("percentile must lie above 0 and up to 100, found \(percentile)")
        }
        if let limit, !(limit.isFinite && limit > 0 && limit <= Double(Float.greatestFiniteMagnitude)) {
            throw Failure.invalid("limit must be a number above 0, found \(limit)")
        }
        guard contours.count <= 32, contours.allSatisfy({ abs($0) <= 1 && $0 != 0 }) else {
            throw Failure.invalid("contours are up to 32 numbers from -1 to 1 other than 0, found \(contours)")
        }
    }
}

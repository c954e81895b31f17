/// Turns strengths into coloured pixels.
struct Ink {
    let colors: [RGB]
    let isSigned: Bool
    let isDiverging: Bool
    /// nil: opaque everywhere.
    let alpha: Float?
    let blend: Overlay.Blend

    init(_ map: ColorMap, isSigned: Bool, alpha: Float?, _ blend: Overlay.Blend = .fade) {
        colors = map.table
        isDiverging = map == .rdbu
        self.isSigned = isSigned
        self.alpha = alpha
        self.blend = blend
    }

    /// The colour for a strength from -1 to 1.
    func color(_ value: Float) -> RGB {
        let position = isSigned || isDiverging ? 0.5 + 0.5 * value : value
        return colors[Int((max(0, min(1, position)) * 255).rounded())]
    }

    /// Full opacity is reached early, so that only the weak part of a map fades into the photo.
    private func ramp(_ strength: Float) -> Float {
        let part = min(strength / (isSigned ? 0.4 : 0.6), 1)
        return part * part * (3 - 2 * part)
    }

    /// The photo's pixel as the colours are laid over it: pale grey below signed maps, whose red and blue could be the photo's own.
    private func paper(_ color: RGB, _ alpha: Float) -> RGB {
        guard isSigned else { return color }
        let light = 0.299 * color.red + 0.587 * color.green + 0.114 * color.blue
        let pale = RGB(red: light, green: light, blue: light).mixed(with: 0xFFFFFF, 0.3)
        return color.mixed(with: pale, min(2 * alpha, 1))
    }

    /// One pixel: `known` is the share of it that the map says something about.
    private func mixed(_ photo: RGB, _ value: Float, known: Float, _ alpha: Float) -> RGB {
        switch blend {
        case .fade: return paper(photo, alpha).mixed(with: color(value), alpha * ramp(abs(value)) * known)
        case .uniform: return paper(photo, alpha).mixed(with: color(value), alpha * known)
        case .multiply: return photo.mixed(with: photo.multiplied(by: color(value)), alpha * known)
        case .spotlight: return photo.mixed(with: 0x000000, alpha * (1 - ramp(abs(value)) * known))
        }
    }

    func paint(
        _ heat: UnsafeBufferPointer<Float>, _ known: [Float]?, over photo: UnsafeBufferPointer<UInt8>?,
        into target: UnsafeMutableBufferPointer<UInt8>
    ) {
        for i in heat.indices {
            let value = max(isSigned ? -1 : 0, min(1, heat[i]))
            let share = max(0, min(1, known?[i] ?? 1))
            let result: RGB
            if let photo, let alpha {
                let pixel = RGB(red: Float(photo[3 * i]), green: Float(photo[3 * i + 1]), blue: Float(photo[3 * i + 2]))
                result = mixed(pixel, value, known: share, alpha)
            } else {
                result = RGB(integerLiteral: 0xFFFFFF).mixed(with: color(value), share)
            }
            (target[3 * i], target[3 * i + 1], target[3 * i + 2]) = result.bytes
        }
    }
}

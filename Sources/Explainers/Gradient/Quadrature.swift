internal import Glibc

/// Points and weights on [0, 1] for an integral along a path.
struct Quadrature {
    /// `captum_trapezoid` has total weight (n-1)/n, as Captum's rule of that name has; `linspace` is PAIR's.
    enum Rule: String, CaseIterable {
        case gausslegendre, riemann_left, riemann_right, riemann_middle, trapezoid, captum_trapezoid, linspace
    }

    let points: [Double]
    let weights: [Double]

    /// `poll` is called between points, whose number may make this long.
    init(_ rule: Rule, _ n: Int, poll: () throws -> Void = {}) throws {
        let even = [Double](repeating: 1 / Double(n), count: n)
        let steps = (0..<n).map(Double.init)
        switch rule {
        case .gausslegendre: (points, weights) = try Quadrature.gaussLegendre(n, poll)
        case .riemann_left: (points, weights) = (steps.map { $0 / Double(n) }, even)
        case .riemann_right: (points, weights) = (steps.map { ($0 + 1) / Double(n) }, even)
        case .riemann_middle: (points, weights) = (steps.map { ($0 + 0.5) / Double(n) }, even)
        case .linspace: (points, weights) = (steps.map { n > 1 ? $0 / Double(n - 1) : 0 }, even)
        case .trapezoid, .captum_trapezoid:
            guard n > 1 else { (points, weights) = ([0.5], [1]); return }
            let panel = 1 / Double(rule == .trapezoid ? n - 1 : n)
            points = steps.map { $0 / Double(n - 1) }
            weights = (0..<n).map { $0 == 0 || $0 == n - 1 ? panel / 2 : panel }
        }
    }

    /// Roots of the Legendre polynomial by Newton's method from Tricomi's first guess, mapped from [-1, 1].
    private static func gaussLegendre(_ n: Int, _ poll: () throws -> Void) throws -> ([Double], [Double]) {
        var points: [Double] = [], weights: [Double] = []
        for i in 1...n {
            try poll()
            var t = cos(.pi * (Double(i) - 0.25) / (Double(n) + 0.5))
            var slope = 1.0
            for _ in 0..<100 {
                let value: Double
                (value, slope) = legendre(n, t)
                let step = value / slope
                t -= step
                if abs(step) < 1e-15 { break }
            }
            points.append((1 - t) / 2)
            weights.append(1 / ((1 - t * t) * slope * slope))
        }
        return (points, weights)
    }

    /// Value and slope of the n-th polynomial.
    private static func legendre(_ n: Int, _ t: Double) -> (Double, Double) {
        var previous = 1.0, value = t
        if n > 1 { for k in 2...n { (previous, value) = (value, (Double(2 * k - 1) * t * value - Double(k - 1) * previous) / Double(k)) } }
        return (value, Double(n) * (t * value - previous) / (t * t - 1))
    }
}

internal import Glibc

/// sin(pi x) / (pi x).
func sinc(_ x: Double) -> Double {
    if x == 0 { return 1 }
    let angle = x * .pi
    return sin(angle) / angle
}

/// cos(pi x).
func cosine(_ x: Double) -> Double { cos(x * .pi) }

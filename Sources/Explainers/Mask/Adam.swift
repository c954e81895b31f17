internal import Glibc

/// Kingma & Ba 2015, "Adam", algorithm 1, with its constants.
struct Adam {
    private let rate: Double
    private var mean: [Double] = []
    private var square: [Double] = []
    private var time = 0

    init(rate: Double) { self.rate = rate }

    /// One step down a gradient.
    mutating func step(_ parameters: inout [Double], _ gradient: [Double]) {
        if mean.count != gradient.count {
            mean = [Double](repeating: 0, count: gradient.count)
            square = mean
        }
        time += 1
        let first = 1 - pow(0.9, Double(time)), second = 1 - pow(0.999, Double(time))
        for i in parameters.indices where gradient.indices.contains(i) {
            mean[i] = 0.9 * mean[i] + 0.1 * gradient[i]
            square[i] = 0.999 * square[i] + 0.001 * gradient[i] * gradient[i]
            parameters[i] -= rate * (mean[i] / first) / (sqrt(square[i] / second) + 1e-8)
        }
    }
}

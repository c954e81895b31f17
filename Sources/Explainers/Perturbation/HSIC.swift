internal import Glibc
internal import Runtime
internal import Tensors

/// Dependence between a cell being shown and the score, by the Hilbert-Schmidt independence criterion:
/// `HSIC_i = tr(K_i H L H) / n^2` with `K_i` the kernel of cell i in the masks, `L` that of the scores, `H = 1 - 1/n`.
/// Novello, Fel & Vigouroux 2022, "Making sense of dependence", section 3.
struct HSIC: Explainer {
    /// Of the masks.
    enum Kernel: String, CaseIterable { case binary, rbf, sobolev }

    static let method = Method(
        "hsic", family: "perturbation", summary: "How strongly the score depends on each cell of a grid being shown, by kernels.",
        reference: "Novello, Fel, Vigouroux: Making Sense of Dependence (2022)", needs: [], score: .probability,
        parameters: GridSensitivity.parameters(
            designs: 500, "masks (xplique's default)", masks: "masks in place of the sampler's: n x rows x columns, between 0 and 1")
            + [
                Parameter(
                    "kernel", .choice(Kernel.allCases.map(\.rawValue)), default: "binary",
                    "of the masks: binary (1/2 - (a - b)^2, with masks of 0 and 1: the paper's), rbf (width 0.5) or sobolev, with masks between 0 and 1"
                ),
                Parameter(
                    "width", .real(0...Double.infinity), "of the scores' Gaussian kernel; default: the median of the scores (xplique's)"),
            ])

    private let settings: Settings
    private let kernel: Kernel

    init(_ settings: Settings) throws {
        self.settings = settings
        kernel = Kernel(rawValue: try settings.choice("kernel")) ?? .binary
    }

    func explain(_ request: Request) throws -> Findings {
        let grid = try GridSensitivity(request, settings)
        let design = try masks(grid)
        let values = try design.array(Float.self), cells = grid.cells, width = try settings.real("width")
        var findings = try grid(
            design.shape[0], masks: { try design.sliced(0, $0).contiguous() },
            estimate: { scores in
                let estimate = try HSICEstimate(scores, width: width) { try request.pollForCancelling() }
                return try estimate?.indices(values, cells: cells, kernel)
            })
        findings.chosen["nb_design"] = .integer(design.shape[0])
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let total = try masks(try GridSensitivity(request, settings)).shape[0]
        return [request.work()] + (try request.work(versions: total, chunk: request.chunk(of: total), gradient: false))
    }

    /// n x cells; of zeros and ones for the binary kernel.
    private func masks(_ grid: GridSensitivity) throws -> Tensor {
        let points = try grid.design(matrices: 1)
        guard kernel == .binary else { return points }
        return try Maps.map(points) { $0 > 0.5 ? 1 : 0 }
    }
}

/// The estimator, of which no matrix is kept: rows of the scores' kernel are made when they are needed.
private struct HSICEstimate {
    private let scores: [Double]
    private let width: Double
    /// Means of the rows of `L`, and their mean.
    private let means: [Double]
    private let mean: Double
    private let poll: () throws -> Void

    /// nil for fewer than two scores.
    init?(_ scores: [Double], width: Double?, poll: @escaping () throws -> Void) throws {
        guard scores.count > 1 else { return nil }
        let n = Double(scores.count)
        let width = width.flatMap { $0 > 0 ? $0 : nil } ?? HSICEstimate.median(scores)
        means = scores.map { a in scores.reduce(0) { $0 + HSICEstimate.gauss(a - $1, width) } / n }
        mean = means.reduce(0, +) / n
        (self.scores, self.width, self.poll) = (scores, width, poll)
    }

    /// `masks`: n x cells, of which the first have scores.
    func indices(_ masks: [Float], cells: Int, _ kernel: HSIC.Kernel) throws -> GridSensitivity.Estimate {
        let columns = (0..<cells).map { cell in scores.indices.map { Double(masks[$0 * cells + cell]) } }
        let n = Double(scores.count)
        var kernelMeans: [[Double]] = []
        for column in columns {
            try poll()
            kernelMeans.append(column.map { kernel.sum(from: $0, to: column, weights: nil) / n })
        }
        // Of each cell: h_j = sum_k (K_jk - mean_k) L~_jk / n, whose mean over the rows j is the criterion.
        var sums = [Double](repeating: 0, count: cells), squares = sums
        for j in scores.indices {
            try poll()
            let row = scores.indices.map { HSICEstimate.gauss(scores[j] - scores[$0], width) - means[j] - means[$0] + mean }
            for cell in 0..<cells {
                let offset = zip(kernelMeans[cell], row).reduce(0) { $0 + $1.0 * $1.1 }
                let h = (kernel.sum(from: columns[cell][j], to: columns[cell], weights: row) - offset) / n
                sums[cell] += h
                squares[cell] += h * h
            }
        }
        let values = sums.map { $0 / n }
        // Twice the spread of h, the first-order term of a V-statistic of degree 2 (von Mises).
        let errors = (0..<cells).map { 2 * sqrt(max(0, squares[$0] / n - values[$0] * values[$0]) / (n - 1)) }
        return (values, errors)
    }

    private static func gauss(_ distance: Double, _ width: Double) -> Double { exp(-distance * distance / (2 * width * width)) }

    /// Where it is zero, the scores' spread; 1 where they are all the same, so that nothing depends on anything.
    private static func median(_ scores: [Double]) -> Double {
        let sorted = scores.sorted(), half = sorted.count / 2
        let median = sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
        if median != 0 { return median }
        let spread = (sorted.last ?? 0) - (sorted.first ?? 0)
        return spread > 0 ? spread : 1
    }
}

extension HSIC.Kernel {
    /// Sum of `k(a, b_k)` over `column`, times `weights`.
    fileprivate func sum(from a: Double, to column: [Double], weights: [Double]?) -> Double {
        func sum(_ kernel: (Double) -> Double) -> Double {
            guard let weights else { return column.reduce(0) { $0 + kernel($1) } }
            var total = 0.0
            for k in column.indices { total += kernel(column[k]) * weights[k] }
            return total
        }
        switch self {
        case .binary: return sum { b in 0.5 - (a - b) * (a - b) }
        case .rbf: return sum { b in exp(-(a - b) * (a - b) / (2 * 0.5 * 0.5)) }
        case .sobolev:
            return sum { b in
                let distance = abs(a - b)
                return (distance * distance - distance + 1.0 / 6) / 2 + (a - 0.5) * (b - 0.5)
            }
        }
    }
}

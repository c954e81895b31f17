internal import Glibc
internal import Runtime
internal import Tensors

/// Total Sobol indices: the share of the score's variance under random masks that a cell of the grid has a part in,
/// `S_T = E[(f(A) - f(A with cell i of B))^2] / (2 Var f(A))`.
/// Fel, Cadene, Chalvidal, Cord, Vigouroux & Serre 2021, "Look at the variance!", equation 4; Jansen's estimator.
struct Sobol: Explainer {
    static let method = Method(
        "sobol", family: "perturbation",
        summary: "The share of the score's variance, under random masks, that each cell of a grid has a part in.",
        reference: "Fel, Cadene, Chalvidal, Cord, Vigouroux, Serre: Look at the Variance! (2021)", needs: [], score: .probability,
        parameters: GridSensitivity.parameters(
            designs: 32, "points of the design (xplique's default): there are nb_design x (cells + 1) masks",
            masks: "the two matrices of the design, one behind the other, in place of the sampler's: 2 n x rows x columns, between 0 and 1")
    )

    private let settings: Settings

    init(_ settings: Settings) throws { self.settings = settings }

    func explain(_ request: Request) throws -> Findings {
        let grid = try GridSensitivity(request, settings)
        let design = try grid.design(matrices: 2), cells = grid.cells, points = design.shape[0]
        var findings = try grid(
            points * (cells + 1), masks: { try Sobol.masks($0, design, cells) }, estimate: { Sobol.jansen($0, cells: cells) })
        findings.chosen["nb_design"] = .integer(points)
        return findings
    }

    func work(_ request: Request) throws -> [Work] {
        let grid = try GridSensitivity(request, settings)
        let total = try grid.design(matrices: 2).shape[0] * (grid.cells + 1)
        return [request.work()] + (try request.work(versions: total, chunk: request.chunk(of: total), gradient: false))
    }

    /// Masks `range`, point by point: the point of A, then for each cell the same with that cell of B.
    private static func masks(_ range: Range<Int>, _ design: Tensor, _ cells: Int) throws -> Tensor {
        try design.read(Float.self) { design in
            try Tensor.make([range.count, cells], Float.self) { out in
                for (row, number) in range.enumerated() {
                    let a = number / (cells + 1) * 2 * cells, cell = number % (cells + 1) - 1
                    for i in 0..<cells { out[row * cells + i] = design[a + i] }
                    if cell >= 0 { out[row * cells + cell] = design[a + cells + cell] }
                }
            }
        }
    }

    /// Jansen 1999, "Analysis of variance designs for model output", from the scores of whole points.
    private static func jansen(_ scores: [Double], cells: Int) -> GridSensitivity.Estimate? {
        let points = scores.count / (cells + 1), n = Double(points)
        guard points > 1 else { return nil }
        let a = (0..<points).map { scores[$0 * (cells + 1)] }
        let mean = a.reduce(0, +) / n
        let variance = a.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
        let none = [Double](repeating: 0, count: cells)
        guard variance > 0 else { return (none, none) }
        var values = none, errors = none
        for cell in 0..<cells {
            let squares = (0..<points).map { point in
                let change = a[point] - scores[point * (cells + 1) + 1 + cell]
                return change * change
            }
            let square = squares.reduce(0, +) / n
            let spread = squares.reduce(0) { $0 + ($1 - square) * ($1 - square) } / (n - 1)
            values[cell] = square / (2 * variance)
            errors[cell] = sqrt(spread / n) / (2 * variance)
        }
        return (values, errors)
    }
}

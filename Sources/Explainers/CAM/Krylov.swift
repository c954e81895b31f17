internal import Glibc

/// The leading eigenvector of a symmetric operator that is not negative, by restarted Lanczos iteration with full
/// orthogonalisation (Golub & Van Loan, "Matrix Computations", section 10.3).
enum Krylov {
    private static let dimension = 24
    private static let restarts = 200
    private static let tolerance = 1e-11

    /// A unit vector of so many entries; nil for the zero operator.
    static func leading(_ count: Int, _ apply: ([Double]) -> [Double]) -> [Double]? {
        guard count > 0 else { return nil }
        // No vector of a layer is orthogonal to a start without pattern.
        var x = unit((0..<count).map { 1 + 0.5 * sin(Double($0 * $0 + 1)) })
        for _ in 0..<restarts {
            let space = Space(from: x, min(count, dimension), apply)
            guard let pair = SymmetricMatrix(space.projected).leading(), pair.value > 0 else { return nil }
            x = unit(space.vector(pair.vector))
            let image = apply(x)
            let residual = length(zip(image, x).map { $0 - pair.value * $1 })
            if residual <= tolerance * pair.value || space.isWhole { break }
        }
        return x
    }

    static func length(_ x: [Double]) -> Double { sqrt(x.reduce(0) { $0 + $1 * $1 }) }

    static func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }

    private static func unit(_ x: [Double]) -> [Double] {
        let length = length(x)
        return length > 0 ? x.map { $0 / length } : x
    }

    /// An orthonormal basis of `x, A x, A² x, …`, and the operator seen in it.
    private struct Space {
        private(set) var basis: [[Double]]
        private(set) var projected: [[Double]]
        /// The operator does not lead out of it.
        private(set) var isWhole = false

        init(from start: [Double], _ dimension: Int, _ apply: ([Double]) -> [Double]) {
            basis = [start]
            projected = [[Double]](repeating: [Double](repeating: 0, count: dimension), count: dimension)
            for column in 0..<dimension {
                var image = apply(basis[column])
                let size = length(image)
                // Twice: once is not enough where the vectors nearly coincide.
                for _ in 0..<2 {
                    for (row, vector) in basis.enumerated() {
                        let share = dot(vector, image)
                        projected[row][column] += share
                        for i in image.indices { image[i] -= share * vector[i] }
                    }
                }
                let rest = length(image)
                guard rest > 1e-13 * size else {
                    isWhole = true
                    projected = projected.prefix(column + 1).map { Array($0.prefix(column + 1)) }
                    return
                }
                if column + 1 < dimension {
                    basis.append(image.map { $0 / rest })
                    projected[column + 1][column] = rest
                }
            }
            isWhole = dimension == start.count
        }

        func vector(_ coordinates: [Double]) -> [Double] {
            var result = [Double](repeating: 0, count: basis[0].count)
            for (share, vector) in zip(coordinates, basis) { for i in result.indices { result[i] += share * vector[i] } }
            return result
        }
    }
}

/// A small symmetric matrix, diagonalised by Jacobi's rotations (Golub & Van Loan, section 8.5).
struct SymmetricMatrix {
    private var a: [[Double]]
    private var vectors: [[Double]]

    /// Takes the symmetric part.
    init(_ rows: [[Double]]) {
        let count = rows.count
        a = (0..<count).map { i in (0..<count).map { (rows[i][$0] + rows[$0][i]) / 2 } }
        vectors = (0..<count).map { i in (0..<count).map { $0 == i ? 1 : 0 } }
    }

    /// The largest eigenvalue and its vector; nil where numbers are not finite.
    func leading() -> (value: Double, vector: [Double])? {
        var matrix = self
        guard matrix.a.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { return nil }
        matrix.diagonalise()
        guard let best = matrix.a.indices.max(by: { matrix.a[$0][$0] < matrix.a[$1][$1] }) else { return nil }
        return (matrix.a[best][best], matrix.vectors.map { $0[best] })
    }

    private mutating func diagonalise() {
        let count = a.count
        for _ in 0..<30 {
            var rest = 0.0, whole = 0.0
            for i in 0..<count { for j in 0..<count { whole += a[i][j] * a[i][j]; if i != j { rest += a[i][j] * a[i][j] } } }
            if rest <= 1e-30 * whole { return }
            for p in 0..<count { for q in (p + 1)..<max(count, p + 1) where a[p][q] != 0 { rotate(p, q) } }
        }
    }

    /// Makes `a[p][q]` zero.
    private mutating func rotate(_ p: Int, _ q: Int) {
        let theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
        let t = (theta >= 0 ? 1.0 : -1.0) / (abs(theta) + sqrt(theta * theta + 1))
        let c = 1 / sqrt(t * t + 1), s = t * c
        for k in a.indices { (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]) }
        for k in a.indices { (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]) }
        for k in a.indices {
            (vectors[k][p], vectors[k][q]) = (c * vectors[k][p] - s * vectors[k][q], s * vectors[k][p] + c * vectors[k][q])
        }
    }
}

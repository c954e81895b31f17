/// Places of things that are known by their likeness alone: principal components of a kernel. Schölkopf, Smola, Müller 1998.
struct KernelPCA {
    /// Of each thing, along each axis.
    let places: [[Double]]
    /// What each axis holds of all the positive variance.
    let shares: [Double]

    /// `kernel`: symmetric.
    init(_ kernel: [[Double]], axes: Int) {
        let count = kernel.count, means = kernel.map { $0.reduce(0, +) / Double(max(1, count)) }
        let whole = means.reduce(0, +) / Double(max(1, count))
        let centred = kernel.indices.map { i in kernel.indices.map { kernel[i][$0] - means[i] - means[$0] + whole } }
        let (values, vectors) = KernelPCA.eigen(centred)
        let order = values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
        let positive = values.reduce(0) { $0 + max(0, $1) }
        places = kernel.indices.map { i in
            (0..<axes).map { $0 < order.count ? max(0, values[order[$0]]).squareRoot() * vectors[i][order[$0]] : 0 }
        }
        shares = (0..<axes).map { $0 < order.count && positive > 0 ? max(0, values[order[$0]]) / positive : 0 }
    }

    /// Eigenvalues and, as columns, eigenvectors of a symmetric matrix by Jacobi's rotations; the largest part of a vector is positive.
    static func eigen(_ matrix: [[Double]]) -> (values: [Double], vectors: [[Double]]) {
        let count = matrix.count
        var a = matrix, v = (0..<count).map { i in (0..<count).map { $0 == i ? 1.0 : 0 } }
        for _ in 0..<100 {
            var rest = 0.0
            for p in 0..<count { for q in 0..<count where q > p { rest += a[p][q] * a[p][q] } }
            if rest < 1e-30 { break }
            for p in 0..<count { for q in 0..<count where q > p && a[p][q] != 0 { rotate(&a, &v, p, q) } }
        }
        for column in 0..<count {
            let largest = (0..<count).max { abs(v[$0][column]) < abs(v[$1][column]) } ?? 0
            if v[largest][column] < 0 { for row in 0..<count { v[row][column] = -v[row][column] } }
        }
        return (a.indices.map { a[$0][$0] }, v)
    }

    private static func rotate(_ a: inout [[Double]], _ v: inout [[Double]], _ p: Int, _ q: Int) {
        let theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
        let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot(), s = t * c
        for k in a.indices { (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]) }
        for k in a.indices { (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]) }
        for k in v.indices { (v[k][p], v[k][q]) = (c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]) }
    }
}

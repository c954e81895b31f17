internal import Tensors

/// Determinants (ONNX Det 11 and 22), and what their derivatives need, of square matrices on the last two axes.
///
///     Cofactors  the derivative of the determinant by each element, det(A) A⁻ᵀ where A has an inverse
///     Inverse    A⁻¹
enum LinearAlgebra {
    static let operators = [
        Operator(
            "Det", arity: 1...1,
            infer: { c in
                let type = try matrices(c)
                return [TensorType(type.element, type.dims.map { Array($0.dropLast(2)) })]
            },
            compute: { call in
                let (x, order, count) = try matrices(call)
                let values = try Convolution.reals(x).read(Double.self) { x in
                    (0..<count).map { Elimination(x, at: $0 * order * order, order).determinant }
                }
                return [try Tensor(values, Array(x.shape.dropLast(2))).converted(to: x.type)]
            },
            vjp: { g, n, dy in
                guard let dy = dy[0] else { return [nil] }
                return [try g.mul(g.unsqueeze(dy, [-1, -2]), g.emit("Cofactors", [g.input(n, 0)]))]
            },
            samples: [Sample([matrix]), Sample([.real(2, 1, 2, 2)]), Sample([.real(0, 3, 3)])]),
        Operator(
            "Cofactors", arity: 1...1, infer: { [try matrices($0)] }, compute: { try apply($0, cofactors) },
            vjp: { g, n, dy in
                guard let u = dy[0] else { return [nil] }
                // With B = A⁻ᵀ: the product rule for det(A) B, where dB = -B dAᵀ B.
                let a = try g.input(n, 0), b = try g.transposeMatrix(g.emit("Inverse", [a]))
                let det = try g.unsqueeze(g.emit("Det", [a]), [-1, -2])
                let share = try g.mul(b, g.sum(g.mul(u, b), [-1, -2]))
                let turned = try g.emit("MatMul", [g.emit("MatMul", [b, g.transposeMatrix(u)]), b])
                return [try g.mul(det, g.sub(share, turned))]
            }, samples: [Sample([matrix])]),
        Operator(
            "Inverse", arity: 1...1, infer: { [try matrices($0)] },
            compute: {
                try apply($0) { x, at, order in
                    guard let inverse = Elimination(x, at: at, order).inverse() else { throw Failure(.failed, "the matrix has no inverse") }
                    return inverse
                }
            },
            vjp: { g, n, dy in
                guard let u = dy[0] else { return [nil] }
                let b = try g.transposeMatrix(g.output(n))
                return [try g.neg(g.emit("MatMul", [g.emit("MatMul", [b, u]), b]))]
            }, samples: [Sample([matrix])]),
    ]

    private static let matrix = Sample.Input.values(
        [2, 3, 3], [2, 0.3, -0.5, 0.1, 1.5, 0.4, -0.2, 0.6, 1, -1, 2, 0.5, 1, 0.2, 0.3, 0, 1, 2])

    private static func matrices(_ c: Inference) throws -> TensorType {
        let type = try c.type(0)
        if let dims = type.dims {
            guard dims.count >= 2 else { throw Failure.shape("input has \(dims.count) axes, expected at least 2") }
            let rows = dims[dims.count - 2], columns = dims[dims.count - 1]
            if let a = rows.value, let b = columns.value, a != b { throw Failure.shape("matrices are \(a)x\(b), expected square ones") }
        }
        return type
    }

    /// The input, the order of its matrices and their number.
    private static func matrices(_ call: Call) throws -> (x: Tensor, order: Int, count: Int) {
        let x = try call.tensor(0)
        guard x.shape.count >= 2, let order = x.shape.last, x.shape[x.shape.count - 2] == order else {
            throw Failure.shape("input is \(Shape.text(x.shape)), expected square matrices")
        }
        return (x, order, try Shape.count(Array(x.shape.dropLast(2))))
    }

    /// Each matrix through `body`.
    private static func apply(_ call: Call, _ body: (UnsafeBufferPointer<Double>, Int, Int) throws -> [Double]) throws -> [Tensor] {
        let (x, order, count) = try matrices(call)
        var values: [Double] = []
        try Convolution.reals(x).read(Double.self) { x in
            for index in 0..<(order == 0 ? 0 : count) { values += try body(x, index * order * order, order) }
        }
        return [try Tensor(values, x.shape).converted(to: x.type)]
    }

    private static func cofactors(_ x: UnsafeBufferPointer<Double>, _ at: Int, _ order: Int) -> [Double] {
        let elimination = Elimination(x, at: at, order)
        if elimination.isSound, let inverse = elimination.inverse() {
            let determinant = elimination.determinant
            return (0..<order * order).map { determinant * inverse[$0 % order * order + $0 / order] }
        }
        // Near singular matrices have them all the same: determinants of what remains without a row and a column.
        return (0..<order * order).map { entry in
            let (row, column) = (entry / order, entry % order)
            var minor: [Double] = []
            for i in 0..<order where i != row { for j in 0..<order where j != column { minor.append(x[at + i * order + j]) } }
            let sign: Double = (row + column) % 2 == 0 ? 1 : -1
            return sign * minor.withUnsafeBufferPointer { Elimination($0, at: 0, order - 1).determinant }
        }
    }
}

/// Gaussian elimination of one matrix with pivots by rows, PA = LU.
private struct Elimination {
    private let order: Int
    private var lu: [Double]
    private var rows: [Int]
    private(set) var determinant = 1.0
    /// False where a pivot is so small that dividing by it would lose half the digits.
    private(set) var isSound = true

    init(_ x: UnsafeBufferPointer<Double>, at start: Int, _ order: Int) {
        self.order = order
        lu = Array(x[start..<start + order * order])
        rows = Array(0..<order)
        let scale = lu.reduce(0) { max($0, $1.magnitude) }
        for k in 0..<order {
            let best = (k..<order).max { lu[$0 * order + k].magnitude < lu[$1 * order + k].magnitude } ?? k
            if best != k {
                for j in 0..<order { lu.swapAt(k * order + j, best * order + j) }
                rows.swapAt(k, best)
                determinant = -determinant
            }
            let pivot = lu[k * order + k]
            determinant *= pivot
            if !(pivot.magnitude > 1e-8 * scale) { isSound = false }
            if pivot == 0 { continue }
            for i in (k + 1)..<max(order, k + 1) {
                let factor = lu[i * order + k] / pivot
                lu[i * order + k] = factor
                if factor != 0 { for j in (k + 1)..<max(order, k + 1) { lu[i * order + j] -= factor * lu[k * order + j] } }
            }
        }
    }

    /// nil: there is none.
    func inverse() -> [Double]? {
        guard (0..<order).allSatisfy({ lu[$0 * order + $0] != 0 }) else { return nil }
        var result = [Double](repeating: 0, count: order * order)
        for column in 0..<order {
            var x = rows.map { $0 == column ? 1.0 : 0 }
            for i in 0..<order { for j in 0..<i { x[i] -= lu[i * order + j] * x[j] } }
            for i in (0..<order).reversed() {
                for j in (i + 1)..<max(order, i + 1) { x[i] -= lu[i * order + j] * x[j] }
                x[i] /= lu[i * order + i]
            }
            for i in 0..<order { result[i * order + column] = x[i] }
        }
        return result
    }
}

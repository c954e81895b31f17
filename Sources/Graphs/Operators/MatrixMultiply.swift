internal import Tensors

/// Matrix products (ONNX MatMul, Gemm, Einsum; opset 7 and up). Sums are taken in double.
enum MatrixMultiply {
    static let operators = [matmul, gemm, Einsum.operation]

    // MARK: MatMul

    /// NumPy's matmul: vectors become rows or columns, leading axes broadcast.
    private static let matmul = Operator(
        "MatMul", arity: 2...2,
        infer: { c in
            let a = try c.dims(0), b = try c.dims(1)
            guard let m = a.last, let k = b.count > 1 ? b[b.count - 2] : b.first else {
                throw Failure.shape("scalars have no matrix product")
            }
            try check(inner: m, k)
            let batch = try Elementwise.broadcast(Array(a.dropLast(2)), Array(b.dropLast(2)))
            let rows = a.count > 1 ? [a[a.count - 2]] : [], columns = b.count > 1 ? b.suffix(1) : []
            return [TensorType(try c.type(0).element, batch + rows + columns)]
        },
        compute: { [try product($0.tensor(0), $0.tensor(1))] },
        vjp: Rule.all(matmulGradient),
        samples: [
            Sample([.real(2, 3), .real(3, 4)]), Sample([.real(2, 1, 3, 4), .real(5, 4, 2)]), Sample([.real(2, 3, 4), .real(4, 2)]),
            Sample([.real(4), .real(4)]), Sample([.real(4), .real(2, 4, 3)]), Sample([.real(2, 3, 4), .real(4)]),
        ])

    private static func check(inner a: Dim, _ b: Dim) throws {
        if let x = a.value, let y = b.value, x != y { throw Failure.shape("first input has \(x) columns, second has \(y) rows") }
    }

    /// The product of two tensors by NumPy's rules.
    static func product(_ a: Tensor, _ b: Tensor) throws -> Tensor {
        guard let inner = a.shape.last, !b.shape.isEmpty else { throw Failure.shape("scalars have no matrix product") }
        let left = a.shape.count == 1 ? [1, inner] : a.shape
        let right = b.shape.count == 1 ? b.shape + [1] : b.shape
        guard right[right.count - 2] == inner, a.type == b.type, let batch = Shape.broadcast(left.dropLast(2), right.dropLast(2)) else {
            throw Failure.shape("no matrix product of \(a.type) \(Shape.text(a.shape)) and \(b.type) \(Shape.text(b.shape))")
        }
        let rows = left[left.count - 2], columns = right[right.count - 1]
        let x = try a.reshaped(left).broadcast(to: batch + [rows, inner]).contiguous()
        let y = try b.reshaped(right).broadcast(to: batch + [inner, columns])
        let sizes = Sizes(batch: try Shape.count(batch), rows: rows, inner: inner, columns: columns)
        let shape = batch + (a.shape.count > 1 ? [rows] : []) + (b.shape.count > 1 ? [columns] : [])
        return try multiply(x, y, sizes, shape)
    }

    struct Sizes { let batch: Int, rows: Int, inner: Int, columns: Int }

    private static func multiply(_ x: Tensor, _ y: Tensor, _ sizes: Sizes, _ shape: [Int]) throws -> Tensor {
        switch x.type {
        case .float32: return try real(x, y, sizes, shape, Float.self)
        case .float64: return try real(x, y, sizes, shape, Double.self)
        default:
            let wide = try integer(x.converted(to: .int64), y.converted(to: .int64), sizes, shape)
            return try wide.converted(to: x.type)
        }
    }

    private static func real<T: Element & BinaryFloatingPoint>(_ x: Tensor, _ y: Tensor, _ s: Sizes, _ shape: [Int], _: T.Type) throws
        -> Tensor
    {
        let sums = try Tensor.empty(.float64, [s.columns])
        return try x.read(T.self) { x in
            try y.read(T.self) { y in
                try sums.write(Double.self) { sums in
                    try Tensor.make(shape, T.self) { z in
                        for row in 0..<s.batch * s.rows {
                            for j in 0..<s.columns { sums[j] = 0 }
                            let right = row / max(s.rows, 1) * s.inner * s.columns
                            for k in 0..<s.inner {
                                let factor = Double(x[row * s.inner + k]), line = right + k * s.columns
                                for j in 0..<s.columns { sums[j] += factor * Double(y[line + j]) }
                            }
                            for j in 0..<s.columns { z[row * s.columns + j] = T(sums[j]) }
                        }
                    }
                }
            }
        }
    }

    private static func integer(_ x: Tensor, _ y: Tensor, _ s: Sizes, _ shape: [Int]) throws -> Tensor {
        try x.read(Int64.self) { x in
            try y.read(Int64.self) { y in
                try Tensor.make(shape, Int64.self) { z in
                    for row in 0..<s.batch * s.rows {
                        let right = row / max(s.rows, 1) * s.inner * s.columns
                        for j in 0..<s.columns {
                            var sum: Int64 = 0
                            for k in 0..<s.inner { sum = sum &+ x[row * s.inner + k] &* y[right + k * s.columns + j] }
                            z[row * s.columns + j] = sum
                        }
                    }
                }
            }
        }
    }

    /// dA = dY B^T, dB = A^T dY.
    private static func matmulGradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?] {
        if let flat = try flattened(&g, n, dy) { return flat }
        let a = try g.input(n, 0), b = try g.input(n, 1)
        let isRow = try g.rank(of: a) == 1, isColumn = try g.rank(of: b) == 1
        let left = isRow ? try g.unsqueeze(a, [0]) : a, right = isColumn ? try g.unsqueeze(b, [1]) : b
        let arriving = try g.unsqueeze(dy, isRow ? (isColumn ? [0, 1] : [-2]) : (isColumn ? [-1] : []))
        let da = g.wants(n, 0) ? try g.emit("MatMul", [arriving, g.transposeMatrix(right)]) : nil
        let db = g.wants(n, 1) ? try g.emit("MatMul", [g.transposeMatrix(left), arriving]) : nil
        return [try isRow ? da.map { try g.squeeze($0, [-2]) } : da, try isColumn ? db.map { try g.squeeze($0, [-1]) } : db]
    }

    /// With one weight matrix for a whole batch, everything else is one matrix too, and the weight is not copied.
    private static func flattened(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?]? {
        let a = try g.input(n, 0), b = try g.input(n, 1)
        guard try g.rank(of: a) >= 2, let shape = g.shape(of: b), shape.count == 2, !shape.contains(0) else { return nil }
        let isMatrix = try g.rank(of: a) == 2
        let left = isMatrix ? a : try g.emit("Reshape", [a, g.integers([-1, shape[0]])])
        let arriving = isMatrix ? dy : try g.emit("Reshape", [dy, g.integers([-1, shape[1]])])
        let da = g.wants(n, 0) ? try g.reshape(g.emit("Gemm", [arriving, b], ["transB": .int(1)]), like: a) : nil
        let db = g.wants(n, 1) ? try g.emit("Gemm", [left, arriving], ["transA": .int(1)]) : nil
        return [da, db]
    }

    // MARK: Gemm

    /// alpha A' B' + beta C, where A' and B' are transposed on request.
    private static let gemm = Operator(
        "Gemm", arity: 2...3,
        infer: { c in
            let a = try c.dims(0), b = try c.dims(1)
            guard a.count == 2, b.count == 2 else { throw Failure.shape("expected matrices, found ranks \(a.count) and \(b.count)") }
            let flipA = c.flag("transA"), flipB = c.flag("transB")
            try check(inner: a[flipA ? 0 : 1], b[flipB ? 1 : 0])
            let dims = [a[flipA ? 1 : 0], b[flipB ? 0 : 1]]
            if c.has(2) { _ = try Elementwise.broadcast(dims, c.dims(2)) }
            return [TensorType(try c.type(0).element, dims)]
        },
        compute: { c in
            let y = try gemm(c)
            return [try FusedActivation(c).map { try $0.apply(y, residual: nil).converted(to: y.type) } ?? y]
        },
        vjp: Rule.all(gemmGradient),
        samples: [
            Sample([.real(2, 3), .real(3, 4), .real(4)]),
            Sample([.real(3, 2), .real(4, 3), .real(2, 1)], ["transA": .int(1), "transB": .int(1)]),
            Sample([.real(3, 2), .real(3, 4), .real()], ["transA": .int(1), "alpha": .float(0.5), "beta": .float(2)]),
            Sample([.real(2, 3), .real(4, 3)], ["transB": .int(1)]),
        ])

    private static func gemm(_ c: Call) throws -> Tensor {
        let a = try matrix(c.tensor(0), flip: c.flag("transA")), b = try matrix(c.tensor(1), flip: c.flag("transB"))
        var y = try product(a, b)
        let alpha = c.float("alpha", default: 1), beta = c.float("beta", default: 1)
        if alpha != 1 { y = try scaled(y, alpha) }
        guard let bias = try c.optional(2), beta != 0 else { return y }
        guard Shape.broadcast(bias.shape, y.shape) == y.shape else {
            throw Failure.shape("bias is \(Shape.text(bias.shape)), result is \(Shape.text(y.shape))")
        }
        return try Arithmetic.compute(y, beta == 1 ? bias : scaled(bias, beta), { $0 + $1 }, { $0 &+ $1 })
    }

    private static func matrix(_ x: Tensor, flip: Bool) throws -> Tensor {
        guard x.shape.count == 2 else { throw Failure.shape("expected a matrix, found \(Shape.text(x.shape))") }
        return flip ? try x.transposed([1, 0]).contiguous() : x
    }

    private static func scaled(_ x: Tensor, _ factor: Double) throws -> Tensor {
        if x.type.isFloat { return try Elementwise.mapReal(x) { $0 * factor } }
        return try x.map(Double.self) { $0 * factor }.converted(to: x.type)
    }

    private static func gemmGradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?] {
        guard FusedActivation.isPlain(n) else {
            throw Failure.unsupported("the gradient of a Gemm with a fused activation; passes that fuse run after differentiation")
        }
        let a = try g.input(n, 0), b = try g.input(n, 1)
        let flipA = n.attributes["transA"]?.int ?? 0 != 0, flipB = n.attributes["transB"]?.int ?? 0 != 0
        let alpha = n.attributes["alpha"]?.float ?? 1, beta = n.attributes["beta"]?.float ?? 1
        let product = { (g: inout Gradients, x: ValueID, flipX: Bool, y: ValueID, flipY: Bool) in
            try g.emit("Gemm", [x, y], ["alpha": .float(alpha), "transA": .int(flipX ? 1 : 0), "transB": .int(flipY ? 1 : 0)])
        }
        var da: ValueID?, db: ValueID?
        if g.wants(n, 0) { da = flipA ? try product(&g, b, flipB, dy, true) : try product(&g, dy, false, b, !flipB) }
        if g.wants(n, 1) { db = flipB ? try product(&g, dy, true, a, flipA) : try product(&g, a, !flipA, dy, false) }
        guard g.wants(n, 2) else { return [da, db] }
        return [da, db, beta == 1 ? dy : try g.mul(dy, beta)]
    }
}

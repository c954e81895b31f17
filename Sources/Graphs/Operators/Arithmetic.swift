internal import Glibc
internal import Tensors

/// Sums, products and powers with NumPy's broadcasting (ONNX Add, Sub, Mul, Div, Pow, Mod, Max, Min, Sum, Mean, CumSum, CumProd,
/// BitShift, Bitwise*; opset 7 and up).
enum Arithmetic {
    static let operators =
        [add, subtract, multiply, divide, Power.operation, modulo] + Variadic.operators + Cumulative.operators + Bits.operators

    private static let add = binary("Add", { $0 + $1 }, { $0 &+ $1 }) { g, n, dy in [dy, dy] }

    private static let subtract = binary("Sub", { $0 - $1 }, { $0 &- $1 }) { g, n, dy in [dy, g.wants(n, 1) ? try g.neg(dy) : nil] }

    private static let multiply = binary("Mul", { $0 * $1 }, { $0 &* $1 }) { g, n, dy in
        [
            g.wants(n, 0) ? try g.mul(dy, g.input(n, 1)) : nil,
            g.wants(n, 1) ? try g.mul(dy, g.input(n, 0)) : nil,
        ]
    }

    /// Integers are divided towards zero; by zero gives 0.
    private static let divide = binary(
        "Div", { $0 / $1 }, { $1 == 0 ? 0 : $0.dividedReportingOverflow(by: $1).partialValue }, second: 0.5...1.5
    ) { g, n, dy in
        let b = try g.input(n, 1)
        return [
            g.wants(n, 0) ? try g.div(dy, b) : nil,
            g.wants(n, 1) ? try g.neg(g.div(g.mul(dy, g.output(n)), b)) : nil,
        ]
    }

    /// Of floats with `fmod` = 1 as in C; of integers with the sign of the divisor, or as in C with `fmod` = 1.
    private static let modulo = Operator(
        "Mod", arity: 2...2, infer: { [try Elementwise.broadcast($0)] },
        compute: { call in
            let isC = call.flag("fmod")
            return [
                try compute(call.tensor(0), call.tensor(1), isC ? { fmod($0, $1) } : floorMod) { a, b in
                    guard b != 0 else { return 0 }
                    let rest = a.remainderReportingOverflow(dividingBy: b).partialValue
                    return !isC && rest != 0 && (rest < 0) != (b < 0) ? rest &+ b : rest
                }
            ]
        },
        vjp: Rule.all { g, n, dy in
            let quotient = try g.div(g.input(n, 0), g.input(n, 1))
            let down = try g.emit("Floor", [quotient])
            guard n.attributes["fmod"]?.int == 1 else { return [dy, try g.neg(g.mul(dy, down))] }
            let whole = try g.select(g.isBelow(quotient, 0), g.emit("Ceil", [quotient]), down)
            return [dy, try g.neg(g.mul(dy, whole))]
        },
        symbolic: ShapeArithmetic.rules["Mod"],
        samples: [
            Sample([.values([4], [5.3, -5.3, 5.3, -5.3]), .values([4], [2, 2, -2, -2])], ["fmod": .int(1)]),
            Sample([.integers([4], [5, -5, 5, -5]), .integers([4], [3, 3, -3, -3])]),
            Sample([.integers([4], [5, -5, 5, -5]), .integers([1], [3])], ["fmod": .int(1)]),
        ])

    /// The rest with the sign of the divisor; a quotient that is not finite is never formed.
    @Sendable private static func floorMod(_ a: Double, _ b: Double) -> Double {
        let rest = fmod(a, b)
        if rest == 0 { return copysign(0, b) }
        return (rest < 0) == (b < 0) ? rest : rest + b
    }

    /// A binary operator on floats and 64-bit integers (other integer types are computed in 64 bits and wrap).
    private static func binary(
        _ name: String, _ real: @escaping @Sendable (Double, Double) -> Double, _ integer: @escaping @Sendable (Int64, Int64) -> Int64,
        second: ClosedRange<Double> = -1...1,
        vjp: @escaping @Sendable (inout Gradients, Node, ValueID) throws -> [ValueID?]
    ) -> Operator {
        Operator(
            name, arity: 2...2, infer: { [try Elementwise.broadcast($0)] },
            compute: { [try compute($0.tensor(0), $0.tensor(1), real, integer)] }, vjp: Rule.all(vjp),
            symbolic: ShapeArithmetic.rules[name],
            samples: [
                Sample([.real(2, 3), .uniform([2, 3], second)]), Sample([.real(2, 1, 3), .uniform([4, 1], second)]),
                Sample([.real(), .uniform([3], second)]), Sample([.integers([3], [7, -7, 5]), .integers([], [2])]),
            ])
    }

    /// Both tensors in the first one's type.
    static func compute(
        _ a: Tensor, _ b: Tensor, _ real: (Double, Double) -> Double, _ integer: (Int64, Int64) -> Int64
    ) throws -> Tensor {
        switch a.type {
        case .float32: return try Elementwise.zip(a, b, Float.self, Float.self) { Float(real(Double($0), Double($1))) }
        case .float64: return try Elementwise.zip(a, b, Double.self, Double.self, real)
        default:
            let wide = try Elementwise.zip(a.converted(to: .int64), b.converted(to: .int64), Int64.self, Int64.self, integer)
            return try wide.converted(to: a.type)
        }
    }
}

/// ONNX Pow: the exponent may be of another type; the result is of the base's.
enum Power {
    static let operation = Operator(
        "Pow", arity: 2...2, infer: { TensorType.list(try $0.type(0).element, try Elementwise.broadcast($0.dims(0), $0.dims(1))) },
        compute: { call in
            let base = try call.tensor(0), exponent = try call.tensor(1)
            guard base.type.isInteger, exponent.type.isInteger else {
                let y = try Elementwise.zip(base.converted(to: .float64), exponent.converted(to: .float64), Double.self, Double.self) {
                    pow($0, $1)
                }
                return [try y.converted(to: base.type)]
            }
            let y = try Elementwise.zip(base.converted(to: .int64), exponent.converted(to: .int64), Int64.self, Int64.self, integerPower)
            return [try y.converted(to: base.type)]
        },
        vjp: Rule.all(gradient),
        samples: [
            Sample([.positive(2, 3), .real(2, 3)]), Sample([.positive(2, 3), .values([], [2])]),
            Sample([.real(2, 3), .integers([1], [3])]), Sample([.integers([3], [2, -3, 4]), .integers([3], [3, 2, 0])]),
        ])

    private static func integerPower(_ base: Int64, _ exponent: Int64) -> Int64 {
        if exponent < 0 { return base == 1 ? 1 : base == -1 ? (exponent & 1 == 0 ? 1 : -1) : 0 }
        var result: Int64 = 1, factor = base, rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { result = result &* factor }
            factor = factor &* factor
            rest >>= 1
        }
        return result
    }

    /// d(a^b) = b a^(b-1) da + a^b log(a) db, the latter only for a > 0.
    private static func gradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?] {
        let a = try g.input(n, 0), given = try g.input(n, 1)
        let b = try g.cast(given, like: a)
        // At b = 0 the slope is 0 even where a^(b-1) is infinite.
        let isFlat = try g.emit("Equal", [b, g.number(0, like: b)])
        let safe = try g.select(isFlat, g.number(1, like: b), b)
        let slope = try g.drop(g.mul(b, g.emit("Pow", [a, g.add(safe, -1)])), where: isFlat)
        let da = try g.mul(dy, slope)
        guard try g.wants(n, 1) && g.type(of: given).element.isFloat else { return [da, nil] }
        let isPositive = try g.isAbove(a, 0)
        let logarithm = try g.emit("Log", [g.select(isPositive, a, g.number(1, like: a))])
        return [da, try g.cast(g.mul(dy, g.mul(g.output(n), logarithm)), like: given)]
    }
}

/// The lines of a row-major tensor along one axis.
struct Rows {
    let shape: [Int]
    /// Elements of a line, and the distance between them.
    let length: Int, step: Int
    private let outer: Int

    /// `axis` must lie inside the shape; a scalar is one line of one element.
    init(_ shape: [Int], axis: Int) {
        self.shape = shape
        length = shape.indices.contains(axis) ? shape[axis] : 1
        step = shape.dropFirst(axis + 1).reduce(1, *)
        outer = shape.prefix(axis).reduce(1, *)
    }

    /// Calls `body` with the index of each line's first element.
    func forEach(_ body: (Int) -> Void) {
        for i in 0..<outer { for j in 0..<step { body(i * length * step + j) } }
    }
}

extension TensorType {
    /// One output of that type.
    static func list(_ element: ElementType, _ dims: [Dim]?) -> [TensorType] { [TensorType(element, dims)] }
}

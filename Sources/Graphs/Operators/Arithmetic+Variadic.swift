internal import Glibc
internal import Tensors

/// ONNX Max, Min, Sum and Mean of any number of tensors, with broadcasting (opset 8 and up).
enum Variadic {
    static let operators = [
        fold("Max", { $0.isNaN || $1.isNaN ? .nan : $0 > $1 ? $0 : $1 }, { max($0, $1) }, vjp: Rule.all(extremum)),
        fold("Min", { $0.isNaN || $1.isNaN ? .nan : $0 < $1 ? $0 : $1 }, { min($0, $1) }, vjp: Rule.all(extremum)),
        fold("Sum", { $0 + $1 }, { $0 &+ $1 }, vjp: Rule.all { _, n, dy in n.inputs.map { _ in dy } }),
        fold(
            "Mean", { $0 + $1 }, { $0 &+ $1 }, isMean: true,
            vjp: Rule.all { g, n, dy in
                let share = try g.mul(dy, 1 / Double(max(n.inputs.count, 1)))
                return n.inputs.map { _ in share }
            }),
    ]

    private static func fold(
        _ name: String, _ real: @escaping @Sendable (Double, Double) -> Double, _ integer: @escaping @Sendable (Int64, Int64) -> Int64,
        isMean: Bool = false, vjp: @escaping Operator.VJP
    ) -> Operator {
        Operator(
            name, arity: 1...Int(Int32.max), infer: { [try Elementwise.broadcast($0)] },
            compute: { call in
                let first = try call.tensor(0)
                // In double throughout, so that a mean is rounded once.
                var total = first.type == .float32 ? try first.converted(to: .float64) : first
                for index in call.inputs.indices.dropFirst() {
                    total = try Arithmetic.compute(total, call.tensor(index).converted(to: total.type), real, integer)
                }
                if isMean { total = try Elementwise.mapReal(total) { $0 / Double(call.inputs.count) } }
                return [try total.converted(to: first.type)]
            },
            vjp: vjp, symbolic: ShapeArithmetic.rules[name],
            samples: [
                Sample([.real(2, 3), .real(2, 3)]), Sample([.real(2, 1), .real(3), .real(2, 2, 3)]), Sample([.real(4)]),
            ])
    }

    /// The first input that equals the result takes all of the gradient.
    private static func extremum(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?] {
        var rest = dy
        return try n.inputs.indices.map { index in
            let isChosen = try g.emit("Equal", [g.input(n, index), g.output(n)])
            let share = try g.keep(rest, where: isChosen)
            rest = try g.drop(rest, where: isChosen)
            return share
        }
    }
}

/// ONNX BitShift, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot, on integers.
enum Bits {
    static let operators = [
        pair("BitwiseAnd") { $0 & $1 },
        pair("BitwiseOr") { $0 | $1 },
        pair("BitwiseXor") { $0 ^ $1 },
        Operator(
            "BitwiseNot", arity: 1...1, infer: { [try $0.type(0)] },
            compute: { call in
                let x = try call.tensor(0)
                return [try x.map(Int64.self) { ~$0 }.converted(to: x.type)]
            }, samples: [Sample([.integers([3], [1, -2, 5])])]),
        shift,
    ]

    private static func pair(_ name: String, _ body: @escaping @Sendable (Int64, Int64) -> Int64) -> Operator {
        Operator(
            name, arity: 2...2, infer: { [try Elementwise.broadcast($0)] },
            compute: { call in
                let a = try call.tensor(0), b = try call.tensor(1)
                guard a.type.isInteger else { throw Failure.unsupported("elements of \(a.type), expected integers") }
                return [try Arithmetic.compute(a, b, { x, _ in x }, body)]
            }, samples: [Sample([.integers([3], [6, 5, -1]), .integers([3], [3, 9, 4])])])
    }

    /// Shifts by the width or more, or by a negative number, leave nothing but the sign.
    private static let shift = Operator(
        "BitShift", arity: 2...2, infer: { [try Elementwise.broadcast($0)] },
        compute: { call in
            let a = try call.tensor(0), b = try call.tensor(1), width = Int64(a.type.bits)
            let isLeft = call.string("direction", default: "LEFT") == "LEFT"
            let isSigned = [.int8, .int16, .int32, .int64].contains(a.type)
            return [
                try Arithmetic.compute(a, b, { x, _ in x }) { x, by in
                    guard by >= 0, by < width else { return !isLeft && isSigned && x < 0 ? -1 : 0 }
                    if isLeft { return x << by }
                    return isSigned ? x >> by : Int64(bitPattern: UInt64(bitPattern: x) >> UInt64(by))
                }
            ]
        },
        samples: [Sample([.integers([3], [16, 4, 1]), .integers([3], [1, 2, 3])], ["direction": .string("RIGHT")])])
}

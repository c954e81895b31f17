internal import Glibc
internal import Tensors

/// Functions of one number (ONNX Neg, Abs, Sqrt, Exp, Log, Sin, …; opset 7 and up).
enum UnaryMath {
    static let operators = signs + roundings + powers + trigonometry + hyperbolic

    private static let signs = [
        Elementwise.number("Neg", { -$0 }, { 0 &- $0 }) { g, n, dy in try g.neg(dy) },
        Elementwise.number("Abs", { $0.magnitude }, { $0 < 0 ? 0 &- $0 : $0 }) { g, n, dy in
            try g.mul(dy, g.emit("Sign", [g.input(n, 0)]))
        },
        Elementwise.number("Sign", { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }, { $0.signum() }, vjp: Rule.zero),
    ]

    private static let roundings = [
        curve("Floor", { $0.rounded(.down) }, vjp: Rule.zero),
        curve("Ceil", { $0.rounded(.up) }, vjp: Rule.zero),
        curve("Round", { $0.rounded(.toNearestOrEven) }, vjp: Rule.zero),
    ]

    private static let powers = [
        curve("Reciprocal", { 1 / $0 }, from: 0.4...1.5) { g, n, dy in
            try g.neg(g.mul(dy, g.square(g.output(n))))
        },
        curve("Sqrt", { sqrt($0) }, from: 0.4...1.5) { g, n, dy in try g.div(g.mul(dy, 0.5), g.output(n)) },
        curve("Exp", { exp($0) }) { g, n, dy in try g.mul(dy, g.output(n)) },
        curve("Log", { log($0) }, from: 0.4...1.5) { g, n, dy in try g.div(dy, g.input(n, 0)) },
        curve("Erf", { erf($0) }) { g, n, dy in
            let bell = try g.exp(g.neg(g.square(g.input(n, 0))))
            return try g.mul(dy, g.mul(bell, 2 / Double.pi.squareRoot()))
        },
    ]

    private static let trigonometry = [
        curve("Sin", { sin($0) }) { g, n, dy in try g.mul(dy, g.emit("Cos", [g.input(n, 0)])) },
        curve("Cos", { cos($0) }) { g, n, dy in try g.neg(g.mul(dy, g.emit("Sin", [g.input(n, 0)]))) },
        curve("Tan", { tan($0) }) { g, n, dy in try g.mul(dy, g.add(g.square(g.output(n)), 1)) },
        curve("Asin", { asin($0) }, from: -0.8...0.8) { g, n, dy in
            try g.div(dy, g.sqrt(g.sub(1, g.square(g.input(n, 0)))))
        },
        curve("Acos", { acos($0) }, from: -0.8...0.8) { g, n, dy in
            try g.neg(g.div(dy, g.sqrt(g.sub(1, g.square(g.input(n, 0))))))
        },
        curve("Atan", { atan($0) }) { g, n, dy in try g.div(dy, g.add(g.square(g.input(n, 0)), 1)) },
    ]

    private static let hyperbolic = [
        curve("Sinh", { sinh($0) }) { g, n, dy in try g.mul(dy, g.emit("Cosh", [g.input(n, 0)])) },
        curve("Cosh", { cosh($0) }) { g, n, dy in try g.mul(dy, g.emit("Sinh", [g.input(n, 0)])) },
        curve("Asinh", { asinh($0) }) { g, n, dy in
            try g.div(dy, g.sqrt(g.add(g.square(g.input(n, 0)), 1)))
        },
        curve("Acosh", { acosh($0) }, from: 1.3...2) { g, n, dy in
            try g.div(dy, g.sqrt(g.add(g.square(g.input(n, 0)), -1)))
        },
        curve("Atanh", { atanh($0) }, from: -0.8...0.8) { g, n, dy in try g.div(dy, g.sub(1, g.square(g.input(n, 0)))) },
    ]

    private static func curve(
        _ name: String, _ formula: @escaping @Sendable (Double) -> Double, from range: ClosedRange<Double> = -1...1,
        _ rule: @escaping @Sendable (inout Gradients, Node, ValueID) throws -> ValueID
    ) -> Operator { curve(name, formula, from: range, vjp: Rule.first(rule)) }

    private static func curve(
        _ name: String, _ formula: @escaping @Sendable (Double) -> Double, from range: ClosedRange<Double> = -1...1,
        vjp: @escaping Operator.VJP
    ) -> Operator {
        Elementwise.curve(
            name, samples: [Sample([.uniform([2, 3], range)]), Sample([.uniform([], range)])], formula: { _ in formula }, vjp: vjp)
    }
}

extension Elementwise {
    /// One real input and a formula that depends on attributes, which are read once for each call.
    static func curve(
        _ name: String, samples: [Sample] = [Sample([.real(2, 3)])],
        formula: @escaping @Sendable (Call) throws -> (Double) -> Double, vjp: @escaping Operator.VJP
    ) -> Operator {
        Operator(
            name, arity: 1...1, infer: { [try $0.type(0)] },
            compute: { call in [try mapReal(call.tensor(0), formula(call))] }, vjp: vjp, samples: samples)
    }

    /// One number, real or integer; integers are computed in 64 bits and wrap.
    static func number(
        _ name: String, _ real: @escaping @Sendable (Double) -> Double, _ integer: @escaping @Sendable (Int64) -> Int64,
        _ rule: @escaping @Sendable (inout Gradients, Node, ValueID) throws -> ValueID
    ) -> Operator { number(name, real, integer, vjp: Rule.first(rule)) }

    /// The same with a rule given as it is.
    static func number(
        _ name: String, _ real: @escaping @Sendable (Double) -> Double, _ integer: @escaping @Sendable (Int64) -> Int64,
        vjp: @escaping Operator.VJP
    ) -> Operator {
        Operator(
            name, arity: 1...1, infer: { [try $0.type(0)] },
            compute: { call in
                let x = try call.tensor(0)
                return [x.type.isFloat ? try mapReal(x, real) : try x.map(Int64.self, integer).converted(to: x.type)]
            },
            vjp: vjp, symbolic: ShapeArithmetic.rules[name],
            samples: [Sample([.real(2, 3)]), Sample([.integers([4], [-3, 0, 2, 7])])])
    }
}

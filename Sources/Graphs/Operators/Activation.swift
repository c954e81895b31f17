internal import Glibc
internal import Tensors

/// Activation functions (ONNX Relu, LeakyRelu, PRelu, Elu, Selu, Celu, ThresholdedRelu, Sigmoid, HardSigmoid, HardSwish,
/// Tanh, Softplus, Softsign, Gelu, Mish, Swish, Shrink, Clip, Identity; opset 7 and up). Defaults are ONNX's.
enum Activation {
    static let operators = rectifiers + exponentials + sigmoids + softened + gelus + [prelu, clip, clipGrad, identity]

    private typealias Curve = @Sendable (Call) throws -> (Double) -> Double

    /// One differentiable input; the formula reads its attributes once.
    private static func curve(
        _ name: String, _ attributes: [String: Attribute] = [:], wide: Bool = false, formula: @escaping Curve,
        _ rule: @escaping @Sendable (inout Gradients, Node, ValueID) throws -> ValueID
    ) -> Operator {
        let range = wide ? -4.0...4.0 : -1.5...1.5
        var samples = [Sample([.uniform([2, 5], range)])]
        if !attributes.isEmpty { samples.append(Sample([.uniform([7], range)], attributes)) }
        return Elementwise.curve(name, samples: samples, formula: formula, vjp: Rule.first(rule))
    }

    private static func number(_ n: Node, _ name: String, _ value: Double) -> Double { n.attributes[name]?.float ?? value }

    // MARK: Piecewise

    /// Between 0 and 1; NaN stays.
    private static func unit(_ x: Double) -> Double { x < 0 ? 0 : x > 1 ? 1 : x }

    private static let rectifiers = [
        curve("Relu", formula: { _ in { $0 > 0 || $0.isNaN ? $0 : 0 } }) { g, n, dy in try g.emit("ReluGrad", [dy, g.output(n)]) },
        reluGrad,
        curve(
            "LeakyRelu", ["alpha": .float(0.2)],
            formula: { c in
                let alpha = c.float("alpha", default: 0.01)
                return { $0 < 0 ? alpha * $0 : $0 }
            }
        ) { g, n, dy in
            try g.select(g.isAbove(g.input(n, 0), 0), dy, g.mul(dy, number(n, "alpha", 0.01)))
        },
        curve(
            "ThresholdedRelu", ["alpha": .float(0.3)],
            formula: { c in
                let alpha = c.float("alpha", default: 1)
                return { $0 > alpha ? $0 : 0 }
            }
        ) { g, n, dy in try g.keep(dy, where: g.isAbove(g.input(n, 0), number(n, "alpha", 1))) },
        curve(
            "HardSigmoid", ["alpha": .float(0.6), "beta": .float(0.4)], wide: true,
            formula: { c in
                let alpha = c.float("alpha", default: 0.2), beta = c.float("beta", default: 0.5)
                return { unit(alpha * $0 + beta) }
            }
        ) { g, n, dy in
            try g.emit("ClipGrad", [g.mul(dy, number(n, "alpha", 0.2)), g.output(n)], ["min": .float(0), "max": .float(1)])
        },
        curve("HardSwish", wide: true, formula: { _ in { $0 * unit($0 / 6 + 0.5) } }) { g, n, dy in
            let x = try g.input(n, 0)
            let middle = try g.mul(dy, g.add(g.mul(x, 1.0 / 3), 0.5))
            return try g.keep(g.select(g.isBelow(x, 3), middle, dy), where: g.isAbove(x, -3))
        },
        curve(
            "Shrink", ["lambd": .float(0.4), "bias": .float(0.2)],
            formula: { c in
                let limit = c.float("lambd", default: 0.5), bias = c.float("bias", default: 0)
                return { $0 < -limit ? $0 + bias : $0 > limit ? $0 - bias : 0 }
            }
        ) { g, n, dy in
            try g.keep(dy, where: g.isAbove(g.emit("Abs", [g.input(n, 0)]), number(n, "lambd", 0.5)))
        },
    ]

    /// dY where Y > 0, 0 elsewhere (Relu's gradient, 0 at 0).
    private static let reluGrad = Operator(
        "ReluGrad", arity: 2...2, infer: { [try Elementwise.broadcast($0)] },
        compute: { c in [try Arithmetic.compute(c.tensor(0), c.tensor(1), { $1 > 0 ? $0 : 0 }, { $1 > 0 ? $0 : 0 })] },
        vjp: Rule.all { g, n, d in [try g.emit("ReluGrad", [d, g.input(n, 1)]), nil] },
        samples: [Sample([.real(2, 4), .real(2, 4)])])

    // MARK: Exponential below zero

    private static let exponentials = [
        curve(
            "Elu", ["alpha": .float(0.7)],
            formula: { c in
                let alpha = c.float("alpha", default: 1)
                return { $0 < 0 ? alpha * expm1($0) : $0 }
            }
        ) { g, n, dy in
            // alpha e^x is y + alpha.
            let below = try g.mul(dy, g.add(g.output(n), number(n, "alpha", 1)))
            return try g.select(g.isAbove(g.input(n, 0), 0), dy, below)
        },
        curve(
            "Selu", ["alpha": .float(1.3), "gamma": .float(1.1)],
            formula: { c in
                let alpha = c.float("alpha", default: seluAlpha), gamma = c.float("gamma", default: seluGamma)
                return { $0 > 0 ? gamma * $0 : gamma * alpha * expm1($0) }
            }
        ) { g, n, dy in
            let alpha = number(n, "alpha", seluAlpha), gamma = number(n, "gamma", seluGamma)
            let below = try g.mul(dy, g.add(g.output(n), gamma * alpha))
            return try g.select(g.isAbove(g.input(n, 0), 0), g.mul(dy, gamma), below)
        },
        curve(
            "Celu", ["alpha": .float(0.7)],
            formula: { c in
                let alpha = c.float("alpha", default: 1)
                return { $0 < 0 ? alpha * expm1($0 / alpha) : $0 }
            }
        ) { g, n, dy in
            let below = try g.mul(dy, g.add(g.mul(g.output(n), 1 / number(n, "alpha", 1)), 1))
            return try g.select(g.isAbove(g.input(n, 0), 0), dy, below)
        },
    ]
    private static let seluAlpha = 1.67326319217681884765625, seluGamma = 1.05070102214813232421875

    // MARK: Sigmoids

    /// 1 / (1 + e^-x) without overflow.
    static func sigmoid(_ x: Double) -> Double {
        if x >= 0 { return 1 / (1 + exp(-x)) }
        let e = exp(x)
        return e / (1 + e)
    }

    /// log(1 + e^x) without overflow.
    static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-x.magnitude)) }

    private static let sigmoids = [
        curve("Sigmoid", wide: true, formula: { _ in sigmoid }) { g, n, dy in
            let y = try g.output(n)
            return try g.mul(dy, g.mul(y, g.sub(1, y)))
        },
        curve("Tanh", formula: { _ in { tanh($0) } }) { g, n, dy in try g.mul(dy, g.sub(1, g.square(g.output(n)))) },
    ]

    private static let softened = [
        curve("Softplus", formula: { _ in softplus }) { g, n, dy in try g.mul(dy, g.emit("Sigmoid", [g.input(n, 0)])) },
        curve("Softsign", formula: { _ in { $0 / (1 + $0.magnitude) } }) { g, n, dy in
            try g.div(dy, g.square(g.add(g.emit("Abs", [g.input(n, 0)]), 1)))
        },
        curve(
            "Swish", ["alpha": .float(1.4)],
            formula: { c in
                let alpha = c.float("alpha", default: 1)
                return { $0 * sigmoid(alpha * $0) }
            }
        ) { g, n, dy in
            // s + y alpha (1 - s), where y = x s.
            let alpha = number(n, "alpha", 1)
            let s = try g.emit("Sigmoid", [g.mul(g.input(n, 0), alpha)])
            return try g.mul(dy, g.add(s, g.mul(g.mul(g.output(n), g.sub(1, s)), alpha)))
        },
        curve("Mish", formula: { _ in { $0 * tanh(softplus($0)) } }) { g, n, dy in
            let x = try g.input(n, 0)
            let t = try g.emit("Tanh", [g.emit("Softplus", [x])])
            let slope = try g.mul(g.sub(1, g.square(t)), g.emit("Sigmoid", [x]))
            return try g.mul(dy, g.add(t, g.mul(x, slope)))
        },
    ]

    // MARK: Others

    /// A slope for negative numbers, broadcast to the input.
    private static let prelu = Operator(
        "PRelu", arity: 2...2, infer: { c in [TensorType(try c.type(0).element, try Elementwise.broadcast(c).dims)] },
        compute: { c in [try Arithmetic.compute(c.tensor(0), c.tensor(1), { $0 < 0 ? $0 * $1 : $0 }, { $0 < 0 ? $0 &* $1 : $0 })] },
        vjp: Rule.all { g, n, dy in
            let x = try g.input(n, 0), isPositive = try g.isAbove(x, 0)
            return [
                try g.select(isPositive, dy, g.mul(dy, g.input(n, 1))), g.wants(n, 1) ? try g.drop(g.mul(dy, x), where: isPositive) : nil,
            ]
        },
        samples: [Sample([.real(2, 3, 2), .real(3, 1)]), Sample([.real(2, 3), .real(2, 3)])])

    /// The input itself; of any type.
    private static let identity = Operator(
        "Identity", arity: 1...1, infer: { [try $0.type(0)] },
        compute: { c in
            guard let x = c.constant(0) else { throw Failure.invalid("input 0 is missing") }
            return [x]
        },
        vjp: { _, _, dy in [dy[0]] }, symbolic: ShapeArithmetic.rules["Identity"], takesContainers: true,
        samples: [Sample([.real(2, 3)]), Sample([.integers([2], [1, 2])])])
}

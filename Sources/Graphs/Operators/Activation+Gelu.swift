internal import Glibc
internal import Tensors

/// Gaussian error linear units (ONNX Gelu, opset 20): x Phi(x), or its approximation by tanh (`approximate`).
/// Hendrycks and Gimpel, "Gaussian error linear units", 2016.
extension Activation {
    private static let samples = [
        Sample([.uniform([2, 5], -2...2)]), Sample([.uniform([7], -2...2)], ["approximate": .string("tanh")]),
    ]

    static let gelus = [
        Elementwise.curve(
            "Gelu", samples: samples,
            formula: { c in try isTanh(c) ? { 0.5 * $0 * (1 + tanh(inner($0))) } : { 0.5 * $0 * (1 + erf($0 * root)) } },
            vjp: Rule.first { g, n, dy in
                try g.emit("GeluGrad", [dy, g.input(n, 0)], n.attributes)
            }),
        // dY times the slope of Gelu at X.
        Operator(
            "GeluGrad", arity: 2...2, infer: { [try Elementwise.broadcast($0)] },
            compute: { c in
                let slope = try isTanh(c) ? tanhSlope : slope
                return [try Arithmetic.compute(c.tensor(0), c.tensor(1), { $0 * slope($1) }, { x, _ in x })]
            },
            vjp: Rule.all { g, n, d in
                let x = try g.input(n, 1), dy = try g.input(n, 0)
                let curvature = try n.attributes["approximate"]?.string == "tanh" ? tanhCurvature(&g, x) : curvature(&g, x)
                return [try g.emit("GeluGrad", [d, x], n.attributes), try g.mul(g.mul(d, dy), curvature)]
            },
            samples: samples.map { Sample([$0.inputs[0], $0.inputs[0]], $0.attributes) }),
    ]

    private static let root = 0.5.squareRoot()
    /// Of the approximation: tanh(k (x + c x^3)).
    private static let k = (2 / Double.pi).squareRoot(), c = 0.044715

    private static func isTanh(_ call: Call) throws -> Bool {
        switch call.string("approximate", default: "none") {
        case "none": return false
        case "tanh": return true
        case let other: throw Failure.invalid("approximate is \(other), expected none or tanh")
        }
    }

    private static func inner(_ x: Double) -> Double { k * (x + c * x * x * x) }

    private static func slope(_ x: Double) -> Double {
        0.5 * (1 + erf(x * root)) + x * exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
    }

    private static func tanhSlope(_ x: Double) -> Double {
        let t = tanh(inner(x))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * c * x * x)
    }

    /// phi(x) (2 - x^2).
    private static func curvature(_ g: inout Gradients, _ x: ValueID) throws -> ValueID {
        let square = try g.square(x)
        let bell = try g.mul(g.exp(g.mul(square, -0.5)), 1 / (2 * Double.pi).squareRoot())
        return try g.mul(bell, g.sub(2, square))
    }

    /// (1 - t^2) (u' + x u'' / 2 - x t u'^2), where t = tanh(u).
    private static func tanhCurvature(_ g: inout Gradients, _ x: ValueID) throws -> ValueID {
        let square = try g.square(x)
        let u = try g.mul(g.mul(x, g.add(g.mul(square, c), 1)), k)
        let slope = try g.mul(g.add(g.mul(square, 3 * c), 1), k)
        let t = try g.emit("Tanh", [u])
        // x u'' / 2 is 3 k c x^2.
        let straight = try g.add(slope, g.mul(square, 3 * k * c))
        let bent = try g.sub(straight, g.mul(g.mul(x, t), g.square(slope)))
        return try g.mul(g.sub(1, g.square(t)), bent)
    }
}

internal import Glibc
internal import Tensors

extension Activation {
    /// ONNX Clip: limits are attributes up to opset 10 and inputs from 11. The gradient is 0 at and beyond the limits,
    /// so that Clip to 0 and above goes back as Relu does.
    static let clip = Operator(
        "Clip", arity: 1...3, infer: { [try $0.type(0)] },
        compute: { c in
            let x = try c.tensor(0)
            guard x.type.isFloat else {
                let low = try c.optional(1)?.integers().first ?? .min, high = try c.optional(2)?.integers().first ?? .max
                return [try x.map(Int64.self) { min(max($0, Int64(low)), Int64(high)) }.converted(to: x.type)]
            }
            let low = try c.number(1, or: "min") ?? -.infinity, high = try c.number(2, or: "max") ?? .infinity
            // Comparisons keep NaN; the upper limit wins where the limits cross.
            return [
                try Elementwise.mapReal(x) { v in
                    let raised = v < low ? low : v
                    return raised > high ? high : raised
                }
            ]
        },
        vjp: Rule.all(clipGradient),
        samples: [
            Sample([.uniform([2, 6], -2...2), .values([], [-0.5]), .values([], [0.8])]),
            Sample([.uniform([6], -2...2), .absent, .values([], [0.3])]),
            Sample([.uniform([6], -2...2)], ["min": .float(0)]), Sample([.uniform([6], -2...2)]),
            Sample([.integers([4], [1, 5, 9, -3]), .integers([], [0]), .integers([], [6])]),
        ])

    /// A limit of a Clip node, from input or attribute; nil when there is none.
    private static func limit(_ g: inout Gradients, _ n: Node, _ index: Int, _ name: String) throws -> ValueID? {
        if index < n.inputs.count, let given = n.inputs[index] { return given }
        guard let number = n.attributes[name]?.float else { return nil }
        return try g.number(number, like: g.input(n, 0))
    }

    /// dY where X lies between the numbers `min` and `max`, 0 elsewhere.
    static let clipGrad = Operator(
        "ClipGrad", arity: 2...2, infer: { [try Elementwise.broadcast($0)] },
        compute: { c in
            let low = c.float("min", default: -.infinity), high = c.float("max", default: .infinity)
            return [try Arithmetic.compute(c.tensor(0), c.tensor(1), { $1 > low && $1 < high ? $0 : 0 }, { x, _ in x })]
        },
        vjp: Rule.all { g, n, d in [try g.emit("ClipGrad", [d, g.input(n, 1)], n.attributes), nil] },
        samples: [
            Sample([.real(2, 6), .uniform([2, 6], -2...2)], ["min": .float(-0.5), "max": .float(0.8)]),
            Sample([.real(6), .real(6)], ["min": .float(0)]),
        ])

    /// The limits as numbers, when they are known and nobody asks for their gradients.
    private static func knownLimits(_ g: Gradients, _ n: Node) -> [String: Attribute]? {
        var limits: [String: Attribute] = [:]
        for (index, name) in [(1, "min"), (2, "max")] {
            if index < n.inputs.count, n.inputs[index] != nil {
                guard !g.wants(n, index), let number = g.constantInput(n, index).flatMap({ try? $0.doubles().first }) else { return nil }
                limits[name] = .float(number)
            } else if let number = n.attributes[name]?.float {
                limits[name] = .float(number)
            }
        }
        return limits
    }

    private static func clipGradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?] {
        let x = try g.input(n, 0)
        if let limits = knownLimits(g, n) { return [try g.emit("ClipGrad", [dy, x], limits)] }
        let low = try limit(&g, n, 1, "min"), high = try limit(&g, n, 2, "max")
        let raised = try low.map { try g.emit("Max", [x, $0]) } ?? x
        let isBelow = try high.map { try g.emit("Less", [raised, $0]) }
        let isAbove = try low.map { try g.emit("Greater", [x, $0]) }
        var dx = dy, dLow: ValueID?, dHigh: ValueID?
        if let isBelow {
            dHigh = try g.drop(dy, where: isBelow)
            dx = try g.keep(dx, where: isBelow)
        }
        if let isAbove {
            dLow = try g.drop(dx, where: isAbove)
            dx = try g.keep(dx, where: isAbove)
        }
        return [dx, dLow, dHigh].prefix(n.inputs.count).map { $0 }
    }
}

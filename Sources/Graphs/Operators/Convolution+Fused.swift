internal import Glibc
internal import Tensors

/// What a pass may fuse into a Conv: a residual (input 3) that is added, then the activation named by the attribute
/// `activation` with the numbers `activation_alpha` and `activation_beta`. Made only after differentiation.
struct FusedActivation {
    private let name: String
    private let alpha: Double, beta: Double
    private let formula: @Sendable (Double) -> Double

    /// True when nothing is fused into the node.
    static func isPlain(_ node: Node) -> Bool {
        (node.attributes["activation"]?.string ?? "").isEmpty && (node.inputs.count < 4 || node.inputs[3] == nil)
    }

    /// nil when nothing is fused into the node.
    init?(_ call: Call) throws {
        if FusedActivation.isPlain(call.node) { return nil }
        name = call.string("activation", default: "")
        alpha = call.float("activation_alpha", default: 0)
        beta = call.float("activation_beta", default: 0)
        guard let formula = FusedActivation.formula(name, alpha, beta) else {
            throw Failure.unsupported(
                "fused activation \(name), expected Relu, Clip, Sigmoid, Silu, HardSwish, HardSigmoid, LeakyRelu, Tanh or Gelu")
        }
        self.formula = formula
    }

    private static func formula(_ name: String, _ alpha: Double, _ beta: Double) -> (@Sendable (Double) -> Double)? {
        switch name {
        case "": { $0 }
        case "Relu": { $0 < 0 ? 0 : $0 }
        case "Clip": { x in x < alpha ? alpha : x > beta ? beta : x }
        case "Sigmoid": { 1 / (1 + exp(-$0)) }
        case "Silu": { $0 / (1 + exp(-$0)) }
        case "HardSwish": { $0 * min(max($0 / 6 + 0.5, 0), 1) }
        case "HardSigmoid": { min(max(alpha * $0 + beta, 0), 1) }
        case "LeakyRelu": { $0 < 0 ? alpha * $0 : $0 }
        case "Tanh": { tanh($0) }
        case "Gelu": { 0.5 * $0 * (1 + erf($0 * 0.5.squareRoot())) }
        default: nil
        }
    }

    /// The activation of y plus the residual, in double.
    func apply(_ y: Tensor, residual: Tensor?) throws -> Tensor {
        guard let residual else { return try y.map(Double.self, formula) }
        guard residual.shape == y.shape else {
            throw Failure.shape("residual is \(Shape.text(residual.shape)), expected \(Shape.text(y.shape))")
        }
        return try Elementwise.zip(y, Convolution.reals(residual), Double.self, Double.self) { formula($0 + $1) }
    }
}

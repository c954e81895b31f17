internal import Glibc
internal import Tensors

/// A named function of a recurrent layer.
struct RecurrentActivation: Sendable {
    private let formula: @Sendable (Double) -> Double
    private let derivative: @Sendable (Double) -> Double
    /// What the function sees is cut to that magnitude.
    private let clip: Double

    func value(_ x: Double) -> Double { formula(min(max(x, -clip), clip)) }

    func slope(_ x: Double) -> Double { x.magnitude > clip ? 0 : derivative(x) }

    /// Those of the node for every direction, with ONNX's defaults.
    static func list(_ call: Call, _ kind: RecurrentKind, directions: Int, clip: Double) throws -> [RecurrentActivation] {
        let all = Array(repeating: kind.activations, count: directions).flatMap { $0 }
        let names = call.node.attributes["activations"]?.strings.flatMap { $0.isEmpty ? nil : $0 } ?? all
        guard names.count == all.count else { throw Failure.invalid("there are \(names.count) activations, expected \(all.count)") }
        var alphas = (call.node.attributes["activation_alpha"]?.floats ?? [])[...]
        var betas = (call.node.attributes["activation_beta"]?.floats ?? [])[...]
        return try names.enumerated().map { index, name in
            // The cell's state is not clipped before an LSTM's last function.
            let isLast = kind == .lstm && index % 3 == 2
            return try RecurrentActivation(name.lowercased(), &alphas, &betas, clip: isLast ? .infinity : clip)
        }
    }

    /// Takes the numbers that the function needs from the front of the lists.
    private init(_ name: String, _ alphas: inout ArraySlice<Double>, _ betas: inout ArraySlice<Double>, clip: Double) throws {
        func alpha(_ value: Double) -> Double { alphas.popFirst() ?? value }
        func beta(_ value: Double) -> Double { betas.popFirst() ?? value }
        let sigmoid: @Sendable (Double) -> Double = { 1 / (1 + exp(-$0)) }
        self.clip = clip
        switch name {
        case "sigmoid": (formula, derivative) = (sigmoid, { sigmoid($0) * (1 - sigmoid($0)) })
        case "tanh": (formula, derivative) = ({ tanh($0) }, { 1 - tanh($0) * tanh($0) })
        case "relu": (formula, derivative) = ({ max($0, 0) }, { $0 > 0 ? 1 : 0 })
        case "softsign": (formula, derivative) = ({ $0 / (1 + $0.magnitude) }, { 1 / ((1 + $0.magnitude) * (1 + $0.magnitude)) })
        case "softplus": (formula, derivative) = ({ max($0, 0) + log1p(exp(-$0.magnitude)) }, sigmoid)
        case "leakyrelu": let a = alpha(0.01); (formula, derivative) = ({ $0 < 0 ? a * $0 : $0 }, { $0 < 0 ? a : 1 })
        case "thresholdedrelu": let a = alpha(1); (formula, derivative) = ({ $0 > a ? $0 : 0 }, { $0 > a ? 1 : 0 })
        case "elu": let a = alpha(1); (formula, derivative) = ({ $0 < 0 ? a * expm1($0) : $0 }, { $0 < 0 ? a * exp($0) : 1 })
        case "affine": let a = alpha(1), b = beta(0); (formula, derivative) = ({ a * $0 + b }, { _ in a })
        case "scaledtanh":
            let a = alpha(1), b = beta(1)
            (formula, derivative) = ({ a * tanh(b * $0) }, { a * b * (1 - tanh(b * $0) * tanh(b * $0)) })
        case "hardsigmoid":
            let a = alpha(0.2), b = beta(0.5)
            (formula, derivative) = ({ min(max(a * $0 + b, 0), 1) }, { a * $0 + b > 0 && a * $0 + b < 1 ? a : 0 })
        default: throw Failure.unsupported("activation \(name)")
        }
    }
}

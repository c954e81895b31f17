/// Operators whose every output element follows from one element of the first input (and numbers): what rules for
/// nonlinearities apply to.
enum Pointwise {
    static let functions: Set<String> = [
        "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus",
        "Softsign", "Gelu", "Mish", "Swish", "Silu", "Shrink", "Clip", "Abs", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Sin", "Cos",
        "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Pow", "Round", "Floor", "Ceil", "Sign", "FakeQuantize",
    ]

    /// Those that only scale, or change the type.
    static let carriers: Set<String> = [
        "Identity", "Neg", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear",
    ]

    /// Operators of two inputs that act element by element.
    static let arithmetic: Set<String> = ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu"]
}

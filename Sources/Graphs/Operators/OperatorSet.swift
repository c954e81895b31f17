/// The operators that a library knows, by name, and the lowerings of ONNX's operators to them.
package struct OperatorSet: Sendable {
    private let table: [String: Operator]
    private let lowerings: [String: [Lowering]]

    package init(_ operators: [Operator], _ lowerings: [Lowering] = []) {
        table = Dictionary(operators.map { ($0.name, $0) }, uniquingKeysWith: { _, last in last })
        self.lowerings = Dictionary(grouping: lowerings, by: \.op)
    }

    package subscript(_ name: String) -> Operator? { table[name] }

    package var all: [Operator] { table.values.sorted { $0.name < $1.name } }

    /// ONNX's operators that are rewritten to core operators, at some opset at least.
    package var lowered: [String] { lowerings.keys.sorted() }

    /// The newest lowering that is not above the model's opset.
    package func lowering(_ op: String, opset: Int) -> Lowering? {
        lowerings[op]?.filter { $0.since <= opset }.max { $0.since < $1.since }
    }

    /// Every operator of this library; a new family adds its line to each list.
    package static let standard = OperatorSet(
        [
            Arithmetic.operators,
            UnaryMath.operators,
            Activation.operators,
            Comparison.operators,
            Reduction.operators,
            MatrixMultiply.operators,
            Softmax.operators,
            Normalization.operators,
            Movement.operators,
            ShapeArithmetic.operators,
            Indexing.operators,
            Control.operators,
            Sequences.operators,
            Optionals.operators,
            Silu.operators,
            Convolution.operators,
            Pooling.operators,
            Resize.operators,
            Rearrange.operators,
            Recurrent.operators,
            Quantization.operators,
            Contributed.operators,
            Classical.operators,
            Signal.operators,
            Sampling.operators,
            LinearAlgebra.operators,
            Regions.operators,
            RandomNumbers.operators,
            Folding.operators,
            DeformableConvolution.operators,
            LinearAttention.operators,
            BitCast.operators,
            ImageDecoding.operators,
            Text.operators,
            PatchWindow.operators,
        ].flatMap { $0.map(TextMovement.supporting) },
        [
            LegacyBroadcast.lowerings,
            Softmax.lowerings,
            Normalization.lowerings,
            Attention.lowerings,
            Indexing.lowerings,
            Control.lowerings,
            Pooling.lowerings,
            Resize.lowerings,
            Quantization.lowerings,
            IntegerArithmetic.lowerings,
            Contributed.lowerings,
            Classical.lowerings,
            Signal.lowerings,
            Sampling.lowerings,
            Regions.lowerings,
            RandomNumbers.lowerings,
            Losses.lowerings,
            DeformableConvolution.lowerings,
            Gating.lowerings,
            Text.lowerings,
        ].flatMap { $0 }
    )
}

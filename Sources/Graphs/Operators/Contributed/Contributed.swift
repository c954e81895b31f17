internal import Tensors

/// Operators of onnxruntime's domain `com.microsoft`, which its optimiser and its quantisation tools write into deployed
/// files. All are rewritten to ONNX's own operators, so that gradients, passes and backends are theirs; what explanations
/// recognise (Gelu, LayerNormalization, Softmax) stays whole.
/// Reference: onnxruntime, docs/ContribOperators.md.
enum Contributed {
    static let domain = "com.microsoft:"

    static let lowerings =
        renamed + fusedProducts + fusedActivations + channelsLast + normalizations + attentions + quantized + quantizedProducts
        + packedWeights + refused

    /// Operators that ONNX has too, by the opset whose form they have.
    private static let renamed =
        [("Trilu", 14), ("Range", 11), ("GatherND", 11), ("GridSample", 16), ("DequantizeLinear", 10), ("QuantizeLinear", 10)].map {
            op, opset in
            Lowering(domain + op, since: 1) { l, n in try l.emit(onnx: op, opset: opset, n.inputs, to: n.outputs, n.attributes) }
        } + [
            Lowering(domain + "Unique", since: 1) { l, n in
                let outputs = [n.output(0), nil, n.output(1), n.output(2)]
                try l.emit(onnx: "Unique", n.inputs, to: outputs, ["sorted": .int(0)])
            }
        ]

    /// Operators whose file does not say what its numbers mean, with the words that help.
    private static let refused = ["Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "ReorderInput", "ReorderOutput"]
        .map { op in
            Lowering("com.microsoft.nchwc:" + op, since: 1) { _, _ in
                throw Failure.unsupported(
                    "onnxruntime's level 'all' lays weights out for the registers of the machine that wrote the file, and the file does not say for which; write it with ORT_ENABLE_EXTENDED"
                )
            }
        }
}

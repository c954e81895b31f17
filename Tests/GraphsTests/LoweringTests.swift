import Graphs
import Tensors
import Testing

/// Operators of ONNX that become others: what comes out of inference and gradients of the whole.
@Suite struct LoweringTests {
    /// A case: the operator, its opset, and what the generic tests of operators run on.
    struct Case: Sendable, CustomStringConvertible {
        let op: String
        let opset: Int
        let sample: Sample

        init(_ op: String, _ opset: Int, _ inputs: [Sample.Input], _ attributes: [String: Attribute] = [:], outputs: Int = 1) {
            self.op = op
            self.opset = opset
            sample = Sample(inputs, attributes, outputs: outputs)
        }

        var description: String { "\(op) \(sample.attributes.keys.sorted()) of \(sample.inputs.count) inputs" }
    }

    private static let labels = Sample.Input.integers([2, 3], [1, 0, 3, 2, 3, 1])
    private static let scores = Sample.Input.real(2, 4, 3)
    private static let classWeights = Sample.Input.positive(4)

    private static let losses = ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"].flatMap { op in
        ["none", "sum", "mean"].flatMap { reduction in
            [
                Case(op, 13, [scores, labels], ["reduction": .string(reduction)]),
                Case(op, 13, [scores, labels, classWeights], ["reduction": .string(reduction), "ignore_index": .int(3)]),
            ]
        }
    }

    private static let cases =
        losses + [
            Case("SoftmaxCrossEntropyLoss", 13, [scores, labels], ["ignore_index": .int(1)], outputs: 2),
            Case("AffineGrid", 20, [.real(2, 2, 3), .integers([4], [2, 1, 3, 2])]),
            Case("AffineGrid", 20, [.real(1, 3, 4), .integers([5], [1, 1, 2, 3, 2])], ["align_corners": .int(1)]),
            Case("STFT", 17, [.real(2, 9, 1), .integers([], [2]), .positive(4)]),
            Case("STFT", 17, [.real(1, 8, 2), .integers([], [3]), .absent, .integers([], [5])], ["onesided": .int(0)]),
            Case(
                "DeformConv", 19,
                [.real(1, 2, 4, 4), .real(3, 2, 2, 2), .uniform([1, 8, 3, 3], -0.8...0.8), .real(3), .positive(1, 4, 3, 3)]),
            Case(
                "DeformConv", 22, [.real(2, 4, 4, 5), .real(2, 2, 2, 2), .uniform([2, 16, 2, 5], -0.7...0.7)],
                [
                    "group": .int(2), "offset_group": .int(2), "strides": .ints([2, 1]), "pads": .ints([0, 1, 1, 1]),
                    "dilations": .ints([1, 2]),
                ]),
            Case("DeformConv", 19, [.real(1, 1, 5), .real(1, 1, 2), .uniform([1, 2, 4], -0.4...0.4)]),
            Case("SwiGLU", 28, [.real(2, 3), .real(2, 3)], ["alpha": .float(1.5)]),
            Case("CausalConvWithState", 27, [.real(2, 3, 5), .real(3, 1, 3), .real(3), .real(2, 3, 2)], outputs: 2),
            Case("CausalConvWithState", 27, [.real(1, 2, 2), .real(2, 1, 4)], ["activation": .string("silu")], outputs: 2),
            Case("CausalConvWithState", 27, [.real(1, 2, 2), .real(2, 1, 1)], outputs: 2),
            Case("TensorScatter", 24, [.real(2, 3, 4, 2), .real(2, 3, 2, 2), .integers([2], [1, 2])]),
            Case(
                "TensorScatter", 24, [.real(2, 4, 2), .real(2, 3, 2), .integers([2], [3, 0])],
                ["mode": .string("circular"), "axis": .int(1)]),
            Case("TensorScatter", 24, [.real(2, 4, 2), .real(2, 3, 2)], ["axis": .int(-2)]),
            Case("LpPool", 18, [.positive(1, 2, 5, 4)], ["kernel_shape": .ints([2, 2]), "p": .int(3), "dilations": .ints([2, 1])]),
            Case("GlobalLpPool", 18, [.positive(1, 2, 3, 4)], ["p": .int(1)]),
            Case("Dropout", 13, [.real(3, 4), .absent, .truths([], [true])], ["seed": .int(3)]),
            Case("DFT", 17, [.real(1, 4, 3, 1)], ["onesided": .int(1)]),
            Case("RotaryEmbedding", 23, [.real(1, 2, 3, 4), .real(1, 3, 2), .real(1, 3, 2)], ["interleaved": .int(1)]),
        ]

    private func trial(_ each: Case, element: ElementType = .float64, sizes: Sizes = .known) throws -> Trial {
        try Trial(lowering: each.op, opset: each.opset, each.sample, element: element, sizes: sizes)
    }

    @Test(arguments: cases) func computesWhatItInfers(_ each: Case) throws {
        let trial = try trial(each)
        for (output, result) in zip(trial.outputs, try trial.run()) {
            let type = try #require(trial.graph[output].type)
            try check(type, result, symbols: [:], place: each.description)
        }
    }

    @Test(arguments: cases) func gradientIsSlope(_ each: Case) throws {
        try Slope(trial(each))?.compare()
        let expected = try #require(try Slope(trial(each))).analytic()
        let single = try Slope(trial(each, element: .float32), element: .float32)?.analytic() ?? []
        for (a, b) in zip(single, expected) { try compare(a, b, tolerance: 2e-4, place: "\(each) in float32") }
    }

    @Test(arguments: cases) func secondGradientIsSlope(_ each: Case) throws {
        guard let first = try Slope(trial(each)) else { return }
        try Slope(second: first)?.compare(tolerance: 1e-5)
    }
}

internal import Glibc
internal import Tensors

/// Arithmetic of nodes, from shapes alone. A multiplication and an addition are one operation each, and so is a function
/// such as exp; moving, sorting and choosing elements costs nothing.
package enum Flops {
    /// Operations of a node; nil when they depend on sizes that are not known, on data, or on a nested graph, and for
    /// operators that the table has no line for.
    package static func count(_ node: Node, in graph: Graph) -> Int? {
        let outputs = node.outputs.compactMap { $0 }
        if !outputs.isEmpty, outputs.allSatisfy({ graph[$0].constant != nil }) { return 0 }
        guard let rule = table[node.op], let count = rule(NodeSizes(node: node, graph: graph)) else { return nil }
        // Sizes are in double: they come from files, and a product of them may leave Int.
        return count >= 0 && count < 0x1p62 ? Int(count) : nil
    }

    /// The operators that the table has a line for.
    package static var operators: [String] { table.keys.sorted() }

    fileprivate typealias Rule = @Sendable (NodeSizes) -> Double?

    private static let table: [String: Rule] = {
        var table: [String: Rule] = [:]
        for op in free { table[op] = { _ in 0 } }
        for op in data { table[op] = { _ in nil } }
        for op in pointwise { table[op] = { $0.output() } }
        for (op, count) in perOutput { table[op] = { node in node.output().map { count * $0 } } }
        for (op, count) in perInput { table[op] = { node in node.input(0).map { count * $0 } } }
        return table.merging(rules) { $1 }
    }()

    /// Moves, sorts, compares or chooses.
    private static let free = [
        "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose", "Concat", "Split", "Slice", "SliceGrad", "Pad", "Expand",
        "Tile", "Gather", "GatherElements", "GatherND", "Compress", "CenterCropPad", "ConstantOfShape", "DepthToSpace", "SpaceToDepth",
        "EyeLike", "OneHot", "Range", "ReverseSequence", "Shape", "Size", "Trilu", "Where", "Cast", "CastLike", "MaxUnpool", "MaxPoolPick",
        "ArgMax", "ArgMin", "TopK", "Unique", "NonZero", "NonMaxSuppression", "Hardmax", "And", "Or", "Xor", "Not", "BitShift",
        "BitwiseAnd",
        "BitwiseNot", "BitwiseOr", "BitwiseXor", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsInf", "IsNaN",
        "SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceAt", "SequenceLength", "SplitToSequence",
        "ConcatFromSequence", "Optional", "OptionalHasElement", "OptionalGetElement", "ai.onnx.ml:Binarizer", "ai.onnx.ml:ClassLabels",
        "ai.onnx.ml:CategoryMapper",
        "ai.onnx.ml:LabelEncoder", "ai.onnx.ml:OneHotEncoder",
        "BitCast", "ImageDecoder", "Im2Col", "AffineBase", "WindowPlaces", "MaxRoiPool", "MaxRoiPoolPick",
        "PatchWindow", "PatchPlaces",
    ]

    /// Their arithmetic follows from data, or from graphs inside them.
    private static let data = [
        "If", "Loop", "Scan", "SequenceMap", "ai.onnx.ml:TreeEnsemble", "ai.onnx.ml:TreeEnsembleClassifier",
        "ai.onnx.ml:TreeEnsembleRegressor",
    ]

    /// One operation for each element of the output.
    private static let pointwise = [
        "Abs", "Acos", "Acosh", "Add", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Clip", "ClipGrad", "Cos", "Cosh", "CumProd",
        "CumSum",
        "Div", "Elu", "Erf", "Exp", "FakeQuantizeGrad", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Mod",
        "Mul",
        "Neg", "PRelu", "Pow", "Reciprocal", "Relu", "ReluGrad", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Silu", "Sin", "Sinh",
        "Softplus", "Softsign", "Sqrt", "Sub", "Swish", "Tan", "Tanh", "ThresholdedRelu", "ai.onnx.ml:PostTransform",
    ]

    private static let perOutput: [String: Double] = [
        "BatchNormalization": 2,  // scale and shift, made once from the statistics
        "DequantizeLinear": 2, "QuantizeLinear": 3, "FakeQuantize": 5, "DynamicQuantizeLinear": 5,
        "GeluGrad": 6,
        // max, difference, exp, sum, quotient; and its derivative: product, sum, difference, product
        "Softmax": 5, "LogSoftmax": 5, "SoftmaxGrad": 4,
        // mean, difference, square, sum, product, scale, shift
        "LayerNormalization": 7, "InstanceNormalization": 7, "GroupNormalization": 7, "LayerNormalizationGrad": 11,
        "RMSNormalization": 4, "LpNormalization": 3,
    ]

    private static let perInput: [String: Double] = [
        "ReduceSum": 1, "ReduceMean": 1, "ReduceMax": 1, "ReduceMin": 1, "ReduceProd": 1, "ReduceLogSum": 1, "ReduceL1": 2, "ReduceL2": 2,
        "ReduceSumSquare": 2, "ReduceLogSumExp": 4, "GlobalAveragePool": 1, "GlobalMaxPool": 1, "SumLike": 1,
        // Sums of what arrives.
        "Col2Im": 1, "MaxRoiPoolGrad": 1, "PadGrad": 1, "GatherGrad": 1, "GatherElementsGrad": 1, "GatherNDGrad": 1,
    ]

    private static let rules: [String: Rule] = [
        "Conv": { node in sum(matmul(node.output(), by: node.inputs(1, from: 1)), node.hasInput(2) ? node.output() : 0, fused(node)) },
        "ConvGradInput": { node in matmul(node.input(0), by: node.inputs(1, from: 1)) },
        // Each element of the arriving gradient meets one filter's worth of inputs.
        "ConvGradWeight": { node in matmul(node.input(1), by: node.outputs(from: 1)) },
        "ConvTranspose": { node in sum(matmul(node.input(0), by: node.inputs(1, from: 1)), node.hasInput(2) ? node.output() : 0) },
        "MatMul": { node in matmul(node.output(), by: node.lastDim(0)) },
        "Gemm": { node in
            let depth = node.flag("transA") ? node.dim(0, 0) : node.lastDim(0)
            return sum(matmul(node.output(), by: depth), node.hasInput(2) ? node.output() : 0, fused(node))
        },
        "Einsum": einsum,
        "AveragePool": { node in pooled(node, node.output()) },
        "MaxPool": { node in pooled(node, node.output()) },
        "SumPool": { node in pooled(node, node.output()) },
        "AveragePoolGrad": { node in pooled(node, node.input(0)) },
        "MaxPoolGrad": { node in pooled(node, node.input(0)) },
        "SumPoolGrad": { node in pooled(node, node.input(0)) },
        "LRN": { node in node.output().map { $0 * (2 * Double(node.node.attributes["size"]?.int ?? 1) + 3) } },
        "Sum": several, "Max": several, "Min": several,
        "Mean": { node in sum(several(node), node.output()) },
        "Resize": { node in resized(node, node.output()) },
        "ResizeGrad": { node in resized(node, node.input(0)) },
        "GridSample": { node in sampled(node, node.output()) }, "GridSampleGrad": { node in sampled(node, node.input(0)) },
        "DFT": { node in transformed(node, node.output()) }, "DFTGrad": { node in transformed(node, node.input(0)) },
        "Recurrence": { node in node.output().map { 2 * $0 } },
        "ScatterElements": scattered, "ScatterND": scattered,
        "LSTM": { recurrent($0, gates: 4) }, "GRU": { recurrent($0, gates: 3) }, "RNN": { recurrent($0, gates: 1) },
    ]

    // MARK: Rules

    private static func sum(_ parts: Double?...) -> Double? {
        parts.contains(where: { $0 == nil }) ? nil : parts.reduce(0) { $0 + ($1 ?? 0) }
    }

    /// So many results, each a product of two vectors of length `depth`.
    private static func matmul(_ results: Double?, by depth: Double?) -> Double? {
        guard let results, let depth else { return nil }
        return 2 * results * depth
    }

    /// The residual and the activation that a pass has put into a node.
    private static func fused(_ node: NodeSizes) -> Double? {
        let count = (node.node.op == "Conv" && node.hasInput(3) ? 1.0 : 0) + (node.node.attributes["activation"] == nil ? 0 : 1)
        return count == 0 ? 0 : node.output().map { count * $0 }
    }

    private static func pooled(_ node: NodeSizes, _ elements: Double?) -> Double? {
        guard let window = node.node.attributes["kernel_shape"]?.ints else { return nil }
        return elements.map { window.reduce($0) { $0 * Double($1) } }
    }

    /// Between the inputs, for each element of the output.
    private static func several(_ node: NodeSizes) -> Double? { node.output().map { $0 * Double(max(0, node.node.inputs.count - 1)) } }

    /// A product and a sum for each sample that an element is made of.
    private static func resized(_ node: NodeSizes, _ elements: Double?) -> Double? {
        let axes = Double(max(0, (node.rank(0) ?? 4) - 2))
        switch node.node.attributes["mode"]?.string ?? "nearest" {
        case "linear": return elements.map { $0 * 2 * 2 * axes }
        case "cubic": return elements.map { $0 * 2 * 4 * axes }
        default: return 0
        }
    }

    /// A product and a sum for each element that a sample is made of.
    private static func sampled(_ node: NodeSizes, _ elements: Double?) -> Double? {
        let mode = node.node.attributes["mode"]?.string ?? "linear", axes = max(0, (node.rank(0) ?? 4) - 2)
        let taps: Double = mode == "nearest" ? 0 : mode.hasSuffix("cubic") ? 4 : 2
        return elements.map { elements in elements * 2 * (0..<axes).reduce(1.0) { product, _ in product * taps } }
    }

    /// Five operations for each of log2(n) steps and numbers; n as of the longest axis, for want of a better guess.
    private static func transformed(_ node: NodeSizes, _ numbers: Double?) -> Double? {
        let sizes = (0..<(node.rank(0) ?? 0)).compactMap { node.dim(0, $0) }
        return numbers.map { $0 / 2 * 5 * log2(max(sizes.max() ?? 1, 1)) }
    }

    private static func scattered(_ node: NodeSizes) -> Double? {
        (node.node.attributes["reduction"]?.string ?? "none") == "none" ? 0 : node.input(2)
    }

    /// Products of one input row with W and of one state with R, and about ten operations per hidden unit and gate.
    private static func recurrent(_ node: NodeSizes, gates: Double) -> Double? {
        guard let steps = node.dim(0, 0), let batch = node.dim(0, 1), let w = node.input(1), let r = node.input(2),
            let hidden = node.lastDim(2)
        else { return nil }
        let directions = node.dim(1, 0) ?? 1
        return steps * batch * (2 * (w + r) + 10 * gates * hidden * directions)
    }

    /// One product and one sum for each combination of labels; products of more than two operands one by one.
    private static func einsum(_ node: NodeSizes) -> Double? {
        guard let equation = node.node.attributes["equation"]?.string else { return nil }
        let terms = equation.split(separator: "-")[0].filter { $0 != " " }.split(separator: ",", omittingEmptySubsequences: false)
        var sizes: [Character: Double] = [:]
        for (index, term) in terms.enumerated() {
            // Labels are letters; the dots of an ellipsis stand for the axes that are left over.
            let labels = term.filter { $0 != "." }
            guard let rank = node.rank(index), rank >= labels.count else { return nil }
            let gap = rank - labels.count
            let dots = term.firstIndex(of: ".").map { term.distance(from: term.startIndex, to: $0) } ?? labels.count
            for axis in 0..<rank {
                guard let size = node.dim(index, axis) else { return nil }
                let isDots = axis >= dots && axis < dots + gap
                let label = isDots ? Character(String(axis - dots - gap + 10)) : Array(labels)[axis < dots ? axis : axis - gap]
                sizes[label] = max(sizes[label] ?? 1, size)
            }
        }
        return sizes.values.reduce(Double(max(2, terms.count)), *)
    }
}

/// The sizes around a node, in double; nil where they are not known.
struct NodeSizes {
    let node: Node
    fileprivate let graph: Graph

    func hasInput(_ index: Int) -> Bool { node.inputs.indices.contains(index) && node.inputs[index] != nil }
    func rank(_ index: Int) -> Int? { dims(index)?.count }
    func dim(_ index: Int, _ axis: Int) -> Double? {
        guard let dims = dims(index), dims.indices.contains(axis) else { return nil }
        return dims[axis].value.map(Double.init)
    }
    func lastDim(_ index: Int) -> Double? { dims(index).flatMap { dim(index, $0.count - 1) } }
    func flag(_ name: String) -> Bool { node.attributes[name]?.int ?? 0 != 0 }

    /// Elements of an input.
    func input(_ index: Int) -> Double? { inputs(index, from: 0) }
    /// The product of an input's sizes from an axis on.
    func inputs(_ index: Int, from axis: Int) -> Double? { product(dims(index), from: axis) }
    /// Elements of the first output that is there.
    func output() -> Double? { outputs(from: 0) }
    func outputs(from axis: Int) -> Double? {
        product(node.outputs.lazy.compactMap { $0 }.first.flatMap { graph[$0].type?.dims }, from: axis)
    }

    private func dims(_ index: Int) -> [Dim]? { hasInput(index) ? node.inputs[index].flatMap { graph[$0].type?.dims } : nil }

    private func product(_ dims: [Dim]?, from axis: Int) -> Double? {
        guard let dims, dims.count >= axis else { return nil }
        let sizes = dims[axis...].compactMap(\.value)
        return sizes.count == dims.count - axis ? sizes.reduce(1) { $0 * Double($1) } : nil
    }
}

internal import Glibc
internal import Tensors

/// A convolution or matrix product with a constant weight, together with the bias, scale and BatchNormalization right behind
/// it: `y = L(x, weight) + shift`. What papers call a layer, however the exporter wrote it down.
struct LinearLayer: Sendable {
    enum Kind: Sendable { case convolution, dense }

    let kind: Kind
    /// The node of the map itself; its input 0 is the layer's.
    let node: Node
    let input: ValueID
    /// What the last node that belongs to the layer computes.
    private(set) var output: ValueID
    /// First outputs of the nodes behind the map that belong to the layer.
    private(set) var followers: [ValueID] = []
    /// One per output channel.
    private(set) var shift: [Double]
    private(set) var hasShift: Bool
    private var scale: [Double]
    /// Of the weight, along which output channels lie.
    private let weightAxis: Int
    private let constant: Tensor

    /// nil where the node is no linear map of its first input by a constant weight.
    init?(_ node: Node, in graph: Graph, readers: [[Int]]) throws {
        guard let kind = LinearLayer.kinds[node.op], node.inputs.count > 1, let input = node.inputs[0], let weight = node.inputs[1],
            graph[input].constant == nil, let constant = graph[weight].constant, constant.type.isFloat,
            let output = node.outputs.first, let output, let rank = graph[output].type?.rank,
            let axis = LinearLayer.weightAxis(node, constant.shape)
        else { return nil }
        let groups = node.op == "ConvTranspose" ? node.attributes["group"]?.int ?? 1 : 1
        let (channels, overflow) = constant.shape[axis].multipliedReportingOverflow(by: groups)
        guard !overflow, channels > 0 else { return nil }
        (self.kind, self.node, self.input, self.output, self.constant, weightAxis) = (kind, node, input, output, constant, axis)
        scale = [Double](repeating: node.op == "Gemm" ? node.attributes["alpha"]?.float ?? 1 : 1, count: channels)
        shift = [Double](repeating: 0, count: channels)
        hasShift = false
        let along = kind == .convolution ? 1 : rank - 1
        if node.inputs.count > 2, let bias = node.inputs[2] {
            let place = node.op == "Gemm" ? along : 0
            guard let numbers = perChannel(bias, graph, rank: node.op == "Gemm" ? rank : 1, axis: place) else { return nil }
            let beta = node.op == "Gemm" ? node.attributes["beta"]?.float ?? 1 : 1
            shift = numbers.map { $0 * beta }
            hasShift = true
        }
        // A scale of grouped transposed convolutions would have to follow the groups; they keep theirs behind them.
        if groups == 1 { absorb(graph, readers, rank: rank, axis: along) }
    }

    private static let kinds: [String: Kind] = ["Conv": .convolution, "ConvTranspose": .convolution, "Gemm": .dense, "MatMul": .dense]

    private static func weightAxis(_ node: Node, _ shape: [Int]) -> Int? {
        switch node.op {
        case "Conv": return shape.count >= 3 && FusedActivation.isPlain(node) ? 0 : nil
        case "ConvTranspose": return shape.count >= 3 ? 1 : nil
        case "Gemm":
            guard shape.count == 2, node.attributes["transA"]?.int ?? 0 == 0, FusedActivation.isPlain(node) else { return nil }
            return node.attributes["transB"]?.int ?? 0 == 0 ? 1 : 0
        default: return shape.count == 2 ? 1 : nil
        }
    }

    // MARK: What follows

    /// Takes in shifts, scales and BatchNormalizations by constants, as long as nothing else reads what they read.
    private mutating func absorb(_ graph: Graph, _ readers: [[Int]], rank: Int, axis: Int) {
        while followers.count < 8, readers[output.index].count == 1, !graph.outputs.contains(output) {
            let next = graph.nodes[readers[output.index][0]]
            guard next.outputs.dropFirst().allSatisfy({ $0 == nil }), let made = next.outputs.first, let made,
                let (factor, offset) = affine(next, graph, rank: rank, axis: axis)
            else { return }
            for i in scale.indices {
                scale[i] *= factor[i]
                shift[i] = shift[i] * factor[i] + offset[i]
            }
            hasShift = hasShift || offset.contains { $0 != 0 }
            followers.append(made)
            output = made
        }
    }

    /// `y = factor * x + offset` by channel, for a node that reads the layer's output as its first or only changing input.
    private func affine(_ next: Node, _ graph: Graph, rank: Int, axis: Int) -> (factor: [Double], offset: [Double])? {
        let ones = scale.map { _ in 1.0 }, zeros = scale.map { _ in 0.0 }
        guard let isFirst = next.inputs.first.map({ $0 == output }) else { return nil }
        func other() -> [Double]? {
            guard next.inputs.count == 2, let id = next.inputs[isFirst ? 1 : 0], next.inputs.contains(output) else { return nil }
            return perChannel(id, graph, rank: rank, axis: axis)
        }
        switch next.op {
        case "Add": return other().map { (ones, $0) }
        case "Sub": return isFirst ? other().map { (ones, $0.map { -$0 }) } : nil
        case "Mul": return other().map { ($0, zeros) }
        case "Div":
            guard isFirst, let divisor = other(), !divisor.contains(0) else { return nil }
            return (divisor.map { 1 / $0 }, zeros)
        case "BatchNormalization": return normalization(next, graph)
        default: return nil
        }
    }

    private func normalization(_ next: Node, _ graph: Graph) -> (factor: [Double], offset: [Double])? {
        guard kind == .convolution || node.op == "Gemm", next.inputs.first == output, next.inputs.count == 5 else { return nil }
        let numbers = next.inputs.dropFirst().compactMap { perChannel($0, graph, rank: 1, axis: 0) }
        guard numbers.count == 4 else { return nil }
        let epsilon = next.attributes["epsilon"]?.float ?? 1e-5
        let factor = zip(numbers[0], numbers[3]).map { $0 / sqrt($1 + epsilon) }
        return (factor, factor.indices.map { numbers[1][$0] - numbers[2][$0] * factor[$0] })
    }

    /// A constant that is the same everywhere but along the channels; one number for each of them.
    private func perChannel(_ id: ValueID?, _ graph: Graph, rank: Int, axis: Int) -> [Double]? {
        guard let id, let tensor = graph[id].constant, tensor.type.isFloat, tensor.shape.count <= rank else { return nil }
        let shape = [Int](repeating: 1, count: rank - tensor.shape.count) + tensor.shape
        guard shape.indices.allSatisfy({ shape[$0] == 1 || ($0 == axis && shape[$0] == scale.count) }),
            let numbers = try? tensor.doubles(), let first = numbers.first
        else { return nil }
        return numbers.count == scale.count ? numbers : scale.map { _ in first }
    }

    // MARK: Using it

    /// The weight with everything that scales it.
    func weight() throws -> Tensor {
        if scale.allSatisfy({ $0 == 1 }) { return constant }
        let inner = constant.shape.dropFirst(weightAxis + 1).reduce(1, *), size = constant.shape[weightAxis]
        return try constant.converted(to: .float64).read(Double.self) { w in
            try Tensor.make(constant.shape, Double.self) { out in for i in out.indices { out[i] = w[i] * scale[i / inner % size] } }
        }.converted(to: constant.type)
    }

    /// `L(x, weight) + shift`.
    func apply(_ g: inout Gradients, _ x: ValueID, _ weight: ValueID, shift: [Double]? = nil) throws -> ValueID {
        let bias = try shift.map { g.constant(try Tensor($0).converted(to: constant.type)) }
        guard node.op == "MatMul" else { return try g.emit(node.op, [x, weight] + (bias.map { [$0] } ?? []), attributes) }
        let product = try g.emit("MatMul", [x, weight])
        return try bias.map { try g.add(product, $0) } ?? product
    }

    /// The transposed map, from outputs to inputs.
    func transposed(_ g: inout Gradients, _ signal: ValueID, _ weight: ValueID) throws -> ValueID {
        let map = Node(op: node.op, name: node.name, inputs: [input, weight], outputs: node.outputs, attributes: attributes)
        guard let vjp = g.operators[node.op]?.vjp, let result = try vjp(&g, map, [signal]).first, let result else {
            throw Failure.unsupported("\(node.op) has no gradient")
        }
        return result
    }

    /// Those of the map without its bias and factors.
    private var attributes: [String: Attribute] { node.attributes.filter { $0.key != "alpha" && $0.key != "beta" } }
}

internal import Tensors

/// ArrayFeatureExtractor and FeatureVectorizer by operators that have gradients.
extension Classical {
    static let featureShapers = [
        Lowering(domain + "ArrayFeatureExtractor", since: 1) { b, n in try lowerExtractor(&b, n) },
        Lowering(domain + "FeatureVectorizer", since: 1) { b, n in try lowerVectorizer(&b, n) },
    ]

    /// Entries of the last axis by their places.
    private static func lowerExtractor(_ b: inout Lowerer, _ n: Node) throws {
        guard n.inputs.count == 2, let x = n.inputs[0], let places = n.inputs[1] else { throw Failure.invalid("expected 2 inputs") }
        let flat = try b.emit("Reshape", [places, b.constant(Tensor([-1] as [Int64]))])
        guard b.graph[x].type?.rank == 1 else { return try b.emit("Gather", [x, flat], to: n.outputs, ["axis": .int(-1)]) }
        let row = try b.emit("Gather", [x, flat], ["axis": .int(-1)])
        try b.emit("Reshape", [row, b.constant(Tensor([1, -1] as [Int64]))], to: n.outputs)
    }

    /// The inputs side by side, each cut or filled with zeros to its entry of `inputdimensions`.
    private static func lowerVectorizer(_ b: inout Lowerer, _ n: Node) throws {
        let widths = n.attributes["inputdimensions"]?.ints ?? []
        guard widths.isEmpty || widths.count == n.inputs.count, widths.allSatisfy({ (0...1 << 32).contains($0) }) else {
            throw Failure.invalid("inputdimensions \(widths.prefix(8)) for \(n.inputs.count) inputs")
        }
        let parts = try n.inputs.enumerated().map { index, input in
            guard let input else { throw Failure.invalid("input \(index) is missing") }
            return try part(&b, input, widths.isEmpty ? nil : widths[index])
        }
        let isDouble = parts.contains { b.graph[$0].type?.element == .float64 }
        let same = try parts.map { isDouble && b.graph[$0].type?.element == .float32 ? try b.cast($0, .float64) : $0 }
        try b.report(b.emit("Concat", same, ["axis": .int(1)]), to: n.outputs.first ?? nil)
    }

    private static func part(_ b: inout Lowerer, _ input: ValueID, _ width: Int?) throws -> ValueID {
        let rank = b.graph[input].type?.rank
        var x = try b.floats(input)
        if rank == 1 { x = try b.emit("Reshape", [x, b.constant(Tensor([1, -1] as [Int64]))]) }
        if rank ?? 2 != 2, rank != 1 { x = try b.emit("Flatten", [x], ["axis": .int(1)]) }
        guard let width, b.graph[x].type?.dims?.last?.value != width else { return x }
        let filled = try b.emit("Pad", [x, b.constant(Tensor([0, 0, 0, width].map { Int64($0) }))])
        let vector = { (i: Int) in try Tensor([Int64(i)]) }
        return try b.emit("Slice", [filled, b.constant(vector(0)), b.constant(vector(width)), b.constant(vector(1))])
    }
}

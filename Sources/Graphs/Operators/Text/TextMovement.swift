internal import Tensors

/// Lets operators that only move, choose or compare elements work on texts: they run on numbers that stand for them.
enum TextMovement {
    /// What the numbers of texts must tell.
    private enum Meaning { case place, order }

    /// Operators whose first output (of Split all) holds elements of their inputs.
    private static let movers: Set = [
        "CenterCropPad", "Compress", "Concat", "DepthToSpace", "Expand", "Gather", "GatherElements", "GatherND", "OneHot", "Pad",
        "ReverseSequence", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split", "TensorScatter", "Tile", "Transpose", "Trilu",
        "Unique", "Where",
    ]
    /// Operators that compare texts.
    private static let comparers: Set = ["Equal", "Unique"]

    /// The operator, able to take texts where it is one of these.
    static func supporting(_ op: Operator) -> Operator {
        let isMover = movers.contains(op.name), isComparer = comparers.contains(op.name)
        guard isMover || isComparer else { return op }
        let compute = op.compute, meaning: Meaning = isComparer ? .order : .place
        return op.computing { call in
            guard call.inputs.contains(where: { $0?.type == .string }) else { return try compute(call) }
            guard call.node.op != "Equal" || call.inputs.allSatisfy({ $0?.type == .string }) else {
                throw Failure.shape("texts and numbers cannot be compared")
            }
            let table = try Table(call.inputs, meaning)
            let results = try compute(Call(node: call.node, inputs: table.inputs))
            guard isMover else { return results }
            return try results.enumerated().map { $0 == 0 || op.name == "Split" ? try table.texts($1) : $1 }
        }
    }

    /// Texts by number. 0 is the empty text, with which operators fill.
    private struct Table {
        private let known: [String]
        /// The inputs with numbers in place of texts.
        let inputs: [Tensor?]

        init(_ given: [Tensor?], _ meaning: Meaning) throws {
            let texts = try given.flatMap { $0?.type == .string ? try $0?.strings() ?? [] : [] }
            // Of a type that no index has, so that texts where indices belong are still refused.
            var numbers: [UInt32] = []
            switch meaning {
            case .place:
                known = [""] + texts
                numbers = texts.indices.map { UInt32(truncatingIfNeeded: $0 + 1) }
            case .order:
                let sorted = Set(texts.map { TextKey($0) }).sorted()
                let ranks = Dictionary(zip(sorted, 1...), uniquingKeysWith: { first, _ in first })
                known = [""] + sorted.map(\.text)
                numbers = texts.map { UInt32(truncatingIfNeeded: ranks[TextKey($0)] ?? 0) }
            }
            var rest = numbers[...]
            inputs = try given.map { tensor in
                guard let tensor, tensor.type == .string else { return tensor }
                defer { rest = rest.dropFirst(tensor.count) }
                return try Tensor(Array(rest.prefix(tensor.count)), tensor.shape)
            }
        }

        func texts(_ numbers: Tensor) throws -> Tensor {
            let texts = try numbers.integers().map { number in
                guard known.indices.contains(number) else { throw Failure.unsupported("arithmetic on texts") }
                return known[number]
            }
            return try Tensor(strings: texts, numbers.shape)
        }
    }
}

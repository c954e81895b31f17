internal import Tensors

/// Sequences of tensors (ONNX opset 11 and up). A sequence is a tensor whose elements are tensors, see `Tensor.init(sequence:)`.
enum Sequences {
    static let operators: [Operator] = [construct, empty, insert, erase, at, length, split, concat]

    private static let noGradient = "what the sequence holds follows from data"

    private static let construct = Operator(
        "SequenceConstruct", arity: 1...Int(Int32.max),
        infer: { c in
            let items = c.types.compactMap { $0 }
            return [.sequence(of: items.count == c.types.count ? TensorType.common(items) : nil, count: Dim(c.types.count))]
        },
        compute: { c in [try Tensor(sequence: c.inputs.indices.map { try c.tensor($0) })] }, noGradient: noGradient,
        samples: [Sample([.real(2), .real(1, 3)]), Sample([.real(2)])])

    private static let empty = Operator(
        "SequenceEmpty", arity: 0...0,
        infer: { c in [.sequence(of: TensorType(try element(c), nil), count: 0)] },
        compute: { c in
            _ = try element(c)
            return [try Tensor(sequence: [])]
        }, noGradient: noGradient, samples: [Sample([]), Sample([], ["dtype": .int(7)])])

    private static func element(_ c: some NodeReader) throws -> ElementType {
        let number = c.int("dtype", default: Int(ElementType.float32.rawValue))
        return try Int32(exactly: number).map { OnnxPrecision.computed(try .onnx($0)) } ?? { throw Failure.invalid("dtype is \(number)") }()
    }

    private static let insert = Operator(
        "SequenceInsert", arity: 2...3,
        infer: { c in
            let sequence = try sequenceType(c)
            guard let item = c.types[1] else { return [.sequence(of: nil)] }
            if let known = sequence.items.first, known.element != item.element {
                throw Failure.invalid("a sequence of \(known.element) cannot hold \(item.element.kind)")
            }
            let count = sequence.dims?.first ?? .unknown
            return [.sequence(of: (sequence.items.first ?? item).joined(with: item), count: count + 1)]
        },
        compute: { c in
            var items = try sequence(c)
            let item = try c.tensor(1)
            items.insert(item, at: try position(c, 2, count: items.count, isInsert: true) ?? items.count)
            return [try Tensor(sequence: items)]
        }, takesContainers: true, noGradient: noGradient,
        samples: [
            Sample([.sequence([.real(2), .real(2)]), .real(2)]), Sample([.sequence([.real(2), .real(3)]), .real(2), .integers([], [-1])]),
            Sample([.sequence([]), .real(2)]),
        ])

    private static let erase = Operator(
        "SequenceErase", arity: 1...2,
        infer: { c in
            let sequence = try sequenceType(c)
            return [.sequence(of: sequence.items.first, count: (sequence.dims?.first ?? .unknown) - 1)]
        },
        compute: { c in
            var items = try sequence(c)
            guard !items.isEmpty else { throw Failure.invalid("the sequence is empty") }
            items.remove(at: try position(c, 1, count: items.count) ?? items.count - 1)
            return [try Tensor(sequence: items)]
        }, takesContainers: true, noGradient: noGradient,
        samples: [Sample([.sequence([.real(2), .real(2)])]), Sample([.sequence([.real(2), .real(3)]), .integers([], [0])])])

    private static let at = Operator(
        "SequenceAt", arity: 2...2,
        infer: { c in
            guard let item = try sequenceType(c).items.first else { throw NotYetKnown() }
            return [item]
        },
        compute: { c in
            let items = try sequence(c)
            guard let place = try position(c, 1, count: items.count) else { throw Failure.invalid("input 1 is missing") }
            return [try items[place].contiguous()]
        }, takesContainers: true, noGradient: noGradient,
        samples: [Sample([.sequence([.real(2), .real(3)]), .integers([], [1])]), Sample([.sequence([.real(2)]), .integers([1], [-1])])])

    private static let length = Operator(
        "SequenceLength", arity: 1...1,
        infer: { c in
            _ = try sequenceType(c)
            return [TensorType(.int64, [])]
        },
        compute: { c in [try .scalar(Int64(try sequence(c).count))] }, vjp: Rule.zero,
        symbolic: { c in
            guard let type = c.types.first, let type, let count = type.dims?.first, !count.isUnknown else { return nil }
            return [count]
        }, takesContainers: true, samples: [Sample([.sequence([.real(2), .real(3)])]), Sample([.sequence([])])])

    // MARK: Between tensors and sequences

    private static let split = Operator(
        "SplitToSequence", arity: 1...2,
        infer: { c in
            let type = try c.type(0)
            guard let dims = type.dims else { return [.sequence(of: TensorType(type.element, nil))] }
            let axis = try Shape.axis(c.int("axis", default: 0), rank: dims.count)
            guard dims.indices.contains(axis) else { throw Failure.shape("a scalar cannot be split") }
            guard let size = dims[axis].value, let parts = try? parts(c, size: size) else {
                return [.sequence(of: TensorType(type.element, isSqueezed(c) ? without(axis, dims) : with(.unknown, axis, dims)))]
            }
            let isSame = parts.allSatisfy { $0 == parts.first }
            let part = isSqueezed(c) ? without(axis, dims) : with(isSame ? Dim(parts.first ?? 0) : .unknown, axis, dims)
            return [.sequence(of: TensorType(type.element, part), count: Dim(parts.count))]
        },
        compute: { c in
            let x = try c.tensor(0), axis = try Shape.axis(c.int("axis", default: 0), rank: x.shape.count)
            guard x.shape.indices.contains(axis) else { throw Failure.shape("a scalar cannot be split") }
            var start = 0, items: [Tensor] = []
            for part in try parts(c, size: x.shape[axis]) {
                let item = try x.sliced(axis, start..<start + part).contiguous()
                items.append(isSqueezed(c) ? try item.reshaped(without(axis, x.shape)) : item)
                start += part
            }
            return [try Tensor(sequence: items)]
        }, noGradient: noGradient,
        samples: [
            Sample([.real(3, 2)]), Sample([.real(2, 3)], ["axis": .int(-1), "keepdims": .int(0)]),
            Sample([.real(5, 2), .integers([], [2])]), Sample([.real(2, 5), .integers([2], [1, 4])], ["axis": .int(1)]),
        ])

    /// Without `split`, parts of one element, whose axis goes when `keepdims` is 0.
    static func isSqueezed(_ c: some NodeReader) -> Bool { !c.has(1) && !c.flag("keepdims", default: true) }

    /// Sizes of the parts of an axis: a number means equal ones, the last of which may be smaller.
    static func parts(_ c: some NodeReader, size: Int) throws -> [Int] {
        // An axis beside one of size 0 may be long and take nothing; its parts would.
        func check(_ count: Int) throws {
            guard count <= Memory.largest / Tensor.itemBytes else { throw Failure.memory("\(count) parts are too many") }
        }
        guard c.has(1) else {
            try check(size)
            return [Int](repeating: 1, count: size)
        }
        guard let split = c.constant(1) else { throw NotYetKnown() }
        let sizes = try split.integers()
        if !split.shape.isEmpty {
            var total = 0
            for part in sizes {
                guard part >= 0, part <= size - total else { throw Failure.shape("parts \(sizes) do not make up an axis of \(size)") }
                total += part
            }
            guard total == size else { throw Failure.shape("parts \(sizes) do not make up an axis of \(size)") }
            return sizes
        }
        guard let step = sizes.first, step > 0 else { throw Failure.invalid("split is \(sizes.first ?? 0), expected at least 1") }
        try check(size / step)
        return stride(from: 0, to: size, by: step).map { min(step, size - $0) }
    }

    private static func without<T>(_ axis: Int, _ sizes: [T]) -> [T] {
        var sizes = sizes
        sizes.remove(at: axis)
        return sizes
    }

    private static func with(_ size: Dim, _ axis: Int, _ dims: [Dim]) -> [Dim] {
        var dims = dims
        dims[axis] = size
        return dims
    }

    private static let concat = Operator(
        "ConcatFromSequence", arity: 1...1,
        infer: { c in
            let sequence = try sequenceType(c)
            guard let item = sequence.items.first else { throw NotYetKnown() }
            guard var dims = item.dims else { return [TensorType(item.element, nil)] }
            let isNew = c.flag("new_axis"), axis = try axis(c, rank: dims.count)
            if isNew {
                dims.insert(sequence.dims?.first ?? .unknown, at: axis)
            } else {
                let count = sequence.dims?.first ?? .unknown
                dims[axis] = dims[axis] * count
            }
            return [TensorType(item.element, dims)]
        },
        compute: { c in
            let items = try sequence(c)
            guard let first = items.first else { throw Failure.invalid("the sequence is empty") }
            let axis = try axis(c, rank: first.shape.count)
            let parts = c.flag("new_axis") ? try items.map { try $0.reshaped(inserted(1, axis, $0.shape)) } : items
            guard let concat = OperatorSet.standard["Concat"] else { throw Failure.unsupported("there is no Concat") }
            let node = Node(
                op: "Concat", name: c.node.name, inputs: parts.map { _ in ValueID(at: 0) }, outputs: c.node.outputs,
                attributes: ["axis": .int(axis)])
            return try concat.run(Call(node: node, inputs: parts, watch: c.watch))
        }, takesContainers: true, noGradient: noGradient,
        samples: [
            Sample([.sequence([.real(2, 3), .real(2, 1)])], ["axis": .int(1)]),
            Sample([.sequence([.real(2, 3), .real(2, 3)])], ["axis": .int(-1), "new_axis": .int(1)]),
        ])

    /// The axis along which items are joined, or that is new.
    static func axis(_ c: some NodeReader, rank: Int) throws -> Int {
        guard c.node.attributes["axis"]?.int != nil else { throw Failure.invalid("axis is missing") }
        let rank = c.flag("new_axis") ? rank + 1 : rank
        guard rank > 0 else { throw Failure.shape("scalars cannot be joined along an axis") }
        return try Shape.axis(c.int("axis", default: 0), rank: rank)
    }

    static func inserted(_ size: Int, _ axis: Int, _ shape: [Int]) -> [Int] {
        var shape = shape
        shape.insert(size, at: min(axis, shape.count))
        return shape
    }

    // MARK: Reading

    private static func sequence(_ c: Call) throws -> [Tensor] {
        guard let x = c.constant(0) else { throw Failure.invalid("input 0 is missing") }
        return try x.sequence()
    }

    /// Type of the sequence that is the first input.
    static func sequenceType(_ c: Inference) throws -> TensorType {
        let type = try c.type(0)
        guard type.element == .sequence else { throw Failure.invalid("expected a sequence, found \(type.element.kind)") }
        return type
    }

    /// A place given as input `index`, counted from either end; nil when it is left out.
    private static func position(_ c: Call, _ index: Int, count: Int, isInsert: Bool = false) throws -> Int? {
        guard c.has(index) else { return nil }
        return try place(c.tensor(index), count: count, isInsert: isInsert)
    }

    /// The same for its tensor.
    static func place(_ tensor: Tensor, count: Int, isInsert: Bool = false) throws -> Int {
        guard tensor.type.isInteger, tensor.count == 1, let given = try tensor.integers().first else {
            throw Failure.shape("the position must be one integer, found \(tensor.type) \(Shape.text(tensor.shape))")
        }
        guard given >= -count, given < (isInsert ? count + 1 : count) else {
            throw Failure.invalid("position \(given) is outside a sequence of \(count) items")
        }
        return given < 0 ? given + count : given
    }
}

internal import Glibc
internal import Tensors

/// Random numbers (ONNX RandomUniform, RandomNormal and their Like forms, Bernoulli, Multinomial, and Dropout in training
/// mode). An explanation must be repeatable: every node draws the same numbers in each run, from the attribute `seed` or,
/// where the file leaves that open, from the node's name.
///
///     DropoutMask  (X, ratio, training_mode) → what Dropout keeps, and the factor of what is kept
enum RandomNumbers {
    static let operators = [
        shaped("RandomUniform", [:]) { try uniform($0, $1) },
        shaped("RandomNormal", [:]) { try normal($0, $1) },
        like("RandomUniformLike") { try uniform($0, $1) },
        like("RandomNormalLike") { try normal($0, $1) },
        Operator(
            "Bernoulli", arity: 1...1, infer: { [TensorType(try type($0, like: $0.type(0).element), try $0.type(0).dims)] },
            compute: { call in
                let chances = try call.tensor(0), random = source(call)
                let p = try chances.doubles()
                let drawn = p.enumerated().map { index, p in random.uniform(UInt64(index)) < p ? 1.0 : 0 }
                return [try Tensor(drawn, chances.shape).converted(to: type(call, like: chances.type))]
            },
            vjp: Rule.zero, isPure: false,
            samples: [Sample([.uniform([3, 4], 0...1)]), Sample([.uniform([5], 0...1)], ["dtype": .int(11), "seed": .float(7)])]),
        Operator(
            "Multinomial", arity: 1...1,
            infer: { c in
                let dims = try c.dims(0)
                guard dims.count == 2 else { throw Failure.shape("input has \(dims.count) axes, expected 2") }
                return [TensorType(try type(c, like: .int32), [dims[0], Dim(c.int("sample_size", default: 1))])]
            }, compute: multinomial, isPure: false, noGradient: "it draws classes at random",
            samples: [Sample([.real(2, 4)], ["sample_size": .int(5)]), Sample([.real(1, 3)], ["dtype": .int(7)])]),
        Operator(
            "DropoutMask", arity: 1...3,
            infer: { c in
                let type = try c.type(0)
                return [TensorType(.bool, type.dims), TensorType(type.element, [])]
            }, compute: mask, vjp: Rule.zero, isPure: false,
            samples: [
                Sample([.real(3, 4), .integers([], [0]), .truths([], [true])], outputs: 2),
                Sample([.real(3, 4), .absent, .truths([], [false])], outputs: 2),
            ]),
    ]

    static let lowerings = [
        Lowering("Dropout", since: 1) { l, n in try lowerDropout(&l, n, mayTrain: false) },
        Lowering("Dropout", since: 12) { l, n in try lowerDropout(&l, n, mayTrain: true) },
    ]

    // MARK: Drawing

    private static func shaped(
        _ name: String, _ attributes: [String: Attribute], _ draw: @escaping @Sendable (Call, [Int]) throws -> [Double]
    ) -> Operator {
        Operator(
            name, arity: 0...0,
            infer: { c in
                guard let shape = c.ints("shape") else { throw Failure.invalid("attribute shape is missing") }
                _ = try Shape.count(shape)
                return [TensorType(try type(c, like: .float32), shape: shape)]
            },
            compute: { call in
                guard let shape = call.ints("shape") else { throw Failure.invalid("attribute shape is missing") }
                return [try Tensor(draw(call, shape), shape).converted(to: type(call, like: .float32))]
            }, isPure: false, noGradient: "it has no inputs",
            samples: [Sample([], ["shape": .ints([2, 3]), "dtype": .int(11)]), Sample([], ["shape": .ints([0]), "seed": .float(3)])])
    }

    private static func like(_ name: String, _ draw: @escaping @Sendable (Call, [Int]) throws -> [Double]) -> Operator {
        Operator(
            name, arity: 1...1, infer: { [TensorType(try type($0, like: $0.type(0).element), try $0.type(0).dims)] },
            compute: { call in
                let x = try call.tensor(0)
                return [try Tensor(draw(call, x.shape), x.shape).converted(to: type(call, like: x.type))]
            }, vjp: Rule.zero, isPure: false,
            samples: [Sample([.real(2, 3)]), Sample([.integers([4], [1, 2, 3, 4])], ["dtype": .int(1), "seed": .float(2)])])
    }

    /// The attribute `dtype`, or else a type.
    private static func type(_ c: some NodeReader, like other: ElementType) throws -> ElementType {
        guard let number = c.node.attributes["dtype"]?.int, number != 0 else { return other }
        return try ElementType.onnx(Int32(clamping: number))
    }

    private static func source(_ call: Call) -> Random {
        if let seed = call.node.attributes["seed"] {
            return Random(seed: seed.float.map { UInt64(Float($0).bitPattern) } ?? UInt64(bitPattern: Int64(seed.int ?? 0)))
        }
        // Fowler, Noll and Vo's hash.
        return Random(seed: call.node.name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }, stream: 1)
    }

    private static func uniform(_ call: Call, _ shape: [Int]) throws -> [Double] {
        let random = source(call), low = call.float("low", default: 0), high = call.float("high", default: 1)
        return (0..<(try Shape.count(shape))).map { low + (high - low) * random.uniform(UInt64($0)) }
    }

    private static func normal(_ call: Call, _ shape: [Int]) throws -> [Double] {
        let mean = call.float("mean", default: 0), scale = call.float("scale", default: 1)
        var values = [Float](repeating: 0, count: try Shape.count(shape))
        values.withUnsafeMutableBufferPointer { source(call).fillNormal($0) }
        return values.map { mean + scale * Double($0) }
    }

    /// Classes with probabilities softmax(x), by the first running sum that passes a uniform number.
    private static func multinomial(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), count = call.int("sample_size", default: 1), random = source(call)
        guard x.shape.count == 2, x.shape[1] > 0 || x.shape[0] == 0, count >= 0 else {
            throw Failure.shape("input is \(Shape.text(x.shape)) and sample_size \(count), expected rows of at least one class")
        }
        let shape = [x.shape[0], count], classes = x.shape[1], logits = try x.doubles()
        var drawn = [Int64](repeating: 0, count: try Shape.count(shape))
        for row in 0..<shape[0] {
            let own = logits[(row * classes)..<((row + 1) * classes)], top = own.max() ?? 0
            let weights = own.map { exp($0 - top) }, total = weights.reduce(0, +)
            for sample in 0..<count {
                let at = row * count + sample
                var rest = random.uniform(UInt64(at)) * total
                drawn[at] = Int64(
                    weights.firstIndex {
                        rest -= $0; return rest < 0
                    } ?? classes - 1)
            }
        }
        return [try Tensor(drawn, shape).converted(to: type(call, like: .int32))]
    }

    // MARK: Dropout

    private static func mask(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0), ratio = try call.optional(1)?.doubles().first ?? 0.5
        let isTraining = try call.optional(2).map { try $0.doubles().first != 0 } ?? false
        guard !isTraining || (ratio >= 0 && ratio < 1) else {
            throw Failure.invalid("ratio is \(ratio), expected 0 up to 1, which is excluded")
        }
        let random = source(call)
        let kept = try Tensor.make(x.shape, Truth.self) { kept in
            for index in kept.indices { kept[index] = Truth(!isTraining || random.uniform(UInt64(index)) >= ratio) }
        }
        return [kept, try Tensor.scalar(isTraining ? 1 / (1 - ratio) : 1).converted(to: x.type)]
    }

    /// At inference Dropout passes its input on and its mask keeps everything. A network whose `training_mode` is true when
    /// it runs drops elements, the same ones in every run (Monte Carlo dropout).
    private static func lowerDropout(_ l: inout Lowerer, _ n: Node, mayTrain: Bool) throws {
        let x = try l.required(n, 0)
        if mayTrain, let mode = n.optional(2), try l.graph[mode].constant?.doubles().first != 0 {
            let parts = [l.graph.add("\(n.name)/mask"), l.graph.add("\(n.name)/scale")]
            try l.emit("DropoutMask", [x, n.optional(1), mode], to: parts, n.attributes.filter { $0.key == "seed" })
            let scaled = try l.emit("Mul", [x, parts[1]])
            if let mask = n.output(1) { try l.emit("Identity", [parts[0]], to: [mask]) }
            return try l.emit("Where", [parts[0], scaled, l.number(0, like: x)], to: [n.output(0)])
        }
        if let mask = n.output(1) {
            let isEqual = try l.emit("Equal", [x, x])
            let all = try l.emit("Or", [isEqual, l.emit("Not", [isEqual])])
            // The mask was of the input's type before opset 10.
            if l.opset < 10 { try l.emit("CastLike", [all, x], to: [mask]) } else { try l.emit("Identity", [all], to: [mask]) }
        }
        try l.emit("Identity", [x], to: [n.output(0)])
    }
}

internal import Tensors

/// Comparisons, logic, choices and conversions (ONNX Equal, Less, LessOrEqual, Greater, GreaterOrEqual, And, Or, Xor, Not,
/// Where, IsNaN, IsInf, Cast, CastLike; opset 7 and up).
enum Comparison {
    static let operators = comparisons + logic + tests + [choice] + casts

    private static let comparisons = [
        equality,
        ordering("Less", { $0 < $1 }, { $0 < $1 }),
        ordering("LessOrEqual", { $0 <= $1 }, { $0 <= $1 }),
        ordering("Greater", { $0 > $1 }, { $0 > $1 }),
        ordering("GreaterOrEqual", { $0 >= $1 }, { $0 >= $1 }),
    ]

    private static func ordering(
        _ name: String, _ real: @escaping @Sendable (Double, Double) -> Bool, _ integer: @escaping @Sendable (Int64, Int64) -> Bool
    ) -> Operator {
        Operator(
            name, arity: 2...2, infer: { [try Elementwise.broadcast($0, element: .bool)] },
            compute: { [try compare($0.tensor(0), $0.tensor(1), real, integer)] }, vjp: Rule.zero,
            symbolic: ShapeArithmetic.rules[name],
            samples: [Sample([.real(2, 3), .real(3)]), Sample([.integers([3], [1, 2, 3]), .integers([], [2])])])
    }

    /// 64-bit unsigned numbers are compared as such, everything else as doubles or 64-bit integers.
    private static func compare(
        _ a: Tensor, _ b: Tensor, _ real: (Double, Double) -> Bool, _ integer: (Int64, Int64) -> Bool
    ) throws -> Tensor {
        guard a.type.isInteger else {
            return try Elementwise.zip(a.converted(to: .float64), b.converted(to: .float64), Double.self, Truth.self) {
                Truth(real($0, $1))
            }
        }
        // Moving the unsigned range onto the signed one keeps the order.
        let flip: Int64 = a.type == .uint64 ? .min : 0
        return try Elementwise.zip(a.converted(to: .int64), b.converted(to: .int64), Int64.self, Truth.self) {
            Truth(integer($0 ^ flip, $1 ^ flip))
        }
    }

    private static let equality = Operator(
        "Equal", arity: 2...2, infer: { [try Elementwise.broadcast($0, element: .bool)] },
        compute: { c in
            let a = try c.tensor(0), b = try c.tensor(1)
            return [try compare(a, b, { $0 == $1 }, { $0 == $1 })]
        },
        vjp: Rule.zero, symbolic: ShapeArithmetic.rules["Equal"],
        samples: [
            Sample([.integers([3], [1, 2, 3]), .integers([1], [2])]), Sample([.real(2, 3), .real(2, 3)]),
            Sample([.truths([2], [true, false]), .truths([2], [true, true])]),
        ])

    // MARK: Logic

    private static let logic = [
        truths("And") { $0 && $1 },
        truths("Or") { $0 || $1 },
        truths("Xor") { $0 != $1 },
        Operator(
            "Not", arity: 1...1, infer: { [try $0.type(0)] },
            compute: { c in [try c.tensor(0).map(Truth.self) { Truth(!$0.isTrue) }] }, symbolic: ShapeArithmetic.rules["Not"],
            samples: [Sample([.truths([3], [true, false, true])])]),
    ]

    private static func truths(_ name: String, _ body: @escaping @Sendable (Bool, Bool) -> Bool) -> Operator {
        Operator(
            name, arity: 2...2, infer: { [try Elementwise.broadcast($0, element: .bool)] },
            compute: { c in
                [try Elementwise.zip(c.tensor(0), c.tensor(1), Truth.self, Truth.self) { Truth(body($0.isTrue, $1.isTrue)) }]
            },
            samples: [Sample([.truths([2, 2], [true, false, true, false]), .truths([2, 1], [true, false])])])
    }

    private static let tests = [
        test("IsNaN") { _ in { $0.isNaN } },
        test("IsInf") { c in
            let takesPositive = c.flag("detect_positive", default: true), takesNegative = c.flag("detect_negative", default: true)
            return { $0.isInfinite && ($0 > 0 ? takesPositive : takesNegative) }
        },
    ]

    private static func test(_ name: String, _ body: @escaping @Sendable (Call) -> (Double) -> Bool) -> Operator {
        Operator(
            name, arity: 1...1, infer: { TensorType.list(.bool, try $0.type(0).dims) },
            compute: { c in
                let test = body(c)
                return [try c.tensor(0).map(Double.self) { Truth(test($0)) }]
            },
            vjp: Rule.zero, samples: [Sample([.values([4], [1, .infinity, -.infinity, .nan])])])
    }

    // MARK: Conversions

    private static let casts = [
        cast("Cast", arity: 1...1) { c in
            guard let type = ElementType(rawValue: Int32(truncatingIfNeeded: c.int("to", default: 0))) else {
                throw Failure.invalid("attribute to is \(c.int("to", default: 0)), expected an element type")
            }
            return type
        } compute: { c, type in
            try c.tensor(0).cast(to: type, c)
        },
        cast("CastLike", arity: 2...2) { c in
            guard let c = c as? Inference else { return .float32 }
            return try c.type(1).element
        } compute: { c, _ in
            try c.tensor(0).cast(to: c.tensor(1).type, c)
        },
    ]

    private static func cast(
        _ name: String, arity: ClosedRange<Int>, target: @escaping @Sendable (any NodeReader) throws -> ElementType,
        compute: @escaping @Sendable (Call, ElementType) throws -> Tensor
    ) -> Operator {
        let other: [Sample.Input] = arity.upperBound == 2 ? [.integers([1], [0])] : []
        return Operator(
            name, arity: arity, infer: { [TensorType(try target($0), try $0.type(0).dims)] },
            compute: { c in [try compute(c, target(c))] },
            vjp: Rule.all { g, n, dy in
                let x = try g.input(n, 0)
                guard try g.type(of: x).element.isFloat else { return [nil, nil] }
                return [try g.cast(dy, like: x), nil]
            },
            symbolic: ShapeArithmetic.rules[name],
            samples: [
                Sample([.real(2, 3)] + other, ["to": .int(Int(ElementType.int64.rawValue))]),
                Sample([.real(2, 3)] + (other.isEmpty ? [] : [.real(1)]), ["to": .int(Int(ElementType.float64.rawValue))]),
            ])
    }
}

extension Tensor {
    /// The elements as `type`, after rounding to the smaller type that the file stores them in (attribute `storage`).
    fileprivate func cast(to type: ElementType, _ c: Call) throws -> Tensor {
        guard let number = c.node.attributes["storage"]?.int, let small = ElementType(rawValue: Int32(clamping: number)) else {
            return try converted(to: type)
        }
        let mode = c.string("round_mode", default: "up")
        guard let rounding = SmallFloats.PowerRounding(rawValue: mode) else {
            throw Failure.invalid("round_mode is '\(mode)', expected up, down or nearest")
        }
        return try narrowed(to: small, saturates: c.flag("saturate", default: true), rounding: rounding).converted(to: type)
    }
}

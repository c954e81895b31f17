internal import Glibc
internal import Tensors

/// Constructors for operators that work element by element: they carry types, broadcasting and dispatch, so that an
/// entry of a family is a formula.
enum Elementwise {
    /// One real input, computed in the input's own type.
    static func real(
        _ name: String, arity: ClosedRange<Int> = 1...1, _ formula: @escaping @Sendable (Double, Call) -> Double,
        samples: [Sample] = [Sample([.real(2, 3)])], vjp: Operator.VJP? = nil
    ) -> Operator {
        Operator(
            name, arity: arity, infer: { [try $0.type(0)] },
            compute: { call in
                let x = try call.tensor(0)
                return [try mapReal(x) { formula($0, call) }]
            }, vjp: vjp, samples: samples)
    }

    /// `body` in double, over elements of the types that some operators have besides real ones (Relu, Shrink).
    static func mapReal(_ x: Tensor, _ body: (Double) -> Double) throws -> Tensor {
        switch x.type {
        case .float32: return try x.map(Float.self) { Float(body(Double($0))) }
        case .float64: return try x.map(Double.self, body)
        case .int8, .int16, .int32, .uint8, .uint16, .uint32: return try x.map(Double.self, body).converted(to: x.type)
        case .int64, .uint64:
            guard try x.doubles().allSatisfy({ $0.magnitude <= 0x1p53 }) else {
                throw Failure.unsupported("elements of \(x.type) beyond 2^53, which double precision does not hold")
            }
            return try x.map(Double.self, body).converted(to: x.type)
        default: throw Failure.unsupported("elements of \(x.type), expected float32 or float64")
        }
    }

    /// Types of a broadcasting operator of two or more inputs; `element` nil: that of the first input.
    static func broadcast(_ c: Inference, element: ElementType? = nil, from first: Int = 0) throws -> TensorType {
        let own = try c.type(first)
        var dims = try c.dims(first)
        for index in first..<c.node.inputs.count where index > first {
            let other = try c.type(index)
            guard other.element == own.element else {
                throw Failure.shape("input \(first) is \(own.element), input \(index) is \(other.element)")
            }
            dims = try broadcast(dims, try c.dims(index))
        }
        return TensorType(element ?? own.element, dims)
    }

    /// NumPy's broadcasting of symbolic sizes.
    static func broadcast(_ a: [Dim], _ b: [Dim]) throws -> [Dim] {
        let rank = max(a.count, b.count)
        return try (0..<rank).map { i in
            let x = i < rank - a.count ? Dim(1) : a[i - (rank - a.count)]
            let y = i < rank - b.count ? Dim(1) : b[i - (rank - b.count)]
            if x == y || y.value == 1 { return x }
            if x.value == 1 { return y }
            // A symbol against a number above 1 can only be that number (or 1, which gives the same).
            if let known = x.value, y.value == nil { return Dim(known) }
            if let known = y.value, x.value == nil { return Dim(known) }
            if x.value == nil, y.value == nil { return .unknown }
            let text = { (d: [Dim]) in d.map(\.description).joined(separator: "x") }
            throw Failure.shape("shapes \(text(a)) and \(text(b)) do not broadcast")
        }
    }

    /// Two tensors element by element with broadcasting.
    static func zip<S: Element, R: Element>(_ a: Tensor, _ b: Tensor, _: S.Type, _: R.Type, _ body: (S, S) -> R) throws -> Tensor {
        guard let shape = Shape.broadcast(a.shape, b.shape) else {
            throw Failure.shape("shapes \(Shape.text(a.shape)) and \(Shape.text(b.shape)) do not broadcast")
        }
        let x = try a.broadcast(to: shape).contiguous(), y = try b.broadcast(to: shape).contiguous()
        return try x.read(S.self) { x in
            try y.read(S.self) { y in try Tensor.make(shape, R.self) { z in for i in z.indices { z[i] = body(x[i], y[i]) } } }
        }
    }
}

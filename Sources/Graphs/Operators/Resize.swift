internal import Glibc
internal import Tensors

/// Resize (opset 10 to 19, Upsample 7 and 9 by lowering): along each axis every output element is a weighted sum of
/// input elements, by a table that forward, adjoint and second order share.
///
///     Resize      (X, roi, scales, sizes) → Y
///     ResizeGrad  (dY, roi, scales, sizes, shape of X) → dX, the adjoint; the shape also as attribute `input_shape`
enum Resize {
    static let operators = [
        Operator("Resize", arity: 1...4, infer: infer, compute: compute, vjp: vjp, samples: samples + combinations),
        Operator("ResizeGrad", arity: 1...5, infer: inferGrad, compute: computeGrad, vjp: gradVJP, samples: gradSamples),
    ]

    static let lowerings = [
        Lowering("Resize", since: 10) { b, n in try lowerOld(&b, n) },
        Lowering("Resize", since: 11) { b, n in try b.add(n) },
        Lowering("Upsample", since: 7) { b, n in try lowerOld(&b, n) },
    ]

    /// Before opset 11 positions were scaled plainly and nearest meant rounding down.
    private static func lowerOld(_ b: inout Lowerer, _ n: Node) throws {
        var attributes = n.attributes
        attributes["coordinate_transformation_mode"] = .string("asymmetric")
        attributes["nearest_mode"] = .string("floor")
        if n.attributes["mode"]?.string == "bilinear" { attributes["mode"] = .string("linear") }
        let scales = n.inputs.count > 1 ? n.inputs[1] : nil
        try b.emit("Resize", [n.inputs.first ?? nil, nil, scales], to: n.outputs, attributes)
    }

    // MARK: Kernels

    private static func infer(_ c: Inference) throws -> [TensorType] {
        let type = try c.type(0)
        return [TensorType(type.element, try ResizePlan.outputDims(c, input: c.dims(0)))]
    }

    private static func compute(_ call: Call) throws -> [Tensor] {
        let x = try call.tensor(0)
        let plan = try ResizePlan(call, input: x.shape)
        var y = try x.converted(to: .float64)
        for (axis, table) in plan.tables.enumerated() { if let table { y = try table.apply(y, axis) } }
        if let value = plan.extrapolation { y = try plan.fillOutside(y, value) }
        if x.type.isInteger { y = try y.map(Double.self) { $0.rounded(.toNearestOrEven) } }
        return [try y.converted(to: x.type)]
    }

    private static func inferGrad(_ c: Inference) throws -> [TensorType] {
        let dims = try c.dims(0)
        guard
            let shape = c.has(4) ? c.symbols(4) ?? [Dim](repeating: .unknown, count: dims.count) : c.ints("input_shape")?.map({ Dim($0) }),
            shape.count == dims.count
        else { throw Failure.invalid("attribute input_shape is missing or does not have \(dims.count) entries") }
        return [TensorType(try c.type(0).element, shape)]
    }

    private static func computeGrad(_ call: Call) throws -> [Tensor] {
        let dy = try call.tensor(0)
        guard let shape = try call.ints(4, or: "input_shape"), shape.count == dy.shape.count else {
            throw Failure.invalid("attribute input_shape is missing or does not have \(dy.shape.count) entries")
        }
        let plan = try ResizePlan(call, input: shape)
        guard dy.shape == plan.output else {
            throw Failure.shape("gradient is \(Shape.text(dy.shape)), expected \(Shape.text(plan.output))")
        }
        var dx = try Convolution.reals(dy)
        for (axis, table) in plan.tables.enumerated().reversed() { if let table { dx = try table.adjoint(dx, axis, size: shape[axis]) } }
        return [try dx.converted(to: dy.type)]
    }

    // MARK: Rules

    private static func vjp(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let dy = arriving.first ?? nil else { return [] }
        let x = try g.input(node, 0)
        let rest = Array((node.inputs + [nil, nil, nil])[1..<4])
        var attributes = node.attributes
        guard let shape = g.shape(of: x) else { return [try g.emit("ResizeGrad", [dy] + rest + [g.emit("Shape", [x])], attributes)] }
        attributes["input_shape"] = .ints(shape)
        return [try g.emit("ResizeGrad", [dy] + rest, attributes)]
    }

    private static func gradVJP(_ g: inout Gradients, _ node: Node, _ arriving: [ValueID?]) throws -> [ValueID?] {
        guard let u = arriving.first ?? nil else { return [] }
        var attributes = node.attributes.filter { $0.key != "input_shape" }
        // What lies outside is a constant of the first derivative.
        attributes["extrapolation_value"] = .float(0)
        return [try g.emit("Resize", [u] + Array((node.inputs + [nil, nil, nil])[1..<4]), attributes)]
    }

    // MARK: Samples

    private static func sizes(_ sizes: Int...) -> [Sample.Input] { [.absent, .absent, .integers([sizes.count], sizes)] }

    private static let samples = [
        Sample([.real(1, 2, 3, 4)] + sizes(1, 2, 5, 6), ["mode": .string("linear")]),
        Sample([.real(1, 2, 5, 4)] + sizes(1, 2, 3, 3), ["mode": .string("nearest"), "nearest_mode": .string("ceil")]),
        Sample(
            [.real(1, 2, 4, 4)] + sizes(7, 3),
            [
                "mode": .string("cubic"), "axes": .ints([2, -1]), "coordinate_transformation_mode": .string("align_corners"),
            ]),
        Sample([.real(2, 5, 6)], ["mode": .string("linear"), "antialias": .int(1), "scales": .floats([1, 0.5, 0.4])]),
        Sample(
            [.real(1, 1, 5, 4)],
            [
                "mode": .string("cubic"), "exclude_outside": .int(1), "scales": .floats([1, 1, 2, 1.5]), "cubic_coeff_a": .float(-0.5),
                "coordinate_transformation_mode": .string("asymmetric"),
            ]),
        Sample(
            [.real(1, 1, 4, 4)],
            [
                "mode": .string("linear"), "scales": .floats([1, 1, 0.8, 1.5]),
                "coordinate_transformation_mode": .string("tf_crop_and_resize"),
                "roi": .floats([0, 0, 0.4, -0.2, 1, 1, 1.2, 0.7]), "extrapolation_value": .float(3),
            ]),
    ]

    private static func sample(_ mode: String, _ transformation: String, _ more: [String: Attribute] = [:]) -> Sample {
        Sample(
            [.real(1, 2, 5, 4)] + sizes(1, 2, 3, 7),
            ["mode": .string(mode), "coordinate_transformation_mode": .string(transformation)].merging(more) { $1 })
    }

    /// Each way to interpolate with each way to place the elements.
    private static let combinations = ["nearest", "linear", "cubic"].flatMap { mode in
        ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"].map { sample(mode, $0) }
            + (mode == "nearest"
                ? []
                : [
                    sample(mode, "half_pixel", ["antialias": .int(1)]),
                    sample(mode, "half_pixel", ["antialias": .int(1), "exclude_outside": .int(1)]),
                    sample(mode, "half_pixel", ["keep_aspect_ratio_policy": .string("not_larger"), "axes": .ints([0, 1, 2, 3])]),
                ])
    }

    private static let gradSamples = [
        Sample([.real(1, 2, 5, 6)] + sizes(1, 2, 5, 6), ["mode": .string("linear"), "input_shape": .ints([1, 2, 3, 4])])
    ]
}

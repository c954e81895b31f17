internal import Tensors

/// Operators of language models that are others in a row (ONNX SwiGLU 28, CausalConvWithState 27, TensorScatter 24).
enum Gating {
    static let lowerings = [
        Lowering("SwiGLU", since: 28) { l, n in
            let gate = try l.emit("Swish", [l.required(n, 0)], ["alpha": .float(n.attributes["alpha"]?.float ?? 1)])
            try l.emit("Mul", [gate, l.required(n, 1)], to: n.outputs)
        },
        Lowering("CausalConvWithState", since: 27) { l, n in try lowerConvolution(&l, n) },
        Lowering("TensorScatter", since: 24) { l, n in try lowerScatter(&l, n) },
    ]

    /// A convolution of each channel over what came before.
    private static func lowerConvolution(_ l: inout Lowerer, _ n: Node) throws {
        let x = try l.required(n, 0), weight = try l.required(n, 1)
        let channels = try l.size(weight, 0), before = try l.size(weight, 2) - 1
        let padded: ValueID
        if let past = n.optional(3) {
            padded = try l.emit("Concat", [past, x], ["axis": .int(2)])
        } else {
            padded = try l.emit("Pad", [x, l.vector([0, 0, before, 0, 0, 0])])
        }
        if let state = n.output(1) {
            let start = try l.vector([before > 0 ? -before : .max])
            try l.emit("Slice", [padded, start, l.vector([.max]), l.vector([2])], to: [state])
        }
        let output = [n.output(0)], inputs = [padded, weight, n.optional(2)]
        switch n.attributes["activation"]?.string ?? "none" {
        case "none", "": try l.emit("Conv", inputs, to: output, ["group": .int(channels)])
        case "silu", "swish": try l.emit("Swish", [l.emit("Conv", inputs, ["group": .int(channels)])], to: output)
        case let other: throw Failure.invalid("activation is \(other), expected none, silu or swish")
        }
    }

    /// Writes the update into the cache, from an index of its own for each image on.
    private static func lowerScatter(_ l: inout Lowerer, _ n: Node) throws {
        let cache = try l.required(n, 0), update = try l.required(n, 1), rank = try l.rank(cache)
        let axis = try Shape.axis(n.attributes["axis"]?.int ?? -2, rank: rank)
        guard axis > 0 else { throw Failure.invalid("axis is 0, which is the batch") }
        func column(_ at: Int) -> [Int] { (0..<rank).map { $0 == at ? -1 : 1 } }
        var places = try l.emit("Reshape", [l.counting(to: l.sizes(of: update, from: axis, to: axis + 1)), l.vector(column(axis))])
        if let first = n.optional(2) { places = try l.emit("Add", [places, l.emit("Reshape", [first, l.vector(column(0))])]) }
        switch n.attributes["mode"]?.string ?? "linear" {
        case "linear": break
        case "circular": places = try l.emit("Mod", [places, l.sizes(of: cache, from: axis, to: axis + 1)])
        case let other: throw Failure.invalid("mode is \(other), expected linear or circular")
        }
        let indices = try l.emit("Expand", [places, l.emit("Shape", [update])])
        try l.emit("ScatterElements", [cache, indices, update], to: n.outputs, ["axis": .int(axis)])
    }
}

internal import Tensors

/// Products and look-ups with weights of two, four or eight bits in blocks, several to a byte.
extension Contributed {
    static let operators = [unpack]

    static let packedWeights = [
        Lowering(domain + "MatMulNBits", since: 1) { try matMulNBits(&$0, $1) },
        Lowering(domain + "GatherBlockQuantized", since: 1) { try gatherBlocks(&$0, $1) },
    ]

    /// The numbers of `bits` bits that bytes hold along the last axis, the lowest bits first; `size` of them in a row.
    private static let unpack = Operator(
        "UnpackBits", arity: 1...1,
        infer: { c in
            guard let dims = c.node.attributes["size"]?.int.map({ try? Array(c.dims(0).dropLast()) + [Dim($0)] }) ?? nil else {
                throw NotYetKnown()
            }
            return [TensorType(.uint8, dims)]
        },
        compute: { c in
            let x = try c.tensor(0).converted(to: .uint8), bits = c.int("bits", default: 4), size = c.int("size", default: 0)
            guard [1, 2, 4, 8].contains(bits), let bytes = x.shape.last, size >= 0, size <= bytes * (8 / bits) else {
                throw Failure.shape("\(size) numbers of \(bits) bits in \(Shape.text(x.shape)) bytes")
            }
            let perByte = 8 / bits, mask = UInt8((1 << bits) - 1)
            return [
                try x.read(UInt8.self) { from in
                    try Tensor.make(x.shape.dropLast() + [size], UInt8.self) { to in
                        for row in 0..<(size == 0 ? 0 : to.count / size) {
                            for i in 0..<size { to[row * size + i] = from[row * bytes + i / perByte] >> UInt8(i % perByte * bits) & mask }
                        }
                    }
                }
            ]
        },
        samples: [Sample([.integers([2, 2], [0x21, 0x43, 0x65, 0x07])], ["bits": .int(4), "size": .int(3)])])

    /// A times the transpose of a matrix whose rows are cut into blocks of one scale each.
    private static func matMulNBits(_ l: inout Lowerer, _ n: Node) throws {
        guard let rows = n.attributes["N"]?.int, let depth = n.attributes["K"]?.int, let block = n.attributes["block_size"]?.int, rows > 0,
            depth > 0, block > 0, depth <= 1 << 30, block <= 1 << 30
        else { throw Failure.invalid("attributes N, K and block_size are missing") }
        guard n.attributes["weight_prepacked"]?.int ?? 0 == 0 else {
            throw Failure.unsupported("weight_prepacked: the layout is that of one machine")
        }
        let bits = n.attributes["bits"]?.int ?? 4
        guard [2, 4, 8].contains(bits) else { throw Failure.unsupported("weights of \(bits) bits, expected 2, 4 or 8") }
        guard n.optional(4) == nil else { throw Failure.unsupported("g_idx, which onnxruntime deprecates") }
        let blocks = (depth + block - 1) / block
        let packed = try l.reshape(l.required(n, 1), [rows, blocks, -1])
        let levels = try l.emit("UnpackBits", [packed], ["bits": .int(bits), "size": .int(block)])
        let scales = try l.reshape(l.required(n, 2), [rows, blocks, 1])
        let zero = try zeroPoint(&l, n.optional(3), like: scales, bits: bits, [rows, blocks])
        let centred = try l.emit("Sub", [l.cast(levels, l.element(scales)), zero])
        let padded = try l.reshape(l.emit("Mul", [centred, scales]), [rows, blocks * block])
        let weight = try blocks * block == depth ? padded : l.slice(padded, axis: 1, from: 0, to: depth)
        let matrix = try l.transpose(weight, [1, 0])
        guard let bias = n.optional(5) else { return try l.emit("MatMul", [l.required(n, 0), matrix], to: n.outputs) }
        try l.emit("Add", [l.emit("MatMul", [l.required(n, 0), matrix]), bias], to: n.outputs)
    }

    /// One for each block, packed like the weights or given as real numbers; the middle of the range without.
    private static func zeroPoint(_ l: inout Lowerer, _ given: ValueID?, like scales: ValueID, bits: Int, _ shape: [Int]) throws -> ValueID
    {
        guard let given else { return try l.number(Double(1 << (bits - 1)), like: scales) }
        guard try l.element(given) == .uint8 else { return try l.reshape(given, shape + [1]) }
        let packed = try l.reshape(given, shape.dropLast() + [-1])
        let levels = try l.emit("UnpackBits", [packed], ["bits": .int(bits), "size": .int(shape[shape.count - 1])])
        return try l.reshape(l.cast(levels, l.element(scales)), shape + [1])
    }

    /// Rows of a table whose last axis is cut into blocks of one scale each.
    private static func gatherBlocks(_ l: inout Lowerer, _ n: Node) throws {
        let bits = n.attributes["bits"]?.int ?? 4, block = n.attributes["block_size"]?.int ?? 128
        let data = try l.required(n, 0), scales = try l.required(n, 2), rank = try l.rank(data)
        let axis = try Shape.axis(n.attributes["quantize_axis"]?.int ?? 1, rank: rank)
        guard block > 0, block <= 1 << 30, axis == rank - 1 else {
            throw Failure.unsupported("blocks along axis \(axis) of \(rank), expected the last")
        }
        var levels = data
        let isPacked = try l.element(data) == .uint8 && bits < 8
        let byte = try l.element(data) == .uint8
        if isPacked { levels = try l.emit("UnpackBits", [data], ["bits": .int(bits), "size": .int(l.size(data, -1) * 8 / bits)]) }
        var zero = n.optional(3)
        if let given = zero, isPacked { zero = try l.emit("UnpackBits", [given], ["bits": .int(bits), "size": .int(l.size(scales, -1))]) }
        if zero == nil, byte {
            let middle = try l.emit("Expand", [l.number(Double(1 << (bits - 1)), like: levels), l.emit("Shape", [scales])])
            zero = middle
        }
        let table = try l.emit("DequantizeLinear", [levels, scales, zero], ["axis": .int(axis), "block_size": .int(block)])
        try l.emit("Gather", [table, l.required(n, 1)], to: n.outputs, ["axis": n.attributes["gather_axis"] ?? .int(0)])
    }
}

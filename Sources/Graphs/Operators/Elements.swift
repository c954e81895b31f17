internal import Tensors

/// Copies of elements of any type, by their width: the inner loops of operators that only move data.
enum Elements {
    /// `count` elements one after the other. Both tensors must be contiguous and of one type; the ranges must lie inside.
    static func copy(_ source: Tensor, from first: Int, to target: Tensor, at place: Int, count: Int) {
        let width = source.type.bits / 8
        guard count > 0, let from = source.start, let to = target.start else { return }
        (to + place * width).copyMemory(from: from + first * width, byteCount: count * width)
    }

    /// A tensor whose entry along each axis is the entry `maps[axis]` of `x`, or `fill` where that is -1.
    static func mapped(_ x: Tensor, _ maps: [[Int]], fill: Tensor?) throws -> Tensor {
        let x = try x.contiguous(), result = try Tensor.empty(x.type, maps.map(\.count))
        if let fill, fill.type != x.type || fill.count != 1 {
            throw Failure.shape("the fill must be one number of \(x.type), found \(fill.type)")
        }
        let fill = try fill?.contiguous()
        switch x.type.bits {
        case 8: moveRows(UInt8.self, x, result, maps, fill)
        case 16: moveRows(UInt16.self, x, result, maps, fill)
        case 32: moveRows(UInt32.self, x, result, maps, fill)
        case 64: moveRows(UInt64.self, x, result, maps, fill)
        case 128: moveRows(UInt128.self, x, result, maps, fill)
        default: throw Failure.unsupported("moving elements of \(x.type)")
        }
        return result
    }

    private static func moveRows<T: FixedWidthInteger>(_: T.Type, _ x: Tensor, _ result: Tensor, _ maps: [[Int]], _ fill: Tensor?) {
        guard result.count > 0, let to = result.start?.assumingMemoryBound(to: T.self) else { return }
        let from = x.start?.assumingMemoryBound(to: T.self), value = fill?.start?.assumingMemoryBound(to: T.self).pointee ?? 0
        let last = maps.last ?? [0], width = last.count
        withExtendedLifetime((x, result, fill)) {
            forEachRow(x.shape, maps) { row, base in
                let target = to + row * width
                guard base >= 0, let from else { for i in 0..<width { target[i] = value }; return }
                for i in 0..<width { target[i] = last[i] < 0 ? value : from[base + last[i]] }
            }
        }
    }

    /// Adds each entry of `dy` to the entry of the result that `maps` says it came from: the transpose of `mapped`.
    static func accumulated<T: Element & BinaryFloatingPoint>(_ dy: Tensor, into shape: [Int], _ maps: [[Int]], _: T.Type) throws -> Tensor
    {
        let result = try Tensor.zeros(dy.type, shape)
        let last = maps.last ?? [0], width = last.count
        guard dy.shape == maps.map(\.count) else {
            throw Failure.shape("gradient has shape \(Shape.text(dy.shape)), expected \(Shape.text(maps.map(\.count)))")
        }
        try dy.read(T.self) { from in
            try result.write(T.self) { to in
                guard !from.isEmpty else { return }
                forEachRow(shape, maps) { row, base in
                    guard base >= 0 else { return }
                    for i in 0..<width where last[i] >= 0 { to[base + last[i]] += from[row * width + i] }
                }
            }
        }
        return result
    }

    /// Each row of the mapped tensor: its number, and where its source row begins (-1 when some axis maps outside).
    private static func forEachRow(_ shape: [Int], _ maps: [[Int]], _ body: (Int, Int) -> Void) {
        let strides = Shape.strides(shape), outer = max(maps.count - 1, 0)
        var index = [Int](repeating: 0, count: outer)
        for row in 0..<maps.dropLast().reduce(1, { $0 * $1.count }) {
            var base = 0
            for axis in 0..<outer {
                let place = maps[axis][index[axis]]
                if place < 0 { base = -1; break }
                base += place * strides[axis]
            }
            body(row, base)
            var axis = outer - 1
            while axis >= 0 {
                index[axis] += 1
                if index[axis] < maps[axis].count { break }
                index[axis] = 0
                axis -= 1
            }
        }
    }
}

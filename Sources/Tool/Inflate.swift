/// Unpacks deflated data (RFC 1951), as in the archives of numpy.savez_compressed.
struct Inflate {
    private let bytes: ArraySlice<UInt8>
    private var at: Int
    private var bits: UInt32 = 0
    private var held = 0
    private var output: [UInt8] = []
    private let limit: Int

    /// nil when the data are damaged or unpack to another size than `size`.
    static func unpacked(_ bytes: ArraySlice<UInt8>, size: Int) -> [UInt8]? {
        var inflate = Inflate(bytes, limit: size)
        guard inflate.run(), inflate.output.count == size else { return nil }
        return inflate.output
    }

    private init(_ bytes: ArraySlice<UInt8>, limit: Int) {
        self.bytes = bytes
        at = bytes.startIndex
        self.limit = limit
    }

    private mutating func run() -> Bool {
        while true {
            guard let last = take(1), let kind = take(2) else { return false }
            let isSound: Bool
            switch kind {
            case 0: isSound = stored()
            case 1: isSound = Inflate.fixed.map { packed($0.0, $0.1) } ?? false
            case 2: isSound = dynamic()
            default: isSound = false
            }
            guard isSound else { return false }
            if last == 1 { return true }
        }
    }

    private mutating func take(_ count: Int) -> Int? {
        while held < count {
            guard at < bytes.endIndex else { return nil }
            bits |= UInt32(bytes[at]) << UInt32(held)
            at += 1
            held += 8
        }
        let value = Int(bits & (1 << UInt32(count) - 1))
        bits >>= UInt32(count)
        held -= count
        return value
    }

    private mutating func stored() -> Bool {
        bits = 0
        held = 0
        guard at + 4 <= bytes.endIndex else { return false }
        let count = Int(bytes[at]) | Int(bytes[at + 1]) << 8
        at += 4
        guard at + count <= bytes.endIndex, output.count + count <= limit else { return false }
        output += bytes[at..<at + count]
        at += count
        return true
    }

    /// A Huffman code: how many codes there are of each length, and their symbols in order.
    private struct Code {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int]

        init?(_ lengths: ArraySlice<Int>) {
            for length in lengths { counts[length] += 1 }
            counts[0] = 0
            var left = 1
            var starts = [0, 0]
            for length in 1...15 {
                left = left << 1 - counts[length]
                if left < 0 { return nil }
                starts.append(starts[length] + counts[length])
            }
            symbols = [Int](repeating: 0, count: lengths.count)
            for (symbol, length) in lengths.enumerated() where length > 0 {
                symbols[starts[length]] = symbol
                starts[length] += 1
            }
        }
    }

    private mutating func symbol(_ code: Code) -> Int? {
        var value = 0
        var first = 0
        var index = 0
        for length in 1...15 {
            guard let bit = take(1) else { return nil }
            value |= bit
            let count = code.counts[length]
            if value - count < first { return code.symbols[index + value - first] }
            index += count
            first = (first + count) << 1
            value <<= 1
        }
        return nil
    }

    private static let fixed: (Code, Code)? = {
        let lengths = (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 }
        guard let literals = Code(lengths[...]),
            let distances = Code([Int](repeating: 5, count: 30)[...])
        else { return nil }
        return (literals, distances)
    }()

    private mutating func dynamic() -> Bool {
        guard let literals = take(5), let distances = take(5), let codes = take(4) else { return false }
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        var lengths = [Int](repeating: 0, count: 19)
        for place in order.prefix(codes + 4) {
            guard let length = take(3) else { return false }
            lengths[place] = length
        }
        guard let code = Code(lengths[...]) else { return false }
        let total = literals + 257 + distances + 1
        var all: [Int] = []
        while all.count < total {
            guard let next = symbol(code) else { return false }
            if next < 16 {
                all.append(next)
                continue
            }
            guard next != 16 || !all.isEmpty, let extra = take(next == 16 ? 2 : next == 17 ? 3 : 7) else {
                return false
            }
            let count = (next == 18 ? 11 : 3) + extra
            guard all.count + count <= total else { return false }
            all += [Int](repeating: next == 16 ? all[all.count - 1] : 0, count: count)
        }
        guard let first = Code(all[..<(literals + 257)]), let second = Code(all[(literals + 257)...])
        else { return false }
        return packed(first, second)
    }

    private static let lengthBase = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
        163, 195, 227, 258,
    ]
    private static let lengthExtra = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBase = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
        3073, 4097, 6145, 8193, 12289, 16385, 24577,
    ]

    private mutating func packed(_ literals: Code, _ distances: Code) -> Bool {
        while true {
            guard let next = symbol(literals) else { return false }
            if next == 256 { return true }
            if next < 256 {
                guard output.count < limit else { return false }
                output.append(UInt8(next))
                continue
            }
            guard next - 257 < 29, let extra = take(Inflate.lengthExtra[next - 257]),
                let place = symbol(distances), place < 30,
                let offset = take(max(0, place / 2 - 1))
            else { return false }
            let count = Inflate.lengthBase[next - 257] + extra
            let distance = Inflate.distanceBase[place] + offset
            guard distance <= output.count, output.count + count <= limit else { return false }
            for _ in 0..<count { output.append(output[output.count - distance]) }
        }
    }
}

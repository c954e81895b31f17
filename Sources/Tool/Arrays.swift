import CPellucid

/// An array as NumPy's files hold it: elements in row-major order.
struct NumpyArray {
    let dtype: pellucid_dtype
    let shape: [Int]
    let bytes: [UInt8]

    /// NumPy's names of the element types that both sides know.
    private static let descriptions: [(name: String, dtype: Int, size: Int)] = [
        ("<f4", PELLUCID_FLOAT32, 4), ("<f8", PELLUCID_FLOAT64, 8), ("<f2", PELLUCID_FLOAT16, 2),
        ("|b1", PELLUCID_BOOL, 1),
        ("|u1", PELLUCID_UINT8, 1), ("|i1", PELLUCID_INT8, 1), ("<u2", PELLUCID_UINT16, 2),
        ("<i2", PELLUCID_INT16, 2),
        ("<u4", PELLUCID_UINT32, 4), ("<i4", PELLUCID_INT32, 4), ("<u8", PELLUCID_UINT64, 8),
        ("<i8", PELLUCID_INT64, 8),
        ("<c8", PELLUCID_COMPLEX64, 8), ("<c16", PELLUCID_COMPLEX128, 16),
    ]

    init(_ dtype: Int, _ shape: [Int], _ bytes: [UInt8]) {
        self.dtype = Int32(dtype)
        self.shape = shape
        self.bytes = bytes
    }

    init(_ values: [Float], _ shape: [Int]) {
        self.init(PELLUCID_FLOAT32, shape, values.withUnsafeBytes { Array($0) })
    }

    /// A tensor's elements; types that NumPy does not have are refused.
    init(_ tensor: Tensor) throws {
        guard NumpyArray.descriptions.contains(where: { Int32($0.dtype) == tensor.dtype }) else {
            throw ToolError("NumPy's files have no element type \(Value.typeName(tensor.dtype))")
        }
        dtype = tensor.dtype
        shape = tensor.shape
        bytes = try tensor.bytes()
    }

    // MARK: .npy

    /// The bytes of a .npy file, version 1.0.
    var file: [UInt8] {
        let name = NumpyArray.descriptions.first { Int32($0.dtype) == dtype }?.name ?? "|V1"
        let sizes = shape.map { "\($0)," }.joined(separator: " ")
        var header = "{'descr': '\(name)', 'fortran_order': False, 'shape': (\(sizes)), }"
        // The data begins at a multiple of 64 bytes.
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        let length = header.utf8.count
        let start: [UInt8] =
            [0x93] + Array("NUMPY".utf8) + [
                1, 0, UInt8(truncatingIfNeeded: length), UInt8(truncatingIfNeeded: length >> 8),
            ]
        return start + Array(header.utf8) + bytes
    }

    /// Reads a .npy file of version 1, 2 or 3.
    init(file: [UInt8], _ path: String) throws {
        func damaged(_ text: String) -> ToolError { ToolError("\(path): \(text)") }
        guard file.count > 12, file[0] == 0x93, file[1..<6].elementsEqual("NUMPY".utf8) else {
            throw damaged("this is no .npy file")
        }
        let wide = file[6] > 1
        let length = (0..<(wide ? 4 : 2)).reduce(0) { $0 | Int(file[8 + $1]) << (8 * $1) }
        let start = (wide ? 12 : 10) + length
        guard start <= file.count else { throw damaged("the file is truncated") }
        let header = String(decoding: file[(wide ? 12 : 10)..<start], as: UTF8.self)
        guard let name = NumpyArray.quoted(after: "descr", in: header),
            let sizes = NumpyArray.sizes(in: header)
        else {
            throw damaged("its header cannot be read: \(header.prefix(80))")
        }
        guard
            let kind = NumpyArray.descriptions.first(where: {
                $0.name.dropFirst() == name.dropFirst() && name.first != ">"
            })
        else {
            throw damaged("element type '\(name)' is not supported")
        }
        var count = 1
        for size in sizes {
            let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
            guard !isTooLarge, size >= 0 else { throw damaged("its shape \(sizes) is not possible") }
            count = product
        }
        guard count <= file.count / kind.size, file.count - start >= count * kind.size else {
            throw damaged("the file is truncated")
        }
        dtype = Int32(kind.dtype)
        shape = sizes
        let data = Array(file[start..<start + count * kind.size])
        let isFortran =
            header.split(separator: "fortran_order").last?.drop { " ':".contains($0) }.hasPrefix("True")
            ?? false
        bytes = isFortran ? NumpyArray.rowMajor(data, sizes, kind.size) : data
    }

    private static func quoted(after key: String, in header: String) -> String? {
        let parts = header.split(separator: "'", omittingEmptySubsequences: false)
        guard let place = parts.firstIndex(of: Substring(key)), parts.indices.contains(place + 2) else {
            return nil
        }
        return String(parts[place + 2])
    }

    private static func sizes(in header: String) -> [Int]? {
        guard let open = header.firstIndex(of: "("), let close = header[open...].firstIndex(of: ")")
        else { return nil }
        let parts = header[header.index(after: open)..<close].split(separator: ",").map {
            $0.filter { $0 != " " }
        }.filter { !$0.isEmpty }
        let numbers = parts.compactMap { Int($0) }
        return numbers.count == parts.count ? numbers : nil
    }

    /// Elements in column-major order put in row-major order.
    private static func rowMajor(_ data: [UInt8], _ shape: [Int], _ size: Int) -> [UInt8] {
        var strides: [Int] = []
        var step = 1
        for length in shape {
            strides.append(step)
            step *= length
        }
        var result: [UInt8] = []
        result.reserveCapacity(data.count)
        for flat in 0..<(size == 0 ? 0 : data.count / size) {
            var rest = flat
            var source = 0
            for axis in shape.indices.reversed() {
                source += rest % shape[axis] * strides[axis]
                rest /= shape[axis]
            }
            result += data[source * size..<(source + 1) * size]
        }
        return result
    }
}

/// NumPy's archives of named arrays: ZIP files of .npy files.
enum NumpyArchive {
    /// Writes arrays without compression, as numpy.savez.
    static func file(_ arrays: [(name: String, array: NumpyArray)]) throws -> [UInt8] {
        var body: [UInt8] = []
        var directory: [UInt8] = []
        for (name, array) in arrays {
            let data = array.file
            let label = Array((name + ".npy").utf8)
            guard body.count + data.count < Int(UInt32.max), label.count < 65536 else {
                throw ToolError("the arrays are too large for a .npz file")
            }
            // Version 2.0, names in UTF-8, stored, the oldest date there is.
            let common =
                number(20, 2) + number(0x800, 2) + number(0, 2) + number(0, 2) + number(33, 2)
                + number(Int(crc(data)), 4)
            let sizes =
                number(data.count, 4) + number(data.count, 4) + number(label.count, 2) + number(0, 2)
            directory +=
                [0x50, 0x4B, 1, 2] + number(20, 2) + common + sizes + number(0, 10) + number(body.count, 4)
                + label
            body += [0x50, 0x4B, 3, 4] + common + sizes + label + data
        }
        let count = number(arrays.count, 2)
        let end =
            [0x50, 0x4B, 5, 6] + number(0, 4) + count + count + number(directory.count, 4)
            + number(body.count, 4) + number(0, 2)
        return body + directory + end
    }

    /// The arrays of an archive, stored or deflated.
    static func arrays(_ file: [UInt8], _ path: String) throws -> [(name: String, array: NumpyArray)] {
        func read(_ at: Int, _ width: Int) -> Int {
            (0..<width).reduce(0) { $0 | (at + $1 < file.count ? Int(file[at + $1]) << (8 * $1) : 0) }
        }
        let damaged = ToolError("\(path): this is no sound .npz file")
        guard file.count >= 22,
            let end = (max(0, file.count - 65557)...file.count - 22).last(where: {
                read($0, 4) == 0x0605_4B50
            })
        else {
            throw damaged
        }
        var at = read(end + 16, 4)
        var found: [(name: String, array: NumpyArray)] = []
        for _ in 0..<read(end + 10, 2) {
            guard at + 46 <= file.count, read(at, 4) == 0x0201_4B50 else { throw damaged }
            let method = read(at + 10, 2)
            let packed = read(at + 20, 4)
            let size = read(at + 24, 4)
            let label = read(at + 28, 2)
            let local = read(at + 42, 4)
            guard at + 46 + label <= file.count, local + 30 <= file.count, read(local, 4) == 0x0403_4B50
            else { throw damaged }
            let name = String(decoding: file[at + 46..<at + 46 + label], as: UTF8.self)
            let start = local + 30 + read(local + 26, 2) + read(local + 28, 2)
            guard start <= file.count, packed <= file.count - start else { throw damaged }
            let data = file[start..<start + packed]
            guard method == 8 || method == 0, method == 8 || packed == size,
                size <= 1032 * max(packed, 1),
                let content = method == 8 ? Inflate.unpacked(data, size: size) : Array(data),
                Int(crc(content)) == read(at + 16, 4)
            else { throw damaged }
            if name.hasSuffix(".npy") {
                found.append((String(name.dropLast(4)), try NumpyArray(file: content, "\(path): \(name)")))
            }
            at += 46 + label + read(at + 30, 2) + read(at + 32, 2)
        }
        return found
    }

    private static func number(_ value: Int, _ width: Int) -> [UInt8] {
        (0..<width).map { UInt8(truncatingIfNeeded: $0 < 8 ? value >> (8 * $0) : 0) }
    }

    private static let table: [UInt32] = (0..<256).map { start in
        (0..<8).reduce(UInt32(start)) { value, _ in
            value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
        }
    }

    /// The checksum of ZIP and PNG.
    static func crc(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { NumpyArchive.table[Int(($0 ^ UInt32($1)) & 255)] ^ $0 >> 8 }
    }
}

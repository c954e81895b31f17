internal import COnnx
package import Tensors

extension OnnxTensor {
    /// The elements: in place where they lie as a tensor needs them, otherwise decoded or copied. Throws unless there are
    /// exactly as many as the dims say.
    package func load() throws -> Tensor {
        do {
            let type = try ElementType.onnx(dataType)
            let count = try Shape.count(dims)
            switch payload {
            case .strings(let strings): return try text(type, strings, count)
            case .raw(let offset, let size): return try view(type, count, source.inner(offset, size))
            case .external(let entries): return try outside(type, count, entries)
            case .typed(let offset, let size): return try typed(type, count, source.inner(offset, size))
            }
        } catch let failure as Failure {
            throw failure.at("tensor '\(name)'")
        }
    }

    private func text(_ type: ElementType, _ strings: [String], _ count: Int) throws -> Tensor {
        guard type == .string else { throw Failure.parse("holds strings but is of \(type)") }
        guard strings.count == count else { throw mismatch(count, "\(strings.count) elements") }
        return try Tensor(strings: strings, dims)
    }

    private func mismatch(_ count: Int, _ found: String) -> Failure {
        .parse("shape \(Shape.text(dims)) needs \(count) elements, found \(found)")
    }

    /// Little-endian elements as they lie in a file.
    private func view(_ type: ElementType, _ count: Int, _ storage: Storage) throws -> Tensor {
        guard type != .string else { throw Failure.parse("strings cannot be raw data") }
        guard type.byteCount(count) == storage.bytes.count else {
            let needed = type.byteCount(count).map { "\($0) bytes" } ?? "more bytes than there can be"
            throw Failure.parse("shape \(Shape.text(dims)) of \(type) needs \(needed), found \(storage.bytes.count)")
        }
        let tensor = try Tensor(type, dims, storage: storage)
        return type.isPacked ? tensor : try tensor.contiguous()
    }

    private func outside(_ type: ElementType, _ count: Int, _ entries: [String: String]) throws -> Tensor {
        guard let location = entries["location"], !location.isEmpty else { throw Failure.parse("external data has no location") }
        // Behind a NUL the system would see another path than the one that is shown.
        guard !location.utf8.contains(0) else { throw Failure.parse("the location of external data contains a NUL") }
        let offset = try number(entries, "offset") ?? 0
        let file = try source.external(location)
        do {
            return try view(type, count, file.part(offset, number(entries, "length") ?? type.byteCount(count) ?? .max))
        } catch let failure as Failure {
            throw failure.at("external data '\(location)'")
        }
    }

    private func number(_ entries: [String: String], _ key: String) throws -> Int? {
        guard let text = entries[key], !text.isEmpty else { return nil }
        guard let number = Int(text), number >= 0 else { throw Failure.parse("external data: \(key) '\(text)' is no size") }
        return number
    }

    private func typed(_ type: ElementType, _ count: Int, _ message: Storage) throws -> Tensor {
        if type == .string {
            guard count == 0 else { throw mismatch(count, "none") }
            return try Tensor(strings: [], dims)
        }
        let field = TypedField.of(type)
        guard let stored = field.stored(type, count) else { throw Failure.memory("shape \(Shape.text(dims)) is too large") }
        let start = message.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        // Before memory is claimed: a few bytes can say that there are many elements.
        let found = onnx_typed_count(start, message.bytes.count, field.number)
        guard found == stored else { throw mismatch(count, found == 0 ? "no data" : "\(found) numbers for \(type)") }
        if field.isFixed, let place = try run(field, message) { return try view(type, count, place) }
        // Elements of six bits lie one by one in their field, and packed in a tensor.
        let isSpread = type.bits == 6
        let tensor = try Tensor.empty(isSpread ? .uint8 : type, dims)
        let width = Int32(field.width(type))
        guard onnx_typed_read(start, message.bytes.count, field.number, width, tensor.storage.bytes.baseAddress, stored) == 0 else {
            throw Failure.parse("typed data are malformed")
        }
        return isSpread ? try tensor.packed(type) : tensor
    }

    /// The elements of a field that lie together.
    private func run(_ field: TypedField, _ message: Storage) throws -> Storage? {
        guard let base = message.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
        var size = 0
        guard let place = onnx_typed_run(base, message.bytes.count, field.number, &size) else { return nil }
        return try message.part(UnsafePointer(base).distance(to: place), size)
    }
}

/// Which typed field of TensorProto holds a type's elements, and how.
private struct TypedField {
    let number: Int32
    var isFixed: Bool { number == Int32(ONNX_FLOAT_DATA) || number == Int32(ONNX_DOUBLE_DATA) }

    static func of(_ type: ElementType) -> TypedField {
        let number =
            switch type {
            case .float32, .complex64: ONNX_FLOAT_DATA
            case .float64, .complex128: ONNX_DOUBLE_DATA
            case .int64: ONNX_INT64_DATA
            case .uint32, .uint64: ONNX_UINT64_DATA
            default: ONNX_INT32_DATA
            }
        return TypedField(number: Int32(number))
    }

    /// Numbers in the field for `count` elements: complex ones take two; those of two and four bits share one as they share a
    /// byte, those of six do not.
    func stored(_ type: ElementType, _ count: Int) -> Int? {
        switch type {
        case .complex64, .complex128:
            let (twice, overflow) = count.multipliedReportingOverflow(by: 2)
            return overflow ? nil : twice
        default: return type.isPacked && type.bits != 6 ? type.byteCount(count) : count
        }
    }

    /// Bytes that each number of the field takes in the tensor.
    func width(_ type: ElementType) -> Int {
        switch type {
        case .complex64, .complex128: type.bits / 16
        default: type.isPacked ? 1 : type.bits / 8
        }
    }
}

extension OnnxSparseTensor {
    /// Bytes of a dense tensor that any file may ask for, and how many times its own size a file may beyond that.
    private static let freeBytes = 256 << 20
    private static let growth = 128

    /// The dense tensor. Indices are positions in it, or rows of one index per axis.
    package func load() throws -> Tensor {
        let values = try values.load()
        let places = try indices.load()
        do {
            guard !values.type.isPacked else { throw Failure.unsupported("\(values.type) is not supported") }
            let count = try Shape.count(dims)
            let bytes = values.type == .string ? count * MemoryLayout<String>.stride : values.type.byteCount(count) ?? .max
            guard bytes <= max(Self.freeBytes, Self.growth * (values.storage.bytes.count + places.storage.bytes.count)) else {
                throw Failure.memory("shape \(Shape.text(dims)) is too large for \(values.count) elements")
            }
            let positions = try positions(places, values.count)
            if values.type == .string { return try scatter(values.storage.strings, positions, count) }
            let dense = try Tensor.zeros(values.type, dims)
            try scatter(values, positions, into: dense)
            return dense
        } catch let failure as Failure {
            throw failure.at("sparse tensor '\(name)'")
        }
    }

    private func positions(_ places: Tensor, _ count: Int) throws -> [Int] {
        let numbers = try places.integers()
        if places.shape == [count] { return numbers }
        guard places.shape == [count, dims.count] else {
            throw Failure.parse("indices of shape \(Shape.text(places.shape)) do not fit \(count) values of rank \(dims.count)")
        }
        let strides = Shape.strides(dims)
        return try (0..<count).map { row in
            var position = 0
            for axis in dims.indices {
                let index = numbers[row * dims.count + axis]
                guard index >= 0, index < dims[axis] else {
                    throw Failure.parse("index \(index) lies outside axis \(axis) of size \(dims[axis])")
                }
                position += index * strides[axis]
            }
            return position
        }
    }

    /// Text without a place is empty.
    private func scatter(_ texts: [String], _ positions: [Int], _ count: Int) throws -> Tensor {
        var dense = [String](repeating: "", count: count)
        for (text, position) in zip(texts, positions) {
            guard dense.indices.contains(position) else { throw Failure.parse("index \(position) lies outside \(count) elements") }
            dense[position] = text
        }
        return try Tensor(strings: dense, dims)
    }

    private func scatter(_ values: Tensor, _ positions: [Int], into dense: Tensor) throws {
        let width = values.type.bits / 8
        guard values.shape.count == 1, let from = values.start else {
            guard values.count == 0 else { throw Failure.parse("values of shape \(Shape.text(values.shape)) are not one list") }
            return
        }
        for (row, position) in positions.enumerated() {
            guard position >= 0, position < dense.count else {
                throw Failure.parse("index \(position) lies outside \(dense.count) elements")
            }
            let target = UnsafeMutableRawBufferPointer(rebasing: dense.storage.bytes[position * width..<(position + 1) * width])
            target.copyMemory(from: UnsafeRawBufferPointer(start: from + row * width, count: width))
        }
    }
}

/// Swift types whose memory is that of a tensor's element.
package protocol Element: Sendable {
    static var type: ElementType { get }
    static var zero: Self { get }
}

extension Float: Element { package static var type: ElementType { .float32 } }
extension Double: Element { package static var type: ElementType { .float64 } }
extension Int8: Element { package static var type: ElementType { .int8 } }
extension Int16: Element { package static var type: ElementType { .int16 } }
extension Int32: Element { package static var type: ElementType { .int32 } }
extension Int64: Element { package static var type: ElementType { .int64 } }
extension UInt8: Element { package static var type: ElementType { .uint8 } }
extension UInt16: Element { package static var type: ElementType { .uint16 } }
extension UInt32: Element { package static var type: ElementType { .uint32 } }
extension UInt64: Element { package static var type: ElementType { .uint64 } }

/// An ONNX boolean: one byte, any non-zero value is true.
package struct Truth: Element, Equatable {
    package var byte: UInt8
    package init(_ value: Bool) { byte = value ? 1 : 0 }
    package var isTrue: Bool { byte != 0 }
    package static var type: ElementType { .bool }
    package static var zero: Truth { Truth(false) }
}

extension Tensor {
    /// Reads the elements in row-major order. The tensor must be of `T`'s type.
    package func read<T: Element, R>(_: T.Type = T.self, _ body: (UnsafeBufferPointer<T>) throws -> R) throws -> R {
        let source = try elements(of: T.self)
        return try withExtendedLifetime(source.storage) {
            try body(UnsafeBufferPointer(start: source.start?.assumingMemoryBound(to: T.self), count: source.count))
        }
    }

    /// Writes to a tensor that nobody else has seen yet. It must be contiguous and of `T`'s type.
    package func write<T: Element, R>(_: T.Type = T.self, _ body: (UnsafeMutableBufferPointer<T>) throws -> R) throws -> R {
        guard type == T.type, isContiguous else { throw Failure.shape("cannot write \(T.type) into \(type)") }
        return try withExtendedLifetime(storage) {
            try body(UnsafeMutableBufferPointer(start: start?.assumingMemoryBound(to: T.self), count: count))
        }
    }

    private func elements<T: Element>(of _: T.Type) throws -> Tensor {
        guard type == T.type else { throw Failure.shape("expected elements of \(T.type), found \(type)") }
        return try contiguous()
    }

    /// The elements as a Swift array, in row-major order.
    package func array<T: Element>(_: T.Type = T.self) throws -> [T] { try read(T.self) { Array($0) } }

    /// A tensor computed element by element.
    package static func make<T: Element>(_ shape: [Int], _: T.Type = T.self, _ body: (UnsafeMutableBufferPointer<T>) throws -> Void) throws
        -> Tensor
    {
        let tensor = try Tensor.empty(T.type, shape)
        try tensor.write(T.self, body)
        return tensor
    }
}

extension Tensor {
    /// Elements of a tensor of text, in row-major order.
    package func strings() throws -> [String] {
        guard type == .string else { throw Failure.shape("expected elements of string, found \(type)") }
        return storage.strings.count == count ? storage.strings : Array(storage.strings.prefix(count))
    }
}

/// A text that is compared and hashed by its bytes, as ONNX does; Swift takes canonically equivalent texts for equal.
package struct TextKey: Hashable, Comparable, Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }

    package static func == (a: TextKey, b: TextKey) -> Bool {
        a.text.utf8.count == b.text.utf8.count && a.text.utf8.elementsEqual(b.text.utf8)
    }

    package static func < (a: TextKey, b: TextKey) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }

    package func hash(into hasher: inout Hasher) {
        let isHashed: Void? = text.utf8.withContiguousStorageIfAvailable { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        if isHashed == nil { for byte in text.utf8 { hasher.combine(byte) } }
    }
}

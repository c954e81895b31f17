import Tensors

/// An answer that is not the expected one.
struct Mismatch: Error, CustomStringConvertible {
    let description: String

    init(_ text: String) { description = text }
}

/// Whether an answer is the expected one, as ONNX's own runner compares.
enum Comparison {
    private static let relative = 1e-3
    private static let absolute = 1e-5
    /// bfloat16 keeps eight bits, and is computed in float32 here.
    private static let coarse = 0x1p-7

    /// What is wrong; nil when nothing is. Small floats are expected as float32, in which they are computed.
    static func difference(_ found: Tensor, _ expected: Tensor) throws -> String? {
        let tolerance = expected.type == .bfloat16 ? coarse : relative
        let expected = try expected.widened()
        guard found.type == expected.type else { return "is of \(found.type) instead of \(expected.type)" }
        guard found.shape == expected.shape else { return "has shape \(Shape.text(found.shape)) instead of \(Shape.text(expected.shape))" }
        if expected.type == .string {
            let index = expected.storage.strings.indices.first { found.storage.strings[$0] != expected.storage.strings[$0] }
            return index.map { "[\($0)] is '\(found.storage.strings[$0])' instead of '\(expected.storage.strings[$0])'" }
        }
        if !expected.type.isFloat { return try first(found.integers(), expected.integers()) { $0 == $1 } }
        return try first(found.doubles(), expected.doubles()) { isClose($0, $1, tolerance) }
    }

    private static func first<T>(_ found: [T], _ expected: [T], _ isEqual: (T, T) -> Bool) -> String? {
        let wrong = expected.indices.filter { !isEqual(found[$0], expected[$0]) }
        return wrong.first.map { "[\($0)] is \(found[$0]) instead of \(expected[$0]); \(wrong.count) of \(expected.count) differ" }
    }

    /// NumPy's `allclose`; NaN equals NaN.
    private static func isClose(_ found: Double, _ expected: Double, _ relative: Double) -> Bool {
        if expected.isNaN || found.isNaN { return expected.isNaN && found.isNaN }
        return found == expected || abs(found - expected) <= absolute + relative * abs(expected)
    }
}

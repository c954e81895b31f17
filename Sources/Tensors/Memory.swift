internal import CSupport

/// What this process can hold. Sizes that files and callers name beyond it are refused before anything depends on them:
/// Swift ends the process when an array cannot be allocated.
package enum Memory {
    /// Bytes of the machine, or of the control group or limit that this process lives under.
    package static let bytes = Int(clamping: max(support_memory_limit(), 1 << 28))

    /// Bytes that one allocation may take: kernels hold several of that size at once.
    package static let largest = bytes / 4

    /// Elements that one shape may have: kernels keep tables of a word or two per entry of an axis.
    package static let elements = bytes / 16
}

internal import Glibc

/// The system's words for an errno value, without touching shared state.
package func systemMessage(_ error: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        guard let start = buffer.baseAddress, strerror_r(error, start, buffer.count) == 0 else { return "error \(error)" }
        return String(cString: start)
    }
}

/// Words for the errors of `support_map_inside`.
func externalMessage(_ error: Int32) -> String {
    switch error {
    case EACCES: "refused, the path must lie inside the model's folder and contain no link"
    case ERANGE: "offset and length lie outside the file"
    default: systemMessage(error)
    }
}

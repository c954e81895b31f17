import Glibc

/// A problem that the tool itself found.
struct ToolError: Error, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = text }
}

/// Reading and writing whole files.
enum Files {
    static func read(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "rb") else { throw ToolError("\(path): \(reason())") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            bytes.append(contentsOf: chunk[..<count])
            if count < chunk.count { break }
        }
        guard ferror(file) == 0 else { throw ToolError("\(path): \(reason())") }
        return bytes
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "wb") else { throw ToolError("\(path): \(reason())") }
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else { throw ToolError("\(path): \(reason())") }
    }

    static func lines(_ path: String) throws -> [String] {
        String(decoding: try read(path), as: UTF8.self).split(whereSeparator: \.isNewline).map { line in
            String(line.drop { $0 == " " })
        }
    }

    /// Makes a folder, with those above it.
    static func makeFolder(_ path: String) throws {
        var sofar = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            sofar += part + "/"
            if mkdir(sofar, 0o777) != 0 && errno != EEXIST { throw ToolError("\(sofar): \(reason())") }
        }
    }

    /// The name without folders and without what follows the last dot.
    static func stem(_ path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
        return String(name[..<dot])
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}

/// Says what went wrong on the error stream.
func complain(_ text: String) { printError("pellucid: \(text)") }

/// Writes a line to the error stream, after what `print` still holds back.
func printError(_ text: String) {
    fflush(nil)
    let line = Array((text + "\n").utf8)
    var written = 0
    while written < line.count {
        let count = line[written...].withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        written += count
    }
}

/// Seconds of a clock that only runs forwards.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// `value` with so many digits after the point.
func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
    let whole = Int((abs(value) * scale).rounded())
    let sign = value < 0 && whole != 0 ? "-" : ""
    let fraction = String(whole % Int(scale))
    let zeros = String(repeating: "0", count: max(digits - fraction.count, 0))
    return sign + String(whole / Int(scale)) + (digits > 0 ? "." + zeros + fraction : "")
}

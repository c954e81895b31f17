import Glibc

/// A problem that the tool itself found.
struct ToolError: Error, CustomStringConvertible {
    let description: String
    /// True where the command line is at fault.
    var isUsage = false

    init(_ text: String) { description = text }

    init(usage text: String) {
        description = text
        isUsage = true
    }
}

/// Reading and writing whole files.
enum Files {
    /// The name that stands for standard input.
    static let standardInput = "-"
    private static let limit = 1 << 32

    static func read(_ path: String) throws -> [UInt8] {
        let isInput = path == standardInput
        let descriptor = isInput ? 0 : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ToolError("\(path): \(reason())") }
        defer { if !isInput { close(descriptor) } }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            try Interrupt.check()
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count != 0 else { return bytes }
            guard count > 0 || errno == EINTR else { throw ToolError("\(path): \(reason())") }
            bytes.append(contentsOf: chunk[..<max(count, 0)])
            guard bytes.count <= limit else { throw ToolError("\(path): more than 4 GiB") }
        }
    }

    /// Writes a file beside its place and then moves it there: nobody ever sees half of it.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let scratch = "\(path).\(getpid()).part"
        let descriptor = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw ToolError("\(path): \(reason())") }
        var failure: String?
        var written = 0
        while written < bytes.count, failure == nil {
            let count = bytes[written...].withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count > 0 { written += count } else if errno != EINTR { failure = reason() }
        }
        if close(descriptor) != 0 { failure = failure ?? reason() }
        if failure == nil, rename(scratch, path) != 0 { failure = reason() }
        if let failure {
            unlink(scratch)
            throw ToolError("\(path): \(failure)")
        }
    }

    /// Makes a folder, with those above it.
    static func makeFolder(_ path: String) throws {
        var sofar = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            sofar += part + "/"
            if mkdir(sofar, 0o777) != 0 && !isFolder(sofar) { throw ToolError("\(sofar): \(reason())") }
        }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The files below a folder whose names end so, as paths relative to it, in order. Hidden ones and links to folders are left out.
    static func below(_ folder: String, endings: [String]) throws -> [String] {
        guard let handle = opendir(folder) else { throw ToolError("\(folder): \(reason())") }
        defer { closedir(handle) }
        var found: [String] = []
        while let entry = Glibc.readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard !name.hasPrefix(".") else { continue }
            var status = stat()
            guard lstat("\(folder)/\(name)", &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                found += try below("\(folder)/\(name)", endings: endings).map { "\(name)/\($0)" }
            } else if endings.contains(where: { name.lowercased().hasSuffix($0) }),
                !isFolder("\(folder)/\(name)")
            {
                found.append(name)
            }
        }
        return found.sorted()
    }

    /// The name without folders and without what follows the last dot.
    static func stem(_ path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
        return String(name[..<dot])
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}

internal import CPellucid
internal import CSupport
internal import Glibc
internal import Tensors

/// Finds and opens backend plugins. A plugin stays loaded: its threads and destructors may outlive any runtime.
enum PluginLoader {
    /// Opens the plugin at an explicit path.
    static func load(_ path: String, host: Host) throws -> Backend {
        guard path.contains("/") else {
            // A bare name would make the loader search the whole system.
            return try load("./" + path, host: host)
        }
        guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
            let reason = dlerror().map { String(cString: $0) } ?? "unknown reason"
            throw Failure(.backend, "cannot load backend: \(reason)")
        }
        guard let symbol = dlsym(handle, "pellucid_backend_entry") else {
            throw Failure(.backend, "'\(path)' is not a backend: it has no pellucid_backend_entry")
        }
        typealias Entry = @convention(c) (Int32) -> UnsafePointer<pellucid_backend>?
        guard let table = unsafeBitCast(symbol, to: Entry.self)(Int32(PELLUCID_BACKEND_ABI)) else {
            throw Failure(.backend, "backend '\(path)' refuses this library's ABI \(PELLUCID_BACKEND_ABI)")
        }
        return try Backend(table, path: path, host: host)
    }

    /// Plugins beside the library, and with `environment` those in the folders and files that PELLUCID_BACKENDS lists.
    static func discover(environment: Bool) -> [String] {
        var found = folderOfLibrary().map { plugins(in: $0) } ?? []
        if environment, let list = getenv("PELLUCID_BACKENDS") {
            for entry in String(cString: list).split(separator: ":") {
                let path = String(entry)
                found += path.hasSuffix(".so") ? [path] : plugins(in: path)
            }
        }
        return found
    }

    private static func folderOfLibrary() -> String? {
        guard let name = support_library_path() else { return nil }
        let path = String(cString: name)
        guard let slash = path.lastIndex(of: "/") else { return nil }
        return String(path[..<slash])
    }

    /// Files named libpellucid-backend-*.so in a folder and in its subfolder `pellucid`, sorted.
    private static func plugins(in folder: String) -> [String] {
        [folder, folder + "/pellucid"].flatMap { folder -> [String] in
            guard let directory = opendir(folder) else { return [] }
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name.hasPrefix("libpellucid-backend-"), name.hasSuffix(".so") { names.append(folder + "/" + name) }
            }
            return names.sorted()
        }
    }
}

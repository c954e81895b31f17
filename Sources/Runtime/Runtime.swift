internal import BackendCPU
internal import CPellucid
internal import Tensors

/// Worker threads and opened backends, shared by the models that are loaded with it.
package final class Runtime: Sendable {
    let host: Host
    private let opened: Mutex<[Backend]>

    /// Names of the options, see `pellucid_runtime_create`.
    package static let options = ["threads", "plugins", "environment"]

    package init(_ options: Options = Options()) throws {
        try options.reject(unlessIn: Runtime.options, of: "a runtime")
        let threads = try options.integer("threads") ?? 0
        guard (0...256).contains(threads) else { throw Failure.invalid("option 'threads': expected 0 to 256, found \(threads)") }
        guard let host = Host(threads: threads) else { throw Failure.memory("cannot create worker threads") }
        self.host = host
        var backends = [try Backend(ReferenceBackend.table, path: "", host: host)]
        if let table = pellucid_cpu_backend(), let cpu = try? Backend(table, path: "", host: host) { backends.append(cpu) }
        if try options.boolean("plugins") ?? true {
            // A broken plugin beside the library must not keep the library from working.
            let paths = PluginLoader.discover(environment: try options.boolean("environment") ?? true)
            backends += paths.compactMap { try? PluginLoader.load($0, host: host) }
        }
        opened = Mutex(backends)
    }

    /// Opens a plugin for the models that are loaded from now on.
    package func loadBackend(_ path: String) throws {
        let backend = try PluginLoader.load(path, host: host)
        opened.withLock { $0.append(backend) }
    }

    /// Best score first; of equal ones the one that was loaded last.
    package var backends: [Backend] {
        opened.withLock { backends in
            backends.enumerated().sorted { ($0.element.score, $0.offset) > ($1.element.score, $1.offset) }.map(\.element)
        }
    }

    package var threads: Int { host.threads }

    package func setLogger(_ log: (@Sendable (Int, String) -> Void)?) { host.log.withLock { $0 = log } }

    func log(_ level: Int, _ text: @autoclosure () -> String) {
        if let log = host.log.withLock({ $0 }) { log(level, text()) }
    }
}

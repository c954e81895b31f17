internal import CPellucid
internal import CSupport
internal import Graphs
internal import Tensors

/// A backend that has been opened for one runtime.
package final class Backend: @unchecked Sendable {
    // Unchecked: the table and the device are only used as backend.h allows, from any thread.
    package let name: String
    package let version: String
    package let summary: String
    /// File of the plugin; empty for built-in backends.
    package let path: String
    package let score: Int
    fileprivate let table: UnsafePointer<pellucid_backend>
    private let device: OpaquePointer
    private let host: Host

    /// Opens a backend. Throws when its table is not acceptable; a score of 0 (cannot run here) is refused as well.
    init(_ table: UnsafePointer<pellucid_backend>, path: String, host: Host) throws {
        let label = path.isEmpty ? "backend" : "backend '\(path)'"
        guard table.pointee.struct_size >= MemoryLayout<pellucid_backend>.size else {
            throw Failure(
                .backend,
                "\(label): its table has \(table.pointee.struct_size) bytes, expected at least \(MemoryLayout<pellucid_backend>.size)")
        }
        guard table.pointee.abi == PELLUCID_BACKEND_ABI else {
            throw Failure(.backend, "\(label): built for ABI \(table.pointee.abi), this library has \(PELLUCID_BACKEND_ABI)")
        }
        guard let name = table.pointee.name, let score = table.pointee.score, let open = table.pointee.open, table.pointee.close != nil,
            table.pointee.supports != nil, table.pointee.compile != nil, table.pointee.run != nil, table.pointee.release != nil
        else { throw Failure(.backend, "\(label): a required member of its table is NULL") }
        self.table = table
        self.path = path
        self.host = host
        self.name = String(cString: name)
        self.version = table.pointee.version.map { String(cString: $0) } ?? ""
        self.summary = table.pointee.description.map { String(cString: $0) } ?? ""
        self.score = Int(score())
        guard self.score > 0 else { throw Failure(.backend, "backend '\(self.name)' cannot run on this machine") }
        var opened: OpaquePointer?
        support_set_message("")
        let status = open(host.pointer, "", &opened)
        guard status == PELLUCID_OK, let opened else {
            throw Failure(.backend, "backend '\(self.name)' cannot be opened: \(Backend.reason(status))")
        }
        device = opened
    }

    deinit { table.pointee.close?(device) }

    /// A kernel for the node; nil when this backend does not run it.
    func compile(_ program: Program) throws -> Kernel? {
        try withUnsafePointer(to: program.table) { pointer in
            guard let supports = table.pointee.supports, supports(device, pointer) > 0 else { return nil }
            var kernel: OpaquePointer?
            support_set_message("")
            let status = table.pointee.compile?(device, pointer, &kernel) ?? Int32(PELLUCID_E_BACKEND)
            if status == PELLUCID_E_UNSUPPORTED { return nil }
            guard status == PELLUCID_OK, let kernel else { throw Backend.failure(status, name) }
            return Kernel(kernel, backend: self, program: program)
        }
    }

    /// Whether this backend runs the node as it is.
    func supports(_ program: Program) -> Bool {
        withUnsafePointer(to: program.table) { (table.pointee.supports?(device, $0) ?? 0) > 0 }
    }

    /// Running out of memory is the machine's failure, not the backend's.
    fileprivate static func failure(_ status: pellucid_status, _ name: String) -> Failure {
        Failure(status == PELLUCID_E_MEMORY ? .memory : .backend, "backend '\(name)': \(reason(status))")
    }

    fileprivate static func reason(_ status: pellucid_status) -> String {
        let message = String(cString: support_message())
        return message.isEmpty ? "status \(status)" : message
    }
}

/// A compiled node. Kept alive with its backend; run from any number of threads.
final class Kernel: @unchecked Sendable {
    // Unchecked: see Backend.
    private let kernel: OpaquePointer
    let backend: Backend
    private let program: Program

    init(_ kernel: OpaquePointer, backend: Backend, program: Program) {
        self.kernel = kernel
        self.backend = backend
        self.program = program
    }

    deinit { backend.table.pointee.release?(kernel) }

    /// Values of the graph that `run` takes and fills, in order.
    var inputs: [ValueID] { program.inputs }
    var outputs: [ValueID] { program.outputs }

    /// The tensors must have the types and shapes of the program, row-major.
    func run(_ inputs: [Tensor], _ outputs: [Tensor]) throws {
        var readViews = program.inputViews, writeViews = program.outputViews
        for index in readViews.indices { readViews[index].data = inputs[index].start }
        for index in writeViews.indices { writeViews[index].data = outputs[index].start }
        support_set_message("")
        let status = withExtendedLifetime((inputs, outputs)) {
            backend.table.pointee.run?(kernel, readViews, writeViews) ?? pellucid_status(PELLUCID_E_BACKEND)
        }
        guard status == PELLUCID_OK else { throw Backend.failure(status, backend.name) }
    }
}

package import Tensors

/// What a run in progress is held to: its caller may end it, and its values must fit the machine. Belongs to the thread
/// of the run.
package final class Watch {
    private let check: () throws -> Void
    private var held = 0

    /// `check` throws when the run must end.
    package init(_ check: @escaping () throws -> Void = {}) { self.check = check }

    /// Called between nodes, and between the turns of loops.
    package func poll() throws { try check() }

    /// Counts bytes that stay until they are released. Throws when they are more than the machine has.
    package func hold(_ bytes: Int) throws {
        guard bytes <= Memory.bytes - held else {
            throw Failure.memory("the run needs more than the \(Memory.bytes >> 20) MiB that this process can have")
        }
        held += bytes
    }

    package func release(_ bytes: Int) { held -= bytes }
}

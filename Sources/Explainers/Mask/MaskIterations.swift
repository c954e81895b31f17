internal import Runtime
internal import Tensors

/// Methods that improve masks step by step give those that they have when the deadline comes.
extension Request {
    /// Calls `body` for each item in every iteration, all in step; `part` of `parts` is how far the work is. Returns how many
    /// iterations every item has had; a deadline before the first is an error.
    func iterate<Item>(
        _ items: inout [Item], _ total: Int, _ body: (_ item: inout Item, _ iteration: Int, _ part: Int, _ parts: Int) throws -> Void
    ) throws -> Int {
        var done = 0
        do {
            for iteration in 0..<total {
                for index in items.indices { try body(&items[index], iteration, iteration * items.count + index, total * items.count) }
                done += 1
            }
        } catch let failure as Failure where canStop(failure) && done > 0 {
            isStopped = true
        }
        return done
    }
}

internal import Tensors

/// The plans made last, by what they were asked for.
final class PlanCache: Sendable {
    private struct State {
        var plans: [PlanRequest: (plan: Plan, used: Int)] = [:]
        var clock = 0
    }
    private let state = Mutex(State())
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// The cached plan, or a new one. Two threads may make the same plan at once; one of them is kept.
    func plan(_ request: PlanRequest, make: () throws -> Plan) throws -> Plan {
        if let found = find(request) { return found }
        let plan = try make()
        state.withLock { state in
            state.clock += 1
            state.plans[request] = (plan, state.clock)
            if state.plans.count > capacity, let oldest = state.plans.min(by: { $0.value.used < $1.value.used })?.key {
                state.plans[oldest] = nil
            }
        }
        return plan
    }

    private func find(_ request: PlanRequest) -> Plan? {
        state.withLock { state in
            guard let found = state.plans[request] else { return nil }
            state.clock += 1
            state.plans[request]?.used = state.clock
            return found.plan
        }
    }
}

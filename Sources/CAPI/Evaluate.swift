public import CPellucid
internal import Evaluation
internal import Explainers
internal import Runtime
internal import Tensors

@_cdecl("pellucid_evaluate") @implementation
public func pellucid_evaluate(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ model: OpaquePointer!, _ metric: UnsafePointer<CChar>!,
    _ feeds: UnsafePointer<pellucid_feed>!, _ feed_count: Int32, _ target: UnsafePointer<pellucid_target>!,
    _ explanation: OpaquePointer!, _ options: OpaquePointer!, _ control: UnsafePointer<pellucid_control>!
) -> pellucid_status {
    guarded(out) {
        let model = try object(model, ModelHandle.self, "model").model
        return ResultHandle(
            try MetricList.evaluate(
                try text(metric, "metric"), model: model, feeds: try tensors(feeds, feed_count, model), target: try given(target),
                explanation: try judged(explanation), options: try optional(options), control: try Control(control, model)))
    }
}

@_cdecl("pellucid_evaluate_cost") @implementation
public func pellucid_evaluate_cost(
    _ out: UnsafeMutablePointer<pellucid_cost>!, _ model: OpaquePointer!, _ metric: UnsafePointer<CChar>!,
    _ feeds: UnsafePointer<pellucid_feed>!, _ feed_count: Int32, _ target: UnsafePointer<pellucid_target>!,
    _ explanation: OpaquePointer!, _ options: OpaquePointer!
) -> pellucid_status {
    guarded {
        let model = try object(model, ModelHandle.self, "model").model
        let cost = try MetricList.cost(
            try text(metric, "metric"), model: model, feeds: try tensors(feeds, feed_count, model), target: try given(target),
            explanation: try judged(explanation), options: try optional(options))
        try fill(out, pellucid_cost(cost), "out")
    }
}

/// nil: what was explained.
private func given(_ target: UnsafePointer<pellucid_target>?) throws -> Target? { try target.map { try Target($0) } }

/// nil: the option `map` is judged.
private func judged(_ result: OpaquePointer?) throws -> Explanation? {
    try result.map { try object($0, ResultHandle.self, "explanation").explanation }
}

public import CPellucid
internal import Graphs
internal import Runtime
internal import Tensors

@_cdecl("pellucid_model_load") @implementation
public func pellucid_model_load(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ runtime: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ options: OpaquePointer!
) -> pellucid_status {
    guarded(out) {
        let runtime = try object(runtime, RuntimeHandle.self, "runtime").runtime
        return ModelHandle(try Model(path: try text(path, "path"), runtime: runtime, options: try optional(options)))
    }
}

@_cdecl("pellucid_model_load_memory") @implementation
public func pellucid_model_load_memory(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ runtime: OpaquePointer!, _ bytes: UnsafeRawPointer!, _ size: Int,
    _ options: OpaquePointer!
) -> pellucid_status {
    guarded(out) {
        let runtime = try object(runtime, RuntimeHandle.self, "runtime").runtime
        guard let bytes = bytes as UnsafeRawPointer? else { throw Failure.invalid("bytes is NULL") }
        guard size >= 0 else { throw Failure.invalid("size is too large") }
        return ModelHandle(try Model(bytes: .init(start: bytes, count: size), runtime: runtime, options: try optional(options)))
    }
}

@_cdecl("pellucid_model_retain") @implementation
public func pellucid_model_retain(_ model: OpaquePointer!) { retain(model, ModelHandle.self) }

@_cdecl("pellucid_model_release") @implementation
public func pellucid_model_release(_ model: OpaquePointer!) { release(model, ModelHandle.self) }

@_cdecl("pellucid_model_run") @implementation
public func pellucid_model_run(
    _ model: OpaquePointer!, _ feeds: UnsafePointer<pellucid_feed>!, _ feed_count: Int32, _ wanted: UnsafePointer<UnsafePointer<CChar>?>!,
    _ wanted_count: Int32, _ outputs: UnsafeMutablePointer<OpaquePointer?>!, _ control: UnsafePointer<pellucid_control>!
) -> pellucid_status {
    guarded {
        let model = try object(model, ModelHandle.self, "model").model
        let outputs = try cleared(outputs, wanted_count == 0 ? model.outputs.count : Int(wanted_count), "outputs")
        let asked = try array(wanted, wanted_count, "wanted").map { try model.names.resolve(try text($0, "wanted name")) }
        let names = asked.isEmpty ? model.outputs.map(\.name) : asked
        let outcome = try model.evaluate(Evaluation(try tensors(feeds, feed_count, model), wanted: names), try Control(control, model))
        let results = try names.map { TensorHandle(try model.delivered($0, of: outcome)) }
        for (index, result) in results.enumerated() { outputs[index] = retained(result) }
    }
}

@_cdecl("pellucid_model_gradient") @implementation
public func pellucid_model_gradient(
    _ model: OpaquePointer!, _ feeds: UnsafePointer<pellucid_feed>!, _ feed_count: Int32, _ target: UnsafePointer<pellucid_target>!,
    _ wrt: UnsafePointer<UnsafePointer<CChar>?>!, _ wrt_count: Int32, _ rules: UnsafePointer<CChar>!,
    _ gradients: UnsafeMutablePointer<OpaquePointer?>!, _ control: UnsafePointer<pellucid_control>!
) -> pellucid_status {
    guarded {
        let model = try object(model, ModelHandle.self, "model").model
        guard wrt_count != 0 else { throw Failure.invalid("wrt is empty: name the values to differentiate by") }
        let gradients = try cleared(gradients, Int(wrt_count), "gradients")
        let names = try array(wrt, wrt_count, "wrt").map { try model.names.resolve(try text($0, "wrt name")) }
        let rulesName = try (rules as UnsafePointer<CChar>?).map { try text($0, "rules") } ?? "gradient"
        guard let rules = BackwardRules.named(rulesName) else {
            throw Failure.notFound("no rules '\(rulesName)'; known are gradient, guided-backprop, deconvolution")
        }
        let question = Evaluation(
            try tensors(feeds, feed_count, model), target: try Target(target), gradients: Array(Set(names)).sorted(), rules: rules)
        let outcome = try model.evaluate(question, try Control(control, model))
        let results = try names.map { TensorHandle(try outcome.gradient($0)) }
        for (index, result) in results.enumerated() { gradients[index] = retained(result) }
    }
}

/// Room for results, set to NULL.
private func cleared(_ start: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int, _ what: String) throws -> UnsafeMutablePointer<
    OpaquePointer?
> {
    guard let start else { throw Failure.invalid("\(what) is NULL") }
    guard count >= 0 else { throw Failure.invalid("the number of \(what) is \(count)") }
    try checkAlignment(start, what)
    for index in 0..<count { start[index] = nil }
    return start
}

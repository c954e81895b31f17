public import CPellucid
internal import Graphs
internal import Runtime
internal import Synchronization
internal import Tensors

/// The object behind `pellucid_model`, with the tables that introspection hands out.
final class ModelHandle: Sendable {
    let model: Model
    private struct Tables: @unchecked Sendable {
        // Unchecked: the pointers lie in the arena; both are used under the lock only, and never change once made.
        let arena = Arena()
        var infos: [pellucid_value_kind: [pellucid_value_info]] = [:]
        var texts: [String: UnsafePointer<CChar>?] = [:]
    }
    private let tables = Mutex(Tables())

    init(_ model: Model) { self.model = model }

    func count(_ kind: pellucid_value_kind) throws -> Int { try tables.withLock { try infos(kind, &$0).count } }

    func info(_ kind: pellucid_value_kind, _ index: Int) throws -> pellucid_value_info {
        try tables.withLock { tables in
            let all = try infos(kind, &tables)
            guard all.indices.contains(index) else {
                throw Failure.notFound("there is no value \(index) of that kind, the model has \(all.count)")
            }
            return all[index]
        }
    }

    func metadata(_ key: String) -> UnsafePointer<CChar>? {
        let address: UInt = tables.withLock { tables in
            if let known = tables.texts[key] { return UInt(bitPattern: known) }
            let made = model.metadata(key).flatMap { tables.arena.text($0) }
            tables.texts[key] = made
            return UInt(bitPattern: made)
        }
        return UnsafePointer(bitPattern: address)
    }

    private func infos(_ kind: pellucid_value_kind, _ tables: inout Tables) throws -> [pellucid_value_info] {
        if let known = tables.infos[kind] { return known }
        let made = try listed(kind).map { info($0.value, $0.node, tables.arena) }
        tables.infos[kind] = made
        return made
    }

    private func listed(_ kind: pellucid_value_kind) throws -> [(value: Value, node: Node?)] {
        let graph = model.graph
        switch Int(kind) {
        case PELLUCID_INPUT: return graph.inputs.map { (graph[$0], nil) }
        case PELLUCID_OUTPUT:
            let producers = graph.producers()
            return graph.outputs.map { (graph[$0], producers[$0.index] < 0 ? nil : graph.nodes[producers[$0.index]]) }
        case PELLUCID_LAYER: return graph.nodes.flatMap { node in node.outputs.compactMap { $0 }.map { (graph[$0], node) } }
        case PELLUCID_WEIGHT:
            let made = graph.producers()
            return graph.values.indices.filter { graph.values[$0].constant != nil && made[$0] < 0 }.map { (graph.values[$0], nil) }
        default: throw Failure.invalid("value kind \(kind) is not known")
        }
    }

    private func info(_ value: Value, _ node: Node?, _ arena: Arena) -> pellucid_value_info {
        var info = pellucid_value_info()
        info.struct_size = MemoryLayout<pellucid_value_info>.size
        info.name = arena.text(value.name)
        info.node = arena.text(node?.name ?? "")
        info.op = arena.text(node.map { $0.origin.isEmpty ? $0.op : $0.origin } ?? "")
        info.module = arena.text(node?.module ?? "")
        info.dtype = (model.declaredType(of: value.name) ?? value.type?.element)?.rawValue ?? 0
        info.rank = Int32(value.type?.rank ?? -1)
        if let dims = value.type?.dims {
            info.dims = UnsafePointer(arena.copy(dims.map { Int64($0.value ?? -1) }))
            info.dim_names = UnsafePointer(arena.copy(dims.map { arena.text($0.value == nil ? $0.description : "") }))
        }
        return info
    }
}

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

@_cdecl("pellucid_model_value_count") @implementation
public func pellucid_model_value_count(_ model: OpaquePointer!, _ kind: pellucid_value_kind) -> Int32 {
    var count: Int32 = 0
    let status = guarded { count = Int32(clamping: try object(model, ModelHandle.self, "model").count(kind)) }
    return status == PELLUCID_OK ? count : status
}

@_cdecl("pellucid_model_value_at") @implementation
public func pellucid_model_value_at(
    _ model: OpaquePointer!, _ kind: pellucid_value_kind, _ index: Int32, _ out: UnsafeMutablePointer<pellucid_value_info>!
) -> pellucid_status {
    guarded { try fill(out, try object(model, ModelHandle.self, "model").info(kind, Int(index)), "out") }
}

@_cdecl("pellucid_model_metadata") @implementation
public func pellucid_model_metadata(_ model: OpaquePointer!, _ key: UnsafePointer<CChar>!) -> UnsafePointer<CChar>! {
    var found: UnsafePointer<CChar>?
    _ = guarded { found = try object(model, ModelHandle.self, "model").metadata(try text(key, "key")) }
    return found
}

@_cdecl("pellucid_model_run") @implementation
public func pellucid_model_run(
    _ model: OpaquePointer!, _ feeds: UnsafePointer<pellucid_feed>!, _ feed_count: Int32, _ wanted: UnsafePointer<UnsafePointer<CChar>?>!,
    _ wanted_count: Int32, _ outputs: UnsafeMutablePointer<OpaquePointer?>!, _ control: UnsafePointer<pellucid_control>!
) -> pellucid_status {
    guarded {
        let model = try object(model, ModelHandle.self, "model").model
        let asked = try array(wanted, wanted_count, "wanted").map { try model.names.resolve(try text($0, "wanted name")) }
        let names = asked.isEmpty ? model.outputs.map(\.name) : asked
        let outputs = try cleared(outputs, names.count, "outputs")
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
        let names = try array(wrt, wrt_count, "wrt").map { try model.names.resolve(try text($0, "wrt name")) }
        guard !names.isEmpty else { throw Failure.invalid("wrt is empty: name the values to differentiate by") }
        let gradients = try cleared(gradients, names.count, "gradients")
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
    for index in 0..<count { start[index] = nil }
    return start
}

public import CPellucid
internal import Graphs
internal import Runtime
internal import Tensors

/// The object behind `pellucid_model`, with the tables that introspection hands out.
final class ModelHandle: Handle, Sendable {
    let mark = Mark()
    let model: Model
    private struct Tables: @unchecked Sendable {
        // Unchecked: the pointers lie in the arena; both are used under the lock only, and never change once made.
        let arena = Arena()
        var infos: [pellucid_value_kind: [pellucid_value_info]] = [:]
        var modules: [pellucid_module_info]?
        var texts: [String: UnsafePointer<CChar>?] = [:]
    }
    private let tables = Mutex(Tables())

    init(_ model: Model) { self.model = model }

    deinit { Mark.erase(self) }

    func count(_ kind: pellucid_value_kind) throws -> Int { try listed(kind).count }

    func info(_ kind: pellucid_value_kind, _ index: Int) throws -> pellucid_value_info {
        try tables.withLock { tables in
            let all = try infos(kind, &tables)
            guard all.indices.contains(index) else {
                throw Failure.notFound("there is no value \(index) of that kind, the model has \(all.count)")
            }
            return all[index]
        }
    }

    func module(_ index: Int) throws -> pellucid_module_info {
        try tables.withLock { tables in
            let introspection = model.introspection
            let all = tables.modules ?? introspection.modules.modules.map { info($0, introspection, tables.arena) }
            tables.modules = all
            guard all.indices.contains(index) else { throw Failure.notFound("there is no module \(index), the model has \(all.count)") }
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

    // MARK: Tables

    private func infos(_ kind: pellucid_value_kind, _ tables: inout Tables) throws -> [pellucid_value_info] {
        if let known = tables.infos[kind] { return known }
        let introspection = model.introspection
        let made = try listed(kind).map { info($0.value, $0.node, introspection, tables.arena) }
        tables.infos[kind] = made
        return made
    }

    /// Values with the index of the node that computes them.
    private func listed(_ kind: pellucid_value_kind) throws -> [(value: ValueID, node: Int?)] {
        let graph = model.graph
        switch Int(kind) {
        case PELLUCID_INPUT: return graph.inputs.map { ($0, nil) }
        case PELLUCID_OUTPUT:
            let producers = graph.producers()
            return graph.outputs.map { ($0, producers[$0.index] < 0 ? nil : producers[$0.index]) }
        case PELLUCID_LAYER: return graph.nodes.enumerated().flatMap { index, node in node.outputs.compactMap { $0 }.map { ($0, index) } }
        case PELLUCID_WEIGHT:
            let made = graph.producers()
            return graph.values.indices.filter { graph.values[$0].constant != nil && made[$0] < 0 }.map { (ValueID(at: $0), nil) }
        default: throw Failure.invalid("value kind \(kind) is not known")
        }
    }

    private func info(_ id: ValueID, _ index: Int?, _ introspection: Introspection, _ arena: Arena) -> pellucid_value_info {
        let value = model.graph[id]
        let node = index.map { model.graph.nodes[$0] }
        let facts = index.map { introspection.nodes[$0] }
        var info = pellucid_value_info()
        info.name = arena.text(value.name)
        info.node = arena.text(node?.name ?? "")
        info.op = arena.text(node.map { $0.origin.isEmpty ? $0.op : $0.origin } ?? "")
        info.module = arena.text(node?.module ?? "")
        (info.dtype, info.rank, info.dims, info.dim_names) = described(value, arena)
        info.parameters = Int64(facts?.parameters ?? value.constant?.count ?? 0)
        info.flops = facts.map { Int64($0.flops ?? -1) } ?? 0
        info.differentiable = introspection.isDifferentiable[id.index] ? 1 : 0
        info.backend = arena.text(facts?.backend ?? "")
        return info
    }

    private func info(_ module: ModuleTree.Module, _ introspection: Introspection, _ arena: Arena) -> pellucid_module_info {
        let value = module.value.map { model.graph[$0] }
        let sum = introspection.total(module.nodes)
        var info = pellucid_module_info()
        info.name = arena.text(module.path)
        info.kind = arena.text(module.kind)
        info.parent = module.parent.map { Int32(clamping: $0) } ?? -1
        info.nodes = Int32(clamping: module.nodes.count)
        info.value = arena.text(value?.name ?? "")
        info.parameters = Int64(sum.parameters)
        info.flops = Int64(sum.flops ?? -1)
        (info.dtype, info.rank, info.dims, info.dim_names) = described(value, arena)
        info.differentiable = module.value.map { introspection.isDifferentiable[$0.index] } ?? false ? 1 : 0
        return info
    }

    private typealias Description = (
        pellucid_dtype, Int32, UnsafePointer<Int64>?, UnsafePointer<UnsafePointer<CChar>?>?
    )

    private func described(_ value: Value?, _ arena: Arena) -> Description {
        guard let value else { return (0, -1, nil, nil) }
        let dtype = (model.declaredType(of: value.name) ?? value.type?.element)?.rawValue ?? 0
        guard let dims = value.type?.dims else { return (dtype, -1, nil, nil) }
        let sizes = arena.copy(dims.map { Int64($0.value ?? -1) })
        let names = arena.copy(dims.map { arena.text($0.value == nil ? $0.description : "") })
        return (dtype, Int32(dims.count), UnsafePointer(sizes), UnsafePointer(names))
    }
}

@_cdecl("pellucid_model_value_count") @implementation
public func pellucid_model_value_count(_ model: OpaquePointer!, _ kind: pellucid_value_kind) -> Int32 {
    counted { try object(model, ModelHandle.self, "model").count(kind) }
}

@_cdecl("pellucid_model_value_at") @implementation
public func pellucid_model_value_at(
    _ model: OpaquePointer!, _ kind: pellucid_value_kind, _ index: Int32, _ out: UnsafeMutablePointer<pellucid_value_info>!
) -> pellucid_status {
    guarded { try fill(out, try object(model, ModelHandle.self, "model").info(kind, Int(index)), "out") }
}

@_cdecl("pellucid_model_module_count") @implementation
public func pellucid_model_module_count(_ model: OpaquePointer!) -> Int32 {
    counted { try object(model, ModelHandle.self, "model").model.introspection.modules.modules.count }
}

@_cdecl("pellucid_model_module_at") @implementation
public func pellucid_model_module_at(_ model: OpaquePointer!, _ index: Int32, _ out: UnsafeMutablePointer<pellucid_module_info>!)
    -> pellucid_status
{
    guarded { try fill(out, try object(model, ModelHandle.self, "model").module(Int(index)), "out") }
}

@_cdecl("pellucid_model_metadata") @implementation
public func pellucid_model_metadata(_ model: OpaquePointer!, _ key: UnsafePointer<CChar>!) -> UnsafePointer<CChar>! {
    var found: UnsafePointer<CChar>?
    _ = guarded { found = try object(model, ModelHandle.self, "model").metadata(try text(key, "key")) }
    return found
}

@_cdecl("pellucid_model_cost") @implementation
public func pellucid_model_cost(
    _ out: UnsafeMutablePointer<pellucid_cost>!, _ model: OpaquePointer!, _ feeds: UnsafePointer<pellucid_feed>!, _ feed_count: Int32
) -> pellucid_status {
    guarded {
        let model = try object(model, ModelHandle.self, "model").model
        try fill(out, pellucid_cost(try model.cost(feeds: try tensors(feeds, feed_count, model))), "out")
    }
}

extension pellucid_cost {
    init(_ cost: Cost) {
        self.init(
            struct_size: MemoryLayout<pellucid_cost>.size, forwards: Int64(cost.forwards), backwards: Int64(cost.backwards),
            bytes: Int64(cost.bytes), flops: Int64(cost.flops ?? -1))
    }
}

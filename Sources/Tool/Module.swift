import CPellucid

/// A module of the network as its author wrote it.
struct Module {
    let name: String
    let kind: String
    /// 0 for the whole model.
    let depth: Int
    let nodes: Int
    let value: String
    let parameters: Int
    /// -1 where sizes are not known.
    let flops: Int
    let isDifferentiable: Bool
    let dims: [Value.Dim]?

    var shape: String { Value.text(dims) }

    var json: JSON {
        .object([
            ("name", .string(name)), ("kind", .string(kind)), ("depth", .integer(depth)),
            ("nodes", .integer(nodes)),
            ("value", .string(value)), ("shape", Value.json(dims)), ("parameters", .integer(parameters)),
            ("flops", flops < 0 ? .null : .integer(flops)), ("differentiable", .bool(isDifferentiable)),
        ])
    }
}

extension Model {
    /// The modules, each before those inside it; the first is the whole model.
    func modules() throws -> [Module] {
        let count = pellucid_model_module_count(handle)
        if count < 0 { try check(count) }
        var found: [Module] = []
        for index in 0..<max(count, 0) {
            var info = pellucid_module_info()
            info.struct_size = MemoryLayout<pellucid_module_info>.size
            try check(pellucid_model_module_at(handle, index, &info))
            let parent = Int(info.parent)
            found.append(
                Module(
                    name: string(info.name), kind: string(info.kind),
                    depth: found.indices.contains(parent) ? found[parent].depth + 1 : 0,
                    nodes: Int(info.nodes), value: string(info.value), parameters: Int(info.parameters),
                    flops: Int(info.flops),
                    isDifferentiable: info.differentiable != 0,
                    dims: Value.dims(info.rank, info.dims, info.dim_names)))
        }
        return found
    }
}

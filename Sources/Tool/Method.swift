import CPellucid

/// An explanation method as the library describes it.
struct Method {
    let name: String
    let family: String
    let kind: String
    let summary: String
    let needs: String
    let reference: String
    let parameters: [Parameter]

    struct Parameter {
        let name: String
        let type: String
        let standard: String
        let range: String
        let help: String
    }

    func knows(_ option: String) -> Bool { parameters.contains { $0.name == option } }

    /// Every method of the library.
    static func all() throws -> [Method] {
        let count = pellucid_method_count()
        if count < 0 { try check(count) }
        return try (0..<max(count, 0)).map { index in
            var info = pellucid_method_info()
            info.struct_size = MemoryLayout<pellucid_method_info>.stride
            try check(pellucid_method_at(index, &info))
            let name = text(info.name)
            return Method(
                name: name, family: text(info.family), kind: text(info.kind), summary: text(info.summary), needs: text(info.needs),
                reference: text(info.reference), parameters: try parameters(of: name))
        }
    }

    private static func parameters(of name: String) throws -> [Parameter] {
        var found: [Parameter] = []
        while true {
            var info = pellucid_parameter_info()
            info.struct_size = MemoryLayout<pellucid_parameter_info>.stride
            let status = pellucid_method_parameter_at(name, Int32(found.count), &info)
            if status == Int32(PELLUCID_E_NOTFOUND) { return found }
            try check(status)
            found.append(
                Parameter(
                    name: text(info.name), type: text(info.type), standard: text(info.default_value), range: text(info.range),
                    help: text(info.help)))
        }
    }
}

/// What a method found.
final class Explanation {
    private let handle: OpaquePointer

    init(_ method: String, of model: Model, input: Tensor, target: Int?, options: [(name: String, value: String)]) throws {
        let options = try Options(options)
        var feed = pellucid_feed(name: nil, tensor: input.handle)
        var wanted = pellucid_target()
        wanted.struct_size = MemoryLayout<pellucid_target>.stride
        wanted.kind = Int32(target == nil ? PELLUCID_TARGET_ARGMAX : PELLUCID_TARGET_CLASS)
        wanted.score = Int32(PELLUCID_SCORE_LOGIT)
        wanted.index = Int64(target ?? 0)
        handle = try created { pellucid_explain($0, model.handle, method, &feed, 1, &wanted, options.handle, nil) }
    }

    deinit { pellucid_result_release(handle) }

    /// The heat map.
    func map() throws -> Tensor { try Tensor(taking: created { pellucid_result_tensor(handle, "map", $0) }) }

    /// How it was made.
    var manifest: String { text(pellucid_result_json(handle)) }
}

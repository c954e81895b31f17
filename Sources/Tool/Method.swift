import CPellucid

/// An explanation method, or a metric, as the library describes it.
struct Method {
    let name: String
    let family: String
    let kind: String
    let summary: String
    let needs: String
    let reference: String
    let parameters: [Parameter]
    /// Of a metric: "higher" or "lower" is better; else empty.
    let direction: String
    /// Of a metric's value, as 0...1; else empty.
    let range: String

    struct Parameter {
        let name: String
        let type: String
        let standard: String
        let range: String
        let help: String

        var json: JSON {
            .object([
                ("name", .string(name)), ("type", .string(type)),
                ("default", standard.isEmpty ? .null : .string(standard)),
                ("range", range.isEmpty ? .null : .string(range)), ("help", .string(help)),
            ])
        }
    }

    func knows(_ option: String) -> Bool { parameters.contains { $0.name == option } }

    /// The method of that name.
    static func named(_ name: String, among known: [Method]) throws -> Method {
        if let found = known.first(where: { $0.name == name }) { return found }
        throw ToolError(
            usage: "there is no method '\(name)'\(Suggestion.text(for: name, among: known.map(\.name)))")
    }

    var json: JSON {
        .object([
            ("name", .string(name)), ("family", .string(family)), ("kind", .string(kind)),
            ("summary", .string(summary)),
            ("needs", .array(needs.split(separator: ",").map { .string(String($0)) })),
            ("reference", .string(reference)),
            ("direction", direction.isEmpty ? .null : .string(direction)),
            ("range", range.isEmpty ? .null : .string(range)),
            ("parameters", .array(parameters.map(\.json))),
        ])
    }

    /// Every method of the library.
    static func all() throws -> [Method] {
        let count = pellucid_method_count()
        if count < 0 { try check(count) }
        return try (0..<max(count, 0)).map { index in
            var info = pellucid_method_info()
            info.struct_size = MemoryLayout<pellucid_method_info>.stride
            try check(pellucid_method_at(index, &info))
            let name = string(info.name)
            return Method(
                name: name, family: string(info.family), kind: string(info.kind),
                summary: string(info.summary), needs: string(info.needs),
                reference: string(info.reference), parameters: try parameters(of: name), direction: string(info.direction),
                range: string(info.range))
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
                    name: string(info.name), type: string(info.type), standard: string(info.default_value),
                    range: string(info.range),
                    help: string(info.help)))
        }
    }
}

/// What a method found.
final class Explanation {
    let handle: OpaquePointer

    init(
        _ method: String, of model: Model, input: Tensor, target: Int?,
        options: [(name: String, value: String)], picture: Tensor? = nil, progress: Progress?
    ) throws {
        let options = try Options(options)
        if let picture { try check(pellucid_options_set_tensor(options.handle, "picture", picture.handle)) }
        var wanted = pellucid_target()
        wanted.struct_size = MemoryLayout<pellucid_target>.size
        wanted.kind = Int32(target == nil ? PELLUCID_TARGET_ARGMAX : PELLUCID_TARGET_CLASS)
        wanted.score = Int32(PELLUCID_SCORE_AUTO)
        wanted.index = Int64(target ?? 0)
        handle = try Model.withFeeds([("", input)]) { feeds in
            try withControl(progress) { control in
                try created {
                    pellucid_explain(
                        $0, model.handle, method, feeds.baseAddress, 1, &wanted, options.handle, control)
                }
            }
        }
    }

    deinit { pellucid_result_release(handle) }

    /// The heat map.
    func map() throws -> Tensor {
        try Tensor(taking: created { pellucid_result_tensor(handle, "map", $0) })
    }

    /// A text that the method wrote, such as a drawing; nil where there is none of that name.
    func text(_ name: String) throws -> String? {
        var raw: OpaquePointer?
        guard Int(pellucid_result_tensor(handle, name, &raw)) == PELLUCID_OK, let raw else { return nil }
        defer { pellucid_tensor_release(raw) }
        var start: UnsafePointer<CChar>?
        try check(pellucid_tensor_text_at(raw, 0, &start, nil))
        return start.map { String(cString: $0) }
    }

    /// How it was made.
    var manifest: String { string(pellucid_result_json(handle)) }
}

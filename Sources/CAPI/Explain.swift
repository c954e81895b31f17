public import CPellucid
internal import Evaluation
internal import Explainers
internal import Runtime
internal import Tensors

/// The registry as C strings, made once and never freed: it is the same for the life of the process.
private struct Registry: @unchecked Sendable {
    // Unchecked: immutable once made.
    private let arena = Arena()
    let methods: [pellucid_method_info]
    private let parameters: [String: [pellucid_parameter_info]]

    static let shared = Registry()

    private init() {
        let arena = arena
        let metrics = MetricList.metrics.map { $0.info }
        methods =
            MethodList.explainers.map { Registry.info($0.method, "explainer", needs: $0.method.needs.map(\.rawValue), arena) }
            + metrics.map { metric in
                var info = Registry.info(metric.method, "metric", needs: metric.needs.map(\.rawValue), arena)
                info.direction = arena.text(metric.direction.rawValue)
                info.category = arena.text(metric.category.rawValue)
                info.range = arena.text(metric.range)
                return info
            }
        parameters = Dictionary(
            uniqueKeysWithValues: (MethodList.explainers.map { $0.method } + metrics.map(\.method)).map { method in
                (method.name, method.parameters.map { Registry.info($0, arena) })
            })
    }

    private static func info(_ method: Method, _ kind: String, needs: [String], _ arena: Arena) -> pellucid_method_info {
        var info = pellucid_method_info()
        info.name = arena.text(method.name)
        info.family = arena.text(method.family)
        info.kind = arena.text(kind)
        info.summary = arena.text(method.summary)
        info.needs = arena.text(needs.joined(separator: ","))
        info.reference = arena.text(method.reference)
        info.direction = arena.text("")
        info.category = arena.text("")
        info.range = arena.text("")
        return info
    }

    /// A method's or metric's parameters; the error for an unknown name tells the nearest.
    func parameters(of name: String) throws -> [pellucid_parameter_info] {
        if let found = parameters[name] { return found }
        throw Failure.notFound("no method or metric '\(name)'\(Suggestion.text(for: name, among: parameters.keys.sorted()))")
    }

    private static func info(_ parameter: Parameter, _ arena: Arena) -> pellucid_parameter_info {
        var info = pellucid_parameter_info()
        info.name = arena.text(parameter.name)
        info.type = arena.text(parameter.typeName)
        info.default_value = arena.text(parameter.defaultValue)
        info.range = arena.text(parameter.rangeText)
        info.help = arena.text(parameter.help)
        return info
    }
}

@_cdecl("pellucid_method_count") @implementation
public func pellucid_method_count() -> Int32 { Int32(Registry.shared.methods.count) }

@_cdecl("pellucid_method_at") @implementation
public func pellucid_method_at(_ index: Int32, _ out: UnsafeMutablePointer<pellucid_method_info>!) -> pellucid_status {
    guarded {
        let methods = Registry.shared.methods
        guard methods.indices.contains(Int(index)) else { throw Failure.notFound("there is no method \(index)") }
        try fill(out, methods[Int(index)], "out")
    }
}

@_cdecl("pellucid_method_parameter_at") @implementation
public func pellucid_method_parameter_at(
    _ method: UnsafePointer<CChar>!, _ index: Int32, _ out: UnsafeMutablePointer<pellucid_parameter_info>!
) -> pellucid_status {
    guarded {
        let name = try text(method, "method")
        let parameters = try Registry.shared.parameters(of: name)
        guard parameters.indices.contains(Int(index)) else { throw Failure.notFound("\(name) has no parameter \(index)") }
        try fill(out, parameters[Int(index)], "out")
    }
}

/// The object behind `pellucid_result`.
final class ResultHandle: Handle, @unchecked Sendable {
    // Unchecked: immutable once made; the arena only keeps its strings.
    let mark = Mark()
    let explanation: Explanation
    private let arena = Arena()
    let json: UnsafePointer<CChar>?
    let tensorNames: [UnsafePointer<CChar>?]
    let numberNames: [UnsafePointer<CChar>?]

    init(_ explanation: Explanation) {
        self.explanation = explanation
        let arena = arena
        json = arena.text(explanation.manifest)
        tensorNames = explanation.tensors.keys.sorted().map { arena.text($0) }
        numberNames = explanation.numbers.keys.sorted().map { arena.text($0) }
    }

    deinit { Mark.erase(self) }
}

@_cdecl("pellucid_explain") @implementation
public func pellucid_explain(
    _ out: UnsafeMutablePointer<OpaquePointer?>!, _ model: OpaquePointer!, _ method: UnsafePointer<CChar>!,
    _ feeds: UnsafePointer<pellucid_feed>!,
    _ feed_count: Int32, _ target: UnsafePointer<pellucid_target>!, _ options: OpaquePointer!, _ control: UnsafePointer<pellucid_control>!
) -> pellucid_status {
    guarded(out) {
        let model = try object(model, ModelHandle.self, "model").model
        return ResultHandle(
            try MethodList.explain(
                try text(method, "method"), model: model, feeds: try tensors(feeds, feed_count, model), target: try Target(target),
                options: try optional(options), control: try Control(control, model)))
    }
}

@_cdecl("pellucid_explain_cost") @implementation
public func pellucid_explain_cost(
    _ out: UnsafeMutablePointer<pellucid_cost>!, _ model: OpaquePointer!, _ method: UnsafePointer<CChar>!,
    _ feeds: UnsafePointer<pellucid_feed>!, _ feed_count: Int32, _ target: UnsafePointer<pellucid_target>!, _ options: OpaquePointer!
) -> pellucid_status {
    guarded {
        let model = try object(model, ModelHandle.self, "model").model
        let cost = try MethodList.cost(
            try text(method, "method"), model: model, feeds: try tensors(feeds, feed_count, model), target: try Target(target),
            options: try optional(options))
        try fill(out, pellucid_cost(cost), "out")
    }
}

@_cdecl("pellucid_result_tensor") @implementation
public func pellucid_result_tensor(_ result: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ out: UnsafeMutablePointer<OpaquePointer?>!)
    -> pellucid_status
{
    guarded(out) {
        let explanation = try object(result, ResultHandle.self, "result").explanation
        let name = try text(name, "name")
        guard let tensor = explanation.tensors[name] else {
            throw Failure.notFound(
                "the result has no tensor '\(name)'\(Suggestion.text(for: name, among: explanation.tensors.keys.sorted()))")
        }
        return TensorHandle(tensor)
    }
}

@_cdecl("pellucid_result_number") @implementation
public func pellucid_result_number(_ result: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ out: UnsafeMutablePointer<Double>!)
    -> pellucid_status
{
    guarded {
        let explanation = try object(result, ResultHandle.self, "result").explanation
        let name = try text(name, "name")
        let out = try writable(out, "out")
        guard let number = explanation.numbers[name] else {
            throw Failure.notFound(
                "the result has no number '\(name)'\(Suggestion.text(for: name, among: explanation.numbers.keys.sorted()))")
        }
        out.pointee = number
    }
}

@_cdecl("pellucid_result_tensor_name") @implementation
public func pellucid_result_tensor_name(_ result: OpaquePointer!, _ index: Int32) -> UnsafePointer<CChar>! {
    named(result, index) { $0.tensorNames }
}

@_cdecl("pellucid_result_number_name") @implementation
public func pellucid_result_number_name(_ result: OpaquePointer!, _ index: Int32) -> UnsafePointer<CChar>! {
    named(result, index) { $0.numberNames }
}

private func named(_ result: OpaquePointer?, _ index: Int32, _ names: (ResultHandle) -> [UnsafePointer<CChar>?]) -> UnsafePointer<CChar>? {
    var found: UnsafePointer<CChar>?
    _ = guarded {
        let all = names(try object(result, ResultHandle.self, "result"))
        if all.indices.contains(Int(index)) { found = all[Int(index)] }
    }
    return found
}

@_cdecl("pellucid_result_json") @implementation
public func pellucid_result_json(_ result: OpaquePointer!) -> UnsafePointer<CChar>! {
    var found: UnsafePointer<CChar>?
    _ = guarded { found = try object(result, ResultHandle.self, "result").json }
    return found
}

@_cdecl("pellucid_result_release") @implementation
public func pellucid_result_release(_ result: OpaquePointer!) { release(result, ResultHandle.self) }

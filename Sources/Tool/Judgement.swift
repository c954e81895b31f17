import CPellucid

/// A metric's verdict on one map, as it is kept beside it.
struct Verdict {
    let metric: String
    let value: Double
    /// Shares of the image that are replaced, and the score there; empty for metrics without a curve.
    let fractions: [Double]
    let curve: [Double]

    init(_ metric: String, _ judgement: Judgement) {
        self.metric = metric
        value = judgement.number("value") ?? .nan
        fractions = judgement.numbers("fractions") ?? []
        curve = judgement.numbers("curve") ?? []
    }

    init?(_ json: JSON) {
        guard let metric = json["metric"]?.text, let value = json["value"]?.double else { return nil }
        self.metric = metric
        self.value = value
        fractions = json["fractions"]?.items.compactMap(\.double) ?? []
        curve = json["curve"]?.items.compactMap(\.double) ?? []
    }

    var json: JSON {
        .object([
            ("metric", .string(metric)), ("value", .number(value)),
            ("fractions", .array(fractions.map { .number($0) })), ("curve", .array(curve.map { .number($0) })),
        ])
    }
}

/// What a metric says of an explanation.
final class Judgement {
    private let handle: OpaquePointer

    /// `mask`: where the object is, for metrics that ask.
    init(
        _ metric: String, of explanation: Explanation, model: Model, input: Tensor, mask: Tensor?,
        options: [(name: String, value: String)], progress: Progress?
    ) throws {
        let options = try Options(options)
        if let mask { try check(pellucid_options_set_tensor(options.handle, "masks", mask.handle)) }
        handle = try Model.withFeeds([("", input)]) { feeds in
            try withControl(progress) { control in
                try created {
                    pellucid_evaluate(
                        $0, model.handle, metric, feeds.baseAddress, 1, nil, explanation.handle, options.handle, control)
                }
            }
        }
    }

    deinit { pellucid_result_release(handle) }

    /// A number by name; nil where there is none.
    func number(_ name: String) -> Double? {
        var value = 0.0
        return pellucid_result_number(handle, name, &value) == Int32(PELLUCID_OK) ? value : nil
    }

    /// The numbers of a tensor; nil where there is none of that name.
    func numbers(_ name: String) -> [Double]? {
        var raw: OpaquePointer?
        guard pellucid_result_tensor(handle, name, &raw) == Int32(PELLUCID_OK), let raw else { return nil }
        return try? Tensor(taking: raw).doubles()
    }

    var manifest: JSON? { JSON(string(pellucid_result_json(handle))) }
}

import Evaluation
import Explainers
import Foundation
import Runtime
import Tensors

/// A folder of `Tests/Golden`: a network, tensors, and what reference implementations say of them.
struct GoldenModel {
    struct Entry: Decodable {
        let name: String
        let shape: [Int]
        let offset: Int
        let bytes: Int
    }
    /// A value of the index as the text that an option takes.
    struct Setting: Decodable {
        let text: String

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let truth = try? value.decode(Bool.self) {
                text = truth ? "true" : "false"
            } else if let number = try? value.decode(Double.self) {
                text = number == number.rounded() ? String(Int(number)) : String(number)
            } else {
                text = try value.decode(String.self)
            }
        }
    }
    struct Check: Decodable {
        let what: String
        let tensor: String
        /// The stored map that is judged; none: what `method` makes.
        let map: String?
        let method: String?
        let method_options: [String: Setting]?
        let score: String?
        let options: [String: Setting]?
        let result: String?
        let tolerance: Double?
    }
    private struct Index: Decodable {
        let input: String
        let models: [String]
        let targets: [Int]
        let checks: [Check]?
        let tensors: [Entry]
    }

    static let home = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
        "Golden")

    let model: Model
    let x: Tensor
    let checks: [Check]
    private let index: Index
    private let data: Data

    /// A network of `data`, with the images it is stored with.
    init(_ name: String) throws { try self.init(folder: "data/\(name)", readsChecks: false) }

    init(folder path: String, readsChecks: Bool = true) throws {
        let folder = GoldenModel.home.appendingPathComponent(path)
        let text = try Data(contentsOf: folder.appendingPathComponent("index.json"))
        if readsChecks {
            index = try JSONDecoder().decode(Index.self, from: text)
        } else {
            // The checks of other folders have another form.
            var members = try JSONSerialization.jsonObject(with: text) as? [String: Any] ?? [:]
            members["checks"] = nil
            index = try JSONDecoder().decode(Index.self, from: JSONSerialization.data(withJSONObject: members))
        }
        data = try Data(contentsOf: folder.appendingPathComponent("tensors.bin"))
        checks = index.checks ?? []
        model = try Model(
            path: folder.appendingPathComponent(index.models.first ?? "").path, runtime: try Runtime(), options: Options())
        x = try GoldenModel.tensor("x", index.tensors, data)
    }

    func tensor(_ name: String) throws -> Tensor { try GoldenModel.tensor(name, index.tensors, data) }

    private static func tensor(_ name: String, _ entries: [Entry], _ data: Data) throws -> Tensor {
        guard let entry = entries.first(where: { $0.name == name }) else { throw Failure.notFound("no golden tensor '\(name)'") }
        let floats = data[entry.offset..<(entry.offset + entry.bytes)].withUnsafeBytes { raw in
            (0..<(entry.bytes / 4)).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
        return try Tensor(floats, entry.shape)
    }

    func explain(_ method: String, _ settings: [String: Options.Entry] = [:]) throws -> Explanation {
        try MethodList.explain(
            method, model: model, feeds: [index.input: x], target: Target(.each(index.targets)), options: options(settings),
            control: Control())
    }

    func evaluate(_ metric: String, _ settings: [String: Options.Entry] = [:], explanation: Explanation?) throws -> Explanation {
        try MetricList.evaluate(
            metric, model: model, feeds: [index.input: x], target: nil, explanation: explanation, options: options(settings),
            control: Control())
    }

    /// What a check says, asked of this library.
    func evaluate(_ check: Check) throws -> Explanation {
        let explanation = try check.method.map { try explain($0, entries(check.method_options ?? [:])) }
        var options = options(try entries(check.options ?? [:]))
        if let map = check.map { options["map"] = .tensor(try tensor(map)) }
        return try MetricList.evaluate(
            check.what, model: model, feeds: [index.input: x],
            target: Target(.each(index.targets), score: Target.Score(rawValue: check.score ?? "auto") ?? .auto), explanation: explanation,
            options: options, control: Control())
    }

    private func entries(_ settings: [String: Setting]) throws -> [String: Options.Entry] {
        try settings.mapValues { $0.text.hasPrefix("@") ? .tensor(try tensor(String($0.text.dropFirst()))) : .text($0.text) }
    }

    private func options(_ settings: [String: Options.Entry]) -> Options {
        var options = Options()
        for (name, value) in settings { options[name] = value }
        return options
    }
}

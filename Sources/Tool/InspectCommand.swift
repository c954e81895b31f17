import ArgumentParser
import CPellucid

/// Shows what is inside a model.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "inspect", abstract: "What a model takes, returns and consists of.")

    @OptionGroup var model: ModelArguments
    @Flag(help: "List every layer: its value, operator, type and shape.") var layers = false
    @Flag(help: "List every weight.") var weights = false

    func run() throws {
        let model = try model.load()
        print(table(summary(of: model)))
        print("\ninputs\n" + table(try model.values(PELLUCID_INPUT).map { ["  " + $0.name, $0.type, $0.shape] }))
        print("\noutputs\n" + table(try model.values(PELLUCID_OUTPUT).map { ["  " + $0.name, $0.type, $0.shape, $0.op] }))
        let layers = try model.values(PELLUCID_LAYER), weights = try model.values(PELLUCID_WEIGHT)
        print("\n\(layers.count) layers: \(operators(layers))")
        if self.layers { print(table(layers.map { ["  " + $0.name, $0.op, $0.type, $0.shape, $0.module] })) }
        print("\n\(weights.count) weights with \(elements(weights)) elements")
        if self.weights { print(table(weights.map { ["  " + $0.name, $0.type, $0.shape] })) }
    }

    private func summary(of model: Model) -> [[String]] {
        let keys = ["graph", "producer", "producer_version", "domain", "ir_version", "opset", "backend", "hash"]
        return [["model", model.path]]
            + keys.compactMap { key in
                model.metadata(key).flatMap { $0.isEmpty ? nil : [String(key.map { $0 == "_" ? " " : $0 }), $0] }
            }
    }

    /// "49 Conv, 1 Gemm", most frequent first.
    private func operators(_ layers: [Value]) -> String {
        let counts = layers.reduce(into: [String: Int]()) { $0[$1.op, default: 0] += 1 }
        let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return sorted.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }

    private func elements(_ weights: [Value]) -> Int {
        weights.reduce(0) { total, weight in
            let sizes = (weight.dims ?? []).indices.map { weight.size($0) ?? 0 }
            return total &+ sizes.reduce(1, &*)
        }
    }
}

import ArgumentParser
import CPellucid

/// Shows what is inside a model.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "What a model takes, returns and consists of.",
        discussion: """
            The tree has the modules that the exporter noted, each with the shape that it returns, its parameters and its \
            arithmetic (a multiplication and an addition count as two) for one image. Names may be given to --layer, --want \
            and --set layer= as they stand.
            """)

    @OptionGroup var model: ModelArguments
    @Option(help: "Levels of modules to show.") var depth: Int?
    @Flag(help: "List every layer: its value, operator, type and shape.") var layers = false
    @Flag(help: "List every weight.") var weights = false
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard depth ?? 1 >= 0 else { throw ValidationError("--depth must be at least 0") }
    }

    func run() throws {
        let model = try model.load()
        let inspection = try Inspection(model, depth: depth)
        print(
            output.json
                ? inspection.json(layers: layers, weights: weights).rendered
                : inspection.text(layers: layers, weights: weights))
    }
}

/// What a model holds, for people and for machines.
private struct Inspection {
    let model: Model
    let modules: [Module]
    let inputs: [Value]
    let outputs: [Value]
    let layers: [Value]
    let weights: [Value]

    private static let keys = [
        "graph", "producer", "producer_version", "domain", "ir_version", "opset", "backend", "hash",
    ]

    init(_ model: Model, depth: Int?) throws {
        self.model = model
        modules = try model.modules().filter { $0.depth <= depth ?? .max }
        inputs = try model.values(PELLUCID_INPUT)
        outputs = try model.values(PELLUCID_OUTPUT)
        layers = try model.values(PELLUCID_LAYER)
        weights = try model.values(PELLUCID_WEIGHT)
    }

    private var facts: [(key: String, value: String)] {
        Inspection.keys.compactMap { key in model.metadata(key).flatMap { $0.isEmpty ? nil : (key, $0) }
        }
    }

    /// "49 Conv, 1 Gemm", most frequent first.
    private var operators: [(name: String, count: Int)] {
        let counts = layers.reduce(into: [String: Int]()) { $0[$1.op, default: 0] += 1 }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    func text(layers showLayers: Bool, weights showWeights: Bool) -> String {
        let whole = modules.first
        var rows =
            [["model", model.path]]
            + facts.map { [String($0.key.map { $0 == "_" ? " " : $0 }), $0.value] }
        rows.append(["parameters", scaled(whole?.parameters ?? 0)])
        rows.append(["arithmetic", whole.map { Inspection.flops($0.flops) } ?? "?"])
        rows.append([
            "gradients", whole?.isDifferentiable == true ? "yes" : "none from the first output",
        ])
        var parts = [
            table(rows), "inputs\n" + table(inputs.map { ["  " + $0.name, $0.type, $0.shape] }),
            "outputs\n" + table(outputs.map { ["  " + $0.name, $0.type, $0.shape, $0.op] }),
        ]
        if modules.count > 1 { parts.append(tree) }
        parts.append(
            "\(layers.count) layers: "
                + operators.map { "\($0.count) \($0.name)" }.joined(separator: ", "))
        if showLayers {
            let header = [
                "  LAYER", "OPERATOR", "TYPE", "SHAPE", "PARAMETERS", "FLOP", "GRADIENT", "BACKEND",
                "MODULE",
            ]
            let lines = layers.map { layer in
                [
                    "  " + layer.name, layer.op, layer.type, layer.shape, scaled(layer.parameters),
                    Inspection.flops(layer.flops),
                    layer.isDifferentiable ? "yes" : "no", layer.backend.isEmpty ? "-" : layer.backend,
                    layer.module,
                ]
            }
            parts[parts.count - 1] += "\n" + table([header] + lines, right: [4, 5])
        }
        parts.append(
            "\(weights.count) weights with \(weights.reduce(0) { $0 + $1.parameters }) elements")
        if showWeights {
            parts[parts.count - 1] += "\n" + table(weights.map { ["  " + $0.name, $0.type, $0.shape] })
        }
        return parts.joined(separator: "\n\n")
    }

    private var tree: String {
        let header = ["MODULE", "KIND", "OUTPUT", "NODES", "PARAMETERS", "FLOP", "GRADIENT"]
        let rows = modules.dropFirst().map { module in
            [
                String(repeating: "  ", count: module.depth - 1) + module.name, module.kind, module.shape,
                String(module.nodes),
                scaled(module.parameters), Inspection.flops(module.flops),
                module.isDifferentiable ? "yes" : "no",
            ]
        }
        return table([header] + rows, right: [3, 4, 5])
    }

    private static func flops(_ count: Int) -> String { count < 0 ? "?" : scaled(count) }

    func json(layers showLayers: Bool, weights showWeights: Bool) -> JSON {
        var members: [(key: String, value: JSON)] = [("path", .string(model.path))]
        members.append(("metadata", .object(facts.map { ($0.key, .string($0.value)) })))
        members.append(("inputs", .array(inputs.map(\.json))))
        members.append(("outputs", .array(outputs.map(\.json))))
        members.append(("operators", .object(operators.map { ($0.name, .integer($0.count)) })))
        members.append(("modules", .array(modules.map(\.json))))
        if showLayers { members.append(("layers", .array(layers.map(\.detailed)))) }
        if showWeights { members.append(("weights", .array(weights.map(\.json)))) }
        return .object(members)
    }
}

extension Value {
    /// With what only layers have.
    fileprivate var detailed: JSON {
        .object(
            json.members + [
                ("node", .string(node)), ("operator", .string(op)), ("module", .string(module)),
                ("parameters", .integer(parameters)),
                ("flops", flops < 0 ? .null : .integer(flops)), ("differentiable", .bool(isDifferentiable)),
                ("backend", .string(backend)),
            ])
    }
}

import ArgumentParser

/// Lists the methods, or describes one.
struct MethodsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "methods", abstract: "The explanation methods, or one of them with its options.")

    @Argument(help: "A method to describe.", completion: .custom { _, _, _ in Method.names })
    var name: String?
    @OptionGroup var output: OutputArguments

    func run() throws {
        let methods = try Method.all()
        guard let name else {
            if output.json { return print(JSON.array(methods.map(\.json)).rendered) }
            return print(
                table(
                    methods.map {
                        [
                            $0.name, $0.family,
                            $0.kind == "explainer" ? $0.summary : "(\($0.kind)) \($0.summary)",
                        ]
                    }))
        }
        let method = try Method.named(name, among: methods)
        if output.json { print(method.json.rendered) } else { describe(method) }
    }

    private func describe(_ method: Method) {
        print("\(method.name): \(method.summary)\n")
        let facts = [
            ("family", method.family), ("kind", method.kind), ("needs", method.needs),
            ("range", method.range),
            ("better", method.direction),
            ("reference", method.reference),
        ]
        print(table(facts.filter { !$0.1.isEmpty }.map { [$0.0, $0.1] }))
        guard !method.parameters.isEmpty else { return }
        print("\noptions (--set name=value)")
        for parameter in method.parameters {
            let range = parameter.range.isEmpty ? "" : ", " + parameter.range
            let standard = parameter.standard.isEmpty ? "" : ", default \(parameter.standard)"
            print("  \(parameter.name)  (\(parameter.type)\(range)\(standard))\n      \(parameter.help)")
        }
    }
}

extension Method {
    /// For completion, which has nobody to complain to.
    static var names: [String] { ((try? all()) ?? []).map(\.name) }
}

/// Lists what computes on this machine.
struct BackendsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backends", abstract: "The compute backends of this machine, best first.")

    @Option(help: "A backend plugin to load as well.", completion: .file(extensions: ["so"]))
    var load: [String] = []
    @OptionGroup var output: OutputArguments

    func run() throws {
        let runtime = try Runtime(threads: nil)
        for path in load { try runtime.loadBackend(path) }
        let backends = try runtime.backends()
        guard output.json else {
            let rows = backends.map { [$0.name, $0.version, String($0.score), $0.description, $0.path] }
            return print(table([["NAME", "VERSION", "SCORE", "DESCRIPTION", ""]] + rows))
        }
        let list = backends.map { backend in
            JSON.object([
                ("name", .string(backend.name)), ("version", .string(backend.version)),
                ("score", .integer(backend.score)),
                ("description", .string(backend.description)), ("path", .string(backend.path)),
            ])
        }
        print(JSON.array(list).rendered)
    }
}

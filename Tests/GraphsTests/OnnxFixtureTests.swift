import Foundation
import Graphs
import Tensors
import Testing

/// The files of Tests/Fixtures/importer against `expected.json`, and the real models against nothing but their loading.
/// Both are written down where the files are made: Tests/Golden/make_importer_models.py.
@Suite struct OnnxFixtureTests {
    static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures")

    struct Expectation: @unchecked Sendable, CustomTestStringConvertible {
        let file: String
        // Unchecked: what JSON gives is immutable.
        let entry: [String: Any]
        var expect: String { entry["expect"] as? String ?? "" }
        var testDescription: String { file }

        static func all(_ kind: String) -> [Expectation] {
            guard let data = try? Data(contentsOf: fixtures.appendingPathComponent("importer/expected.json")),
                let root = try? JSONSerialization.jsonObject(with: data) as? [String: Any], let files = root["files"] as? [[String: Any]]
            else { return [] }
            return files.map { Expectation(file: $0["file"] as? String ?? "", entry: $0) }.filter { $0.expect == kind }
        }
    }

    private func read(_ file: String) throws -> OnnxModel {
        try OnnxReader.read(path: Self.fixtures.appendingPathComponent("importer/\(file)").path)
    }

    @Test func thereAreFixtures() { #expect(Expectation.all("ok").count > 100 && Expectation.all("error").count > 80) }

    // MARK: Sound files

    @Test(arguments: Expectation.all("ok")) func soundFileIsRead(_ expected: Expectation) throws {
        let model = try read(expected.file)
        for fact in expected.entry["values"] as? [[String: Any]] ?? [] { try check(fact, model) }
        for (key, value) in expected.entry["metadata"] as? [String: String] ?? [:] { #expect(model.facts[key] == value) }
        let runs = expected.entry["runs"] as? [[String: Any]] ?? []
        guard let graph = try imported(model, mustImport: !runs.isEmpty) else { return }
        for (name, module) in expected.entry["module"] as? [String: String] ?? [:] {
            let id = try #require(graph.id(of: name))
            #expect(graph.nodes.first { $0.outputs.contains(id) }?.module == module)
        }
        for run in runs { try check(run, graph) }
    }

    /// The graph; nil where operators are missing that other parts of the library add in time.
    private func imported(_ model: OnnxModel, mustImport: Bool) throws -> Graph? {
        do { return try OnnxImport.importModel(model, operators: .standard) } catch let failure as Failure where !mustImport {
            #expect(failure.kind == .unsupported, "\(failure)")
            return nil
        }
    }

    private func check(_ fact: [String: Any], _ model: OnnxModel) throws {
        let name = fact["name"] as? String
        let dense = try model.graph.initializers.first { $0.name == name }?.load()
        let tensor = try #require(try dense ?? model.graph.sparseInitializers.first { $0.name == name }?.load())
        #expect(tensor.type.rawValue == fact["dtype"] as? Int32)
        #expect(tensor.shape == fact["shape"] as? [Int])
        if let texts = fact["first"] as? [String], tensor.type == .string {
            #expect(Array(tensor.storage.strings.prefix(8)) == texts)
        } else {
            let expected = (fact["first"] as? [Any] ?? []).map(number)
            let found = try numbers(tensor)
            #expect(found.count >= expected.count)
            for (a, b) in zip(found, expected) {
                // Foundation's decimals may be off by the last bit.
                #expect(a == b || abs(a - b) <= 1e-15 * abs(b) || (a.isNaN && b.isNaN), "\(a) instead of \(b)")
            }
        }
    }

    private func numbers(_ tensor: Tensor) throws -> [Double] {
        switch tensor.type {
        case .complex64: try Tensor(.float32, [tensor.count * 2], storage: tensor.storage).doubles()
        case .complex128: try Tensor(.float64, [tensor.count * 2], storage: tensor.storage).doubles()
        default: try tensor.doubles()
        }
    }

    private func number(_ json: Any) -> Double {
        if let text = json as? String { return Double(text) ?? .nan }
        return (json as? NSNumber)?.doubleValue ?? .nan
    }

    private func tensor(_ json: [String: Any]) throws -> Tensor {
        let values = (json["data"] as? [Any] ?? []).map(number)
        let type = try #require(ElementType(rawValue: json["dtype"] as? Int32 ?? 0))
        return try Tensor(values, json["shape"] as? [Int]).converted(to: type)
    }

    private func check(_ run: [String: Any], _ graph: Graph) throws {
        var feeds: [ValueID: Tensor] = [:]
        for (name, json) in run["feeds"] as? [String: [String: Any]] ?? [:] { feeds[try #require(graph.id(of: name))] = try tensor(json) }
        let computed = try OnnxRun.run(graph, feeds)
        for (name, json) in run["outputs"] as? [String: [String: Any]] ?? [:] {
            let id = try #require(graph.id(of: name))
            let found = try #require(computed[id] ?? graph[id].constant)
            let expected = try tensor(json)
            #expect(found.shape == expected.shape)
            for (a, b) in zip(try found.doubles(), try expected.doubles()) {
                #expect(a == b || abs(a - b) <= 1e-5 * max(1, abs(b)) || (a.isNaN && b.isNaN), "\(a) instead of \(b)")
            }
        }
    }

    // MARK: Broken files

    @Test(arguments: Expectation.all("error")) func brokenFileIsRefused(_ expected: Expectation) throws {
        do {
            let graph = try OnnxImport.importModel(read(expected.file), operators: .standard)
            _ = try OnnxRun.run(graph, OnnxRun.ones(graph))
            Issue.record("\(expected.file) was taken: \(expected.entry["about"] ?? "")")
        } catch let failure as Failure {
            let message = failure.message.lowercased()
            for group in expected.entry["words"] as? [String] ?? [] {
                let words = group.lowercased().split(separator: "|")
                #expect(words.contains { message.contains($0) }, "'\(failure.message)' has none of \(group)")
            }
        }
    }

    @Test(arguments: Expectation.all("any")) func debatableFileIsNoTrap(_ expected: Expectation) throws {
        do { _ = try OnnxImport.importModel(read(expected.file), operators: .standard) } catch is Failure {}
    }

    // MARK: Real models

    static let models: [String] = {
        let shared = fixtures.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("shared/assets/models")
        return [fixtures.appendingPathComponent("models"), shared].flatMap { folder in
            (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?.filter { $0.hasSuffix(".onnx") }.sorted()
                .map { folder.appendingPathComponent($0).path } ?? []
        }
    }()

    @Test(arguments: models) func realModelIsRead(_ path: String) throws {
        let model = try OnnxReader.read(path: path)
        #expect(!model.graph.nodes.isEmpty && !model.opsets.isEmpty)
        for weight in model.graph.initializers { #expect(try weight.load().count >= 0) }
        do {
            let graph = try OnnxImport.importModel(model, operators: .standard)
            #expect(graph.outputs.count == model.graph.outputs.count)
            let untyped = graph.values.filter { $0.type == nil }.map(\.name)
            // What an If computes may have another rank in each branch.
            #expect(untyped.isEmpty || model.graph.nodes.contains { $0.op == "If" }, "\(untyped)")
        } catch let failure as Failure {
            #expect(failure.kind == .unsupported, "\(failure)")
            print("\(path): \(failure)")
        }
    }

    @Test func dynamoExportKnowsItsModules() throws {
        let path = Self.fixtures.appendingPathComponent("models/efficientnet_lite0_dynamo_extdata.onnx").path
        let model = try OnnxReader.read(path: path)
        #expect(Set(model.graph.nodes.map(\.module)).count > 20)
        #expect(throws: Failure.self) {
            try OnnxImport.importModel(OnnxReader.read(path: path, external: .forbidden), operators: .standard)
        }
    }
}

/// Runs a graph with the reference kernels.
enum OnnxRun {
    static func run(_ graph: Graph, _ feeds: [ValueID: Tensor]) throws -> [ValueID: Tensor] {
        var computed = feeds
        for node in graph.nodes {
            guard let op = OperatorSet.standard[node.op] else { throw Failure.unsupported(node.label) }
            let inputs = try node.inputs.map { try $0?.tensor(in: graph, computed) }
            let results: [Tensor]
            do { results = try op.compute(Call(node: node, inputs: inputs)) } catch let failure as Failure { throw failure.at(node.label) }
            guard results.count >= node.outputs.count else {
                throw Failure.invalid("\(node.label): expected \(results.count) outputs, found \(node.outputs.count)")
            }
            for (output, result) in zip(node.outputs, results) { if let output { computed[output] = result } }
        }
        return computed
    }

    /// Ones for every input, and one for every size that is left open.
    static func ones(_ graph: Graph) throws -> [ValueID: Tensor] {
        var feeds: [ValueID: Tensor] = [:]
        for input in graph.inputs {
            guard let type = graph[input].type else { continue }
            let shape = (type.dims ?? []).map { $0.value ?? 1 }
            feeds[input] = try Tensor([Float](repeating: 1, count: Shape.count(shape)), shape).converted(to: type.element)
        }
        return feeds
    }
}

extension ValueID {
    fileprivate func tensor(in graph: Graph, _ computed: [ValueID: Tensor]) throws -> Tensor {
        guard let tensor = computed[self] ?? graph[self].constant else { throw Failure.invalid("'\(graph[self].name)' is not computed") }
        return tensor
    }
}

import Foundation
import Graphs
import Runtime
import Tensors
import Testing

/// Single nodes of onnxruntime's own domain, as onnxruntime computes them (`Tests/Golden/contributed.py`).
@Suite struct ContributedTests {
    struct Operand: Decodable, Sendable {
        let type: Int32
        let shape: [Int]
        let data: Data

        func tensor() throws -> Tensor {
            let element = try #require(ElementType(rawValue: type)), tensor = try Tensor.empty(element, shape)
            data.withUnsafeBytes { tensor.storage.bytes.copyMemory(from: $0) }
            return tensor
        }
    }
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let model: Data
        let feeds: [String: Operand]
        let results: [String: Operand]

        var testDescription: String { name }
    }

    static let cases: [Case] = {
        let file = GoldenCase.home.appendingPathComponent("deployed/nodes.json")
        guard let data = try? Data(contentsOf: file) else { return [] }
        return (try? JSONDecoder().decode([Case].self, from: data)) ?? []
    }()

    @Test func casesAreThere() { #expect(Self.cases.count >= 70) }

    /// Real numbers to 1e-4, integers to one level; on both backends.
    @Test(arguments: cases) func computesWhatOnnxruntimeDoes(_ test: Case) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).onnx")
        try test.model.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        for backend in [nil, "reference"] as [String?] {
            var options = Options()
            if let backend { options["backend"] = .text(backend) }
            let model = try Model(path: file.path, runtime: try Runtime(), options: options)
            let feeds = try test.feeds.mapValues { try $0.tensor() }
            let outcome = try model.evaluate(Evaluation(feeds, wanted: Array(test.results.keys)), Control())
            for (name, result) in test.results {
                let found = try outcome.value(name), expected = try result.tensor()
                #expect(found.type == expected.type && found.shape == expected.shape, "\(name)")
                let a = try found.doubles(), b = try expected.doubles()
                let limit = expected.type.isFloat ? 1e-4 * (b.map(\.magnitude).max() ?? 0) : 1
                #expect(a.count == b.count && zip(a, b).allSatisfy { ($0 - $1).magnitude <= limit }, "\(name) \(backend ?? "")")
            }
        }
    }

    @Test func layoutsOfOneMachineAreRefusedWithAdvice() throws {
        var lowerer = Lowerer(operators: .standard)
        let x = lowerer.graph.add("x", type: TensorType(.float32, shape: [1, 8, 4, 4])), y = lowerer.graph.add("y")
        let node = Node(op: "com.microsoft.nchwc:Conv", name: "conv", inputs: [x, x], outputs: [y])
        #expect { try lowerer.lower(node, opset: 1) } throws: { error in
            guard let failure = error as? Failure else { return false }
            return failure.kind == .unsupported && failure.message.contains("ORT_ENABLE_EXTENDED")
        }
    }
}

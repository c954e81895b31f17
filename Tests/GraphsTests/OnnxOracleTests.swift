#if canImport(OnnxOracle)
    import Foundation
    import Graphs
    import OnnxOracle
    import Tensors
    import Testing

    /// The reader against ONNX's own classes on every fixture and real model that those can parse.
    @Suite struct OnnxOracleTests {
        private static let files: [String] = {
            let folder = OnnxFixtureTests.fixtures.appendingPathComponent("importer")
            let small = (FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.allObjects as? [URL] ?? [])
                .filter { $0.pathExtension == "onnx" }.map(\.path).sorted()
            return small + OnnxFixtureTests.models
        }()

        @Test func readerAgreesWithONNX() throws {
            var agreed = 0
            for path in Self.files {
                guard let text = oracle_describe(path) else { continue }
                defer { oracle_free(text) }
                guard let model = try? OnnxReader.read(path: path) else { continue }
                let expected = String(decoding: UnsafeRawBufferPointer(start: text, count: strlen(text)), as: UTF8.self)
                let found = describe(model)
                #expect(found == expected, "\(path)")
                agreed += 1
            }
            #expect(agreed > 200)
        }

        private func describe(_ model: OnnxModel) -> String {
            var lines = ["model \(model.irVersion) \(model.producer) \(model.functions.count)"]
            for node in model.graph.nodes { lines.append(line(node)) }
            for weight in model.graph.initializers {
                var line = (["weight \(weight.name) \(weight.dataType)"] + weight.dims.map(String.init)).joined(separator: " ")
                if case .raw(let offset, let size) = weight.payload { line += " raw \(hash(weight, offset, size))" }
                lines.append(line)
            }
            lines += model.graph.inputs.map { "input \($0.name)" } + model.graph.outputs.map { "output \($0.name)" }
            return lines.joined(separator: "\n") + "\n"
        }

        private func line(_ node: OnnxNode) -> String {
            let names = [node.inputs, node.outputs].map { $0.map { ",\($0)" }.joined() }.joined(separator: " ")
            let attributes = node.attributes.map { attribute in
                switch attribute.value {
                case .int(let value): " \(attribute.name)=\(value)"
                case .string(let value): " \(attribute.name)=\(value)"
                case .ints(let values): " \(attribute.name)" + values.map { ",\($0)" }.joined()
                default: " \(attribute.name)"
                }
            }
            return "node \(node.op) \(node.name) \(names)\(attributes.joined())"
        }

        /// FNV-1a, as the oracle computes it.
        private func hash(_ weight: OnnxTensor, _ offset: Int, _ size: Int) -> UInt64 {
            weight.source.bytes[offset..<offset + size].reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        }
    }
#endif

import Foundation
import Graphs
import Tensors
import Testing

/// What files may look like that no exporter writes today, and damage.
@Suite struct OnnxReaderTests {
    private func weights(_ tensor: OnnxBytes) throws -> Tensor {
        let model = OnnxBytes.model(.graph([], inputs: [], outputs: [], weights: [tensor]))
        return try #require(try OnnxReader.read(model.storage()).graph.initializers.first).load()
    }

    @Test func packedAndSingleNumbersMayMix() throws {
        let half: [UInt8] = withUnsafeBytes(of: Float(0.5).bitPattern.littleEndian) { Array($0) }
        let floats = OnnxBytes.tensor("w", 1, [3]).fixed(4, 1).data(4, half + half)
        #expect(try weights(floats).array(Float.self) == [1, 0.5, 0.5])
        let dims = OnnxBytes().data(1, [2, 1]).number(2, 7).data(7, [5]).number(7, -3)
        #expect(try weights(dims).array(Int64.self) == [5, -3])
        #expect(try weights(dims).shape == [2, 1])
    }

    @Test func weightsLieInTheFileWhereTheyAreAligned() throws {
        var values = 0..<64
        let raw = values.flatMap { value in withUnsafeBytes(of: Float(value)) { Array($0) } }
        for shift in 0..<4 {
            let name = String(repeating: "w", count: shift + 1)
            let storage = try OnnxBytes.model(.graph([], inputs: [], outputs: [], weights: [.tensor(name, 1, [64]).data(9, raw)])).storage()
            let tensor = try OnnxReader.read(storage).graph.initializers[0].load()
            #expect(tensor.isAligned)
            #expect(try tensor.array(Float.self) == values.map(Float.init))
            let place = UInt(bitPattern: tensor.start), start = UInt(bitPattern: storage.bytes.baseAddress)
            let inside = place >= start && place < start + UInt(storage.bytes.count)
            if inside { values = values.lowerBound..<64 }
            #expect(inside || place % 64 == 0)
        }
    }

    @Test func graphsNestToALimit() throws {
        func nested(_ depth: Int) -> OnnxBytes {
            if depth == 0 { return .graph([], inputs: [], outputs: []) }
            let attribute = OnnxBytes().text(1, "body").message(6, nested(depth - 1)).number(20, 5)
            return .graph([.node("If", ["c"], ["y"], attributes: [attribute])], inputs: [], outputs: [])
        }
        #expect(try OnnxReader.read(OnnxBytes.model(nested(60)).storage()).graph.nodes.count == 1)
        #expect(throws: Failure.self) { try OnnxReader.read(OnnxBytes.model(nested(64)).storage()) }
        #expect(throws: Failure.self) { try OnnxReader.read(OnnxBytes.model(nested(2000)).storage()) }
    }

    @Test func manyEmptyRecordsClaimLittleMemory() throws {
        // Two bytes each; as records they would take a hundred times that.
        let nodes = OnnxBytes(bytes: [UInt8](repeating: 0, count: 40 << 20).enumerated().map { $0.offset % 2 == 0 ? 0x0A : 0 })
        #expect(throws: Failure.self) { try OnnxReader.read(OnnxBytes().message(7, nodes).storage()) }
    }

    // MARK: Damage

    /// Reads, imports and loads; anything but a failure or a result ends the test run.
    private func survive(_ bytes: [UInt8]) throws -> Bool {
        do {
            let model = try OnnxReader.read(OnnxBytes(bytes: bytes).storage())
            for weight in model.graph.initializers { _ = try? weight.load() }
            for weight in model.graph.sparseInitializers { _ = try? weight.load() }
            _ = try OnnxImport.importModel(model, operators: .standard)
            return true
        } catch is Failure { return false }
    }

    private func fixture(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: OnnxFixtureTests.fixtures.appendingPathComponent("importer/\(name)")))
    }

    @Test(arguments: ["functions/nested.onnx", "subgraphs/if-5.onnx", "sparse/coordinates.onnx", "metadata/all.onnx"])
    func everyTruncationIsRefusedOrSound(_ name: String) throws {
        let bytes = try fixture(name)
        for count in 0..<min(bytes.count, 3000) { _ = try survive(Array(bytes[..<count])) }
        #expect(try survive(bytes) || name.hasPrefix("subgraphs"))
    }

    @Test(arguments: [
        "functions/attribute-passed-on.onnx", "subgraphs/if.onnx", "sparse/coordinates.onnx", "tensors/constant-forms.onnx",
        "graph/symbolic-dims.onnx",
    ])
    func flippedBytesAreRefusedOrSound(_ name: String) throws {
        let bytes = try fixture(name)
        let random = Random(seed: 7)
        for variant in 0..<4000 {
            var damaged = bytes
            for flip in 0...(variant % 4) {
                let words = random.block(UInt64(variant * 8 + flip))
                damaged[Int(words.0) % bytes.count] = UInt8(truncatingIfNeeded: words.1)
            }
            _ = try survive(damaged)
        }
    }
}

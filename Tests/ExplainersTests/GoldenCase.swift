import Foundation
import Runtime
import Tensors

/// One folder of `Tests/Golden/data`: a small network and what torch, Captum and pytorch-grad-cam say of it.
struct GoldenCase {
    struct Entry: Decodable {
        let name: String
        let shape: [Int]
        let offset: Int
        let bytes: Int
    }
    /// One comparison: which method at which settings gave which tensor.
    struct Check: Decodable {
        struct Reshape: Decodable {
            let prefix: Int
            let grid: [Int]
        }
        let what: String
        let tensor: String
        let value: String?
        let layer: String?
        let layers: [String]?
        let wrt: String?
        let score: String?
        let target: [Int]?
        let abs: Bool?
        let kind: String?
        let noise: String?
        let rectifiers: [String]?
        let method: String?
        let n_steps: Int?
        let baseline: Double?
        let delta: String?
        let attribution: String?
        let neuron: [Int]?
        let relu: Bool?
        let normalize: Bool?
        let resize: String?
        let reshape: Reshape?
    }
    private struct Index: Decodable {
        let input: String
        let output: String
        let models: [String]
        let layers: [String: [String: String]]
        let checks: [Check]
        let tensors: [Entry]
    }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
        "Golden/data")
    static let names = ["cnn", "vit", "residual", "probability"]

    let input: String
    let output: String
    let models: [String]
    let checks: [Check]
    private let layers: [String: [String: String]]
    private let entries: [String: Entry]
    private let data: Data
    private let home: URL

    init(_ name: String) throws {
        home = Self.folder.appendingPathComponent(name)
        let index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: home.appendingPathComponent("index.json")))
        data = try Data(contentsOf: home.appendingPathComponent("tensors.bin"))
        (input, output, models, checks, layers) = (index.input, index.output, index.models, index.checks, index.layers)
        entries = Dictionary(uniqueKeysWithValues: index.tensors.map { ($0.name, $0) })
    }

    func tensor(_ name: String) throws -> Tensor {
        guard let entry = entries[name] else { throw Failure.notFound("no golden tensor '\(name)'") }
        let floats = data[entry.offset..<(entry.offset + entry.bytes)].withUnsafeBytes { raw in
            (0..<(entry.bytes / 4)).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
        return try Tensor(floats, entry.shape)
    }

    func layer(_ name: String, in model: String) -> String { layers[name]?[model] ?? name }
    func path(_ model: String) -> String { home.appendingPathComponent(model).path }
    func model(_ file: String = "model.onnx") throws -> Model { try Model(path: path(file), runtime: try Runtime(), options: Options()) }
}

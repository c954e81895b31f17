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
        let interpolation: String?
        let reshape: Reshape?
        let sliding_window_shapes: [Int]?
        let strides: [Int]?
        let options: [String: Setting]?
        let result: String?
        let tolerance: Double?
    }
    /// A number, a truth or a text of the index, as the text that an option takes.
    struct Setting: Decodable {
        let text: String

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let truth = try? value.decode(Bool.self) {
                text = truth ? "true" : "false"
            } else if let whole = try? value.decode(Int.self) {
                text = String(whole)
            } else if let number = try? value.decode(Double.self) {
                text = String(number)
            } else {
                text = try value.decode(String.self)
            }
        }
    }
    private struct Index: Decodable {
        let input: String
        let output: String
        let models: [String]
        let targets: [Int]
        let layers: [String: [String: String]]
        let checks: [Check]
        let tensors: [Entry]
    }

    static let home = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
        "Golden")
    static let names = ["cnn", "vit", "residual", "probability"]

    let input: String
    let output: String
    let models: [String]
    /// The class of each image.
    let targets: [Int]
    let checks: [Check]
    private let layers: [String: [String: String]]
    private let entries: [String: Entry]
    private let data: Data
    private let folder: URL

    init(_ name: String) throws { try self.init(folder: "data/\(name)") }

    /// A folder below `Tests/Golden`.
    init(folder path: String) throws {
        folder = Self.home.appendingPathComponent(path)
        let index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: folder.appendingPathComponent("index.json")))
        data = try Data(contentsOf: folder.appendingPathComponent("tensors.bin"))
        (input, output, models, targets, checks, layers) = (
            index.input, index.output, index.models, index.targets, index.checks, index.layers
        )
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
    func path(_ model: String) -> String { folder.appendingPathComponent(model).path }
    func model(_ file: String = "model.onnx") throws -> Model { try Model(path: path(file), runtime: try Runtime(), options: Options()) }
}

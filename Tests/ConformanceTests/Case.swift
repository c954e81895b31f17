import Foundation
import Graphs
import Tensors

/// One folder of ONNX's backend test data: a model, inputs, and the outputs that the standard prescribes for them.
struct Case: Sendable {
    /// Where Debian's package libonnx-testdata lies, which `.ci/packages` installs.
    static let data = URL(fileURLWithPath: "/usr/share/libonnx-testdata/data")
    /// `real` holds only the addresses of large files.
    static let allSeries = ["node", "simple", "pytorch-operator", "pytorch-converted"]

    let series: String
    let folder: String

    /// `node/abs`.
    var name: String { "\(series)/\(folder.dropFirst("test_".count))" }
    private var url: URL { Case.data.appendingPathComponent(series).appendingPathComponent(folder) }

    /// Every case; none when the package is not installed. `PELLUCID_CASES=node/conv.*` leaves only those.
    static func all() -> [Case] {
        let only = ProcessInfo.processInfo.environment["PELLUCID_CASES"].flatMap(Pattern.init)
        return allSeries.flatMap { series in
            let folders = (try? FileManager.default.contentsOfDirectory(atPath: data.appendingPathComponent(series).path)) ?? []
            return folders.sorted().map { Case(series: series, folder: $0) }
        }.filter { only?.matches($0.name) ?? true }
    }

    func model() throws -> OnnxModel { try OnnxReader.read(path: url.appendingPathComponent("model.onnx").path) }

    /// `kind`: `input` or `output`.
    func tensors(_ kind: String, _ declared: [OnnxValueInfo]) throws -> [Tensor] {
        var tensors: [Tensor] = []
        while let data = try? Data(contentsOf: url.appendingPathComponent("test_data_set_0/\(kind)_\(tensors.count).pb")) {
            if tensors.count < declared.count {
                if case .tensor = declared[tensors.count].type {
                } else {
                    throw Failure.unsupported("\(kind) '\(declared[tensors.count].name)' is no tensor: read by Tests/Conformance alone")
                }
            }
            tensors.append(try Case.tensor(data, declared.count > tensors.count ? declared[tensors.count].type : .unset))
        }
        return tensors
    }

    /// A TensorProto, read as the only weight of a model that is put around it.
    private static func tensor(_ message: Data, _ declared: OnnxType) throws -> Tensor {
        let graph = field(5, message)
        let model = field(7, graph)
        let storage = try Storage.allocate(model.count)
        storage.bytes.copyBytes(from: model)
        guard let weight = try OnnxReader.read(storage).graph.initializers.first else { throw Failure.parse("there is no tensor") }
        let tensor = try weight.load()
        // NumPy has no bfloat16: ONNX writes its bits as integers.
        if case .tensor(ElementType.bfloat16.rawValue, _) = declared, tensor.type == .uint16 {
            return try Tensor(.bfloat16, tensor.shape, storage: tensor.storage)
        }
        return tensor
    }

    /// A length-delimited field in protobuf's encoding.
    private static func field(_ number: UInt8, _ content: Data) -> Data {
        var bytes = Data([number << 3 | 2])
        var count = content.count
        while count > 0x7f {
            bytes.append(UInt8(count & 0x7f) | 0x80)
            count >>= 7
        }
        bytes.append(UInt8(count))
        return bytes + content
    }
}

/// A regular expression that must match a whole name.
struct Pattern: @unchecked Sendable {
    // Unchecked: the expression is immutable.
    private let expression: NSRegularExpression

    init?(_ text: String) {
        guard let expression = try? NSRegularExpression(pattern: "^(?:\(text))$") else { return nil }
        self.expression = expression
    }

    func matches(_ name: String) -> Bool {
        expression.firstMatch(in: name, range: NSRange(name.startIndex..., in: name)) != nil
    }
}

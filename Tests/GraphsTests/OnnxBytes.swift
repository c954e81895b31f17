import Tensors

/// Writes protobuf's wire format by hand, sound or not.
struct OnnxBytes {
    var bytes: [UInt8] = []

    static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    func number(_ field: Int, _ value: Int) -> OnnxBytes {
        OnnxBytes(bytes: bytes + Self.varint(UInt64(field << 3)) + Self.varint(UInt64(bitPattern: Int64(value))))
    }

    func data(_ field: Int, _ payload: [UInt8]) -> OnnxBytes {
        OnnxBytes(bytes: bytes + Self.varint(UInt64(field << 3 | 2)) + Self.varint(UInt64(payload.count)) + payload)
    }

    func text(_ field: Int, _ text: String) -> OnnxBytes { data(field, Array(text.utf8)) }
    func message(_ field: Int, _ message: OnnxBytes) -> OnnxBytes { data(field, message.bytes) }

    func fixed(_ field: Int, _ value: Float) -> OnnxBytes {
        OnnxBytes(bytes: bytes + Self.varint(UInt64(field << 3 | 5)) + withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) })
    }

    /// A storage of these bytes.
    func storage() throws -> Storage {
        let storage = try Storage.allocate(bytes.count)
        storage.bytes.copyBytes(from: bytes)
        return storage
    }

    // MARK: Messages of ONNX

    static func tensor(_ name: String, _ type: Int, _ dims: [Int]) -> OnnxBytes {
        dims.reduce(OnnxBytes()) { $0.number(1, $1) }.number(2, type).text(8, name)
    }

    static func node(
        _ op: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "", attributes: [OnnxBytes] = []
    ) -> OnnxBytes {
        var node = inputs.reduce(OnnxBytes()) { $0.text(1, $1) }
        node = outputs.reduce(node) { $0.text(2, $1) }.text(3, name).text(4, op).text(7, domain)
        return attributes.reduce(node) { $0.message(5, $1) }
    }

    /// A float tensor's ValueInfoProto.
    static func value(_ name: String, _ dims: [Int]?) -> OnnxBytes {
        var type = OnnxBytes().number(1, 1)
        if let dims { type = type.message(2, dims.reduce(OnnxBytes()) { $0.message(1, OnnxBytes().number(1, $1)) }) }
        return OnnxBytes().text(1, name).message(2, OnnxBytes().message(1, type))
    }

    static func graph(_ nodes: [OnnxBytes], inputs: [OnnxBytes], outputs: [OnnxBytes], weights: [OnnxBytes] = []) -> OnnxBytes {
        var graph = nodes.reduce(OnnxBytes()) { $0.message(1, $1) }.text(2, "g")
        graph = weights.reduce(graph) { $0.message(5, $1) }
        graph = inputs.reduce(graph) { $0.message(11, $1) }
        return outputs.reduce(graph) { $0.message(12, $1) }
    }

    static func model(_ graph: OnnxBytes, functions: [OnnxBytes] = []) -> OnnxBytes {
        let model = OnnxBytes().number(1, 8).message(7, graph).message(8, OnnxBytes().text(1, "").number(2, 17))
        return functions.reduce(model) { $0.message(25, $1) }
    }
}

/// Module names that exporters leave in a model: `layer4.1.conv2`.
enum ModulePath {
    /// Where PyTorch's exporter writes the scopes of a node, as Python prints a list of strings.
    static let metadataKey = "pkg.torch.onnx.name_scopes"

    /// The module of a node, from its scopes or its name; empty where neither tells.
    static func of(name: String, op: String, scopes: String?) -> String {
        if let scopes { return innermost(list(scopes)) }
        return fromName(name, op: op)
    }

    /// The last scope names the node itself; the one before it is the module.
    private static func innermost(_ scopes: [String]) -> String {
        scopes.count >= 2 ? scopes[scopes.count - 2] : ""
    }

    /// The strings in Python's `['', 'layer4', "it's"]`.
    static func list(_ text: String) -> [String] {
        var result: [String] = []
        var current: [UInt8] = []
        var quote: UInt8?
        var escaped = false
        for byte in text.utf8 {
            if let open = quote {
                if escaped {
                    current.append(byte)
                    escaped = false
                } else if byte == UInt8(ascii: "\\") {
                    escaped = true
                } else if byte == open {
                    result.append(String(decoding: current, as: UTF8.self))
                    current = []
                    quote = nil
                } else {
                    current.append(byte)
                }
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
            }
        }
        return result
    }

    /// PyTorch's older exporter names nodes `/layer4/layer4.1/conv2/Conv`; children of containers repeat their parent.
    private static func fromName(_ name: String, op: String) -> String {
        guard name.utf8.first == UInt8(ascii: "/") else { return "" }
        let parts = name.split(separator: "/")
        guard let last = parts.last, parts.count >= 2, last == op || last.hasPrefix("\(op)_") else { return "" }
        var path = ""
        var parent = ""
        for part in parts.dropLast() {
            let repeats = !parent.isEmpty && part.hasPrefix("\(parent).")
            let addition = repeats ? String(part.dropFirst(parent.count)) : (path.isEmpty ? "" : ".") + part
            path += addition
            parent = String(part)
        }
        return path
    }
}

/// Module names that exporters leave in a model: `layer4.1.conv2`.
enum ModulePath {
    /// Where PyTorch's exporter writes the scopes of a node, as Python prints a list of strings.
    static let metadataKey = "pkg.torch.onnx.name_scopes"
    /// Where it writes the classes of those scopes.
    static let classesKey = "pkg.torch.onnx.class_hierarchy"

    /// The module of a node, from its scopes, its name or the names of its weights; empty where none tells.
    static func of(name: String, op: String, inputs: [String], scopes: String?) -> String {
        if let scopes { return innermost(list(scopes)) }
        let named = fromName(name, op: op)
        return named.isEmpty ? inputs.lazy.dropFirst().compactMap(owner).first ?? "" : named
    }

    /// Classes of a node's modules, by path; the last scope is the node itself.
    static func classes(_ classes: String, scopes: String) -> [(path: String, name: String)] {
        Swift.zip(list(scopes).dropLast(), list(classes)).map { path, name in
            (path, name.lastIndex(of: ".").map { String(name[name.index(after: $0)...]) } ?? name)
        }
    }

    /// The module that owns a weight called `layer1.0.conv1.weight`.
    static func owner(ofWeight name: String) -> String? {
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return nil }
        return parameters.contains(name[name.index(after: dot)...]) ? String(name[..<dot]) : nil
    }

    private static let parameters: Set<Substring> = ["weight", "bias", "running_mean", "running_var", "in_proj_weight", "in_proj_bias"]

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
    /// TensorFlow's names have scopes too, without the slash in front: `model/block1/conv/Conv2D`.
    private static func fromName(_ name: String, op: String) -> String {
        var parts = name.split(separator: "/")
        if name.utf8.first != UInt8(ascii: "/") {
            if parts.first == "StatefulPartitionedCall" { parts.removeFirst() }
            return parts.dropLast().joined(separator: ".")
        }
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
